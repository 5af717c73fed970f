"""Whitening: the affine map after which the points of a library are spread like the prior."""

import torch
from torch import Tensor, nn

_LEAST = 0.01  # of a variance, relative to the mean one: a direction without spread is not blown up


class Whitening(nn.Module):
    """Moves and stretches points so that those of the training notes have mean 0 and covariance I.

    The posterior's means are narrower than its samples, and the pitch flow changes their spread. With this map draws of
    N(0, I) are spread like the notes' points. Its matrix is the symmetric square root of the covariance, which changes
    points least (Kessy et al. 2018). A new one is the identity.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mean = nn.Buffer(torch.zeros(dim))
        self.root = nn.Buffer(torch.eye(dim))
        self.unroot = nn.Buffer(torch.eye(dim))

    @torch.no_grad()
    def fit(self, points: Tensor) -> None:
        """Fit it to points (n, dim); fewer than two leave it as it is."""
        if len(points) < 2:
            return
        centred = points.double() - points.double().mean(0)
        variances, directions = torch.linalg.eigh(centred.T @ centred / len(points))
        deviations = variances.clamp_min(_LEAST * float(variances.mean()) + 1e-12).sqrt()
        self.mean.copy_(points.double().mean(0))
        self.root.copy_(directions * deviations @ directions.T)
        self.unroot.copy_(directions / deviations @ directions.T)

    def forward(self, z: Tensor) -> Tensor:
        """Whitened points (..., dim)."""
        return (z - self.mean) @ self.unroot

    def inverse(self, points: Tensor) -> Tensor:
        """The points (..., dim) before."""
        return points @ self.root + self.mean
