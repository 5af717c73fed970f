"""Many notes at once: a grid of places, and a folder of samples that other instruments can play."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path as FilePath

import numpy as np

from timbre.audio import write
from timbre.data.names import note_name
from timbre.errors import ConfigError
from timbre.files import write_text
from timbre.space import Space

_MOST = 4096  # sounds


def grid(corners: Sequence[np.ndarray], columns: int, rows: int = 1) -> np.ndarray:
    """Places (rows, columns, dim) between two, three or four corners, bilinear.

    Args:
        corners: the ends of the first row, then those of the last row; of three, the last is that of the last row's
            beginning, and the grid is a parallelogram.
        columns, rows: how many; at least 1 each.

    Raises:
        ConfigError: for other numbers of corners, rows or columns.
    """
    if not 2 <= len(corners) <= 4 or (rows > 1 and len(corners) == 2):
        raise ConfigError(
            f"A grid of {columns} x {rows} came with {len(corners)} corners; 2 are wanted for a row, 3 or 4 for more."
        )
    if min(columns, rows) < 1 or columns * rows > _MOST:
        raise ConfigError(f"A grid of {columns} x {rows} was asked for; 1 to {_MOST} places are wanted.")
    first, last = np.asarray(corners[0], np.float64), np.asarray(corners[1], np.float64)
    below = np.asarray(corners[2], np.float64) if len(corners) > 2 else first
    beyond = np.asarray(corners[3], np.float64) if len(corners) > 3 else below + last - first
    u, v = np.linspace(0, 1, columns)[None, :, None], np.linspace(0, 1, rows)[:, None, None]
    return (1 - v) * ((1 - u) * first + u * last) + v * ((1 - u) * below + u * beyond)


def write_grid(folder: FilePath, space: Space, places: np.ndarray, **settings: object) -> Iterator[FilePath]:
    """Write the sound of every place of a grid, r1c1.wav and so on, then index.csv with their coordinates.

    Args:
        folder: an existing folder.
        space: the space.
        places: (rows, columns, dim).
        settings: of :meth:`Space.decode`.

    Yields:
        each file when it has been written.
    """
    index = []
    for row, column in np.ndindex(places.shape[:2]):
        file = folder / f"r{row + 1}c{column + 1}.wav"
        write(file, space.decode(places[row, column], **settings))  # type: ignore[arg-type]
        index.append([file.name, row + 1, column + 1, *places[row, column].tolist()])
        yield file
    names = ["file", "row", "column", *(f"z{number}" for number in range(space.dim))]
    yield _table(folder / "index.csv", [names, *index])


def pitches_of(text: str) -> list[int]:
    """MIDI pitches of "C2:C6:3", from, to and step in semitones; the step is 1 unless said.

    Raises:
        ConfigError: if it is anything else, or no pitch lies in it.
    """
    from timbre.data.names import parse_note

    parts = text.split(":")
    if len(parts) not in (2, 3) or (len(parts) == 3 and not re.fullmatch("[1-9][0-9]?", parts[2])):
        raise ConfigError(f"The notes are {text!r}; from, to and a step in semitones are wanted, such as C2:C6:3.")
    low, high = (parse_note(part) for part in parts[:2])
    if low > high:
        raise ConfigError(f"The notes are {text!r}; the lower one comes first.")
    return list(range(round(low), round(high) + 1, int(parts[2]) if len(parts) == 3 else 1))


def write_notes(
    folder: FilePath, name: str, space: Space, place: np.ndarray, pitches: Sequence[int], velocities: Sequence[float],
    **settings: object,
) -> Iterator[FilePath]:  # fmt: skip
    """Write a place as an instrument: NAME/NAME_C4_v102.wav and so on, with metadata.csv; `timbre scan` reads both.

    Args:
        folder: an existing folder.
        name: of the instrument, a plain word.
        space, place: what is played.
        pitches: MIDI.
        velocities: 0..1; files say them as 1 to 127.
        settings: of :meth:`Space.decode`.

    Yields:
        each file when it has been written.

    Raises:
        ConfigError: for too many notes, or a name that will not do as a file's.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigError(f"The instrument is called {name!r}; small letters, digits and _ are wanted.")
    if not 1 <= len(pitches) * len(velocities) <= _MOST:
        raise ConfigError(f"{len(pitches) * len(velocities)} notes were asked for; 1 to {_MOST} are wanted.")
    (folder / name).mkdir(exist_ok=True)
    rows: list[list[object]] = [["file", "instrument", "midi_pitch", "velocity"]]
    for pitch in pitches:
        for velocity in velocities:
            step = max(1, round(127 * velocity))
            file = folder / name / f"{name}_{note_name(pitch).replace('#', 's')}_v{step}.wav"
            write(file, space.decode(place, pitch=pitch, velocity=velocity, **settings))  # type: ignore[arg-type]
            rows.append([f"{name}/{file.name}", name, pitch, round(velocity, 4)])
            yield file
    yield _table(folder / "metadata.csv", rows)


def _table(file: FilePath, rows: Sequence[Sequence[object]]) -> FilePath:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text(file, text.getvalue())
    return file
