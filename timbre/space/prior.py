"""The prior of a space: the distribution that new points are drawn from."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from timbre.config.settings import require

MOST = 100_000  # points drawn at a time
SPREAD = 0.3  # of a neighbourhood, as a share of the prior's width: other sounds of the same kind
NEIGHBOURS = 40  # notes, a chosen one among them, whose mean and covariance a draw has
STAY = math.sqrt(0.5)  # share of the chosen note's place among them that a draw keeps
_BATCH = 256  # draws at a time


@dataclass(frozen=True)
class Prior:
    """The points of notes (n, dim), smoothed; N(0, I) if there are fewer than two.

    A draw takes a note at random, and its 40 nearest. It has their mean, and keeps .7 of the note's offset from it; the
    rest of the variance is a Gaussian with the covariance of the 40. So draws are as various as the notes, lie where
    notes lie, and are new (a smoothed bootstrap, Silverman and Young 1987, with local covariances).
    """

    points: np.ndarray

    def draw(self, n: int, seed: int = 0, near: np.ndarray | None = None, spread: float = SPREAD) -> np.ndarray:
        """Points (n, dim), float32; arguments and errors as in :meth:`timbre.space.space.Space.draw`."""
        require(isinstance(n, Integral) and 1 <= n <= MOST, f"The number of points must be 1 to {MOST:,}, got {n}.")
        require(isinstance(seed, Integral) and seed >= 0, f"The seed must be 0 or more, got {seed}.")
        require(0.0 <= spread <= 1.0, f"The spread must be 0 to 1, got {spread}.")
        drawn = np.concatenate([*self._drawn(n, seed)])
        if near is not None:
            mean = self.points.mean(0) if len(self.points) > 1 else 0.0
            drawn = mean + math.sqrt(1.0 - spread**2) * (near - mean) + spread * (drawn - mean)
        return np.asarray(drawn, np.float32)

    def _drawn(self, n: int, seed: int) -> Iterator[np.ndarray]:
        from scipy.spatial.distance import cdist

        count, dim = self.points.shape
        random, k = np.random.default_rng(seed), min(NEIGHBOURS, count)
        for start in range(0, n, _BATCH):
            size = min(_BATCH, n - start)
            chosen, noise = random.random(_BATCH)[:size], random.standard_normal((_BATCH, max(k, dim)))[:size]
            if count < 2:
                yield noise[:, :dim]
                continue
            notes = self.points[(chosen * count).astype(int)].astype(np.float64)
            nearest = np.argpartition(cdist(notes, self.points), k - 1, axis=1)[:, :k]
            around = self.points[nearest].astype(np.float64)
            mean = around.mean(1)
            wide = np.einsum("nk,nkd->nd", noise[:, :k], around - mean[:, None]) / math.sqrt(k)
            yield mean + STAY * (notes - mean) + math.sqrt(1.0 - STAY**2) * wide
