"""Tables of files and labels, in CSV or JSON: what the readers of such libraries share."""

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from timbre.data.names import family_folder, family_of, parse_dynamics, parse_note, plain, velocity_of
from timbre.data.note import Note
from timbre.data.report import Dropped
from timbre.data.tree import Tree
from timbre.errors import LibraryError

# Column names are compared in lower case without brackets and punctuation; the first that is there and filled counts.
_COLUMNS = {
    "file": ("file", "path", "filename", "file name", "file path", "filepath"),
    "instrument": ("instrument", "instrument in full", "instrument name", "instrument abbr"),
    "family": ("family", "family in full", "family abbr"),
    "pitch": ("midi pitch", "pitch id", "pitch id if applicable", "midi", "midi note", "pitch", "pitch name", "note"),
    "velocity": ("velocity", "midi velocity"),
    "dynamics": ("dynamics", "dynamic", "velocity or dynamics"),
    "articulation": ("articulation", "technique in full", "technique", "technique abbr"),
    "licence": ("licence", "license"),
    "source": ("source", "origin"),
    "take": ("take", "round robin", "rr"),
    "split": ("split", "subset"),
}
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_BLANK = {"", "-", "n/a", "na", "nan", "none", "null", "unknown", "unpitched"}
_HEAD = 1 << 16  # bytes; no header is longer

Row = dict[str, str]
"""The filled cells of an entry, by the plain names of their columns."""
Entry = tuple[str, Row | None]
"""Where an entry stands ("row 4"), and its cells; None if it is no entry at all."""


def column(row: Row, name: str) -> str | None:
    """What a row says of one of timbre's own fields, under whichever of its names; None if nothing."""
    return next((row[alias] for alias in _COLUMNS[name] if alias in row), None)


def entries(tree: Tree, table: str) -> list[Entry]:
    """The entries of a CSV or JSON table of the tree.

    Raises:
        LibraryError: if it cannot be read as that, or a JSON file holds no objects.
    """
    return _json_entries(tree, table) if table.lower().endswith(".json") else _csv_entries(tree, table)


def lists_files(tree: Tree, table: str) -> bool:
    """Whether the first line of a CSV file names a column of files.

    Raises:
        LibraryError: if it cannot be read.
    """
    try:
        with (tree.root / table).open("rb") as file:
            head = file.read(_HEAD).decode("utf-8-sig", "replace")
        header = next(iter(_cells(head.partition("\n")[0])), [])
    except OSError as error:
        raise LibraryError(f"{tree.root / table} cannot be read: {error.strerror}.") from error
    except csv.Error:
        return False
    return not {_plain_column(cell) for cell in header}.isdisjoint(_COLUMNS["file"])


def read_entries(
    tree: Tree,
    table: str,
    listed: Iterable[Entry],
    note_of: Callable[[Path, Row], Note],
    find: Callable[[str], str | None] | None = None,
) -> tuple[list[Note], list[Dropped]]:
    """The notes of a table, in its order, and what does not fit: entries without a file, files without an entry.

    Args:
        tree: the library.
        table: the table, relative to the root.
        listed: its entries.
        note_of: makes a note of a file and its row; it may raise LibraryError.
        find: the file of the tree that a reference means; by default one relative to the table's folder.
    """
    base, name = os.path.split(table)
    notes: list[Note] = []
    dropped: list[Dropped] = []
    unlisted = {} if tree.chosen else dict.fromkeys(tree.sounds)
    seen: set[str] = set()
    for place, row in listed:
        reference = _relative(column(row or {}, "file"))
        file = find(reference) if find else tree.find(reference, base)
        repeated = f"{place} repeats a file" if file in seen else None
        outcome = repeated or _outcome(tree, place, row, reference, file, note_of)
        if isinstance(outcome, Note):
            notes.append(outcome)
        else:
            dropped.append(Dropped(file or reference or f"({name}, {place})", f"{name}, {outcome}"))
        if file is not None:
            seen.add(file)
            unlisted.pop(file, None)
    return notes, dropped + [Dropped(file, f"not in {name}") for file in unlisted]


def note_of_row(path: Path, row: Row, velocity_scale: float = 127.0) -> Note:
    """The note that a row describes; velocities are shares of `velocity_scale`.

    Raises:
        LibraryError: if its pitch or velocity cannot be understood.
    """
    mark, number = column(row, "dynamics"), column(row, "velocity")
    dynamics = parse_dynamics(mark) if mark else None
    if mark and dynamics is None and number is None and _is_number(mark):
        number = mark
    instrument = plain(column(row, "instrument") or "") or plain(path.parent.name)
    family, pitch, take = (column(row, name) for name in ("family", "pitch", "take"))
    return Note(
        file=path,
        instrument=instrument,
        family=family_folder(family) or plain(family) if family else family_of(instrument),
        pitch=None if pitch is None else parse_note(pitch),
        velocity=velocity_of(dynamics) if number is None else _velocity(number, velocity_scale),
        dynamics=dynamics,
        articulation=column(row, "articulation"),
        licence=column(row, "licence"),
        source=column(row, "source"),
        take=int(take) if take and re.fullmatch("[0-9]{1,4}", take) else None,
        split=_SPLITS.get((column(row, "split") or "").lower()),
    )


