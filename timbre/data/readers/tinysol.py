"""Reader of TinySOL (Cella et al. 2020): 2,913 notes of fourteen instruments and a table of them."""

import re
from dataclasses import replace
from pathlib import Path

from timbre.data.note import Note
from timbre.data.readers._entries import Entry, Row, note_of_row, table_reader

_DYNAMICS = {"0": "pp", "1": "p", "2": "mf", "3": "f", "4": "ff"}
_RESAMPLED = re.compile(r".*-(?:T[0-9]+[ud]_)?R[0-9]+[ud]", re.DOTALL)


def applicable(row: Row) -> Row:
    """The cells of a row of TinySOL or OrchideaSOL that apply; N stands for not applicable."""
    return {name: cell for name, cell in row.items() if cell != "N"}


def sol_note(path: Path, row: Row) -> Note:
    """The note of a row of TinySOL or OrchideaSOL, which share most columns.

    The take is the number of the string, 1 for the highest, if there are strings (their instances have the same
    numbers), else the instance.

    Raises:
        LibraryError: if the pitch is not valid.
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


def retuned(listed: list[Entry]) -> list[str]:
    """A remark on the number of notes that were retuned digitally, or none."""
    number = sum((row or {}).get("needed digital retuning", "").lower() == "true" for _, row in listed)
    return [f"{number} of {len(listed)} notes were retuned digitally, according to the table."] if number else []


def _whole(row: Row, *names: str) -> str:
    """Digits of the whole number in the first of these columns, written as 2 or 2.0; empty if there is none."""
    cell = next((row[name] for name in names if name in row), "")
    number = re.fullmatch(r"([0-9]{1,4})(?:\.0*)?", cell)
    return number[1] if number else ""


def _note(path: Path, row: Row) -> Note:
    return replace(sol_note(path, row), licence="CC-BY-4.0", source="TinySOL")


READER = table_reader("tinysol", "TinySOL, by TinySOL_metadata.csv", "TinySOL_metadata.csv", _note, applicable, retuned)
