"""The prior of a space: the Gaussian that new points are drawn from."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from timbre.config.settings import require

MOST = 100_000  # points drawn at a time
SPREAD = 0.3  # of a neighbourhood, as a share of the prior's width: other sounds of the same kind


@dataclass(frozen=True)
class Prior:
    """A Gaussian over points: its mean (dim,) and the symmetric square root of its covariance (dim, dim)."""

    mean: np.ndarray
    root: np.ndarray

    @classmethod
    def standard(cls, dim: int) -> "Prior":
        """N(0, I)."""
        return cls(np.zeros(dim), np.eye(dim))

    @classmethod
    def fitted(cls, points: np.ndarray) -> "Prior":
        """The Gaussian with the mean and the covariance of points (n, dim); N(0, I) if there are fewer than two."""
        if len(points) < 2:
            return cls.standard(points.shape[1])
        points = points.astype(np.float64)
        variances, directions = np.linalg.eigh(np.cov(points.T, bias=True).reshape(points.shape[1], -1))
        return cls(points.mean(0), directions * np.sqrt(np.maximum(variances, 0.0)) @ directions.T)

    def draw(self, n: int, seed: int = 0, near: np.ndarray | None = None, spread: float = SPREAD) -> np.ndarray:
        """Points (n, dim), float32; arguments and errors as in :meth:`timbre.space.space.Space.draw`."""
        require(isinstance(n, Integral) and 1 <= n <= MOST, f"The number of points must be 1 to {MOST:,}, got {n}.")
        require(isinstance(seed, Integral) and seed >= 0, f"The seed must be 0 or more, got {seed}.")
        require(0.0 <= spread <= 1.0, f"The spread must be 0 to 1, got {spread}.")
        drawn = np.random.default_rng(seed).standard_normal((n, len(self.mean))) @ self.root
        if near is not None:
            drawn = np.sqrt(1.0 - spread**2) * (near - self.mean) + spread * drawn
        return np.asarray(self.mean + drawn, np.float32)
