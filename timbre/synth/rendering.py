"""`render`: from a path and lines of pitch and velocity to audio, as a whole or in blocks."""

from collections.abc import Iterator

import numpy as np

from timbre.audio import Audio
from timbre.errors import ConfigError
from timbre.paths import Path
from timbre.space import Space
from timbre.space.controls import Line, NoteControls
from timbre.synth.loudness import steady_gain


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
    """One continuous sound whose timbre follows a path.

    Args:
        space: the space of the path.
        path: points of `space.dim` dimensions.
        pitch: MIDI; one value, or a line of any length that is stretched over the sound; None is without pitch.
        velocity: 0..1, one value or a line.
        duration: s.
        seed: of the phase of noise.
        inverter: how magnitudes become sound; default: the space's own.
        steady: keep the loudness steady where timbre or pitch change (see :func:`~timbre.synth.loudness.steady_gain`).
        hold: s after the onset at which the decay is frozen until the release, so that a long morph does not fade out;
            None lets it decay.

    Raises:
        ConfigError: if the path has another dimension than the space, or a control is out of range.
    """
    controls = NoteControls(pitch, velocity, duration, hold, seed, inverter)
    return space.renderer.sound(*_frame_by_frame(space, path, controls, steady))


def render_blocks(
    space: Space, path: Path, controls: NoteControls, steady: bool = True, block: int = 8192
) -> Iterator[np.ndarray]:
    """The samples of :func:`render` with the same inverter, to 1e-5, in blocks: memory does not grow with the sound.

    Args:
        space, path, steady: as in :func:`render`.
        controls: pitch and velocity are single values or lines of any length; the inverter is a causal one, see
            :meth:`~timbre.space.renderer.Renderer.stream`.
        block: samples of each block, float32; the last one is shorter.

    Raises:
        ConfigError: as :func:`render`, or if the inverter is not causal; when the first block is requested.
    """
    if block < 1:
        raise ConfigError(f"The block must have 1 sample or more, got {block}.")
    kept = np.zeros(0, np.float32)
    for samples in space.renderer.blocks(*_frame_by_frame(space, path, controls, steady)):
        kept = np.concatenate([kept, samples])
        whole = len(kept) // block * block
        yield from kept[:whole].reshape(-1, block)
        kept = kept[whole:]
    if len(kept):
        yield kept


def _frame_by_frame(
    space: Space, path: Path, controls: NoteControls, steady: bool
) -> tuple[np.ndarray, NoteControls, Line]:
    """Points (frames or 1, dim), controls and gain of the frames of a sound."""
    if path.dim != space.dim:
        raise ConfigError(f"The path must have the space's {space.dim} dimensions, got {path.dim}; use space.path().")
    count = space.renderer.frames(controls.duration)
    points = path.at(np.linspace(0.0, 1.0, count)) if len(path.points) > 1 else path.points
    controls = controls.stretched(count)
    return points, controls, steady_gain(space, points, controls) if steady else 1.0
