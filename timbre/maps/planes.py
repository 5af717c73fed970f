"""Planes through a space: places that can be pointed at in two dimensions, and decoded."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from timbre.errors import ConfigError
from timbre.shapes.shapes import orthonormal, plane_of
from timbre.space.space import Space

_MARGIN = 0.1  # of the span of the known sounds, to either side
_NARROWEST = 0.25  # margin where they hardly differ


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane with coordinates u and v: origin + u directions[0] + v directions[1].

    Attributes:
        kind: "pca", "axes" or "places".
        origin: (dim,), float64.
        directions: (2, dim), float64.
        readout: (2, dim): the coordinates of a point z are readout (z - origin); readout directions^T is the identity.
        labels: what u and v are.
        extent: lowest and highest u, lowest and highest v, (2, 2): where the known sounds are, and a tenth more.
    """

    kind: str
    origin: np.ndarray
    directions: np.ndarray
    readout: np.ndarray
    labels: tuple[str, str]
    extent: np.ndarray

    def place(self, u: float | np.ndarray, v: float | np.ndarray) -> np.ndarray:
        """The points (..., dim) at coordinates u and v, whose shapes broadcast."""
        along, across = (np.asarray(value, dtype=np.float64)[..., None] for value in (u, v))
        return np.asarray(self.origin + along * self.directions[0] + across * self.directions[1])

    def coordinates(self, z: np.ndarray) -> np.ndarray:
        """u and v (..., 2) of points (..., dim); the inverse of :meth:`place` for points of the plane.

        Of principal components, dimensions and planes through places they are those of the nearest point of the plane,
        of named axes the values on the axes.
        """
        return np.asarray((np.asarray(z, dtype=np.float64) - self.origin) @ self.readout.T)

    def distance(self, z: np.ndarray) -> np.ndarray:
        """Euclidean distances (...) of points (..., dim) from the plane."""
        away = np.asarray(z, dtype=np.float64) - self.origin
        return np.asarray(np.linalg.norm(away - away @ np.linalg.pinv(self.directions) @ self.directions, axis=-1))

    @property
    def isometric(self) -> bool:
        """Whether distances between coordinates are those of the space."""
        return np.allclose(self.directions @ self.directions.T, np.eye(2))

    def lines(self, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        """So many values of u, and of v, evenly from one end of the extent to the other."""
        (left, right), (low, high) = self.extent.tolist()
        return np.linspace(left, right, resolution), np.linspace(low, high, resolution)


def plane(space: Space, axes: Sequence[str] = ()) -> Plane:
    """The plane of the first two principal components of the known sounds, or of two named axes or dimensions.

    Principal components (Pearson 1901) cross at the mean of the known sounds. Along a named axis a point moves as in
    :meth:`~timbre.space.space.Space.move`, so that what goes with it comes along; all else is as in the mean of the
    known sounds. So it is in a plane of two dimensions.

    Args:
        space: the space.
        axes: none, or two words, each a named axis or a dimension such as z3.

    Raises:
        ConfigError: for other words, two of the same dimension, or a space of fewer than 3 known sounds.
    """
    known = _known(space)
    directions = plane_of(space, axes)
    mean = known.mean(0)
    if not axes:
        coordinates = (known - mean) @ directions.T
        shares = coordinates.var(0) / max(float(known.var(0).sum()), 1e-300)
        labels = [f"principal component {n} ({share:.0%} of the variance)" for n, share in enumerate(shares, 1)]
        return _plane("pca", known, mean, directions, directions, labels)
    names = [axis.name for axis in space.axes]
    own = [names.index(word) if word in names else int(word[1:]) for word in axes]
    if own[0] == own[1]:
        raise ConfigError(f"{axes[0]} and {axes[1]} are the same dimension; two that differ are wanted.")
    picked = np.eye(space.dim)[own]
    readout = np.linalg.solve(picked @ directions.T, picked)
    labels = [f"{word} (steps of the axis)" if word in names else word for word in axes]
    return _plane("axes", known, mean - readout @ mean @ directions, directions, readout, labels)


def plane_through(space: Space, places: Sequence[np.ndarray], names: Sequence[str] = ("a", "b", "c")) -> Plane:
    """The plane through three places (dim,).

    The first is at (0, 0), the second at (its distance, 0), the third above them. Distances are those of the space.

    Args:
        space: the space.
        places: three points (dim,), not on one line.
        names: of the places, for the labels.

    Raises:
        ConfigError: for another number of places, places of another dimension, or places on a line.
    """
    if len(places) != 3 or len(names) != 3:
        raise ConfigError(f"A plane goes through 3 places; {len(places)} came, with {len(names)} names.")
    points = np.stack([space.check_point(place) for place in places]).astype(np.float64)
    sides = points[1:] - points[0]
    lengths = np.linalg.norm(sides, axis=1)
    if not lengths.all() or np.linalg.svd(sides / lengths[:, None], compute_uv=False)[-1] < 1e-4:
        raise ConfigError("The three places lie on a line, or two are one, so many planes go through them.")
    directions = orthonormal(sides)
    labels = (f"distance from {names[0]} towards {names[1]}", f"distance from that line towards {names[2]}")
    return _plane("places", np.concatenate([_known(space), points]), points[0], directions, directions, labels)


def _known(space: Space) -> np.ndarray:
    if len(space.atlas) < 3:
        raise ConfigError(f"This space knows {len(space.atlas)} sounds; a map is made around 3 or more.")
    return space.atlas.points.astype(np.float64)


def _plane(
    kind: str,
    inside: np.ndarray,
    origin: np.ndarray,
    directions: np.ndarray,
    readout: np.ndarray,
    labels: Sequence[str],
) -> Plane:
    """The plane whose extent holds the points `inside` (n, dim)."""
    seen = (inside - origin) @ readout.T
    margin = np.maximum(_MARGIN * np.ptp(seen, axis=0), _NARROWEST)
    extent = np.stack([seen.min(0) - margin, seen.max(0) + margin], 1)
    return Plane(kind, origin, directions, readout, (labels[0], labels[1]), extent)
