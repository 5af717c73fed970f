"""The aggregate posterior of a space: how likely a point is, according to the training notes."""

from functools import cached_property

import numpy as np

from timbre.errors import ConfigError

_CENTRES = 20_000  # notes in the mixture at most, a seeded choice
_JUDGED = 2000  # of them that are left out in turn, at most
_NARROWEST, _WIDEST = 0.02, 3.0  # bandwidths, as shares of the notes' standard deviation
_BLOCK = 256  # points whose densities are computed at a time


class AggregatePosterior:
    """The mean of notes' posteriors, each widened: q(z) = 1/N sum_n N(z; point_n, std_n^2 + (b s)^2).

    s is the notes' standard deviation in each dimension. The bandwidth b maximises the likelihood of notes when all
    notes of their instrument are left out (cross-validated likelihood, Duin 1976), as those of an unknown instrument
    are. Without standard deviations 0 is used, and the bandwidth makes up for it.

    Takes points (n, dim) of two or more training notes, of which it keeps a seeded choice of 20,000; their instruments
    (n,); and the standard deviations of their posteriors (n, dim), or None if they were not measured. `bandwidth` is b;
    `left_out` is "instrument", or "note" if there is only one instrument.
    """

    def __init__(self, points: np.ndarray, instruments: np.ndarray, stds: np.ndarray | None = None) -> None:
        if len(points) < 2:
            raise ConfigError(f"The atlas must have 2 training notes or more for likelihoods, got {len(points)}.")
        chosen = np.sort(np.random.default_rng(0).permutation(len(points))[:_CENTRES])
        points = points[chosen].astype(np.float64)
        self._mean = points.mean(0)
        self._points = points - self._mean
        self._own = np.zeros_like(points) if stds is None else np.square(stds[chosen], dtype=float)
        deviations = points.std(0)
        self._scale = np.maximum(deviations, 1e-3 * np.sqrt(np.mean(deviations**2)) + 1e-9)
        groups = np.unique(instruments[chosen], return_inverse=True)[1]
        self.left_out = "instrument" if groups.max() else "note"
        self._groups = groups if groups.max() else np.arange(len(chosen))
        self._judged = np.random.default_rng(1).permutation(len(chosen))[:_JUDGED]
        self.bandwidth = self._best_bandwidth()
        self._variances = self._own + np.square(self.bandwidth * self._scale)

    @cached_property
    def reference(self) -> np.ndarray:
        """Log likelihoods of notes whose instrument (or that themselves) were left out, nats, rising."""
        return np.sort(self._left_out(self._variances))

    def log_likelihood(self, points: np.ndarray) -> np.ndarray:
        """log q(z) of points (n, dim), nats (n,)."""
        return self._mixture(np.asarray(points, dtype=np.float64) - self._mean, self._variances)

    def percentile(self, points: np.ndarray) -> np.ndarray:
        """Share of the reference that is no more likely than each point, above 0 to 100 (n,): a p-value in percent."""
        below = np.searchsorted(self.reference, self.log_likelihood(points), side="right")
        return 100.0 * (1 + below) / (1 + len(self.reference))

    def kl_nats(self, draws: int = 4, seed: int = 0) -> float:
        """A lower bound on KL(q(z) || N(0, I)), nats per note; 0 if nothing is found that the prior lacks.

        The mean of log r(z) - log p(z) over notes and `draws` from their posteriors. For any density r that does not
        know these notes it is a lower bound in expectation, and tight if r = q. Here r is w q' + (1 - w) p: q' is this
        mixture without the notes of the note's own instrument, and one w for all notes makes the bound largest. The
        mixture that contains the notes themselves would give the larger value of Hoffman and Johnson (2016): the KL of
        a note minus the log of their number where posteriors are narrow, which no new note would confirm.
        """
        from scipy.optimize import minimize_scalar  # slow to import, and needed only here

        noise = np.random.default_rng(seed).standard_normal((draws, len(self._judged), self._points.shape[1]))
        z = self._points[self._judged] + noise * np.sqrt(self._own[self._judged])
        log_p = -0.5 * (np.square(z + self._mean) + np.log(2.0 * np.pi)).sum(-1)
        own = self._groups[self._judged]
        ratios = np.stack([self._mixture(one, self._variances, own) for one in z]) - log_p

        def loss(share: float) -> float:
            return -float(np.logaddexp(np.log(share) + ratios, np.log1p(-share)).mean())

        best = minimize_scalar(loss, bounds=(1e-9, 1.0 - 1e-9), method="bounded", options={"xatol": 1e-4})
        return max(0.0, -float(best.fun))

    def _best_bandwidth(self) -> float:
        from scipy.optimize import minimize_scalar  # slow to import, and needed only here

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
