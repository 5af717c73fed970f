"""Flows whose parameters small networks compute from the point: coupling, autoregressive and spline, by zuko."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from zuko.flows import GeneralCouplingTransform, MaskedAutoregressiveTransform
from zuko.transforms import MonotonicAffineTransform, MonotonicRQSTransform

from timbre.errors import ConfigError
from timbre.models.flows.flow import Flow

HIDDEN = (64, 64)  # units of each layer's network
CONTEXT = 32  # numbers per note that amortised networks see besides the point
STEEPEST = 10.0  # largest factor by which an affine layer stretches or shrinks, so that float32 can invert it
BINS = 8  # of a spline
BOUND = 8.0  # a spline is the identity beyond; the points of notes lie within 5


class NetworkFlow(Flow):
    """K layers that map each dimension by a function whose parameters a network computes from other dimensions.

    Coupling masks alternate between layers, and autoregressive orders reverse. A new flow is near the identity.
    `forward` is one pass through each network for every kind; the inverse of autoregressive layers takes `dim` passes.

    Args:
        kind: "coupling", affine (RealNVP, Dinh et al. 2017); "autoregressive", affine: an inverse autoregressive flow
            (IAF, Kingma et al. 2016), as the networks see the points before each layer, so that drawing is fast; or
            "spline", the same with monotonic rational-quadratic splines (Durkan et al. 2019).
        dim, layers: see :class:`Flow`.
        amortised: whether the networks also see a vector of 32 numbers for each note.

    Raises:
        ConfigError: for coupling in one dimension.
    """

    def __init__(self, kind: str, dim: int, layers: int, amortised: bool = False) -> None:
        if kind == "coupling" and dim == 1 and layers:
            raise ConfigError("model.dim must be 2 or more for coupling flows, got 1; choose another model.flow.")
        super().__init__(dim, layers, amortised, CONTEXT if layers else 0)
        context = CONTEXT if amortised else 0
        self.stack = _Stack(_layer(kind, dim, context, number % 2 == 1) for number in range(layers))

    def forward(self, z: Tensor, parameters: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Points carried through the flow, and the log |det| of its Jacobian."""
        with torch.autocast(z.device.type, enabled=False):  # half precision is too coarse for a determinant
            return self.stack(z, self.given(parameters))

    def inverse(self, z: Tensor, parameters: Tensor | None = None) -> Tensor:
        """Points carried back through the flow."""
        own = self.given(parameters)
        weights = {name: value.double() for name, value in self.stack.named_parameters()}
        args = (z.double(), None if own is None else own.double(), True)
        with torch.autocast(z.device.type, enabled=False):
            return torch.func.functional_call(self.stack, weights, args)[0].to(z.dtype)


class _Stack(nn.ModuleList):
    """The layers, one after another."""

    def forward(self, z: Tensor, context: Tensor | None, back: bool = False) -> tuple[Tensor, Tensor]:
        log_abs_det = z.new_zeros(z.shape[:-1])
        for layer in reversed(self) if back else self:
            transform = layer(context)
            z, change = (transform.inv(z), 0.0) if back else transform.call_and_ladj(z)
            log_abs_det = log_abs_det + change
        return z, log_abs_det


def _layer(kind: str, dim: int, context: int, odd: bool) -> nn.Module:
    settings: dict[str, Any] = {"univariate": partial(MonotonicAffineTransform, slope=1.0 / STEEPEST)}
    if kind == "spline":
        univariate = partial(MonotonicRQSTransform, bound=BOUND)
        settings = {"univariate": univariate, "shapes": ((BINS,), (BINS,), (BINS - 1,))}
    order = torch.arange(dim)
    if kind == "coupling":
        layer = GeneralCouplingTransform(dim, context, order % 2 == int(odd), hidden_features=HIDDEN, **settings)
    else:
        settings |= {"hidden_features": HIDDEN} if dim > 1 or context else {}
        layer = MaskedAutoregressiveTransform(dim, context, order=order.flip(0) if odd else order, **settings)
    return _near_identity(layer)


def _near_identity(layer: nn.Module) -> nn.Module:
    """Scale down the last layer of the network: with all-zero parameters, every kind is the identity."""
    hyper = getattr(layer, "hyper", None)  # one dimension without a context has plain parameters instead
    for parameter in (hyper[-1] if isinstance(hyper, nn.Sequential) else layer).parameters():
        parameter.data *= 0.01
    return layer
