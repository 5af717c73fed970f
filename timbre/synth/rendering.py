"""`render`: a path, a pitch line and a velocity line to audio."""

import numpy as np

from timbre.audio import Audio
from timbre.errors import ConfigError
from timbre.space import Path, Space

Line = float | np.ndarray


def render(
    space: Space,
    path: Path,
    pitch: Line | None = 60,
    velocity: Line = 0.8,
    duration: float = 4.0,
    seed: int = 0,
    inverter: str = "pghi+8",
) -> Audio:
    """One continuous sound whose timbre runs along a path.

    Args:
        space: where the path runs.
        path: points of `space.dim` dimensions.
        pitch: MIDI; one value, or a line of any length that is stretched over the sound; None is without pitch.
        velocity: 0..1, likewise.
        duration: s.
        seed: of the phase of noise.
        inverter: how magnitudes become sound.

    Raises:
        ConfigError: if the path has another dimension than the space, or a control is out of range.
    """
    if path.points.shape[1] != space.dim:
        raise ConfigError(
            f"The path has {path.points.shape[1]} dimensions and the space {space.dim}; make it with space.path()."
        )
    count = space.frames(duration)
    points = path.at(np.linspace(0.0, 1.0, count)) if len(path.points) > 1 else path.points
    pitches = None if pitch is None else _stretched(pitch, count)
    return space.sound(points, pitches, _stretched(velocity, count), duration, seed, inverter)


def _stretched(line: Line, count: int) -> Line:
    """A line of values over `count` frames, interpolated; single values stay."""
    values = np.asarray(line, dtype=np.float64)
    if values.ndim == 0:
        return line
    if values.ndim != 1 or len(values) == 0:
        raise ConfigError(f"A control line of shape {values.shape} came; one value or a row of values is wanted.")
    return np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(values)), values)
