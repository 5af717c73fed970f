"""Reader of libraries that come with a table of their files (metadata.csv, TinySOL_metadata.csv ...)."""

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from timbre.data.library import Note
from timbre.data.names import family_folder, family_of, parse_dynamics, parse_note, plain, velocity_of
from timbre.data.report import Dropped
from timbre.errors import LibraryError

# Headers are compared in lower case without brackets and punctuation; the first that is there and filled counts.
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
}
_BLANK = {"", "-", "n/a", "na", "nan", "none", "null", "unknown", "unpitched"}

Row = dict[str, str]


def find_table(root: Path) -> Path | None:
    """The CSV file in `root` that has a column of file names, or None; metadata.csv goes before others.

    Raises:
        LibraryError: if several tables would do.
    """
    tables = sorted(path for path in root.iterdir() if path.suffix.lower() in (".csv", ".tsv") and path.is_file())
    tables = [path for path in tables if _field("file", _header(path))]
    named = [path for path in tables if path.name.lower() == "metadata.csv"]
    if len(named or tables) > 1:
        raise LibraryError(
            f"{root} holds several tables of files ({', '.join(path.name for path in named or tables)}); "
            "keep one of them, or name it metadata.csv."
        )
    return next(iter(named or tables), None)


def read_table(table: Path, files: Iterable[str]) -> tuple[list[Note], list[Dropped]]:
    """The notes of a table, in its order, and what does not fit: rows without a file, files without a row.

    Args:
        table: the CSV file; its folder is the library's.
        files: the sound files there are, relative to that folder.

    Raises:
        LibraryError: if the table is not readable as CSV.
    """
    unlisted = dict.fromkeys(files)
    notes: list[Note] = []
    dropped: list[Dropped] = []
    seen: set[str] = set()
    rows = list(_rows(table))
    scale = _velocity_scale(rows)
    for number, row in rows:
        file = _relative(row.get("file", ""))
        outcome = _read_row(table, number, row, file, scale) if file not in seen else f"row {number} repeats a file"
        if isinstance(outcome, Note):
            notes.append(outcome)
        else:
            dropped.append(Dropped(file or f"({table.name}, row {number})", f"{table.name}, {outcome}"))
        seen |= {file} if file else set()
        unlisted.pop(file, None)
    dropped += [Dropped(file, f"not in {table.name}") for file in unlisted]
    return notes, dropped


def _read_row(table: Path, number: int, row: Row, file: str, scale: float) -> Note | str:
    """The note of a row, or why there is none."""
    if not file:
        return f"row {number} names no file"
    if os.path.isabs(file) or file.split("/")[0] == "..":
        return f"row {number} names a file outside the library"
    if not os.path.isfile(table.parent / file):
        return f"row {number} names a file that is not there"
    try:
        return _note(table.parent / file, row, scale)
    except LibraryError as error:
        return f"row {number}: {str(error).rstrip('.')}"


def _note(path: Path, row: Row, scale: float) -> Note:
    mark, number = row.get("dynamics"), row.get("velocity")
    dynamics = parse_dynamics(mark) if mark else None
    if mark and dynamics is None and number is None and _is_number(mark):
        number = mark
    instrument = plain(row.get("instrument", "")) or plain(path.parent.name)
    family = row.get("family")
    return Note(
        file=path,
        instrument=instrument,
        family=family_folder(family) or plain(family) if family else family_of(instrument),
        pitch=parse_note(row["pitch"]) if "pitch" in row else None,
        velocity=velocity_of(dynamics) if number is None else _velocity(number, scale),
        dynamics=dynamics,
        articulation=row.get("articulation"),
        licence=row.get("licence"),
        source=row.get("source"),
    )


def _velocity(number: str, scale: float) -> float:
    if not _is_number(number) or not 0 <= float(number) <= scale:
        raise LibraryError(f"velocity {number!r} is not a number from 0 to 1 or from 0 to 127")
    return float(number) / scale


def _velocity_scale(rows: list[tuple[int, Row]]) -> float:
    """127 for a column of MIDI velocities, 1 for one of shares."""
    values = [float(row["velocity"]) for _, row in rows if _is_number(row.get("velocity", ""))]
    return 1.0 if values and max(values) <= 1 else 127.0


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d+(\.\d*)?", text) is not None


def _relative(cell: str) -> str:
    """A file cell as a normalised relative path; tables written on Windows use backslashes."""
    return os.path.normpath(cell.replace("\\", "/")).replace("\\", "/") if cell else ""


def _rows(table: Path) -> Iterator[tuple[int, Row]]:
    """Number (the header is 1) and filled cells of each row, under timbre's own field names."""
    header, *lines = _cells(table)
    fields = {name: _field(name, header) for name in _COLUMNS}
    for number, cells in enumerate(lines, start=2):
        row: Row = {}
        for name, columns in fields.items():
            filled = [cells[c].strip() for c in columns if c < len(cells) and cells[c].strip().lower() not in _BLANK]
            row |= {name: filled[0]} if filled else {}
        if any(cell.strip() for cell in cells):
            yield number, row


def _field(name: str, header: list[str]) -> list[int]:
    """Numbers of the columns that can fill a field, the best first."""
    plain_header = [" ".join(re.findall(r"[a-z0-9]+", cell.lower())) for cell in header]
    return [plain_header.index(alias) for alias in _COLUMNS[name] if alias in plain_header]


def _header(table: Path) -> list[str]:
    return _cells(table)[0]


def _cells(table: Path) -> list[list[str]]:
    """The rows of a CSV file, at least one: in UTF-8 or else as Windows' spreadsheets write it, with , ; or tabs."""
    try:
        content = table.read_bytes()
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", "replace")
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)) or [[]]
    except (OSError, csv.Error) as error:
        raise LibraryError(f"The table {table} cannot be read as CSV: {error}.") from error
