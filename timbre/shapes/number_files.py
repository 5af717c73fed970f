"""Numbers in CSV and JSON files. A ConfigError names a file that cannot be read or has other content."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from timbre.errors import ConfigError
from timbre.files import read_text, write_text


def ending(file: Path, *endings: str) -> str:
    """The ending of a file's name in lower case; a ConfigError if it is none of `endings`."""
    if file.suffix.lower() not in endings:
        raise ConfigError(f"{file} must end in {' or '.join(endings)}, got {file.suffix or 'no ending'}.")
    return file.suffix.lower()


def read_rows(file: Path) -> list[list[str]]:
    """The rows of a CSV file without the empty ones."""
    try:
        return [row for row in csv.reader(read_text(file).splitlines(), strict=True) if row]
    except csv.Error as error:
        raise ConfigError(f"{file} is not CSV ({error}).") from error


def read_table(file: Path, valid: Callable[[list[str]], bool], expected: str) -> tuple[list[str], np.ndarray]:
    """The header of a CSV file, and its numbers (rows, columns); `expected` are the valid headers, for errors."""
    rows = read_rows(file)
    header = [name.strip() for name in rows[0]] if rows else []
    if not valid(header):
        raise ConfigError(f"{file} must begin with the row {expected}, got {','.join(header) or 'nothing'}.")
    table = numbers(rows[1:], 2, f"The rows of {file}")
    if table.shape[1] != len(header):
        raise ConfigError(f"The rows of {file} must have {len(header)} numbers, got {table.shape[1]}.")
    return header, table


def write_table(file: Path, header: Iterable[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file; it appears complete or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(file, text.getvalue())


def numbers(values: Any, dimensions: int, name: str, strict: bool = False) -> np.ndarray:
    """Finite numbers as an array of 1 or 2 dimensions; `name` is what they are, for errors.

    `strict` refuses texts such as "1" and true, which numpy takes for numbers.
    """
    try:
        array = np.array(values, dtype=np.float64)
        if strict and not {int, float} >= {type(value) for value in np.array(values, dtype=object).ravel()}:
            array = np.zeros(())
    except (ValueError, TypeError, OverflowError):
        array = np.zeros(())
    if array.ndim != dimensions or not array.size or not np.isfinite(array).all():
        raise ConfigError(f"{name} must be finite numbers, in rows of equal length.")
    return array
