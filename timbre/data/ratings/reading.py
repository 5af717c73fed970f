"""Reading ratings: tidy tables, square matrices, folders of both, and the matrix that comes with timbre."""

import csv
import io
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from timbre.data.ratings.studies import Ratings, Study
from timbre.errors import LibraryError

SHIPPED = {"orchestra": Path(__file__).parent / "orchestra.csv"}
"""Ratings that come with timbre, by name."""
_TIDY = ("study", "sound_a", "sound_b", "dissimilarity")
_SOUNDS = "sounds.csv"
_NEAR = 1e-6  # numbers that differ by less are equal


def read_ratings(path: str | os.PathLike[str]) -> Ratings:
    """Read dissimilarity ratings.

    - A **tidy table** has the columns study, sound_a, sound_b and dissimilarity, and may have reliability.
    - A **matrix** has the names of instruments in its first row and its first column, each in any order.
    - A **folder** contains such files. The folder or its parent may have a sounds.csv with the columns study, sound,
      instrument and optionally instrument_base (the name that studies share; empty if the sound is not an ordinary tone
      of an instrument), file (relative to sounds.csv) and pitch (MIDI).

    Args:
        path: a file, a folder, or "orchestra": the pooled matrix of 13 instruments that comes with timbre.

    Raises:
        LibraryError: if there is nothing to read, or a value is not a dissimilarity; it names the file and the pair.
    """
    source = SHIPPED.get(str(path), Path(path).expanduser())
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
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LibraryError(f"{file} cannot be read as a CSV file: {error}.") from error
    lines = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if any(row)]
    if len(lines) < 2:
        raise LibraryError(f"{file} must contain a table of dissimilarities; it is empty.")
    header = [name.lower() for name in lines[0]]
    if set(_TIDY) <= set(header):
        return _tidy(file, [dict(zip(header, line, strict=False)) for line in lines[1:]])
    if len(lines[0]) == len(lines) and set(lines[0][1:]) & {line[0] for line in lines[1:]}:
        return [_matrix(file, lines)]
    missing = [name for name in _TIDY if name not in header]
    raise LibraryError(
        f"{file} must be a table of {', '.join(_TIDY)} (it has no {', '.join(missing)}) "
        "or a square matrix with names in its first row and column."
    )


def _number(file: Path, text: str | None, what: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = -1.0
    if not (np.isfinite(value) and value >= 0):
        raise LibraryError(f"{file}: {what} must be a number of 0 or more, got {text!r}.")
    return value


def _tidy(file: Path, rows: list[dict[str, str]]) -> list[Study]:
    studies: dict[str, list[tuple[str, str, float, float]]] = {}
    for row in rows:
        a, b = row["sound_a"], row.get("sound_b") or ""
        if not (row["study"] and a and b):
            cells = ", ".join(map(str, row.values()))
            raise LibraryError(f"{file}: each row must name a study and two sounds, got {cells}.")
        value = _number(file, row.get("dissimilarity"), f"the dissimilarity of {a} and {b}")
        weight = _number(file, row.get("reliability") or "1", f"the reliability of {a} and {b}")
        if a == b and value > _NEAR:
            raise LibraryError(f"{file}: the dissimilarity of {a} and itself must be 0, got {value:g}.")
        studies.setdefault(row["study"], []).append((a, b, value, weight))
    return [_study(file, name, pairs) for name, pairs in studies.items()]


def _study(file: Path, name: str, pairs: list[tuple[str, str, float, float]]) -> Study:
    items = tuple(dict.fromkeys(item for a, b, _, _ in pairs for item in (a, b)))
    if len(items) < 3:
        raise LibraryError(f"{file}: the study {name} must have three or more sounds, got {len(items)}.")
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


def _matrix(file: Path, lines: list[list[str]]) -> Study:
    """The study of a matrix; columns are put into the order of the rows by name."""
    columns, rows = lines[0][1:], [line[0] for line in lines[1:]]
    if sorted(columns) != sorted(rows):
        odd = sorted(set(columns) ^ set(rows)) or rows
        raise LibraryError(f"{file} must have the same names in its first row and column, not so {', '.join(odd)}.")
    values = np.zeros((len(rows),) * 2)
    for i, (row, line) in enumerate(zip(rows, lines[1:], strict=True)):
        for column, text in zip(columns, line[1:], strict=False):
            what = f"the dissimilarity of {row} and {column}"
            empty = text in ("", "nan", "NaN")
            values[i, rows.index(column)] = np.nan if empty else _number(file, text, what)
    for k in np.flatnonzero(~(np.abs(np.diag(values)) <= _NEAR)):
        raise LibraryError(f"{file}: the dissimilarity of {rows[k]} and itself must be 0, got {values[k, k]:g}.")
    for i, j in np.argwhere(~np.isclose(values, values.T, atol=_NEAR, equal_nan=True)):
        numbers = f"{values[i, j]:g} and {values[j, i]:g}"
        raise LibraryError(f"{file} must be symmetric; {rows[i]} and {rows[j]} have {numbers}.")
    return Study(file.stem, tuple(rows), values, np.ones_like(values), tuple(rows))


def _with_sounds(studies: Iterable[Study], home: Path) -> Iterable[Study]:
    """The studies with instruments, files and pitches from sounds.csv."""
    with (home / _SOUNDS).open(encoding="utf-8-sig", newline="") as stream:
        known = {(row.get("study"), row.get("sound")): row for row in csv.DictReader(stream)}
    for study in studies:
        rows = {item: known[study.name, item] for item in study.items if (study.name, item) in known}
        missing = [item for item in study.items if item not in rows]
        if rows and missing:
            raise LibraryError(
                f"{home / _SOUNDS} must list all sounds of {study.name}; it has no {', '.join(missing)}."
            )
        instruments = tuple(row.get("instrument_base", row.get("instrument")) or "" for row in rows.values())
        files = {item: home / row["file"] for item, row in rows.items() if row.get("file")}
        pitches = {item: float(row["pitch"]) for item, row in rows.items() if row.get("pitch")}
        yield replace(study, instruments=instruments, files=files, pitches=pitches) if rows else study
