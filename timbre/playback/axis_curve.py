"""The points along a named axis, found when they are first needed, so that a control can sweep it in real time."""

import math

import numpy as np

from timbre.errors import ConfigError
from timbre.files import shown
from timbre.models.conditions import Conditions
from timbre.space import Space

LARGEST_VALUE = 3.0
VELOCITY = 0.8  # at which values are measured
_GRID = 0.5  # of values between which points are interpolated


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
        self._known, self.current = {self.value: point}, self.value

    def at(self, value: float) -> np.ndarray:
        """The point (dim,) whose sound has a value, or is as near to it as the space has one."""
        self.current = value = min(max(value, -LARGEST_VALUE), LARGEST_VALUE)
        for end in (math.floor(value / _GRID) * _GRID, math.ceil(value / _GRID) * _GRID):
            if end not in self._known:
                self._known[end] = self.exactly(end)
        values = np.array(sorted(self._known))
        points = np.stack([self._known[known] for known in values])
        return np.array([np.interp(value, values, column) for column in points.T], np.float32)

    def exactly(self, value: float) -> np.ndarray:
        """The same, found for this value alone."""
        conditions = Conditions.constant(self.pitch, VELOCITY)
        return self.space.axis_controls.stepped(self.point, conditions, {self.name: value - self.value})
