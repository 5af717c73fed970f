"""Reader of NSynth (Engel et al. 2017): notes of 4 s at 16 kHz and an examples.json for each of three splits."""

import os
from collections.abc import Iterator
from typing import Any

from timbre.data.names import family_of, plain
from timbre.data.note import Note
from timbre.data.readers._entries import load_json
from timbre.data.readers._reader import Options, Reader, Reading, has_folder, separate, unlisted
from timbre.data.report import Dropped
from timbre.data.tree import Tree
from timbre.errors import LibraryError

_TABLE = "examples.json"
_FAMILIES = {"bass": "plucked", "mallet": "pitched_percussion", "reed": "woodwinds"}  # names that are only NSynth's
_DOUBTFUL = ("multiphonic", "tempo-synced")  # qualities of sounds that are more than one note


def _tables(tree: Tree) -> list[str]:
    return [file for file in tree.named(_TABLE) if os.path.basename(file) == _TABLE]


def _split(tree: Tree, table: str) -> str | None:
    """NSynth's own split, from the name of the folder."""
    folder = os.path.basename(os.path.dirname(table)) or tree.root.name
    return next((split for split in ("train", "valid", "test") if folder.lower().endswith(split)), None)


def _note(tree: Tree, file: str, name: str, entry: Any, split: str | None) -> Note | Dropped:
    if not isinstance(entry, dict):
        return Dropped(file, f"{_TABLE}: its entry is not an object")
    pitch, velocity = entry.get("pitch"), entry.get("velocity")
    if not (isinstance(pitch, int) and isinstance(velocity, int) and 0 <= pitch <= 127 and 0 <= velocity <= 127):
        numbers = f"got {pitch!r} and {velocity!r}"
        return Dropped(file, f"{_TABLE}: pitch and velocity must be whole numbers from 0 to 127, {numbers}")
    family, listed = str(entry.get("instrument_family_str")), entry.get("qualities_str")
    qualities = [str(quality) for quality in listed] if isinstance(listed, list) else []
    return Note(
        file=tree.root / file,
        instrument=plain(str(entry.get("instrument_str") or name.rpartition("-")[0].rpartition("-")[0])),
        family=_FAMILIES.get(family) or family_of(family),
        pitch=float(pitch),
        velocity=velocity / 127,
        articulation="-".join(quality for quality in qualities if quality not in _DOUBTFUL) or None,
        licence="CC-BY-4.0",
        source=f"NSynth, {entry.get('instrument_source_str', 'unknown')}",
        flags=tuple(f"quality: {quality}" for quality in qualities if quality in _DOUBTFUL),
        split=split,
    )


def _read_tables(tree: Tree, tables: list[str]) -> Iterator[Note | Dropped]:
    sounds = set(tree.sounds)
    listed: set[str] = set()
    for table in tables:
        content = load_json(tree, table)
        if not isinstance(content, dict):
            raise LibraryError(f"{tree.root / table} must contain an object with an entry for each note; it has none.")
        split = _split(tree, table)
        for name in sorted(content):
            file = f"{table.removesuffix(_TABLE)}audio/{name}.wav"
            listed.add(file)
            outcome = _note(tree, file, name, content[name], split)
            missing = isinstance(outcome, Note) and file not in sounds
            yield Dropped(file, f"{_TABLE}: names a file that does not exist") if missing else outcome
    yield from unlisted(tree, listed, f"not in {_TABLE}")


def _read(tree: Tree, options: Options) -> Reading:
    tables = _tables(tree)
    if not tables:
        raise LibraryError(f"{tree.root} must contain {_TABLE}; choose a folder such as nsynth-test.")
    return Reading(*separate(_read_tables(tree, tables)), ", ".join(tables))


READER = Reader("nsynth", lambda tree: has_folder(tree, _tables(tree), "audio"), _read)
