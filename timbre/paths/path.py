"""Paths: a sound is a path through the space."""

from dataclasses import dataclass

import numpy as np

from timbre.errors import ConfigError

KINDS = ("line", "slerp", "spline")
"""How a path runs between its points."""


@dataclass(frozen=True, eq=False)
class Path:
    """Points with times; between them the path runs as its kind says.

    Attributes:
        points: (times, dim), float64.
        times: (times,), rising from 0 to 1: shares of the sound's duration. A single point has the time 0.
        kind: "line"; "slerp": spherical interpolation (Shoemake 1985), which keeps the distance from the origin
            between those of its ends, as suits points of a Gaussian prior; or "spline": the natural cubic spline
            through all points, whose direction and curvature do not jump.
    """

    points: np.ndarray
    times: np.ndarray
    kind: str = "line"

    def __post_init__(self) -> None:
        points = np.atleast_2d(np.asarray(self.points, dtype=np.float64))
        times = np.asarray(self.times, dtype=np.float64)
        if points.ndim != 2 or not np.isfinite(points).all():
            raise ConfigError(f"A path's points are finite numbers of shape (times, dim); {points.shape} came.")
        if times.shape != (len(points),) or np.any(np.diff(times) <= 0) or times[0] < 0 or times[-1] > 1:
            raise ConfigError("A path's times are as many as its points, and rise from 0 to 1.")
        if self.kind not in KINDS:
            raise ConfigError(f"A path of kind {self.kind!r} is not known; kinds are {', '.join(KINDS)}.")
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "times", times)

    @property
    def dim(self) -> int:
        """Dimensions of its points."""
        return self.points.shape[1]

    def at(self, times: np.ndarray) -> np.ndarray:
        """Points (n, dim) at times (n,) in 0..1; before the first and after the last the path stands still.

        At its own times it gives its own points to the bit.
        """
        times = np.clip(np.asarray(times, dtype=np.float64), self.times[0], self.times[-1])
        left = np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, max(0, len(self.times) - 2))
        right = np.minimum(left + 1, len(self.times) - 1)
        span = np.where(right > left, self.times[right] - self.times[left], 1.0)
        share = ((times - self.times[left]) / span)[:, None]
        a, b = self.points[left], self.points[right]
        if self.kind == "spline" and len(self.points) > 2:
            between = self._spline(times)
        else:
            between = (_slerp if self.kind == "slerp" else _line)(a, b, share)
        return np.where(share == 0.0, a, np.where(share == 1.0, b, between))

    def _spline(self, times: np.ndarray) -> np.ndarray:
        from scipy.interpolate import CubicSpline

        return np.asarray(CubicSpline(self.times, self.points, bc_type="natural")(times))

    def sampled(self, steps: int) -> "Path":
        """The path as one of straight pieces: its own points, and those at `steps` + 1 even times between its ends."""
        if len(self.points) == 1:
            return Path(self.points, self.times)
        times = np.union1d(np.linspace(self.times[0], self.times[-1], steps + 1), self.times)
        return Path(self.at(times), times)


def _line(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    return (1.0 - share) * a + share * b


def _slerp(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Directions turn evenly, lengths change evenly; where a direction is undefined or opposite, a straight line."""
    length_a, length_b = (np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
    cosine = np.sum(a * b, 1, keepdims=True) / np.maximum(length_a * length_b, 1e-12)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    turning = (np.sin(angle) > 1e-6) & (length_a > 1e-9) & (length_b > 1e-9)
    sine = np.where(turning, np.sin(angle), 1.0)
    unit_a, unit_b = a / np.maximum(length_a, 1e-12), b / np.maximum(length_b, 1e-12)
    direction = (np.sin((1.0 - share) * angle) * unit_a + np.sin(share * angle) * unit_b) / sine
    return np.where(turning, direction * _line(length_a, length_b, share), _line(a, b, share))
