"""`Path`: points with times; a moving sound is a path through the space."""

from dataclasses import dataclass

import numpy as np

from timbre.errors import ConfigError
from timbre.files import shown
from timbre.notebook import card, course, principal

LARGEST = 1e6
"""The largest coordinate of a point. Library notes lie within tens; far beyond, float32 is too coarse to decode."""

KINDS = ("line", "slerp", "spline")
"""Interpolations between the points of a path."""


@dataclass(frozen=True, eq=False)
class Path:
    """Points with times, and the interpolation between them.

    Attributes:
        points: (times, dim), float64.
        times: (times,), rising, within 0 to 1: shares of the sound's duration. A single point has the time 0.
        kind: "line"; "slerp", spherical interpolation (Shoemake 1985), whose distance from the origin stays between
            those of its ends, as suits points of a Gaussian prior; or "spline", the natural cubic spline through all
            points, whose direction and curvature are continuous.

    Raises:
        ConfigError: for points that are not finite or beyond :data:`LARGEST`, times that do not rise or are not as
            many, or an unknown kind.
    """

    points: np.ndarray
    times: np.ndarray
    kind: str = "line"

    def __post_init__(self) -> None:
        points = np.atleast_2d(np.asarray(self.points, dtype=np.float64))
        times = np.asarray(self.times, dtype=np.float64)
        if points.ndim != 2 or not (np.abs(points) <= LARGEST).all():
            raise ConfigError(
                f"The points of a path must be finite numbers (times, dim) up to {LARGEST:,.0f}, got "
                f"{shown(points.tolist())}."
            )
        if times.shape != (len(points),) or np.any(np.diff(times) <= 0) or times[0] < 0 or times[-1] > 1:
            raise ConfigError("A path must have as many times as points; they must rise from 0 to 1.")
        if self.kind not in KINDS:
            raise ConfigError(f"The kind of a path must be one of {', '.join(KINDS)}, got {shown(self.kind)}.")
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "times", times)

    def _repr_html_(self) -> str:
        along = self.at(np.linspace(self.times[0], self.times[-1], 200))
        curve, points = principal(along), principal(along, self.points)
        facts = {"points": len(points), "dimensions": self.dim, "kind": self.kind, "play": "timbre.render(space, path)"}
        return card("Path", facts, course(curve, points, "In the plane of two principal components"))

    @property
    def dim(self) -> int:
        """Dimensions of the points."""
        return self.points.shape[1]

    def at(self, times: np.ndarray) -> np.ndarray:
        """Points (n, dim) at times (n,) in 0..1; constant before the first time and after the last.

        At the path's own times these are its own points, to the bit.
        """
        times = np.clip(np.asarray(times, dtype=np.float64), self.times[0], self.times[-1])
        left = np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, max(0, len(self.times) - 2))
        right = np.minimum(left + 1, len(self.times) - 1)
        span = np.where(right > left, self.times[right] - self.times[left], 1.0)
        share = ((times - self.times[left]) / span)[:, None]
        a, b = self.points[left], self.points[right]
        if self.kind == "spline" and len(self.points) > 2:
            from scipy.interpolate import CubicSpline

            between = np.asarray(CubicSpline(self.times, self.points, bc_type="natural")(times))
        else:
            between = (_slerp if self.kind == "slerp" else _line)(a, b, share)
        return np.where(share == 0.0, a, np.where(share == 1.0, b, between))

    def sampled(self, steps: int) -> "Path":
        """The path as lines between its own points and those at `steps` + 1 evenly spaced times."""
        if len(self.points) == 1:
            return Path(self.points, self.times)
        times = np.union1d(np.linspace(self.times[0], self.times[-1], steps + 1), self.times)
        return Path(self.at(times), times)


def _line(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    return (1.0 - share) * a + share * b


def _slerp(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Interpolate directions by angle and lengths linearly; a line where a direction is undefined or opposite."""
    length_a, length_b = (np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
    cosine = np.sum(a * b, 1, keepdims=True) / np.maximum(length_a * length_b, 1e-12)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    turning = (np.sin(angle) > 1e-6) & (length_a > 1e-9) & (length_b > 1e-9)
    sine = np.where(turning, np.sin(angle), 1.0)
    unit_a, unit_b = a / np.maximum(length_a, 1e-12), b / np.maximum(length_b, 1e-12)
    direction = (np.sin((1.0 - share) * angle) * unit_a + np.sin(share * angle) * unit_b) / sine
    return np.where(turning, direction * _line(length_a, length_b, share), _line(a, b, share))
