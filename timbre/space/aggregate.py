"""The aggregate posterior of a space: how likely a place is, by what was learned from."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from timbre.errors import ConfigError

if TYPE_CHECKING:
    from timbre.space.atlas import Atlas

_CENTRES = 20_000  # training notes that the mixture is made of, at most: a seeded choice of them
_JUDGED = 2000  # of them that are left out in turn, at most
_NARROWEST, _WIDEST = 0.02, 3.0  # bandwidths that are tried, as shares of the notes' standard deviation
_BLOCK = 256  # points whose densities are worked out at a time


class AggregatePosterior:
    """The mean of the training notes' posteriors, each widened: q(z) = 1/N sum_n N(z; point_n, spread_n^2 + (b s)^2).

    s is the notes' standard deviation in each dimension. The bandwidth b is the one under which notes are most likely
    when all notes of their instrument are left out (cross-validated likelihood, Duin 1976): as an instrument would be
    that was never heard. Where spreads were not measured, 0 stands in, and the bandwidth makes up for it.

    Args:
        atlas: of a space; its training notes count, a seeded choice of 20,000 where there are more.

    Attributes:
        bandwidth: b.
        left_out: "instrument", or "note" where there is one instrument only: what was left out at a time.
        reference: log likelihoods of notes whose instrument, or that themselves, were left out, nats, rising.

    Raises:
        ConfigError: if the atlas has fewer than two training notes.
    """

    def __init__(self, atlas: "Atlas") -> None:
        known = np.flatnonzero(np.array(atlas.splits) == "train")
        if len(known) < 2:
            raise ConfigError(
                f"The atlas has {len(known)} training notes; what is likely can be told from 2 or more of them."
            )
        known = np.sort(np.random.default_rng(0).permutation(known)[:_CENTRES])
        points = atlas.points[known].astype(np.float64)
        self._middle = points.mean(0)
        self._points = points - self._middle
        self._own = np.zeros_like(points) if atlas.spreads is None else np.square(atlas.spreads[known], dtype=float)
        deviations = points.std(0)
        self._scale = np.maximum(deviations, 1e-3 * np.sqrt(np.mean(deviations**2)) + 1e-9)
        groups = np.unique(np.array(atlas.instruments)[known], return_inverse=True)[1]
        self.left_out = "instrument" if groups.max() else "note"
        self._groups = groups if groups.max() else np.arange(len(known))
        self._judged = np.random.default_rng(1).permutation(len(known))[:_JUDGED]
        self.bandwidth = self._chosen()
        self._variances = self._own + np.square(self.bandwidth * self._scale)

    @cached_property
    def reference(self) -> np.ndarray:
        """See the class."""
        return np.sort(self._left_out(self._variances))

    def log_likelihood(self, points: np.ndarray) -> np.ndarray:
        """log q(z) of points (n, dim), nats (n,)."""
        return self._mixture(np.asarray(points, dtype=np.float64) - self._middle, self._variances)

    def percentile(self, points: np.ndarray) -> np.ndarray:
        """Share of the reference that is no likelier than each point, above 0 to 100 (n,): a p-value in hundredths."""
        below = np.searchsorted(self.reference, self.log_likelihood(points), side="right")
        return 100.0 * (1 + below) / (1 + len(self.reference))

    def _chosen(self) -> float:
        from scipy.optimize import minimize_scalar

        def loss(log_bandwidth: float) -> float:
            return -float(self._left_out(self._own + np.square(np.exp(log_bandwidth) * self._scale)).mean())

        bounds = (np.log(_NARROWEST), np.log(_WIDEST))
        return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 0.02}).x))

    def _left_out(self, variances: np.ndarray) -> np.ndarray:
        return self._mixture(self._points[self._judged], variances, self._groups[self._judged])

    def _mixture(self, points: np.ndarray, variances: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
        """Log densities of points (n, dim), in blocks; each without the notes of its own group, if groups are given."""
        parts = []
        for start in range(0, len(points), _BLOCK):
            at = slice(start, start + _BLOCK)
            logs = _gaussians(points[at], self._points, variances)
            counted = np.full(len(logs), len(self._points))
            if groups is not None:
                own = groups[at, None] == self._groups
                logs[own] = -np.inf
                counted = (~own).sum(1)
            top = logs.max(1)
            parts.append(top + np.log(np.exp(logs - top[:, None]).sum(1) / counted))
        return np.concatenate([np.zeros(0), *parts])


def _gaussians(points: np.ndarray, means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Log densities of points (n, dim) under diagonal Gaussians (m, dim), (n, m)."""
    weights = 1.0 / variances
    squares = points**2 @ weights.T - 2.0 * points @ (means * weights).T + (means**2 * weights).sum(1)
    return -0.5 * (squares + np.log(2.0 * np.pi * variances).sum(1))
