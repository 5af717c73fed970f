"""Tables of files and labels in CSV or JSON, for the readers of libraries that have one."""

import contextlib
import csv
import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from timbre.audio.pitch import hz_to_midi
from timbre.data.names import SPELLINGS, family_folder, parse_dynamics, parse_note, pitch_of_name, plain
from timbre.data.note import Note
from timbre.data.readers._preset import shown
from timbre.data.readers._reader import Options, Reader, Reading, labelled, separate, unlisted
from timbre.data.readers.text_tables import TextTable, decodings, parse_table
from timbre.data.report import Dropped
from timbre.data.tree import Tree, folded
from timbre.errors import LibraryError

# Column names are compared in lower case without brackets and punctuation; the first filled one of each tuple counts.
_COLUMNS = {
    "file": (
        "file", "path", "file name", "file path", "audio", "audio file", "audio path", "sound", "sound file", "wav",
        "wav file", "sample", "sample name", "sample file", "sample path", "datei", "dateiname", "fichier", "bestand",
        "archivo",
    ),
    "instrument": (
        "instrument", "instrument in full", "instrument name", "instrument abbr", "strumento", "instrumento",
    ),
    "family": ("family", "family in full", "family abbr"),
    "pitch": (
        "midi pitch", "pitch id", "pitch id if applicable", "midi", "midi note", "midi number", "midi note number",
        "midi key", "pitch", "pitch name", "note", "note name", "note number", "root", "root key", "root note", "key",
        "key number", "keycenter", "pitch keycenter", "tone", "ton", "tonhohe", "tonname", "nota", "hauteur", "altezza",
        "toonhoogte",
    ),
    "hertz": (
        "frequency", "frequency hz", "frequency in hz", "freq", "freq hz", "f0", "f0 hz", "hz", "pitch hz",
        "fundamental", "fundamental frequency", "frequenz", "frequenz hz", "frequence", "frequenza",
    ),
    "octave": ("octave", "oktave", "oct", "ottava"),
    "velocity": ("velocity", "midi velocity", "vel"),
    "dynamics": ("dynamics", "dynamic", "velocity or dynamics"),
    "articulation": ("articulation", "technique in full", "technique", "technique abbr"),
    "licence": ("licence", "license"),
    "source": ("source", "origin"),
    "take": ("take", "round robin", "rr"),
    "split": ("split", "subset"),
}  # fmt: skip
_SPACED = {alias.replace(" ", ""): alias for aliases in _COLUMNS.values() for alias in aliases}
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_BLANK = {"", "-", "--", "?", "??", "n/a", "#n/a", "#nv", "na", "nan", "none", "null", "unknown", "unpitched"}
_FEWEST = 3  # cells that show what is in a column
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
        outcomes = read_entries(tree, file, listed, note_of, tree.find_ending)
        return Reading(*separate(outcomes), file, remarks=remarks_of(listed))

    return Reader(name, lambda tree: bool(tree.named(table.lower())), read)


def column(row: Row, name: str) -> str | None:
    """The cell for one of timbre's fields, under any of its column names; None if it is empty."""
    return next((row[alias] for alias in _COLUMNS[name] if alias in row), None)


def columns(listed: Iterable[Entry], *names: str) -> list[str]:
    """The column names of entries; none if one of them is that of one of timbre's fields."""
    found = dict.fromkeys(alias for _, row in listed for alias in row or ())
    return [] if any(alias in found for name in names for alias in _COLUMNS[name]) else list(found)


def entries(tree: Tree, table: str) -> list[Entry]:
    """The entries of a table; raises LibraryError if it is not CSV or JSON, or a JSON file contains no objects."""
    is_json = table.lower().endswith((".json", ".jsonl", ".ndjson"))
    return _json_entries(tree, table) if is_json else _csv_entries(tree, table)


