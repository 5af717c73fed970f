"""Readers of TinySOL and OrchideaSOL (Cella et al. 2020), which have tables with nearly the same columns.

TinySOL has 2,913 notes of fourteen instruments, OrchideaSOL 13,265 sounds with mutes and extended techniques.
"""

import re
from dataclasses import replace
from pathlib import Path

from timbre.data.names import plain
from timbre.data.note import Note
from timbre.data.readers._entries import Entry, Row, column, note_of_row, table_reader
from timbre.data.readers._reader import pitch_or_none

_DYNAMICS = {"0": "pp", "1": "p", "2": "mf", "3": "f", "4": "ff"}
_RESAMPLED = re.compile(r".*-(?:T[0-9]+[ud]_)?R[0-9]+[ud]", re.DOTALL)


def _applicable(row: Row) -> Row:
    """The cells that apply; N stands for not applicable."""
    return {name: cell for name, cell in row.items() if cell != "N"}


def _note(path: Path, row: Row) -> Note:
    """The note of a row; raises LibraryError if the pitch is not valid.

    The take is the number of the string, 1 for the highest, if there are strings (their instances have the same
    numbers), else the instance.
    """
    mark = row.get("dynamics") or _DYNAMICS.get(_whole(row, "dynamics id", "dynamics id if applicable"), "")
    note = note_of_row(path, {**row, "dynamics": mark} if mark else row)
    string, instance = _whole(row, "string id if applicable", "string id"), _whole(row, "instance id")
    resampled = "quality: resampled from the neighbouring semitone"
    return replace(
        note,
        take=int(string) if string else int(instance) + 1 if instance else None,
        flags=(resampled,) if _RESAMPLED.fullmatch(path.stem) else (),
    )


def _tinysol_note(path: Path, row: Row) -> Note:
    return replace(_note(path, row), licence="CC-BY-4.0", source="TinySOL")


def _orchideasol_note(path: Path, row: Row) -> Note:
    """The note of a row; noises and multiphonics have no pitch."""
    if pitch_or_none(column(row, "pitch") or "") is None:
        row = {name: cell for name, cell in row.items() if not name.startswith("pitch")}
    note = _note(path, row)
    mute = row.get("mute in full") or row.get("mute abbr")
    articulation = "-".join(part for part in (note.articulation, mute and plain(mute)) if part)
    return replace(note, articulation=articulation or None, licence="Ircam Forum licence", source="OrchideaSOL")


def _retuned(listed: list[Entry]) -> list[str]:
    """A remark on the number of notes that were retuned digitally, or none."""
    number = sum((row or {}).get("needed digital retuning", "").lower() == "true" for _, row in listed)
    return [f"{number} of {len(listed)} notes were retuned digitally, according to the table."] if number else []


def _whole(row: Row, *names: str) -> str:
    """Digits of the whole number in the first of these columns, written as 2 or 2.0; empty if there is none."""
    cell = next((row[name] for name in names if name in row), "")
    number = re.fullmatch(r"([0-9]{1,4})(?:\.0*)?", cell)
    return number[1] if number else ""


TINYSOL = table_reader("tinysol", "TinySOL_metadata.csv", _tinysol_note, _applicable, _retuned)
ORCHIDEASOL = table_reader("orchideasol", "OrchideaSOL_metadata.csv", _orchideasol_note, _applicable, _retuned)
