"""Reader of the Philharmonia Orchestra's samples: <instrument>_<note>_<length>_<dynamics>_<articulation>.mp3."""

import os
import re

from timbre.data.names import family_of, parse_dynamics, parse_note, plain
from timbre.data.note import Note
from timbre.data.readers._reader import Options, Reader, Reading, labelled, most_names_fit, separate
from timbre.data.report import Dropped
from timbre.data.tree import Tree

_NAME = re.compile(r"([^_]+)_([A-G]s?[0-8])?_(025|05|1|15|long|very-long|phrase)_([^_]*)(?:_([^_]*))?")


def _match(file: str) -> re.Match[str] | None:
    return _NAME.fullmatch(os.path.splitext(os.path.basename(file))[0])


def _note(tree: Tree, file: str) -> Note | Dropped:
    """The note of a file; swells have no dynamic mark, so they count as an articulation."""
    parts = _match(file)
    if parts is None:
        return Dropped(file, "its name is not <instrument>_<note>_<length>_<dynamics>_<articulation>")
    instrument, note, length, loudness, manner = parts.groups(default="")
    if length == "phrase":
        return Dropped(file, "a phrase, not a note")
    dynamics = parse_dynamics(loudness)
    return labelled(
        tree.root / file,
        plain(instrument),
        dynamics,
        family=family_of(instrument) or (None if note else "percussion"),
        pitch=parse_note(note) if note else None,
        articulation="-".join(filter(None, (manner, "" if dynamics else loudness))) or None,
        source="Philharmonia Orchestra",
    )


def _read(tree: Tree, options: Options) -> Reading:
    return Reading(*separate(_note(tree, file) for file in tree.sounds), "file names (Philharmonia)")


READER = Reader("philharmonia", lambda tree: most_names_fit(tree, lambda file: _match(file) is not None), _read)
