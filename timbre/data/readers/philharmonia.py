"""Reader of the Philharmonia Orchestra's samples: <instrument>_<note>_<length>_<dynamics>_<articulation>.mp3."""

import os
import re
from pathlib import Path

from timbre.data.names import family_of, parse_dynamics, parse_note, plain, velocity_of
from timbre.data.note import Note
from timbre.data.readers._reader import Options, Reader, Reading
from timbre.data.report import Dropped
from timbre.data.tree import Tree

_NAME = re.compile(r"([^_]+)_([A-G]s?[0-8])?_(025|05|1|15|long|very-long|phrase)_([^_]*)(?:_([^_]*))?")
_LOOK = 200  # files that are looked at to recognise the library


def _match(file: str) -> re.Match[str] | None:
    return _NAME.fullmatch(os.path.splitext(os.path.basename(file))[0])


def _suits(tree: Tree) -> bool:
    """Most names have the five parts, in order."""
    sounds = [] if tree.chosen else tree.sounds
    some = sounds[:: max(1, len(sounds) // _LOOK)]
    return bool(some) and 2 * sum(_match(file) is not None for file in some) > len(some)


def _note(path: Path, found: re.Match[str]) -> Note:
    """The note that a name describes; swells have no dynamic mark and are a manner of playing."""
    instrument, note, _, loudness, manner = found.groups(default="")
    dynamics = parse_dynamics(loudness)
    words = (manner, "" if dynamics else loudness)
    return Note(
        file=path,
        instrument=plain(instrument),
        family=family_of(instrument) or (None if note else "percussion"),
        pitch=parse_note(note) if note else None,
        velocity=velocity_of(dynamics),
        dynamics=dynamics,
        articulation="-".join(word for word in words if word) or None,
        source="Philharmonia Orchestra",
    )


def _read(tree: Tree, options: Options) -> Reading:
    notes: list[Note] = []
    dropped: list[Dropped] = []
    for file in tree.sounds:
        found = _match(file)
        if found is None:
            dropped.append(Dropped(file, "its name is not <instrument>_<note>_<length>_<dynamics>_<articulation>"))
        elif found[3] == "phrase":
            dropped.append(Dropped(file, "a phrase, not a note"))
        else:
            notes.append(_note(tree.root / file, found))
    return Reading(notes, dropped, "file names (Philharmonia)")


READER = Reader("philharmonia", "the Philharmonia Orchestra's samples, by their names", _suits, _read)