def by_ending(tree: Tree) -> Callable[[str], str | None]:
    """Finds the one file whose path ends with a reference: for tables kept apart from the sounds they list."""
    known: dict[str, list[str]] = {}
    for file in tree.files:
        known.setdefault(os.path.basename(file).lower(), []).append(file)

    def find(reference: str) -> str | None:
        ending = "/" + reference.lower()
        found = [f for f in known.get(os.path.basename(reference).lower(), ()) if f"/{f}".lower().endswith(ending)]
        return found[0] if len(found) == 1 else None

    return find


def load_json(tree: Tree, file: str) -> Any:
    """What a JSON file of the tree holds.

    Raises:
        LibraryError: if it cannot be read as JSON.
    """
    text = tree.text(file)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LibraryError(f"{tree.root / file} cannot be read as JSON: {error}.") from error


def _outcome(
    tree: Tree, place: str, row: Row | None, reference: str, file: str | None, note_of: Callable[[Path, Row], Note]
) -> Note | str:
    """The note of an entry, or why there is none."""
    if row is None:
        return f"{place} is no object"
    if not reference:
        return f"{place} names no file"
    if os.path.isabs(reference) or re.match(r"\.\.(/|$)|[A-Za-z]:", reference):
        return f"{place} names a file outside the library"
    if file is None:
        return f"{place} names a file that is not there"
    try:
        return note_of(tree.root / file, row)
    except LibraryError as error:
        return f"{place}: {str(error).rstrip('.')}"


def _velocity(number: str, scale: float) -> float:
    if not _is_number(number) or not 0 <= float(number) <= scale:
        raise LibraryError(f"velocity {number!r} is not a number from 0 to 1 or from 0 to 127")
    return float(number) / scale


def velocity_scale(listed: list[Entry]) -> float:
    """127 for a column of MIDI velocities, 1 for one of shares."""
    cells = [column(row, "velocity") or "" for _, row in listed if row]
    values = [float(cell) for cell in cells if _is_number(cell)]
    return 1.0 if values and max(values) <= 1 else 127.0


def names_pitches(listed: list[Entry]) -> bool:
    """Whether some pitches are note names, whose octaves depend on a convention, and not numbers."""
    cells = [column(row, "pitch") for _, row in listed if row]
    return any(cell and not _is_number(cell) for cell in cells)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]+(\.[0-9]*)?", text) is not None


def _relative(cell: str | None) -> str:
    """A file cell as a normalised relative path; tables written on Windows use backslashes."""
    return os.path.normpath(cell.replace("\\", "/")).replace("\\", "/") if cell else ""


def _plain_column(name: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", name.lower()))


def _filled(pairs: Iterable[tuple[str, str]]) -> Row:
    row: Row = {}
    for name, cell in pairs:
        if (text := cell.strip()).lower() not in _BLANK:
            row.setdefault(name, text)
    return row


def _csv_entries(tree: Tree, table: str) -> list[Entry]:
    """The rows of a CSV file (the header is number 1), as spreadsheets write it: with commas, semicolons or tabs."""
    try:
        header, *lines = _cells(tree.text(table)) or [[]]
    except csv.Error as error:
        raise LibraryError(f"The table {tree.root / table} cannot be read as CSV: {error}.") from error
    names = [_plain_column(cell) for cell in header]
    rows = [(f"row {number}", _filled(zip(names, line, strict=False))) for number, line in enumerate(lines, start=2)]
    return [(place, row) for (place, row), line in zip(rows, lines, strict=True) if any(cell.strip() for cell in line)]


def _cells(text: str) -> list[list[str]]:
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def _json_entries(tree: Tree, table: str) -> list[Entry]:
    """The objects of a JSON list, or of an object that names a file for each."""
    content = load_json(tree, table)
    named = content.items() if isinstance(content, dict) else [("", value) for value in _listed(content)]
    found: list[Entry] = []
    for number, (name, value) in enumerate(named, start=1):
        row = None
        if isinstance(value, dict):
            row = _filled((_plain_column(key), str(cell)) for key, cell in value.items() if _is_plain(cell))
            row |= {"file": name} if name and column(row, "file") is None else {}
        found.append((f"entry {number}", row))
    if not any(row is not None for _, row in found):
        raise LibraryError(f"{tree.root / table} describes no files; a list of objects, each for a file, is wanted.")
    return found


def _listed(content: Any) -> list[Any]:
    return content if isinstance(content, list) else []


def _is_plain(cell: Any) -> bool:
    return isinstance(cell, str | int | float)
