"""The controls of one sound: pitch, velocity, duration, hold, seed and inverter, with their checks."""

import math
from dataclasses import dataclass, replace

import numpy as np

from timbre.errors import ConfigError
from timbre.models.conditions import check_pitch, check_velocity

RELEASE = 0.15  # s before its end at which a note is released
Line = float | np.ndarray
"""One value, or a row of values over the sound."""


@dataclass(frozen=True, eq=False)
class NoteControls:
    """How a point or a path is played.

    Attributes:
        pitch: MIDI, fractions allowed; one value or a line; None is a sound without pitch.
        velocity: 0..1, one value or a line; its square is the gain (General MIDI's curve).
        duration: s.
        hold: s after the onset at which the sound is frozen until its release; None lets it decay.
        seed: of the phase of noise.
        inverter: how magnitudes become sound, such as "pghi+8", "vocoder" or "griffin_lim"; None is the space's own.

    Raises:
        ConfigError: if the pitch, the velocity or the hold is out of range.
    """

    pitch: Line | None = 60
    velocity: Line = 0.8
    duration: float = 2.0
    hold: float | None = None
    seed: int = 0
    inverter: str | None = None

    def __post_init__(self) -> None:
        for shape in (np.asarray(value).shape for value in (self.pitch, self.velocity)):
            if len(shape) > 1 or shape == (0,):
                raise ConfigError(f"A control line must be one value or a row of values, got shape {shape}.")
        check_pitch(self.pitch)
        check_velocity(self.velocity)
        if self.hold is not None and not (math.isfinite(self.hold) and self.hold > 0):
            raise ConfigError(f"The hold must be a time above 0 s, or None, got {self.hold}.")

    @property
    def release(self) -> float:
        """s after the onset at which the note is released: 0.15 s before its end, or half its duration if later."""
        return max(self.duration - RELEASE, 0.5 * self.duration)

    def stretched(self, count: int) -> "NoteControls":
        """The same with lines of any length interpolated to `count` values; single values stay."""
        pitch = None if self.pitch is None else _stretched(self.pitch, count)
        return replace(self, pitch=pitch, velocity=_stretched(self.velocity, count))

    def lines(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Pitch and velocity, float32 (count,) each; NaN is no pitch. A ConfigError for a line of another length."""
        return line(self.pitch, count, "pitch"), line(self.velocity, count, "velocity")


def line(value: Line | None, count: int, name: str) -> np.ndarray:
    """A control as float32 (count,); None becomes NaN. A ConfigError if it is a line of another length."""
    array = np.asarray(np.nan if value is None else value, dtype=np.float32)
    if array.shape not in ((), (count,)):
        raise ConfigError(f"The {name} line must have 1 value or {count}, one for each frame; got {array.size}.")
    return np.broadcast_to(array, (count,))


def _stretched(values: Line, count: int) -> Line:
    if np.ndim(values) == 0:
        return values
    return np.interp(np.linspace(0, 1, count), np.linspace(0, 1, np.size(values)), values)
