"""Reader of NSynth (Engel et al. 2017): notes of 4 s at 16 kHz, and one examples.json for each of three splits."""

import os
from functools import lru_cache
from typing import Any

from timbre.data.names import plain
from timbre.data.note import Note
from timbre.data.readers._entries import load_json
from timbre.data.readers._reader import Options, Reader, Reading
from timbre.data.report import Dropped
from timbre.data.tree import Tree
from timbre.errors import LibraryError

_TABLE = "examples.json"
_FAMILIES = {
    "bass": "plucked",
    "brass": "brass",
    "flute": "woodwinds",
    "guitar": "plucked",
    "keyboard": "keyboard",
    "mallet": "pitched_percussion",
    "organ": "keyboard",
    "reed": "woodwinds",
    "string": "strings",
    "synth_lead": "synth",
    "vocal": "voice",
}
_plain = lru_cache(4096)(plain)  # 289,205 notes share 1,006 instruments
_DOUBTFUL = ("multiphonic", "tempo-synced")  # qualities of sounds that are more than one note


def _tables(tree: Tree) -> list[str]:
    return [file for file in tree.named(_TABLE) if os.path.basename(file) == _TABLE]


def _suits(tree: Tree) -> bool:
    """NSynth's tables stand beside a folder called audio."""
    starts = tuple(_audio(table) for table in _tables(tree))
    return bool(starts) and any(file.startswith(starts) for file in tree.files)


def _audio(table: str) -> str:
    """Start of the paths of a table's sounds."""
    return table[: -len(_TABLE)] + "audio/"


def _split(tree: Tree, table: str) -> str | None:
    """NSynth's own split, by the name of the folder."""
    folder = os.path.basename(os.path.dirname(table)) or tree.root.name
    return next((split for split in ("train", "valid", "test") if folder.lower().endswith(split)), None)


def _note(tree: Tree, file: str, name: str, entry: dict[str, Any], split: str | None) -> Note | str:
    """The note of an entry, or what is wrong with it."""
    pitch, velocity = entry.get("pitch"), entry.get("velocity")
    if not (isinstance(pitch, int) and isinstance(velocity, int) and 0 <= pitch <= 127 and 0 <= velocity <= 127):
        return f"pitch {pitch!r} and velocity {velocity!r} are not both whole numbers from 0 to 127"
    qualities = [str(quality) for quality in _listed(entry.get("qualities_str"))]
    return Note(
        file=tree.root / file,
        instrument=_plain(str(entry.get("instrument_str") or name.rpartition("-")[0].rpartition("-")[0])),
        family=_FAMILIES.get(str(entry.get("instrument_family_str"))),
        pitch=float(pitch),
        velocity=velocity / 127,
        articulation="-".join(quality for quality in qualities if quality not in _DOUBTFUL) or None,
        licence="CC-BY-4.0",
        source=f"NSynth, {entry.get('instrument_source_str', 'unknown')}",
        flags=tuple(f"quality: {quality}" for quality in qualities if quality in _DOUBTFUL),
        split=split,
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _read_table(tree: Tree, table: str, unlisted: dict[str, None]) -> tuple[list[Note], list[Dropped]]:
    """The notes of one table; their files are taken out of `unlisted`."""
    content = load_json(tree, table)
    if not isinstance(content, dict):
        raise LibraryError(f"{tree.root / table} holds no object; one with an entry for each note is wanted.")
    audio, split = _audio(table), _split(tree, table)
    notes: list[Note] = []
    dropped: list[Dropped] = []
    for name in sorted(content):
        file = f"{audio}{name}.wav"
        there = file in unlisted
        unlisted.pop(file, None)
        entry = content[name]
        outcome = _note(tree, file, name, entry, split) if isinstance(entry, dict) else "its entry is no object"
        if isinstance(outcome, Note) and there:
            notes.append(outcome)
        else:
            reason = outcome if isinstance(outcome, str) else "names a file that is not there"
            dropped.append(Dropped(file, f"{_TABLE}: {reason}"))
    return notes, dropped


def _read(tree: Tree, options: Options) -> Reading:
    tables = _tables(tree)
    if not tables:
        raise LibraryError(f"{tree.root} holds no {_TABLE}; a folder such as nsynth-test is wanted.")
    unlisted = dict.fromkeys(tree.sounds)
    notes: list[Note] = []
    dropped: list[Dropped] = []
    for table in tables:
        more, misfits = _read_table(tree, table, unlisted)
        notes += more
        dropped += misfits
    dropped += [Dropped(file, f"not in {_TABLE}") for file in unlisted] if tree.chosen is None else []
    return Reading(notes, dropped, ", ".join(tables))


READER = Reader("nsynth", "NSynth, by its examples.json", _suits, _read)
