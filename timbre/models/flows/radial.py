"""Radial flows, invertible by construction, with a closed inverse."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbre.models.flows.flow import UNIT, Flow

EPSILON = 1e-3  # alpha stays at least this large, and beta at least this share of alpha above -alpha


def constrained_beta(alpha: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    """alpha > 0 and beta > -alpha from any two numbers, as Rezende and Mohamed (2015, appendix A.2) require.

    alpha_hat = softplus(alpha), beta_hat = softplus(beta) - alpha_hat, with lower limits where the softplus underflows.
    Equal numbers give the identity.
    """
    alpha_hat = F.softplus(alpha).clamp_min(EPSILON)
    return alpha_hat, torch.maximum(F.softplus(beta), EPSILON * alpha_hat) - alpha_hat


class RadialFlow(Flow):
    """K radial maps f(z) = z + beta (z - z0) / (alpha + |z - z0|), one after another (Rezende and Mohamed 2015).

    Each moves points towards its centre z0 or away from it, mostly within alpha of it. log |det| is (dim - 1)
    log(1 + beta h) + log(1 + alpha beta h^2) with h = 1 / (alpha + |z - z0|).
    """

    def __init__(self, dim: int, layers: int, amortised: bool = False) -> None:
        super().__init__(dim, layers, amortised, layers * (dim + 2))
        if not amortised:
            self.center = nn.Parameter(torch.randn(layers, dim))
            self.alpha = nn.Parameter(torch.full((layers,), UNIT))
            self.beta = nn.Parameter(torch.full((layers,), UNIT) + 0.1 * torch.randn(layers))

    def forward(self, z: Tensor, parameters: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Points carried through the flow, and the log |det| of its Jacobian."""
        log_abs_det = z.new_zeros(z.shape[:-1])
        for center, alpha, beta in self._maps(parameters):
            alpha_hat, beta_hat = constrained_beta(alpha, beta)
            apart = z - center
            h = 1.0 / (alpha_hat + torch.linalg.vector_norm(apart, dim=-1))
            z = z + (beta_hat * h).unsqueeze(-1) * apart
            across, along = torch.log1p(beta_hat * h), torch.log1p(alpha_hat * beta_hat * h * h)
            log_abs_det = log_abs_det + (self.dim - 1) * across + along
        return z, log_abs_det

    def inverse(self, z: Tensor, parameters: Tensor | None = None) -> Tensor:
        """Points carried back through the flow.

        The old radius r solves r^2 + r (alpha + beta - R) = alpha R for the new one, R.
        """
        dtype, z = z.dtype, z.double()
        for center, alpha, beta in reversed(self._maps(parameters)):
            alpha_hat, beta_hat = constrained_beta(alpha.double(), beta.double())
            apart = z - center.double()
            new = torch.linalg.vector_norm(apart, dim=-1)
            half = 0.5 * (alpha_hat + beta_hat - new)
            root = (half * half + alpha_hat * new).sqrt()
            # Of the two forms of the positive root, the one that does not cancel.
            old = torch.where(half > 0, alpha_hat * new / (half + root).clamp_min(1e-300), root - half)
            z = center.double() + apart / (1.0 + beta_hat / (alpha_hat + old)).unsqueeze(-1)
        return z.to(dtype)

    def _maps(self, parameters: Tensor | None) -> list[tuple[Tensor, Tensor, Tensor]]:
        own = self.given(parameters)
        if own is None:
            return list(zip(self.center, self.alpha, self.beta, strict=True))
        sets = own.unflatten(-1, (self.layers, self.dim + 2)).unbind(-2)
        return [(s[..., : self.dim], s[..., -2], s[..., -1]) for s in sets]
