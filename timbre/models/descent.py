"""Gradient descent on quantities of one note, such as its point; the model's weights do not change."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


@torch.enable_grad()
def descend(
    start: Sequence[Tensor], loss: Callable[..., Tensor], steps: int, rate: float, last: float = 0.0
) -> list[Tensor]:
    """Copies of the `start` values after steps of Adam (Kingma and Ba 2015).

    `loss` is a function of the number of the step and the values. The learning rate falls in a line to `last`, from
    `rate` above it.
    """
    values = [value.detach().clone().requires_grad_(True) for value in start]
    optimizer = torch.optim.Adam(values)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1.0 - step / steps) + last
        for value, gradient in zip(values, torch.autograd.grad(loss(step, *values), values), strict=True):
            value.grad = gradient
        optimizer.step()
    return [value.detach() for value in values]
