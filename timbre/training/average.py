"""Exponential moving average of the weights."""

import torch
from torch import Tensor, nn


class Average:
    """A smoothed copy of a module's weights (Polyak averaging), which generalises better than the last weights.

    The decay, the share of the average that is kept in each step, is lower early in a run, so that the first weights
    soon fade. `weights` is the average, by name.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights: dict[str, Tensor] = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Add the module's weights after step number `step`, from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, 1.0 - decay)
            else:
                self.weights[name].copy_(value)
