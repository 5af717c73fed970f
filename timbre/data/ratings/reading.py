"""Reading ratings: tidy tables, square matrices, folders of both, and the matrix that comes with timbre."""

import csv
import math
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from timbre.data.ratings.studies import Ratings, Study
from timbre.data.readers.text_tables import Header, TextTable, decodings, parse_table
from timbre.errors import LibraryError
from timbre.files import expanded, read_bytes
from timbre.wording import listed

SHIPPED = {"orchestra": Path(__file__).parent / "orchestra.csv"}
"""Ratings that come with timbre, by name."""
_TIDY = ("study", "sound_a", "sound_b", "dissimilarity")
_SOUNDS = "sounds.csv"
_EMPTY = ("", "nan", "NaN", "NA", "na", "-", ".")
_MOST = 5000  # rated sounds of a study, whose pairs take 400 MB
_LARGEST = 1 << 27  # bytes of a table
_HIGHEST = 1_000_000_000  # dissimilarity, weight or pitch: products of larger ones overflow
_SHOWN = 5  # names in an error
_NEAR = 1e-6  # numbers that differ by less are equal


def read_ratings(path: str | os.PathLike[str]) -> Ratings:
    """Read dissimilarity ratings.

    Tables may be in UTF-8, UTF-16 or Windows' encoding, with commas, semicolons or tabs between the cells, with decimal
    points or commas, and with comments (#) and blank lines.

    - A **tidy table** has the columns study, sound_a, sound_b and dissimilarity, and may have reliability.
    - A **matrix** has the names of instruments in its first row and its first column, each in any order. Empty cells
      are unrated pairs; half of it is enough.
    - A **folder** contains such files. The folder or its parent may have a sounds.csv with the columns study, sound,
      instrument and optionally instrument_base (the name that studies share; empty if the sound is not an ordinary tone
      of an instrument), file (relative to sounds.csv) and pitch (MIDI).

    Args:
        path: a file, a folder, or "orchestra": the pooled matrix of 13 instruments that comes with timbre.

    Raises:
        LibraryError: if there is nothing to read, or a value is not a dissimilarity; it names the file and the pair.
    """
    source = SHIPPED.get(str(path)) or expanded(path, LibraryError)
    if not source.exists():
        raise LibraryError(f"Ratings must be a CSV file, a folder of them, or {', '.join(SHIPPED)}; got {path}.")
    files = [source]
    if source.is_dir():
        files = sorted(file for file in source.glob("*.csv") if file.name != _SOUNDS)
        if not files:
            raise LibraryError(f"{source} must contain CSV files of ratings; it has none.")
    parts = [study for file in files for study in _read_file(file)]
    names = [study.name for study in parts]
    if twice := [name for name in names if names.count(name) > 1]:
        raise LibraryError(f"The studies in {source} must have different names, got {twice[0]} twice.")
    homes = (source, source.parent) if source.is_dir() else (source.parent,)
    home = next((folder for folder in homes if (folder / _SOUNDS).is_file()), None)
    return Ratings(tuple(_with_sounds(parts, home)) if home else tuple(parts))


def _read_file(file: Path) -> list[Study]:
    table = _table(file)
    if table is None or not table.rows:
        raise LibraryError(f"{file} must contain a table of dissimilarities; it is empty.")
    header = [name.strip().lower() for name in table.header]
    if set(_TIDY) <= set(header):
        return _tidy(file, [(line, dict(zip(header, cells, strict=False))) for line, cells in _stripped(table)])
    if (matrix := _matrix(file, table)) is not None:
        return [matrix]
    missing = [name for name in _TIDY if name not in header]
    raise LibraryError(
        f"{file} must be a table of {', '.join(_TIDY)} (it has no {', '.join(missing)}) "
        "or a square matrix with names in its first row and column."
    )


def _table(file: Path) -> TextTable | None:
    """The table of ratings in a file."""
    headers: tuple[Header, ...] = (_is_tidy, lambda cells: len(cells) > 2 and not any(map(_is_number, cells[1:])))
    return _parsed(file, *headers, lambda cells: len(cells) > 1)


def _parsed(file: Path, *headers: Header) -> TextTable | None:
    """The table in a file of any usual encoding and delimiter, by the first kind of header that it has."""
    text = decodings(read_bytes(file, _LARGEST, LibraryError))[0]
    try:
        return next((table for is_header in headers if (table := parse_table(text, is_header))), None)
    except csv.Error as error:
        raise LibraryError(f"{file} cannot be read as a CSV file: {error}.") from error


def _is_tidy(cells: list[str]) -> bool:
    return set(_TIDY) <= {cell.strip().lower() for cell in cells}


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"\s*[-+]?[\d.,]*\d[\d.,]*\s*", text))


def _stripped(table: TextTable) -> Iterable[tuple[int, list[str]]]:
    return ((line, [cell.strip() for cell in cells]) for line, cells in table.rows)


def _number(file: Path, text: str | None, what: str) -> float:
    """A dissimilarity or weight; a comma may stand for the point."""
    try:
        value = float((text or "").replace(",", "."))
    except ValueError:
        value = -1.0
    if not 0 <= value <= _HIGHEST:
        raise LibraryError(f"{file}: {what} must be a number from 0 to {_HIGHEST:,}, got {text!r}.")
    return value


def _tidy(file: Path, rows: list[tuple[int, dict[str, str]]]) -> list[Study]:
    studies: dict[str, list[tuple[str, str, float, float]]] = {}
    for line, row in rows:
        study, a, b = (row.get(name) or "" for name in _TIDY[:3])
        if not (study and a and b):
            cells = ", ".join(row.values())
            raise LibraryError(f"{file}: each row must name a study and two sounds, got {cells} in line {line}.")
        value = _number(file, row.get("dissimilarity"), f"the dissimilarity of {a} and {b}")
        weight = _number(file, row.get("reliability") or "1", f"the reliability of {a} and {b}")
        if a == b and value > _NEAR:
            raise LibraryError(f"{file}: the dissimilarity of {a} and itself must be 0, got {value:g}.")
        studies.setdefault(study, []).append((a, b, value, weight))
    return [_study(file, name, pairs) for name, pairs in studies.items()]


