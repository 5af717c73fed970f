"""The interface of all flows."""

import math

import torch
from torch import Tensor, nn

UNIT = math.log(math.e - 1.0)  # whose softplus is 1


class Flow(nn.Module):
    """An invertible map of points in layers of one kind, with its Jacobian's determinant (Rezende and Mohamed 2015).

    Its parameters are global (one learned set) or amortised (passed with every call, for each note).

    Args:
        dim: dimensions of z.
        layers: K, 0 or more; 0: the identity.
        amortised: whether `parameters` are passed with every call.
        size: parameters per note of an amortised flow.
    """

    def __init__(self, dim: int, layers: int, amortised: bool, size: int) -> None:
        super().__init__()
        self.dim, self.layers, self.amortised, self.size = dim, layers, amortised, size

    def forward(self, z: Tensor, parameters: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map points through all layers.

        Args:
            z: (batch, dim).
            parameters: (batch, `size`), for an amortised flow.

        Returns:
            The mapped points (batch, dim) and log |det df/dz| (batch,), nats.

        Raises:
            ValueError: if the flow is amortised and there are no parameters.
        """
        raise NotImplementedError

    def inverse(self, z: Tensor, parameters: Tensor | None = None) -> Tensor:
        """The points that `forward` maps to z (batch, dim), exact except for rounding; computed in float64."""
        raise NotImplementedError

    def start(self) -> Tensor:
        """Parameters (size,) of a note with which an amortised flow is the identity or near it."""
        return torch.zeros(self.size)

    def given(self, parameters: Tensor | None) -> Tensor | None:
        """The parameters of a call: those of an amortised flow, None for a global one."""
        if self.amortised and parameters is None:
            raise ValueError("An amortised flow needs its parameters with every call.")
        return parameters if self.amortised else None
