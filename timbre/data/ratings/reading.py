"""Reading ratings: tidy tables, square matrices, folders of both, and the matrix that timbre brings along."""

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
"""Ratings that are found by name."""
_TIDY = ("study", "sound_a", "sound_b", "dissimilarity")
_SOUNDS = "sounds.csv"
_NEAR = 1e-6  # two numbers for one pair that differ by less are the same

Rows = list[dict[str, str]]


def read_ratings(path: str | os.PathLike[str]) -> Ratings:
    """Read dissimilarity ratings.

    A **tidy table** has the columns study, sound_a, sound_b, dissimilarity and may have reliability; a **matrix** has
    the names of instruments in its first row and column, in any order each; a **folder** has such files, and it or its
    parent may have a sounds.csv with the columns study, sound, instrument and, if known, instrument_base, file
    (relative to it) and pitch (MIDI). In sounds.csv, instrument_base is the name that other studies share, and empty
    for what is no ordinary tone of an instrument.

    Args:
        path: a file, a folder, or "orchestra": the pooled matrix of 13 instruments that timbre brings along.

    Raises:
        LibraryError: if there is nothing to read, or what is read is no dissimilarity; it names the file and the pair.
    """
    place = SHIPPED.get(str(path), Path(path).expanduser())
    if place.is_dir():
        files = sorted(file for file in place.glob("*.csv") if file.name != _SOUNDS)
        if not files:
            raise LibraryError(f"{place} has no CSV files of ratings.")
        parts = [study for file in files for study in _read_file(file)]
        home = next((folder for folder in (place, place.parent) if (folder / _SOUNDS).is_file()), None)
    elif place.is_file():
        parts, home = _read_file(place), place.parent if (place.parent / _SOUNDS).is_file() else None
    else:
        raise LibraryError(
            f"There are no ratings at {path}; a CSV file, a folder of them, or {', '.join(SHIPPED)} is wanted."
        )
    names = [study.name for study in parts]
    for name in names:
        if names.count(name) > 1:
            raise LibraryError(f"The study {name} is in {place} twice.")
    return Ratings(tuple(_with_sounds(parts, home)) if home else tuple(parts))


def _read_file(file: Path) -> list[Study]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LibraryError(f"{file} cannot be read as a CSV file: {error}.") from error
    lines = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if any(row)]
    if len(lines) < 2:
        raise LibraryError(f"{file} is empty; a table of dissimilarities is wanted.")
    header = [name.lower() for name in lines[0]]
    if set(_TIDY) <= set(header):
        return _tidy(file, [dict(zip(header, line, strict=False)) for line in lines[1:]])
    if len(lines[0]) == len(lines) and set(lines[0][1:]) & {line[0] for line in lines[1:]}:
        return [_matrix(file, lines)]
    missing = [name for name in _TIDY if name not in header]
    raise LibraryError(
        f"{file} is neither a table of {', '.join(_TIDY)} (it has no {', '.join(missing)}) "
        "nor a square matrix with names in its first row and column."
    )


def _number(file: Path, text: str | None, what: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        raise LibraryError(f"{file}: {what} is {text!r}; a number is wanted.") from None
    if not (np.isfinite(value) and value >= 0):
        raise LibraryError(f"{file}: {what} is {text}; a number of 0 or more is wanted.")
    return value


def _tidy(file: Path, rows: Rows) -> list[Study]:
    studies: dict[str, list[tuple[str, str, float, float]]] = {}
    for row in rows:
        a, b = row["sound_a"], row.get("sound_b") or ""
        if not (row["study"] and a and b):
            raise LibraryError(f"{file} has a row without a study or a sound: {', '.join(map(str, row.values()))}.")
        value = _number(file, row.get("dissimilarity"), f"the dissimilarity of {a} and {b}")
        weight = _number(file, row.get("reliability") or "1", f"the reliability of {a} and {b}")
        if a == b and value > _NEAR:
            raise LibraryError(f"{file}: {a} is said to differ from itself by {value:g}.")
        studies.setdefault(row["study"], []).append((a, b, value, weight))
    return [_study(file, name, pairs) for name, pairs in studies.items()]


def _study(file: Path, name: str, pairs: list[tuple[str, str, float, float]]) -> Study:
    items = tuple(dict.fromkeys(item for a, b, _, _ in pairs for item in (a, b)))
    if len(items) < 3:
        raise LibraryError(f"{file}: the study {name} has {len(items)} sounds; three or more are wanted.")
    number = {item: index for index, item in enumerate(items)}
    values = np.full((len(items),) * 2, np.nan)
    weights = np.ones_like(values)
    np.fill_diagonal(values, 0.0)
    for a, b, value, weight in pairs:
        i, j = number[a], number[b]
        if i != j and np.isfinite(values[i, j]) and abs(values[i, j] - value) > _NEAR:
            raise LibraryError(f"{file}: {name} rates {a} and {b} twice, as {values[i, j]:g} and as {value:g}.")
        values[i, j] = values[j, i] = value
        weights[i, j] = weights[j, i] = weight
    return Study(name, items, values, weights, items)


def _matrix(file: Path, lines: list[list[str]]) -> Study:
    """Columns are put into the order of the rows by name, never by place."""
    columns, rows = lines[0][1:], [line[0] for line in lines[1:]]
    if sorted(columns) != sorted(rows):
        odd = sorted(set(columns) ^ set(rows)) or rows
        raise LibraryError(f"{file} has other names in its first row than in its first column: {', '.join(odd)}.")
    values = np.zeros((len(rows),) * 2)
    for i, (row, line) in enumerate(zip(rows, lines[1:], strict=True)):
        for column, text in zip(columns, line[1:], strict=False):
            empty = text in ("", "nan", "NaN")
            what = f"the dissimilarity of {row} and {column}"
            values[i, rows.index(column)] = np.nan if empty else _number(file, text, what)
    for i, j in np.argwhere(np.triu(np.ones_like(values))):
        if i == j and not abs(values[i, i]) <= _NEAR:
            raise LibraryError(f"{file}: {rows[i]} differs from itself by {values[i, i]:g}.")
        if not np.isclose(values[i, j], values[j, i], atol=_NEAR, equal_nan=True):
            raise LibraryError(
                f"{file} is not symmetric: {rows[i]} and {rows[j]} have {values[i, j]:g} and {values[j, i]:g}."
            )
    return Study(file.stem, tuple(rows), values, np.ones_like(values), tuple(rows))


def _with_sounds(studies: Iterable[Study], home: Path) -> Iterable[Study]:
    """Studies with what sounds.csv tells of their sounds."""
    with (home / _SOUNDS).open(encoding="utf-8-sig", newline="") as stream:
        told = {(row.get("study"), row.get("sound")): row for row in csv.DictReader(stream)}
    for study in studies:
        rows = {item: told[study.name, item] for item in study.items if (study.name, item) in told}
        if not rows:
            yield study
            continue
        missing = [item for item in study.items if item not in rows]
        if missing:
            raise LibraryError(f"{home / _SOUNDS} does not tell of {study.name}'s {', '.join(missing)}.")
        instruments = [row.get("instrument_base", row.get("instrument")) or "" for row in rows.values()]
        files = {item: home / row["file"] for item, row in rows.items() if row.get("file")}
        pitches = {item: float(row["pitch"]) for item, row in rows.items() if row.get("pitch")}
        yield replace(study, instruments=tuple(instruments), files=files, pitches=pitches)
