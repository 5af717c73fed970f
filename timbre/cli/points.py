"""Points, pitches and labels from the words of a command."""

import os
import re
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING

import timbre
from timbre.errors import ConfigError, TimbreError
from timbre.files import expanded

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from timbre.data import Note
    from timbre.maps.planes import Plane
    from timbre.space import Space

_LONGEST, _FACTORS = 4000, 100  # letters of a point, and signs of multiplication in it
_PLANES = {"overview": 0, "families": 0, "heard": 0, "pca": 0, "axes": 2, "dims": 2, "points": 3, "places": 3}
"""The words of --plane, and how many follow; `places` is the name of `points` in version 0.1."""
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"


def find_point(space: "Space", text: str) -> "np.ndarray":
    """The point (dim,) that a text stands for: see the help text of `Point`. A file is encoded with its labels.

    Raises:
        ConfigError: if the text is no point of this space.
    """
    from timbre.shapes.arithmetic import combined, is_sum, library_point

    if text.count("*") > _FACTORS:
        raise ConfigError(f"A point must have {_FACTORS} factors or fewer, got {text.count('*'):,}.")
    if len(text) > _LONGEST:
        raise ConfigError(f"A point must be a text of {_LONGEST:,} letters or fewer, got {len(text):,}.")
    if "," in text or re.fullmatch(_NUMBER, text.strip(), re.IGNORECASE):
        return parse_point(text, space.dim)
    if text in space.atlas:
        return space.atlas[text]
    if text not in space.atlas.instruments and _is_file(text):
        if text.lower().endswith((".json", ".csv")):
            raise ConfigError(
                f"A point must be coordinates, a name or a sound file, got {text}; give a path by --path."
            )
        note = labels_of(Path(text))
        return space.encode(timbre.read(text), pitch=note.pitch, velocity=note.velocity)
    is_name = text in space.atlas.instruments or not is_sum(text)
    return library_point(space, text) if is_name else combined(space, text, find_point)


def find_plane(space: "Space", words: list[str]) -> "Plane":
    """The plane that the words of --plane describe; two words alone are two axes, as in `timbre path --plane`."""
    from timbre.maps.planes import plane, plane_through
    from timbre.shapes.arithmetic import library_point
    from timbre.shapes.overview import KINDS

    kind, rest = (words[0], words[1:]) if words[0] in _PLANES else ("axes", words)
    if len(rest) != _PLANES[kind]:
        raise ConfigError(
            "--plane must be overview, families, heard, pca, axes A B, dims I J or points A B C, got "
            f"{' '.join(words)}."
        )
    if kind in ("points", "places"):
        instruments = space.atlas.instruments
        points = [library_point(space, word) if word in instruments else find_point(space, word) for word in rest]
        return plane_through(space, points, [Path(word).stem for word in rest])
    if kind in KINDS:
        return plane(space, [kind])
    return plane(space, [f"z{word.removeprefix('z')}" for word in rest] if kind == "dims" else rest)


def find_grid(space: "Space", size: str, corners: "Sequence[str]", plane: list[str]) -> "np.ndarray":
    """The points (rows, columns, dim) of a grid such as 5x4: between corners, or over the library notes on a plane."""
    from timbre.synth.instruments import grid

    sides = re.fullmatch(r"(\d{1,4})x(\d{1,4})", size)
    if not sides:
        raise ConfigError(f"--grid must be columns and rows, such as 5x4, got {size!r}.")
    if bool(corners) == bool(plane):
        raise ConfigError(f"A grid must have --corner or --plane, got {'both' if plane else 'neither'}.")
    ends = list(find_plane(space, plane).corners) if plane else [find_point(space, text) for text in corners]
    return grid(ends, int(sides[1]), int(sides[2]))


def find_pitch(space: "Space", text: str) -> float | None:
    """The pitch, MIDI, of the sound that the text of a point names: of a library note, or in the name of a file.

    NaN for a note without pitch, and for an instrument none of whose notes has one; None for other points.
    """
    atlas = space.atlas
    if text in atlas:
        return float(atlas.pitches[atlas.index(text)])
    if text in atlas.instruments:
        own = (pitch for name, pitch in zip(atlas.instruments, atlas.pitches, strict=True) if name == text)
        return nan if all(map(isnan, own)) else None
    return None if "," in text or not _is_file(text) else labels_of(Path(text)).pitch


def parse_point(text: str, dim: int) -> "np.ndarray":
    """A point (dim,) from numbers separated by commas."""
    import numpy as np

    words = [word.strip() for word in text.split(",")]
    for word in words:
        if not re.fullmatch(_NUMBER, word, re.IGNORECASE):
            raise ConfigError(f"A point must be {dim} numbers separated by commas, got {word!r} in {text!r}.")
    if len(words) != dim:
        raise ConfigError(f"A point of this space must have {dim} coordinates, got {len(words)} in {text!r}.")
    point = np.array([float(word) for word in words])
    if not (np.abs(point) <= np.finfo(np.float32).max).all():
        raise ConfigError(f"The coordinates of a point must be finite numbers of usual size, got {text!r}.")
    return point


def _is_file(text: str) -> bool:
    try:
        return expanded(text).is_file()
    except TimbreError:
        return False


def parse_pitch(text: str) -> float | None:
    """MIDI pitch of a note name or number; None for "unknown"."""
    from timbre.data.names import parse_note

    return None if text == "unknown" else parse_note(text)


def labels_of(file: Path) -> "Note":
    """A note with the labels in the names of its file and folder."""
    from timbre.data.readers.folders import read_folders

    path = Path(os.path.realpath(expanded(file)))
    reading = read_folders(path.parent.parent, [f"{path.parent.name}/{path.name}"])
    if reading.dropped:
        raise ConfigError(f"{file} {reading.dropped[0].reason}.")
    return reading.notes[0]
