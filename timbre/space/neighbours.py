"""Which points of many lie nearest to some: exact, thousands of queries a second among hundreds of thousands."""

from typing import NamedTuple

import numpy as np

from timbre.errors import ConfigError

_FEW = 4096  # points or fewer: each is compared with each, which is as fast and needs nothing to be compiled
_TILE = 300  # points of a tile, about
_AT_ONCE = 128  # queries that share what of a tile is in the processor's cache
_FURTHEST = 1e15  # of coordinates: the squares of their sums are still float32
_NOWHERE = 1e17  # where the filling of tiles lies, beyond them


class Nearest(NamedTuple):
    """What a search found.

    Attributes:
        distances: Euclidean, float64 (queries, k), rising.
        numbers: of the points, int64 (queries, k).
    """

    distances: np.ndarray
    numbers: np.ndarray


class Neighbours:
    """Points to be searched, (n, dim), finite.

    A k-d tree (Friedman, Bentley and Finkel 1977) whose leaves are large: the points are turned to their principal axes
    and halved again and again at the median of the widest one, down to tiles of some 300. A query measures its distance
    to the boxes around all tiles, begins with the nearest, and looks through those that may still hold a neighbour, all
    points of a tile at once. Distances are screened in float32, with a margin for its rounding; those that count are
    measured in float64 between the points as they came.

    Args:
        points: (n, dim).

    Raises:
        ConfigError: for another shape, or points that are not finite.
    """

    def __init__(self, points: np.ndarray) -> None:
        self.points = np.ascontiguousarray(_checked(points), dtype=np.float64)
        if len(self.points) > _FEW:
            self._plant()

    def nearest(self, points: np.ndarray, k: int = 8) -> Nearest:
        """The k nearest points of each query, nearest first; of two that are equally near, the first comes first.

        Args:
            points: queries, (queries, dim) or one (dim,), finite.
            k: how many, 1 or more; all points if there are fewer.

        Raises:
            ConfigError: for no k, another dimension, or queries that are not finite.
        """
        if k < 1:
            raise ConfigError(f"{k} neighbours were asked for; 1 or more are wanted.")
        queries = np.atleast_2d(np.asarray(points, dtype=np.float64))
        if _checked(queries).shape[1] != self.points.shape[1]:
            raise ConfigError(f"Points of {queries.shape[1]} dimensions came; {self.points.shape[1]} are wanted.")
        k = min(k, len(self.points))
        search = self._compared if len(self.points) <= _FEW else self._searched
        parts = [search(queries[start : start + _AT_ONCE], k) for start in range(0, len(queries), _AT_ONCE)]
        squares = np.concatenate([np.zeros((0, k)), *(part[0] for part in parts)])
        return Nearest(np.sqrt(squares), np.concatenate([np.zeros((0, k), np.int64), *(part[1] for part in parts)]))

    def _compared(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Squares of distances and numbers, each query with all points."""
        squares = np.zeros((len(queries), len(self.points)))
        for own, others in zip(queries.T, self.points.T, strict=True):
            squares += np.square(own[:, None] - others)
        numbers = np.argsort(squares, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(squares, numbers, 1), numbers

    def _searched(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The same by way of the tiles."""
        from timbre.space._tiles import search

        turned = ((queries - self._middle) @ self._axes).astype(np.float32)
        margins = 1e-6 * (self._reach + np.linalg.norm(queries - self._middle, axis=1))
        best, numbers = np.full((len(queries), k), np.inf), np.full((len(queries), k), -1)
        search(self._tiles, self._numbers, self._low, self._high, turned, self.points, queries, margins, best, numbers)
        return best, numbers

    def _plant(self) -> None:
        """Make the tiles, float32 (tiles, dim, size), the numbers of their points, and the boxes around them."""
        count = len(self.points)
        self._middle = self.points.mean(0)
        away = self.points - self._middle
        self._axes = np.ascontiguousarray(np.linalg.eigh(away.T @ away)[1][:, ::-1])
        self._reach = float(np.sqrt(np.square(away).sum(1).max()))
        turned = (away @ self._axes).astype(np.float32)
        order = np.arange(count)[None]
        while order.shape[1] > _TILE:
            order = np.concatenate([_halved(turned, part) for part in order])
        inside = order >= 0
        picked = turned[order]
        self._low = np.ascontiguousarray(np.where(inside[..., None], picked, np.inf).min(1).T)
        self._high = np.ascontiguousarray(np.where(inside[..., None], picked, -np.inf).max(1).T)
        filled = np.where(inside[..., None], picked, np.float32(_NOWHERE))
        self._tiles, self._numbers = np.ascontiguousarray(filled.transpose(0, 2, 1)), order


def _halved(turned: np.ndarray, part: np.ndarray) -> np.ndarray:
    """The numbers (n,) of some points in two rows of equal length, below and above the median of the widest axis.

    Numbers of -1 fill the ends of rows.
    """
    own, size = part[part >= 0], (len(part) + 1) // 2
    axis = int(np.argmax(np.var(turned[own], axis=0)))
    half = (len(own) + 1) // 2
    parted = own[np.argpartition(turned[own, axis], half - 1)]
    return np.stack([np.pad(row, (0, size - len(row)), constant_values=-1) for row in (parted[:half], parted[half:])])


def _checked(points: np.ndarray) -> np.ndarray:
    array = np.asarray(points)
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not (np.abs(array) < _FURTHEST).all():
        raise ConfigError(
            f"Points of shape {array.shape} came; finite numbers (points, dim) below {_FURTHEST:g} are wanted."
        )
    return array
