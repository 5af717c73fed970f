"""Planes through a space: two coordinates for points that can be decoded."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from timbre.errors import ConfigError
from timbre.shapes.components import principal
from timbre.shapes.shapes import orthonormal, plane_of, triangle_sides
from timbre.space.space import Space

_MARGIN = 0.1  # on each side, as a share of the span of the library notes
_LEAST_MARGIN = 0.25


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane with coordinates u and v: origin + u directions[0] + v directions[1].

    Attributes:
        kind: "pca", "axes" or "points".
        origin: (dim,), float64.
        directions: (2, dim), float64.
        readout: (2, dim): the coordinates of a point z are readout (z - origin); readout directions^T is the identity.
        labels: descriptions of u and v.
        extent: lowest and highest u, lowest and highest v, (2, 2): the range of the library notes plus a tenth.
    """

    kind: str
    origin: np.ndarray
    directions: np.ndarray
    readout: np.ndarray
    labels: tuple[str, str]
    extent: np.ndarray

    def at(self, u: float | np.ndarray, v: float | np.ndarray) -> np.ndarray:
        """The points (..., dim) at coordinates u and v, whose shapes broadcast."""
        along, across = (np.asarray(value, dtype=np.float64)[..., None] for value in (u, v))
        return np.asarray(self.origin + along * self.directions[0] + across * self.directions[1])

    def coordinates(self, z: np.ndarray) -> np.ndarray:
        """u and v (..., 2) of points (..., dim); the inverse of :meth:`at` for points of the plane.

        For planes of principal components, of dimensions or through points, they are those of the nearest point in the
        plane; for named axes, the values on the axes.
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
        """Evenly spaced values of u (resolution,) and of v (resolution,) over the extent."""
        (left, right), (low, high) = self.extent.tolist()
        return np.linspace(left, right, resolution), np.linspace(low, high, resolution)


def plane(space: Space, axes: Sequence[str] = ()) -> Plane:
    """The plane of the first two principal components of the library notes, or of two named axes or dimensions.

    The origin of principal components (Pearson 1901) is the mean of the library notes. Along a named axis a point moves
    in the direction in which the sounds of library notes change along it, on average over the library
    (:meth:`~timbre.space.space.Space.move` follows the sound of one point). Everything else stays at the mean of the
    library notes.

    Args:
        space, axes: the space, and none or two names, each a named axis or a dimension such as z3.

    Raises:
        ConfigError: for other names, the same axis twice, or a space of fewer than 3 library notes.
    """
    notes = _library_points(space)
    mean = notes.mean(0)
    if not axes:
        directions, _, shares = principal(notes)
        first, second = (f"principal component {n} ({share:.0%} of the variance)" for n, share in enumerate(shares, 1))
        return Plane("pca", mean, directions, directions, (first, second), _extent((notes - mean) @ directions.T))
    directions, names = plane_of(space, axes), [axis.name for axis in space.axes]
    readout = np.linalg.pinv(directions.T)
    first, second = (f"{name} (steps of the axis)" if name in names else name for name in axes)
    middle = [space.axis_controls.means[names.index(name)] if name in names else mean[int(name[1:])] for name in axes]
    origin = mean - np.array(middle) @ directions
    return Plane("axes", origin, directions, readout, (first, second), _extent((notes - origin) @ readout.T))


def plane_through(space: Space, points: Sequence[np.ndarray], names: Sequence[str] = ("a", "b", "c")) -> Plane:
    """The plane through three points (dim,) with names for the labels.

    The first is at (0, 0), the second at (its distance, 0), the third above them. Distances are those of the space.

    Raises:
        ConfigError: for another number of points, points of another dimension, or points on a line.
    """
    if len(points) != 3 or len(names) != 3:
        raise ConfigError(f"A plane must go through 3 points, got {len(points)} points and {len(names)} names.")
    corners = np.stack([space.check_point(point) for point in points]).astype(np.float64)
    directions = orthonormal(triangle_sides(corners))
    labels = (f"distance from {names[0]} towards {names[1]}", f"distance from that line towards {names[2]}")
    inside = np.concatenate([_library_points(space), corners]) - corners[0]
    return Plane("points", corners[0], directions, directions, labels, _extent(inside @ directions.T))


def _library_points(space: Space) -> np.ndarray:
    if len(space.atlas) < 3:
        raise ConfigError(f"A map needs a space with 3 library notes or more, got {len(space.atlas)}.")
    return space.atlas.points.astype(np.float64)


def _extent(coordinates: np.ndarray) -> np.ndarray:
    """The range (2, 2) of coordinates (n, 2), with a margin."""
    margin = np.maximum(_MARGIN * np.ptp(coordinates, axis=0), _LEAST_MARGIN)
    return np.stack([coordinates.min(0) - margin, coordinates.max(0) + margin], 1)
