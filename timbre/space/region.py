"""The region of a space in which its library notes lie."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_FARTHEST = 0.99  # quantile of the library notes' distances from their mean, which limits those of other points
_WIDE = 2.0  # times sqrt(dim): nearly all of N(0, I) is nearer to 0
_RIDGE = 1e-3  # of the mean variance
_NARROWEST = 1e-6  # mean variance of notes that all lie at one point


@dataclass(frozen=True, eq=False)
class Region:
    """An ellipsoid around library notes: its mean (dim,), the matrix (dim, dim) that whitens points, and its radius.

    Whitened points have mean 0 and covariance I; with no more notes than dimensions the matrix is I.
    """

    mean: Tensor
    root: Tensor
    radius: float

    @classmethod
    def of(cls, points: np.ndarray) -> "Region":
        """The region that contains 99% of library notes (n, dim).

        With no more notes than dimensions: a ball around 0 that contains all of them, and nearly all of N(0, I).
        """
        notes, dim = torch.from_numpy(points).double(), points.shape[1]
        if len(notes) <= dim:
            farthest = max([_WIDE * math.sqrt(dim), *notes.norm(dim=1).tolist()])
            return cls(torch.zeros(dim).double(), torch.eye(dim).double(), farthest)
        mean, covariance = notes.mean(0), torch.cov(notes.T).reshape(dim, dim)
        covariance += _RIDGE * covariance.diagonal().mean().clamp_min(_NARROWEST) * torch.eye(dim)
        root = torch.linalg.inv(torch.linalg.cholesky(covariance)).T
        return cls(mean, root, float(torch.quantile(((notes - mean) @ root).norm(dim=1), _FARTHEST)))

    def whitened(self, points: Tensor) -> Tensor:
        """Whitened points (..., dim)."""
        return ((points.double() - self.mean) @ self.root).to(points)

    def points(self, whitened: Tensor) -> Tensor:
        """The points (..., dim) of whitened ones."""
        return (self.mean + whitened.double() @ torch.linalg.inv(self.root)).to(whitened)

    def bound(self, start: Tensor) -> Callable[[Tensor], Tensor]:
        """A function that moves points (n, dim) into the region, enlarged to contain the start (dim,) or (n, dim)."""
        radius = self.whitened(start.double()).norm(dim=-1, keepdim=True).clamp_min(self.radius)

        def bound(points: Tensor) -> Tensor:
            offset = points.double() - self.mean
            size = (offset @ self.root).norm(dim=1, keepdim=True)
            share = torch.where(size > radius, radius / size, 1.0)
            return (self.mean + offset * share).to(points)

        return bound
