"""Tables of files and labels in CSV or JSON, for the readers of libraries that have one."""

import csv
import io
import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from timbre.data.names import family_folder, parse_dynamics, parse_note, plain
from timbre.data.note import Note
from timbre.data.readers._reader import Options, Reader, Reading, labelled, separate, unlisted
from timbre.data.report import Dropped
from timbre.data.tree import Tree
from timbre.errors import LibraryError

# Column names are compared in lower case without brackets and punctuation; the first filled one of each tuple counts.
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
_HEAD = 1 << 16  # bytes; longer than any header

Row = dict[str, str]
"""The filled cells of an entry by the plain names of their columns."""
Entry = tuple[str, Row | None]
"""Position of an entry ("row 4") and its cells; None if it is not an entry."""
NoteOf = Callable[[Path, Row], Note]
"""Makes a note from a file and its row, or raises LibraryError."""


def table_reader(
    name: str,
    table: str,
    note_of: NoteOf,
    cells_of: Callable[[Row], Row],
    remarks_of: Callable[[list[Entry]], list[str]],
) -> Reader:
    """A reader of a library that is recognised by the name of its table, wherever the table and the sounds lie.

    `cells_of` prepares the cells of a row.
    """

    def read(tree: Tree, options: Options) -> Reading:
        file = next(iter(tree.named(table.lower())), None)
        if file is None:
            raise LibraryError(f"{tree.root} must contain {table}, which comes with the library; put it there.")
        listed = [(position, row and cells_of(row)) for position, row in entries(tree, file)]
        outcomes = read_entries(tree, file, listed, note_of, _by_ending(tree))
        return Reading(*separate(outcomes), file, remarks=remarks_of(listed))

    return Reader(name, lambda tree: bool(tree.named(table.lower())), read)


def column(row: Row, name: str) -> str | None:
    """The cell for one of timbre's fields, under any of its column names; None if it is empty."""
    return next((row[alias] for alias in _COLUMNS[name] if alias in row), None)


def entries(tree: Tree, table: str) -> list[Entry]:
    """The entries of a table; raises LibraryError if it is not CSV or JSON, or a JSON file contains no objects."""
    return _json_entries(tree, table) if table.lower().endswith(".json") else _csv_entries(tree, table)


def lists_files(tree: Tree, table: str) -> bool:
    """Whether the first line of a CSV file names a column of files; raises LibraryError if it cannot be read."""
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
    tree: Tree, table: str, listed: Iterable[Entry], note_of: NoteOf, find: Callable[[str], str | None] | None = None
) -> Iterator[Note | Dropped]:
    """A note for each entry of a table, in its order; entries without a file and files without an entry are dropped.

    `find` returns the file of the tree for a reference; default: relative to the table's folder.
    """
    base, name = os.path.split(table)
    find = find or partial(tree.find, base=base)
    used: set[str | None] = set()
    for position, row in listed:
        reference = _relative(column(row or {}, "file"))
        file = find(reference)
        outcome = " repeats a file" if file in used else _outcome(tree, row, reference, file, note_of)
        if isinstance(outcome, str):
            yield Dropped(file or reference or f"({name}, {position})", f"{name}, {position}{outcome}")
        else:
            yield outcome
        used |= {file} - {None}
    yield from unlisted(tree, used, f"not in {name}")


def note_of_row(path: Path, row: Row, velocity_scale: float = 127.0) -> Note:
    """The note of a row, with velocities up to `velocity_scale`; raises LibraryError if a number is not valid."""
    mark, number = column(row, "dynamics") or "", column(row, "velocity")
    dynamics = parse_dynamics(mark)
    if dynamics is None and number is None and _is_number(mark):
        number = mark
    if number and not (_is_number(number) and float(number) <= velocity_scale):
        raise LibraryError(f"velocity must be a number from 0 to 1 or from 0 to 127, got {number!r}")
    family, pitch, take = (column(row, name) for name in ("family", "pitch", "take"))
    return labelled(
        path,
        plain(column(row, "instrument") or "") or plain(path.parent.name),
        dynamics,
        family=family and (family_folder(family) or plain(family)),
        pitch=pitch and parse_note(pitch),
        velocity=number and float(number) / velocity_scale,
        articulation=column(row, "articulation"),
        licence=column(row, "licence"),
        source=column(row, "source"),
        take=int(take) if take and re.fullmatch("[0-9]{1,4}", take) else None,
        split=_SPLITS.get((column(row, "split") or "").lower()),
    )


