"""The points along a named axis, found when they are first needed, so that a control can sweep it in real time."""

import math
import threading
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from timbre.errors import ConfigError
from timbre.files import shown
from timbre.models.conditions import Conditions
from timbre.space import Space

LARGEST_VALUE = 3.0
VELOCITY = 0.8  # at which values are measured
_GRID = 0.5  # of values between which points are interpolated
_NEAR = 0.25  # standard deviations of the library by which points may differ that have one curve
_MOST = 64  # curves that are kept


class AxisCurve:
    """The points at which the sound of a point has other values on an axis, and otherwise changes little.

    The same value gives the same point, so a control that returns to where it was gives the sound that was there. A new
    part of the curve takes about a fifth of a second (:meth:`timbre.space.space.Space.move`), a known one microseconds.

    Args:
        space: the space.
        name: of the axis.
        point: (dim,), at which the curve begins.
        pitch: MIDI at which it is measured; None is without pitch.

    Attributes:
        value: of the point on the axis; a ConfigError is raised if it has none.
        current: value that was asked for last.
    """

    def __init__(self, space: Space, name: str, point: np.ndarray, pitch: float | None) -> None:
        names = [axis.name for axis in space.axes]
        if name not in names:
            known = f"its axes are {', '.join(names)}" if names else "it has no named axes"
            raise ConfigError(f"This space has no axis {shown(name)}; {known}.")
        self.space, self.name, self.point, self.pitch = space, name, point, pitch
        self.value = float(space.axis_values(point, pitch, VELOCITY)[names.index(name)])
        if math.isnan(self.value):
            raise ConfigError(f"{name} has no value for this sound; choose another pitch or another axis.")
        self._table, self.current = (np.array([self.value]), np.asarray(point, np.float32)[None]), self.value

    def at(self, value: float) -> np.ndarray:
        """The point (dim,) whose sound has a value, or is as near to it as the space has one."""
        self.current = value = _within(value)
        for end in _ends(value):
            if end not in self._table[0]:
                self._add(end, self.exactly(end))
        return self.nearest(value)

    def nearest(self, value: "float | np.ndarray") -> np.ndarray:
        """The same from what has been found so far, at once; (n, dim) for values (n,)."""
        values, points = self._table
        if len(values) == 1:
            return np.broadcast_to(points[0], (*np.shape(value), points.shape[1]))
        value = np.clip(value, values[0], values[-1])
        after = np.searchsorted(values[1:-1], value) + 1
        share = ((value - values[after - 1]) / (values[after] - values[after - 1]))[..., None]
        return np.asarray((1.0 - share) * points[after - 1] + share * points[after], np.float32)

    def _add(self, value: float, point: np.ndarray) -> None:
        values, points = self._table  # replaced as a whole, as another thread may be reading it
        before = int(np.searchsorted(values, value))
        self._table = np.insert(values, before, value), np.insert(points, before, point, axis=0)

    def missing(self, value: "float | np.ndarray") -> "float | np.ndarray":
        """How far a value lies beyond those from which :meth:`nearest` tells its point."""
        within = np.clip(value, -LARGEST_VALUE, LARGEST_VALUE)
        return np.asarray(within - np.clip(within, *self._table[0][[0, -1]]))

    def knows(self, value: float) -> bool:
        """Whether :meth:`at` need not find anything for a value."""
        return all(end in self._table[0] for end in _ends(_within(value)))

    def exactly(self, value: float) -> np.ndarray:
        """The same, found for this value alone."""
        conditions = Conditions.constant(self.pitch, VELOCITY)
        return self.space.axis_controls.stepped(self.point, conditions, {self.name: value - self.value})


