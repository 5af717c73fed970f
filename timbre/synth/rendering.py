"""`render`: a path, a pitch line and a velocity line to audio; at once, or in blocks of any length of sound."""

from collections.abc import Iterator

import numpy as np

from timbre.audio import Audio
from timbre.errors import ConfigError
from timbre.paths import Path
from timbre.space import Space
from timbre.space.finishing import Finish
from timbre.space.space import DECODED
from timbre.synth.loudness import steady_gain

Line = float | np.ndarray


def render(
    space: Space,
    path: Path,
    pitch: Line | None = 60,
    velocity: Line = 0.8,
    duration: float = 4.0,
    seed: int = 0,
    inverter: str | None = None,
    steady: bool = True,
    hold: float | None = None,
) -> Audio:
    """One continuous sound whose timbre runs along a path.

    Args:
        space: where the path runs.
        path: points of `space.dim` dimensions.
        pitch: MIDI; one value, or a line of any length that is stretched over the sound; None is without pitch.
        velocity: 0..1, likewise.
        duration: s.
        seed: of the phase of noise.
        inverter: how magnitudes become sound; the space's own way by default.
        steady: keep the loudness steady where timbre or pitch move (see :func:`~timbre.synth.loudness.steady_gain`).
        hold: s after the onset at which the sound's own course stands still until it is let go, so that a long morph
            does not die away; None lets it go on.

    Raises:
        ConfigError: if the path has another dimension than the space, or a control is out of range.
    """
    points, pitches, velocities = controls(space, path, pitch, velocity, duration)
    gain = steady_gain(space, points, pitches, velocities, duration, hold) if steady else 1.0
    return space.sound(points, pitches, velocities, duration, seed, inverter, gain, hold)


def render_blocks(
    space: Space,
    path: Path,
    pitch: Line | None = 60,
    velocity: Line = 0.8,
    duration: float = 4.0,
    seed: int = 0,
    inverter: str | None = None,
    steady: bool = True,
    hold: float | None = None,
    block: int = 8192,
) -> Iterator[np.ndarray]:
    """The samples of :func:`render` with the same inverter, to 1e-5, a block at a time: any length in little memory.

    Args:
        space, path, pitch, velocity, duration, seed, steady, hold: as there.
        inverter: a causal one, as :meth:`~timbre.space.Space.stream` takes it.
        block: samples.

    Yields:
        (block,), float32; the last one is shorter.

    Raises:
        ConfigError: as there, or if the inverter is not causal; when the first block is asked for.
    """
    if block < 1:
        raise ConfigError(f"Blocks of {block} samples were asked for; 1 or more are wanted.")
    kept = np.zeros(0, np.float32)
    for samples in _pieces(space, path, pitch, velocity, duration, seed, inverter, steady, hold):
        kept = np.concatenate([kept, samples])
        whole = len(kept) // block * block
        yield from kept[:whole].reshape(-1, block)
        kept = kept[whole:]
    if len(kept):
        yield kept


def _pieces(
    space: Space, path: Path, pitch: Line | None, velocity: Line, duration: float, seed: int, inverter: str | None,
    steady: bool, hold: float | None,
) -> Iterator[np.ndarray]:  # fmt: skip
    """The samples of a sound as they come, some at a time."""
    points, pitches, velocities = controls(space, path, pitch, velocity, duration)
    gain = steady_gain(space, points, pitches, velocities, duration, hold) if steady else 1.0
    rate, count = space.config.spectrogram.sample_rate, space.frames(duration)
    stream, length = space.stream(inverter, seed), round(duration * rate)
    line = np.broadcast_to(np.nan if pitches is None else pitches, (count,))
    finish, late = Finish(length, np.square(velocities) * gain, rate), stream.latency
    for start in range(0, count, DECODED):
        stop = min(start + DECODED, count)
        spectrogram = space.spectrum(points, pitches, velocities, duration, start, stop, hold)
        samples = stream.push(space.spectrogram.magnitude(spectrogram[None])[0], pitch=line[start:stop])
        if stop == count:
            samples = np.concatenate([samples, stream.flush()])
        skipped = min(late, len(samples))
        samples, late = samples[skipped : skipped + length], late - skipped
        length -= len(samples)
        yield finish.push(samples)
    yield finish.flush()


def controls(
    space: Space, path: Path, pitch: Line | None, velocity: Line, duration: float
) -> tuple[np.ndarray, Line | None, Line]:
    """Points (frames or 1, dim) and the lines of pitch and velocity, one value each or (frames,), of a sound."""
    if path.points.shape[1] != space.dim:
        raise ConfigError(
            f"The path has {path.points.shape[1]} dimensions and the space {space.dim}; make it with space.path()."
        )
    count = space.frames(duration)
    points = path.at(np.linspace(0.0, 1.0, count)) if len(path.points) > 1 else path.points
    return points, None if pitch is None else _stretched(pitch, count), _stretched(velocity, count)


def _stretched(line: Line, count: int) -> Line:
    """A line of values over `count` frames, interpolated; single values stay."""
    values = np.asarray(line, dtype=np.float64)
    if values.ndim == 0:
        return line
    if values.ndim != 1 or len(values) == 0:
        raise ConfigError(f"A control line of shape {values.shape} came; one value or a row of values is wanted.")
    return np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(values)), values)