def _study(file: Path, name: str, pairs: list[tuple[str, str, float, float]]) -> Study:
    items = tuple(dict.fromkeys(item for a, b, _, _ in pairs for item in (a, b)))
    if len(items) < 3:
        raise LibraryError(f"{file}: the study {name} must have three or more sounds, got {len(items)}.")
    _require_few(file, len(items))
    number = {item: index for index, item in enumerate(items)}
    values = np.full((len(items),) * 2, np.nan)
    weights = np.ones_like(values)
    np.fill_diagonal(values, 0.0)
    for a, b, value, weight in pairs:
        i, j = number[a], number[b]
        if i != j and np.isfinite(values[i, j]) and abs(values[i, j] - value) > _NEAR:
            raise LibraryError(f"{file}: {name} rates {a} and {b} as {values[i, j]:g} and as {value:g}; keep one.")
        values[i, j] = values[j, i] = value
        weights[i, j] = weights[j, i] = weight
    return Study(name, items, values, weights, items)


def _require_few(file: Path, items: int) -> None:
    if items > _MOST:
        raise LibraryError(f"{file} must have {_MOST:,} rated sounds or fewer in a study, got {items:,}.")


def _matrix(file: Path, table: TextTable) -> Study | None:
    """The study of a matrix; columns are put into the order of the rows by name. None if it is no matrix.

    Half a matrix, with empty cells or short rows for the other half, is enough; so is an empty diagonal.
    """
    lines, header = [cells for _, cells in _stripped(table)], [cell.strip() for cell in table.header]
    if len(header) == len(lines) and any(len(line) == len(header) + 1 for line in lines):
        header = ["", *header]  # as R writes it
    columns, rows = header[1:], [line[0] for line in lines]
    if len(columns) != len(rows) or not set(columns) & set(rows):
        return None
    if sorted(columns) != sorted(rows):
        odd = sorted(set(columns) ^ set(rows)) or rows
        names = listed(odd, _SHOWN)
        raise LibraryError(f"{file} must have the same names in its first row and column, not so {names}.")
    if len(set(rows)) < len(rows):
        twice = next(name for name, count in Counter(rows).items() if count > 1)
        raise LibraryError(f"{file} must have different names in its first row, got {twice} twice.")
    _require_few(file, len(rows))
    number = {name: index for index, name in enumerate(rows)}
    order, values = [number[name] for name in columns], np.full((len(rows),) * 2, np.nan)
    for (line, _), row, cells in zip(table.rows, rows, lines, strict=True):
        if any(cells[len(header) :]):
            raise LibraryError(f"{file} must have {len(header)} cells in each row, got {len(cells)} in line {line}.")
        own = [_cell(file, row, column, text) for column, text in zip(columns, cells[1:], strict=False)]
        values[number[row], order[: len(own)]] = own
    return Study(file.stem, tuple(rows), _whole(file, rows, values), np.ones_like(values), tuple(rows))


def _cell(file: Path, row: str, column: str, text: str) -> float:
    """A cell of a matrix; NaN if it is empty."""
    if text in _EMPTY:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    return value if 0 <= value <= _HIGHEST else _number(file, text, f"the dissimilarity of {row} and {column}")


def _whole(file: Path, rows: list[str], values: np.ndarray) -> np.ndarray:
    """A symmetric matrix with 0 on the diagonal from one with empty cells; refuses one that contradicts itself."""
    for k in np.flatnonzero(np.abs(np.diag(values)) > _NEAR):
        raise LibraryError(f"{file}: the dissimilarity of {rows[k]} and itself must be 0, got {values[k, k]:g}.")
    np.fill_diagonal(values, 0.0)
    whole = np.where(np.isnan(values), values.T, values)
    for i, j in np.argwhere(~np.isclose(whole, whole.T, atol=_NEAR, equal_nan=True))[:1]:
        numbers = f"{whole[i, j]:g} and {whole[j, i]:g}"
        raise LibraryError(f"{file} must be symmetric; {rows[i]} and {rows[j]} have {numbers}.")
    return whole


def _with_sounds(studies: Iterable[Study], home: Path) -> Iterable[Study]:
    """The studies with instruments, files and pitches from sounds.csv."""
    file = home / _SOUNDS
    table = _parsed(file, lambda cells: {"study", "sound"} <= {cell.strip().lower() for cell in cells})
    if table is None:
        raise LibraryError(f"{file} must have the columns study and sound.")
    header = [name.strip().lower() for name in table.header]
    sounds = [dict(zip(header, cells, strict=False)) for _, cells in _stripped(table)]
    known = {(row.get("study"), row.get("sound")): row for row in sounds}
    for study in studies:
        rows = {item: known[study.name, item] for item in study.items if (study.name, item) in known}
        missing = [item for item in study.items if item not in rows]
        if rows and missing:
            raise LibraryError(f"{file} must list all sounds of {study.name}; it has no {listed(missing, _SHOWN)}.")
        instruments = tuple(row.get("instrument_base", row.get("instrument")) or "" for row in rows.values())
        files = {item: home / row["file"] for item, row in rows.items() if row.get("file")}
        pitches = {
            item: _number(file, row["pitch"], f"the pitch of {item}") for item, row in rows.items() if row.get("pitch")
        }
        yield replace(study, instruments=instruments, files=files, pitches=pitches) if rows else study
