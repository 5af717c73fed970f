"""Many notes at once: a grid of points, and a folder of samples for other instruments."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path as FilePath

import numpy as np

from timbre.audio import write
from timbre.data.names import note_name, parse_note
from timbre.errors import ConfigError
from timbre.shapes.number_files import write_table
from timbre.space import NoteControls, Space

_MOST = 4096  # sounds


def grid(corners: Sequence[np.ndarray], columns: int, rows: int = 1) -> np.ndarray:
    """Points (rows, columns, dim) between two, three or four corners, bilinear.

    Args:
        corners: the start and end of the first row, then of the last row; of three, the last is the start of the last
            row, and the grid is a parallelogram.
        columns, rows: 1 or more each.

    Raises:
        ConfigError: for other numbers of corners, rows or columns.
    """
    if not 2 <= len(corners) <= 4 or (rows > 1 and len(corners) == 2):
        raise ConfigError(
            f"A grid must have 2 corners for one row, 3 or 4 for more; got {len(corners)} for {columns} x {rows}."
        )
    if min(columns, rows) < 1 or columns * rows > _MOST:
        raise ConfigError(f"A grid must have 1 to {_MOST} points, got {columns} x {rows}.")
    first, last, *under = (np.asarray(corner, np.float64) for corner in corners)
    below = under[0] if under else first
    beyond = under[1] if len(under) > 1 else below + last - first
    u, v = np.linspace(0, 1, columns)[None, :, None], np.linspace(0, 1, rows)[:, None, None]
    return (1 - v) * ((1 - u) * first + u * last) + v * ((1 - u) * below + u * beyond)


def write_grid(folder: FilePath, space: Space, points: np.ndarray, controls: NoteControls) -> Iterator[FilePath]:
    """Write the sound of every point of a grid (rows, columns, dim), r1c1.wav and so on, then index.csv with their
    coordinates, to an existing folder; yield each file when it has been written."""
    index = []
    for row, column in np.ndindex(points.shape[:2]):
        file = folder / f"r{row + 1}c{column + 1}.wav"
        _write(file, space, points[row, column], controls)
        index.append([file.name, row + 1, column + 1, *points[row, column].tolist()])
        yield file
    write_table(folder / "index.csv", ["file", "row", "column", *(f"z{number}" for number in range(space.dim))], index)
    yield folder / "index.csv"


def pitches_of(text: str) -> list[int]:
    """MIDI pitches of "C2:C6:3": from, to and the step in semitones; the default step is 1.

    Raises:
        ConfigError: for any other text.
    """
    parts = re.fullmatch("([^:]*):([^:]*)(?::([1-9][0-9]?))?", text)
    if not parts:
        raise ConfigError(f"The notes must be from, to and a step in semitones, such as C2:C6:3, got {text!r}.")
    low, high = parse_note(parts[1]), parse_note(parts[2])
    if low > high:
        raise ConfigError(f"The notes must begin with the lower one, got {text!r}.")
    return list(range(round(low), round(high) + 1, int(parts[3] or 1)))


def write_notes(
    folder: FilePath, name: str, space: Space, point: np.ndarray, pitches: Sequence[int], velocities: Sequence[float],
    controls: NoteControls,
) -> Iterator[FilePath]:  # fmt: skip
    """Write a point as an instrument to an existing folder: NAME/NAME_C4_v102.wav and so on, then metadata.csv for
    `timbre scan`; yield each file when it has been written.

    Pitches are MIDI, velocities 0..1 (1 to 127 in the names of files); duration, seed and inverter are those of
    `controls`. A ConfigError is raised for too many notes, or a name of other than small letters, digits and _.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigError(f"The name of the instrument must be small letters, digits and _, got {name!r}.")
    if not 1 <= len(pitches) * len(velocities) <= _MOST:
        raise ConfigError(f"The folder must have 1 to {_MOST} notes, got {len(pitches) * len(velocities)}.")
    (folder / name).mkdir(exist_ok=True)
    rows: list[list[object]] = []
    for pitch, velocity in itertools.product(pitches, velocities):
        step = max(1, round(127 * velocity))
        file = folder / name / f"{name}_{note_name(pitch).replace('#', 's')}_v{step}.wav"
        _write(file, space, point, replace(controls, pitch=pitch, velocity=velocity))
        rows.append([f"{name}/{file.name}", name, pitch, round(velocity, 4)])
        yield file
    write_table(folder / "metadata.csv", ("file", "instrument", "midi_pitch", "velocity"), rows)
    yield folder / "metadata.csv"


def _write(file: FilePath, space: Space, point: np.ndarray, controls: NoteControls) -> None:
    write(file, space.renderer.sound(space.check_point(point)[None], controls))