class NoteAxes:
    """How far a note lies from the point of all notes, if it alone is to be moved along a named axis.

    Points near to each other and pitches of one octave have one curve.

    Args:
        space: the space.
        found: if given, nothing waits for a curve: what is not known yet is found in a thread, which calls this. Until
            then the library's mean direction stands for it.
    """

    def __init__(self, space: Space, found: Callable[[], None] | None = None) -> None:
        self.space, self._found = space, found
        self._scale = np.maximum(space.atlas.points.std(0), 1e-3) if len(space.atlas.points) else np.ones(space.dim)
        self._curves: dict[tuple[str, float | None, bytes], AxisCurve | None] = {}
        self._wanted: dict[tuple[str, float | None, bytes], float | np.ndarray] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def offset(self, name: str, point: np.ndarray, pitch: float | None, step: "float | np.ndarray") -> np.ndarray:
        """What to add to a point (dim,) at a pitch (MIDI or None) so that its value on an axis changes by a step.

        It is 0 where the sound has no value on this axis. (n, dim) for steps (n,).
        """
        key = self._key(name, point, pitch)
        curve = self._curves.get(key)
        unknown = (key not in self._curves and np.any(step)) or (curve and not self._knows(curve, step))
        if unknown:
            if self._found is None:
                self._find(key, step)
            else:
                self._find_later(key, step)
            curve = self._curves.get(key)
        if curve:
            found, rest = curve.nearest(curve.value + step) - curve.point, curve.missing(curve.value + step)
        else:
            found = np.zeros((*np.shape(step), len(point)), np.float32)
            rest = np.zeros_like(step) if key in self._curves else step
        return found + self._along(name, rest) if np.any(rest) else found

    def _along(self, name: str, step: "float | np.ndarray") -> np.ndarray:
        """Steps along an axis as the library shows it."""
        controls = self.space.axis_controls
        direction = controls.directions[[axis.name for axis in controls.axes].index(name)]
        return np.multiply.outer(np.asarray(step, np.float32), direction.numpy())

    @staticmethod
    def _knows(curve: AxisCurve, step: "float | np.ndarray") -> bool:
        return all(curve.knows(curve.value + one) for one in np.unique(step))

    def _key(self, name: str, point: np.ndarray, pitch: float | None) -> tuple[str, float | None, bytes]:
        """The name of a curve: the axis, the octave, and the point of a curve that is near, or else this point."""
        octave = None if pitch is None else 12.0 * min(max(round(pitch / 12.0), 1), 10)
        for other in reversed(list(self._curves)):
            if other[:2] == (name, octave):
                away = (np.frombuffer(other[2], np.float32) - point) / self._scale
                if np.square(away).mean() < _NEAR**2:
                    return other
        return name, octave, np.asarray(point, np.float32).tobytes()

    def _find(self, key: tuple[str, float | None, bytes], step: "float | np.ndarray") -> None:
        name, octave, point = key
        curve = self._curves.get(key)
        with suppress(ConfigError):  # the sound has no value on this axis
            if key not in self._curves:
                curve = AxisCurve(self.space, name, np.frombuffer(point, np.float32).copy(), octave)
            if curve:
                for one in np.unique(step):
                    curve.at(curve.value + one)
        self._curves[key] = curve
        while len(self._curves) > _MOST:
            del self._curves[next(iter(self._curves))]

    def _find_later(self, key: tuple[str, float | None, bytes], step: "float | np.ndarray") -> None:
        with self._lock:
            self._wanted[key] = step
            while len(self._wanted) > _MOST:
                del self._wanted[next(iter(self._wanted))]
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="timbre-axes", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        """Find the requested curves, the newest first, until none is left."""
        while True:
            with self._lock:
                if not self._wanted:
                    self._thread = None
                    return
                key, step = self._wanted.popitem()
            self._find(key, step)
            if self._found:
                self._found()


def _within(value: float) -> float:
    return min(max(value, -LARGEST_VALUE), LARGEST_VALUE)


def _ends(value: float) -> tuple[float, float]:
    """The values of the grid around a value."""
    return math.floor(value / _GRID) * _GRID, math.ceil(value / _GRID) * _GRID