def lists_files(tree: Tree, table: str, least: int = 1) -> bool:
    """Whether a line near the top of a text names a column of files, and `least` known columns in all.

    Raises:
        LibraryError: if it cannot be read.
    """
    with contextlib.suppress(csv.Error):
        if found := parse_table(decodings(_head(tree, table))[0][: _HEAD // 2], _is_header):
            return len({*_SPACED.values()} & set(map(_plain_column, found.header))) >= least
    return False


def named_files(tree: Tree, file: str) -> int:
    """Number of the library's sound files whose names (or the last words of these) are in the first bytes of a text."""
    words = set(re.split(r"[\s/\\,;|\"'`:()<>=]+", folded(decodings(_head(tree, file))[0])))
    return len(words & {re.split(r"[\s/,;'()=]+", folded(sound))[-1] for sound in tree.sounds})


def first_line(tree: Tree, table: str) -> str:
    """The first line of a table that is not empty, shortened, for a report."""
    lines = decodings(_head(tree, table))[0].splitlines()
    return shown(next((line.strip() for line in lines if line.strip()), ""))


def _head(tree: Tree, file: str) -> bytes:
    try:
        with (tree.root / file).open("rb") as opened:
            return opened.read(_HEAD)
    except OSError as error:
        raise LibraryError(f"{tree.root / file} cannot be read: {error.strerror}.") from error


def names_any_file(tree: Tree, table: str) -> bool:
    """Whether an entry of a table names a file of the library.

    Raises:
        LibraryError: if the table cannot be read.
    """
    find = _finder(tree, os.path.dirname(table))
    return any(find(_relative(column(row or {}, "file"))) for _, row in entries(tree, table))


def read_entries(
    tree: Tree, table: str, listed: Iterable[Entry], note_of: NoteOf, find: Callable[[str], str | None] | None = None
) -> Iterator[Note | Dropped]:
    """A note for each entry of a table, in its order; entries without a file and files without an entry are dropped.

    `find` returns the file for a reference; default: from the table's folder, else the only one that can be meant.
    """
    base, name = os.path.split(table)
    find = find or _finder(tree, base)
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


def note_of_row(path: Path, row: Row, velocity_scale: float = 127.0, spelling: str = "English") -> Note:
    """The note of a row; raises LibraryError if a number is not valid.

    Its velocity is at most `velocity_scale`; note names have one of :data:`timbre.data.names.SPELLINGS`.
    """
    mark, number = column(row, "dynamics") or "", _point(column(row, "velocity"))
    dynamics = parse_dynamics(mark)
    if dynamics is None and number is None and _is_number(mark):
        number = mark
    if number and not (_is_number(number) and float(number) <= velocity_scale):
        raise LibraryError(f"velocity must be a number from 0 to 1 or from 0 to 127, got {number!r}")
    family, pitch, take = column(row, "family"), _pitch_cell(row), column(row, "take")
    return labelled(
        path,
        plain(column(row, "instrument") or "") or plain(path.parent.name),
        dynamics,
        family=family and (family_folder(family) or plain(family)),
        pitch=pitch and parse_note(pitch, spelling),
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
        if file.lower().endswith((".jsonl", ".ndjson")):
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LibraryError(f"{tree.root / file} cannot be read as JSON: {error}.") from error


def without_words(table: str, listed: list[Entry]) -> tuple[list[Entry], list[str]]:
    """Entries without the columns that are called like pitches, but contain none (C major, good take), and remarks."""
    remarks = []
    for alias in _COLUMNS["pitch"]:
        cells = [row[alias] for _, row in listed if row and alias in row]
        if len(cells) >= _FEWEST and not any(map(_is_pitch, cells)):
            listed = [(at, row and {name: row[name] for name in row if name != alias}) for at, row in listed]
            remarks.append(f"table: the column {alias} of {table} contains no pitches, such as {shown(cells[0])!r}")
    return listed, remarks


def velocity_scale(listed: list[Entry]) -> float:
    """127 if the column has MIDI velocities, 1 if it has values from 0 to 1."""
    cells = (_point(column(row, "velocity")) or "" for _, row in listed if row)
    return 1.0 if 0 <= max((float(cell) for cell in cells if _is_number(cell)), default=-1.0) <= 1 else 127.0


def pitch_names(listed: list[Entry]) -> dict[str, str]:
    """The pitches that are note names, whose octave and spelling depend on a convention, by file."""
    cells = ((column(row, "file") or "", _note_cell(row) or "0") for _, row in listed if row)
    return {file: cell for file, cell in cells if not _is_number(cell)}


def _finder(tree: Tree, base: str) -> Callable[[str], str | None]:
    return lambda reference: (tree.find(reference, base) or tree.find_ending(reference)) if reference else None


def _outcome(tree: Tree, row: Row | None, reference: str, file: str | None, note_of: NoteOf) -> Note | str:
    """The note of an entry, or why there is none, to be appended to its position."""
    if row is None:
        return " is not an object"
    if not reference:
        return " names no file"
    if file is None:
        outside = os.path.isabs(reference) or re.match(r"\.\.(/|$)|[A-Za-z]:", reference)
        return " names a file outside the library" if outside else " names a file that does not exist"
    try:
        return note_of(tree.root / file, row)
    except LibraryError as error:
        return f": {str(error).rstrip('.')}"


def _note_cell(row: Row) -> str | None:
    """The note name (with the octave of another column) or MIDI number of a row."""
    cell, octave = _point(column(row, "pitch")), column(row, "octave")
    return cell + octave if cell and octave and not re.search(r"\d|['’]", cell) else cell


def _pitch_cell(row: Row) -> str | None:
    """The note name or MIDI number of a row, else that of its frequency; 0 Hz is unpitched."""
    cell = _note_cell(row)
    if cell or not (hertz := column(row, "hertz")):
        return cell
    number = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(?:\s*hz)?", re.sub(r"(?<=\d),(?=\d)", ".", hertz), re.IGNORECASE)
    if number is None:
        raise LibraryError(f"frequency must be a number of Hz, got {hertz!r}")
    return f"{hz_to_midi(float(number[1])):.2f}" if float(number[1]) else None


def _point(cell: str | None) -> str | None:
    """A cell with a point instead of a decimal comma, if it is a number with one."""
    return cell and re.sub(r"^([0-9]+),([0-9]+)$", r"\1.\2", cell)


def _is_pitch(cell: str) -> bool:
    """Whether a cell is a number or, in any spelling, a note name with or without an octave."""
    names = (pitch_of_name(text, spelling) for spelling in SPELLINGS for text in (cell, f"{cell}4"))
    return _is_number(_point(cell) or "") or any(name is not None for name in names)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]+(\.[0-9]*)?", text) is not None


def _relative(cell: str | None) -> str:
    """A file cell as a normalised relative path; tables written on Windows have backslashes."""
    return os.path.normpath(cell.replace("\\", "/")).replace("\\", "/") if cell else ""


def _plain_column(name: str) -> str:
    """The words of a column's name in lower case, without accents: MidiNote and midinote are midi note."""
    name = unicodedata.normalize("NFKD", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).lower()
    words = " ".join(re.findall("[a-z0-9]+", re.sub("[\u0300-\u036f]", "", name)))
    return _SPACED.get(words.replace(" ", ""), words)


def _filled(pairs: Iterable[tuple[str, object]]) -> Row:
    """The cells that are not blank; of equal names, the first counts."""
    row: Row = {}
    for name, cell in pairs:
        if (text := str(cell).strip()).lower() not in _BLANK:
            row.setdefault(name, text)
    return row


def _is_header(cells: list[str]) -> bool:
    return not {_plain_column(cell) for cell in cells}.isdisjoint(_COLUMNS["file"])


def _csv_entries(tree: Tree, table: str) -> list[Entry]:
    """The rows of a CSV file with commas, semicolons, tabs or bars, with the numbers of their lines.

    Of the encodings that it may have, the one counts in which most of its files are found.
    """
    base = os.path.dirname(table)
    texts = decodings(tree.content(table))
    try:
        tables = [_rows(parse_table(text, _is_header) or parse_table(text, bool)) for text in texts]
    except csv.Error as error:
        raise LibraryError(f"The table {tree.root / table} cannot be read as CSV: {error}.") from error
    if len(tables) == 1:
        return tables[0]
    return max(tables, key=lambda rows: sum(tree.find(_relative(column(row or {}, "file")), base) is not None
                                            for _, row in rows))  # fmt: skip


def _rows(table: TextTable | None) -> list[Entry]:
    names = [_plain_column(cell) for cell in table.header] if table else []
    return [(f"row {line}", _filled(zip(names, row, strict=False))) for line, row in (table.rows if table else [])]


def _json_entries(tree: Tree, table: str) -> list[Entry]:
    """The objects in a JSON file, one for each sound."""
    listed: list[Entry] = []
    for number, (name, value) in enumerate(_objects(load_json(tree, table)), start=1):
        row = None
        if isinstance(value, dict):
            row = _filled(
                (_plain_column(key), cell) for key, cell in value.items() if isinstance(cell, str | int | float)
            )
            row |= {"file": name} if name and column(row, "file") is None else {}
        elif name and isinstance(value, str | int | float):
            row = _filled((("file", name), ("pitch", value)))
        listed.append((f"entry {number}", row))
    if not any(row is not None for _, row in listed):
        raise LibraryError(f"{tree.root / table} must contain a list of objects, one for each file; it has none.")
    return listed


def _objects(content: Any) -> list[tuple[str, Any]]:
    """The objects of a list, of an object (by their keys), of a list in an object, or of columns in an object."""
    if isinstance(content, list):
        return [("", value) for value in content]
    if not isinstance(content, dict):
        return []
    lists = [value for value in content.values() if isinstance(value, list)]
    records = [value for value in lists if value and all(isinstance(item, dict) for item in value)]
    if len(records) == 1 and not any(isinstance(value, dict) and column(value, "file") for value in content.values()):
        return [("", value) for value in records[0]]
    if _is_header(list(content)) and len(lists) == len(content) and len({len(value) for value in lists}) == 1:
        return [("", dict(zip(content, cells, strict=True))) for cells in zip(*lists, strict=True)]
    return list(content.items())
