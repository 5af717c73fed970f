"""Planes through a space: two coordinates for points that can be decoded."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from timbre.errors import ConfigError
from timbre.shapes.overview import KINDS, overview, plane_of_kind
from timbre.shapes.shapes import orthonormal, plane_of, triangle_sides
from timbre.space.space import Space

_MARGIN = 0.1  # on each side, as a share of the span of the library notes
_LEAST_MARGIN = 0.02
_CORRELATED = 0.4  # least correlation of a coordinate with a named axis that describes it


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane with coordinates u and v: origin + u directions[0] + v directions[1].

    Attributes:
        kind: "families", "heard", "pca", "axes" or "points".
        origin: (dim,), float64.
        directions: (2, dim), float64.
        readout: (2, dim): the coordinates of a point z are readout (z - origin); readout directions^T is the identity.
        labels: descriptions of u and v.
        extent: lowest and highest u, lowest and highest v, (2, 2): the range of the library notes plus a tenth.
        heard: whether distances between coordinates are dissimilarities, as far as the plane shows them.
    """

    kind: str
    origin: np.ndarray
    directions: np.ndarray
    readout: np.ndarray
    labels: tuple[str, str]
    extent: np.ndarray
    heard: bool = False

    def at(self, u: float | np.ndarray, v: float | np.ndarray) -> np.ndarray:
        """The points (..., dim) at coordinates u and v, whose shapes broadcast."""
        along, across = (np.asarray(value, dtype=np.float64)[..., None] for value in (u, v))
        return np.asarray(self.origin + along * self.directions[0] + across * self.directions[1])

    def coordinates(self, z: np.ndarray) -> np.ndarray:
        """u and v (..., 2) of points (..., dim); the inverse of :meth:`at` for points of the plane.

        For planes of principal components, of dimensions or through points, they are those of the nearest point in the
        plane; for named axes, the values on the axes; for families and what is heard, what predicts them best.
        """
        return np.asarray((np.asarray(z, dtype=np.float64) - self.origin) @ self.readout.T)

    def distance(self, z: np.ndarray) -> np.ndarray:
        """Euclidean distances (...) of points (..., dim) from the plane."""
        away = np.asarray(z, dtype=np.float64) - self.origin
        return np.asarray(np.linalg.norm(away - away @ np.linalg.pinv(self.directions) @ self.directions, axis=-1))

    @property
    def isometric(self) -> bool:
        """Whether u and v have one unit: distances of the space, or dissimilarities."""
        return self.heard or np.allclose(self.directions @ self.directions.T, np.eye(2))

    @property
    def corners(self) -> np.ndarray:
        """The points (4, dim) at the corners of the extent; u changes first."""
        return self.at(np.tile(self.extent[0], 2), np.repeat(self.extent[1], 2))

    def lines(self, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        """Evenly spaced values of u (resolution,) and of v (resolution,) over the extent."""
        (left, right), (low, high) = self.extent.tolist()
        return np.linspace(left, right, resolution), np.linspace(low, high, resolution)


def plane(space: Space, axes: Sequence[str] = ()) -> Plane:
    """A plane through the library notes: the one that shows what lies where, a kind of :data:`KINDS`, or two axes.

    By default it is the kind in which families lie apart best, measured by :func:`~timbre.shapes.overview.overview`.
    In the planes "families" and "heard", positions predict families or what is heard, distances are dissimilarities as
    far as the plane shows them, and the point at a position is where notes of this position lie on average. The plane
    "pca" is that of the principal components (Pearson 1901). The origin of all three is the mean of the library notes.

    Along a named axis a point moves in the direction in which the sounds of library notes change along it, on average
    over the library (:meth:`~timbre.space.space.Space.move` follows the sound of one point). Everything else stays at
    the mean of the library notes.

    Args:
        space, axes: the space, and no name, the name of a kind, or two names, each a named axis or a dimension such as
            z3.

    Raises:
        ConfigError: for other names, the same axis twice, a space of fewer than 3 library notes, or one whose notes do
            not determine such a plane.
    """
    notes = _library_points(space)
    mean = notes.mean(0)
    if not axes or (len(axes) == 1 and axes[0] in KINDS):
        return _of_kind(space, axes[0] if axes else overview(space).kind, notes, mean)
    directions, names = plane_of(space, axes), [axis.name for axis in space.axes]
    readout = np.linalg.pinv(directions.T)
    first, second = (f"{name} (steps of the axis)" if name in names else name for name in axes)
    middle = [space.axis_controls.means[names.index(name)] if name in names else mean[int(name[1:])] for name in axes]
    origin = mean - np.array(middle) @ directions
    return Plane("axes", origin, directions, readout, (first, second), _extent((notes - origin) @ readout.T))


def _of_kind(space: Space, kind: str, notes: np.ndarray, mean: np.ndarray) -> Plane:
    """The plane of a kind; notes (n, dim) and their mean."""
    found = plane_of_kind(space, kind)
    if found is None:
        raise ConfigError(f"The library notes must determine two directions for the plane {kind}; choose another one.")
    readout, directions, shares = found
    what = "variance" if kind == "pca" else "heard variance"
    names = [f"principal component {n}" for n in (1, 2)] if kind == "pca" else _changes(space, readout, mean)
    first, second = (f"{name} ({share:.0%} of the {what})" for name, share in zip(names, shares, strict=True))
    extent = _extent((notes - mean) @ readout.T)
    return Plane(kind, mean, directions, readout, (first, second), extent, kind != "pca")


def _changes(space: Space, readout: np.ndarray, mean: np.ndarray) -> list[str]:
    """What changes along two coordinates, in named axes, such as "brightness +, attack −": the two whose values of
    library notes correlate most with the coordinate, if they do."""
    whitened, values = space.axis_controls.library
    seen, words = (space.axis_controls.region.points(whitened).double().numpy() - mean) @ readout.T, []
    names = [axis.name.replace("_", " ") for axis in space.axes]
    for number, coordinate in enumerate(seen.T, 1):
        found = zip((_correlation(coordinate, column) for column in values.numpy().T), names, strict=True)
        most = sorted(found, key=lambda pair: -abs(pair[0]))[:2]
        told = [f"{name} {'+' if r > 0 else '−'}" for r, name in most if abs(r) >= _CORRELATED]
        words.append(", ".join(told) or f"direction {number}")
    return words


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation where both are known; 0 if it is not defined."""
    known = np.isfinite(b)
    a, b = (line[known] - line[known].mean() if known.any() else line[known] for line in (a, b))
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size else 0.0


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
