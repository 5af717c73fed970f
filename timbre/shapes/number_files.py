"""Numbers in CSV and JSON files."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from timbre.errors import ConfigError
from timbre.files import write_text


def ending(file: Path, *endings: str) -> str:
    """The ending of a file's name in lower case.

    Raises:
        ConfigError: if it is none of `endings`.
    """
    if file.suffix.lower() not in endings:
        raise ConfigError(f"{file} must end in {' or '.join(endings)}, got {file.suffix or 'no ending'}.")
    return file.suffix.lower()


def read_text(file: Path) -> str:
    """The text of a file in UTF-8.

    Raises:
        ConfigError: if it cannot be read.
    """
    try:
        return file.expanduser().read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}; give the name of a file.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not text in UTF-8; save it as UTF-8.") from error


def read_json(file: Path) -> Any:
    """The content of a JSON file without NaN and infinity.

    Raises:
        ConfigError: if the file cannot be read or is not JSON.
    """
    try:
        return json.loads(read_text(file), parse_constant=_refuse)
    except ConfigError:
        raise
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file} is not JSON ({error}).") from error


def _refuse(text: str) -> float:
    raise ConfigError(f"Numbers must be finite, got {text}; leave that point out.")


def read_rows(file: Path) -> list[list[str]]:
    """The rows of a CSV file without the empty ones.

    Raises:
        ConfigError: if the file cannot be read or is not CSV.
    """
    try:
        return [row for row in csv.reader(read_text(file).splitlines(), strict=True) if row]
    except csv.Error as error:
        raise ConfigError(f"{file} is not CSV ({error}).") from error


def read_table(file: Path, valid: Callable[[list[str]], bool], expected: str) -> tuple[list[str], np.ndarray]:
    """The header of a CSV file, and its numbers (rows, columns).

    Args:
        file: the file.
        valid: whether a header is right.
        expected: the right headers, for errors.

    Raises:
        ConfigError: for another header, or rows that are not as many finite numbers.
    """
    rows = read_rows(file)
    header = [name.strip() for name in rows[0]] if rows else []
    if not valid(header):
        raise ConfigError(f"{file} must begin with the row {expected}, got {','.join(header) or 'nothing'}.")
    table = numbers(rows[1:], 2, f"The rows of {file}")
    if table.shape[1] != len(header):
        raise ConfigError(
            f"The rows of {file} must have {len(header)} numbers like its first row, got {table.shape[1]}."
        )
    return header, table


def write_table(file: Path, header: Iterable[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file; it appears complete or not at all.

    Raises:
        ConfigError: if it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(file, text.getvalue())


def numbers(values: Any, dimensions: int, name: str) -> np.ndarray:
    """Finite numbers as an array of 1 or 2 dimensions.

    Raises:
        ConfigError: if the values are no such numbers; it begins with `name`.
    """
    try:
        array = np.array(values, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        array = np.zeros(())
    if array.ndim != dimensions or not array.size or not np.isfinite(array).all():
        raise ConfigError(f"{name} must be finite numbers, in rows of equal length.")
    return array


def json_numbers(values: Any, dimensions: int, name: str) -> np.ndarray:
    """Numbers from a JSON file, as in :func:`numbers`; texts such as "1" and true are refused."""
    rows = values if dimensions == 2 and isinstance(values, list) else [values]
    flat = [value for row in rows if isinstance(row, list) for value in row]
    plain = all(isinstance(value, int | float) and not isinstance(value, bool) for value in flat)
    return numbers(values if plain else None, dimensions, name)
