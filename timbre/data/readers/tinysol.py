"""Reader of TinySOL (Cella et al. 2020): 2,913 notes of fourteen instruments, and a table of all of them."""

import re
from dataclasses import replace
from pathlib import Path

from timbre.data.note import Note
from timbre.data.readers._entries import Row, by_ending, entries, note_of_row, read_entries
from timbre.data.readers._reader import Options, Reader, Reading
from timbre.data.tree import Tree
from timbre.errors import LibraryError

_TABLE = "tinysol_metadata.csv"
_DYNAMICS = {"0": "pp", "1": "p", "2": "mf", "3": "f", "4": "ff"}
_RESAMPLED = re.compile(r".*-(?:T[0-9]+[ud]_)?R[0-9]+[ud]", re.DOTALL)


def sol_entries(tree: Tree, name: str) -> tuple[str, list[tuple[str, Row | None]]]:
    """The table called `name` (lower case), wherever it lies in the tree, and its entries; N says that nothing applies.

    Raises:
        LibraryError: if it is not there or cannot be read.
    """
    table = next(iter(tree.named(name)), None)
    if table is None:
        raise LibraryError(f"{tree.root} holds no {name}; it comes with the library and is wanted beside its sounds.")
    listed = entries(tree, table)
    return table, [(place, row and {key: cell for key, cell in row.items() if cell != "N"}) for place, row in listed]


def sol_note(path: Path, row: Row) -> Note:
    """The note of a row of TinySOL or OrchideaSOL, which share most columns.

    The take is the number of the string, 1 the highest, where there are strings (their instances are numbered that
    way too), else the instance.

    Raises:
        LibraryError: if its pitch cannot be understood.
    """
    mark = row.get("dynamics") or _DYNAMICS.get(_whole(row, "dynamics id", "dynamics id if applicable"), "")
    note = note_of_row(path, {**row, "dynamics": mark} if mark else row)
    string, instance = _whole(row, "string id if applicable", "string id"), _whole(row, "instance id")
    copied = "quality: resampled from the neighbouring semitone"
    return replace(
        note,
        take=int(string) if string else int(instance) + 1 if instance else None,
        flags=(copied,) if _RESAMPLED.fullmatch(path.stem) else (),
    )


def retuned(listed: list[tuple[str, Row | None]]) -> list[str]:
    """What there is to say of the notes that were brought into tune by a computer, as one remark or none."""
    number = sum((row or {}).get("needed digital retuning", "").lower() == "true" for _, row in listed)
    return [f"{number} of {len(listed)} notes were retuned digitally, says the table."] if number else []


def _whole(row: Row, *names: str) -> str:
    """Digits of a whole number, which tables write as 2 or 2.0; empty where there is none."""
    cell = next((row[name] for name in names if name in row), "")
    found = re.fullmatch(r"([0-9]{1,4})(?:\.0*)?", cell)
    return found[1] if found else ""


def _note(path: Path, row: Row) -> Note:
    return replace(sol_note(path, row), licence="CC-BY-4.0", source="TinySOL")


def _read(tree: Tree, options: Options) -> Reading:
    table, listed = sol_entries(tree, _TABLE)
    notes, dropped = read_entries(tree, table, listed, _note, by_ending(tree))
    return Reading(notes, dropped, table, remarks=retuned(listed))


READER = Reader("tinysol", "TinySOL, by TinySOL_metadata.csv", lambda tree: bool(tree.named(_TABLE)), _read)
