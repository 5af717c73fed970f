"""Planar flows, invertible by construction."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbre.models.flows.flow import UNIT, Flow

EPSILON = 1e-3  # w.u_hat stays at least this far above -1


def constrained_u(u: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest u for which the planar map is invertible, and its product with w.

    Rezende and Mohamed (2015, appendix A.1): u_hat = u + (m(w.u) - w.u) w / |w|^2 with m(x) = softplus(x) - 1, so
    that w.u_hat > -1. The softplus underflows for large negative w.u, hence the floor at -1 + 1e-3; |w| may be nearly
    0, hence the lower limit of the denominator.

    Returns:
        u_hat (..., dim) and w.u_hat (...), the latter in its analytic form, free of cancellation.
    """
    product = (w * u).sum(-1)
    target = (F.softplus(product) - 1.0).clamp_min(-1.0 + EPSILON)
    square = (w * w).sum(-1).clamp_min(torch.finfo(w.dtype).tiny ** 0.5)
    return u + ((target - product) / square).unsqueeze(-1) * w, target


class PlanarFlow(Flow):
    """K planar maps f(z) = z + u_hat tanh(w.z + b), one after another (Rezende and Mohamed 2015, arXiv 1505.05770)."""

    def __init__(self, dim: int, layers: int, amortised: bool = False) -> None:
        super().__init__(dim, layers, amortised, layers * (2 * dim + 1))
        if not amortised:
            sets = self.start().unflatten(0, (layers, 2 * dim + 1))
            self.u = nn.Parameter(sets[:, :dim] + 0.1 / math.sqrt(dim) * torch.randn(layers, dim))
            self.w = nn.Parameter(sets[:, dim:-1].clone())
            self.b = nn.Parameter(torch.zeros(layers))

    def start(self) -> Tensor:
        """Parameters of maps along random directions that are the identity: w.u is where softplus is 1."""
        w = torch.randn(self.layers, self.dim) / math.sqrt(self.dim)
        u = UNIT * w / w.square().sum(1, keepdim=True)
        return torch.cat([u, w, torch.zeros(self.layers, 1)], 1).flatten()

    def forward(self, z: Tensor, parameters: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Points carried through the flow, and the log |det| of its Jacobian."""
        log_abs_det = z.new_zeros(z.shape[:-1])
        for u, w, b in self._maps(parameters):
            u_hat, product = constrained_u(u, w)
            value = torch.tanh((w * z).sum(-1) + b)
            z = z + u_hat * value.unsqueeze(-1)
            log_abs_det = log_abs_det + torch.log1p((1.0 - value * value) * product)
        return z, log_abs_det

    def inverse(self, z: Tensor, parameters: Tensor | None = None) -> Tensor:
        """Points carried back through the flow."""
        dtype, z = z.dtype, z.double()
        for u, w, b in reversed(list(self._maps(parameters))):
            u, w, b = u.double(), w.double(), b.double()
            u_hat, product = constrained_u(u, w)
            along = solve((w * z).sum(-1), product, b)
            z = z - u_hat * torch.tanh(along + b).unsqueeze(-1)
        return z.to(dtype)

    def _maps(self, parameters: Tensor | None) -> list[tuple[Tensor, Tensor, Tensor]]:
        own = self.given(parameters)
        if own is None:
            return list(zip(self.u, self.w, self.b, strict=True))
        sets = own.unflatten(-1, (self.layers, 2 * self.dim + 1)).unbind(-2)
        return [(s[..., : self.dim], s[..., self.dim : -1], s[..., -1]) for s in sets]


def solve(target: Tensor, product: Tensor, b: Tensor, halvings: int = 52, polishings: int = 4) -> Tensor:
    """The a for which a + product * tanh(a + b) = target, for any product > -1; all of one shape, float64.

    The left side rises strictly (product > -1), and tanh lies in [-1, 1], so the root lies within |product| of the
    target. Bisection always finds it; Newton's steps, which alone may cycle, then give the last digits.
    """
    low, high = target - product.abs(), target + product.abs()
    for _ in range(halvings):
        a = 0.5 * (low + high)
        below = a + product * torch.tanh(a + b) < target
        low, high = torch.where(below, a, low), torch.where(below, high, a)
    a = 0.5 * (low + high)
    for _ in range(polishings):
        value = torch.tanh(a + b)
        step = (a + product * value - target) / (1.0 + product * (1.0 - value * value))
        a = torch.minimum(torch.maximum(a - step, low), high)
    return a