def load_json(tree: Tree, file: str) -> Any:
    """The content of a JSON file of the tree; raises LibraryError if it cannot be read."""
    text = tree.text(file)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LibraryError(f"{tree.root / file} cannot be read as JSON: {error}.") from error


def velocity_scale(listed: list[Entry]) -> float:
    """127 if the column has MIDI velocities, 1 if it has values from 0 to 1."""
    cells = (column(row, "velocity") or "" for _, row in listed if row)
    return 1.0 if 0 <= max((float(cell) for cell in cells if _is_number(cell)), default=-1.0) <= 1 else 127.0


def names_pitches(listed: list[Entry]) -> bool:
    """Whether any pitch is a note name, whose octave depends on a convention, and not a number."""
    return any(not _is_number(column(row, "pitch") or "0") for _, row in listed if row)


def _by_ending(tree: Tree) -> Callable[[str], str | None]:
    """A function that returns the only file whose path ends with a reference."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for file in tree.files:
        by_name[os.path.basename(file).lower()].append(file)

    def find(reference: str) -> str | None:
        named = by_name.get(os.path.basename(reference).lower(), ())
        matches = [file for file in named if f"/{file}".lower().endswith(f"/{reference.lower()}")]
        return matches[0] if len(matches) == 1 else None

    return find


def _outcome(tree: Tree, row: Row | None, reference: str, file: str | None, note_of: NoteOf) -> Note | str:
    """The note of an entry, or why there is none, to be appended to its position."""
    if row is None:
        return " is not an object"
    if not reference:
        return " names no file"
    if os.path.isabs(reference) or re.match(r"\.\.(/|$)|[A-Za-z]:", reference):
        return " names a file outside the library"
    if file is None:
        return " names a file that does not exist"
    try:
        return note_of(tree.root / file, row)
    except LibraryError as error:
        return f": {str(error).rstrip('.')}"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]+(\.[0-9]*)?", text) is not None


def _relative(cell: str | None) -> str:
    """A file cell as a normalised relative path; tables written on Windows have backslashes."""
    return os.path.normpath(cell.replace("\\", "/")).replace("\\", "/") if cell else ""


def _plain_column(name: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", name.lower()))


def _filled(pairs: Iterable[tuple[str, object]]) -> Row:
    """The cells that are not blank; of equal names, the first counts."""
    row: Row = {}
    for name, cell in pairs:
        if (text := str(cell).strip()).lower() not in _BLANK:
            row.setdefault(name, text)
    return row


def _csv_entries(tree: Tree, table: str) -> list[Entry]:
    """The rows of a CSV file with commas, semicolons or tabs; the header is row 1, empty rows are left out."""
    try:
        header, *lines = _cells(tree.text(table)) or [[]]
    except csv.Error as error:
        raise LibraryError(f"The table {tree.root / table} cannot be read as CSV: {error}.") from error
    names = [_plain_column(cell) for cell in header]
    return [
        (f"row {number}", _filled(zip(names, line, strict=False)))
        for number, line in enumerate(lines, start=2)
        if any(cell.strip() for cell in line)
    ]


def _cells(text: str) -> list[list[str]]:
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def _json_entries(tree: Tree, table: str) -> list[Entry]:
    """The objects of a JSON list, or of an object whose keys are the files."""
    content = load_json(tree, table)
    values = content if isinstance(content, list) else []
    named = content.items() if isinstance(content, dict) else [("", value) for value in values]
    listed: list[Entry] = []
    for number, (name, value) in enumerate(named, start=1):
        row = None
        if isinstance(value, dict):
            row = _filled(
                (_plain_column(key), cell) for key, cell in value.items() if isinstance(cell, str | int | float)
            )
            row |= {"file": name} if name and column(row, "file") is None else {}
        listed.append((f"entry {number}", row))
    if not any(row is not None for _, row in listed):
        raise LibraryError(f"{tree.root / table} must contain a list of objects, one for each file; it has none.")
    return listed
