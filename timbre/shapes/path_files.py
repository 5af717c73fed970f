"""Paths as files: how `timbre path` and `timbre steer` hand a path to `timbre render`.

JSON: an object of `format` ("timbre-path"), `version`, `kind`, `dim`, `times` and `points`, and nothing else. CSV: a
row `time,z0,z1,...`, then a row for each point; between them such a path runs straight.
"""

import csv
import json
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import numpy as np

from timbre.errors import ConfigError
from timbre.files import write_text
from timbre.paths.path import Path

if TYPE_CHECKING:
    from timbre.space.space import Space

FORMAT, VERSION = "timbre-path", 1
_KEYS = ("format", "version", "kind", "dim", "times", "points")
_PIECES = 256  # of a path that is not straight between its points, in a format that knows straight ones only


def read_path(file: str | FilePath, space: "Space") -> Path:
    """Read a path of a space: JSON or CSV, told by the file's ending.

    Raises:
        ConfigError: if the file cannot be read, is neither, holds anything that does not belong there, or is a path of
            another number of dimensions than the space.
    """
    file = FilePath(file).expanduser()
    path = _from_csv(file) if ending(file, ".json", ".csv") == ".csv" else _from_json(file)
    if path.dim != space.dim:
        raise ConfigError(f"{file} is a path of {path.dim} dimensions; this space has {space.dim}.")
    return path


def write_path(file: str | FilePath, path: Path, space: "Space") -> None:
    """Write a path of a space: JSON or CSV, told by the file's ending. The file appears whole or not at all.

    CSV knows straight pieces only; a path of another kind is written as 256 of them.

    Raises:
        ConfigError: if the file cannot be written or ends in something else, or the path is not one of this space.
    """
    file = FilePath(file).expanduser()
    wanted = ending(file, ".json", ".csv")
    if path.dim != space.dim:
        raise ConfigError(f"The path has {path.dim} dimensions and the space {space.dim}; make it with space.path().")
    write_text(file, _to_csv(path) if wanted == ".csv" else _to_json(path))


def ending(file: FilePath, *known: str) -> str:
    """The ending of a file's name, one of those known; a ConfigError if it is another one."""
    if file.suffix.lower() not in known:
        raise ConfigError(f"{file} ends in {file.suffix or 'nothing'}; {' or '.join(known)} is wanted.")
    return file.suffix.lower()


def read_text(file: FilePath) -> str:
    """The text of a file; a ConfigError if it cannot be read."""
    try:
        return file.expanduser().read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}; give the name of a file.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not text in UTF-8; save it as such.") from error


def read_json(file: FilePath) -> Any:
    """What a JSON file holds; a ConfigError if it is none."""
    try:
        return json.loads(read_text(file), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{file} is not JSON ({error}).") from error


def read_rows(file: FilePath) -> list[list[str]]:
    """The rows of a CSV file that are not empty; a ConfigError if it is none."""
    try:
        return [row for row in csv.reader(read_text(file).splitlines(), strict=True) if row]
    except csv.Error as error:
        raise ConfigError(f"{file} is not CSV ({error}).") from error


def numbers(values: Any, dimensions: int, what: str) -> np.ndarray:
    """Finite numbers as an array of so many dimensions; a ConfigError that says of what they are not."""
    try:
        array = np.array(values, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        array = np.zeros(())
    if array.ndim != dimensions or not array.size or not np.isfinite(array).all():
        raise ConfigError(f"{what}: finite numbers are wanted, in rows of one length.")
    return array


def is_path(file: FilePath) -> bool:
    """Whether a JSON or CSV file holds a path; else it may be a curve in a plane."""
    if ending(file, ".json", ".csv") == ".csv":
        return bool(rows := read_rows(file)) and "z0" in [name.strip() for name in rows[0]]
    return isinstance(read_json(file), dict)


def _no_number(text: str) -> float:
    raise ConfigError(f"{text} stands where a number is wanted; leave that point out.")


def _to_json(path: Path) -> str:
    values = (FORMAT, VERSION, path.kind, path.dim, path.times.tolist(), path.points.tolist())
    return json.dumps(dict(zip(_KEYS, values, strict=True))) + "\n"


def _from_json(file: FilePath) -> Path:
    found = read_json(file)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ConfigError(f"{file} is not a path; make one with timbre path.")
    if found.get("version") != VERSION:
        raise ConfigError(f"{file} is a path of version {found.get('version')}; this timbre reads version {VERSION}.")
    if set(found) != set(_KEYS) or not isinstance(found["kind"], str):
        raise ConfigError(f"{file} has {', '.join(found)}; a path has {', '.join(_KEYS)}, and its kind is a word.")
    points, times = plain(found["points"], 2, f"The points of {file}"), plain(found["times"], 1, f"Times of {file}")
    if found["dim"] != points.shape[1]:
        raise ConfigError(f"{file} says that its points have {found['dim']} dimensions; they have {points.shape[1]}.")
    return _made(file, points, times, found["kind"])


def plain(values: Any, dimensions: int, what: str) -> np.ndarray:
    """Numbers of a JSON file: numpy would take words such as "1" and true for numbers as well."""
    rows = values if dimensions == 2 and isinstance(values, list) else [values]
    flat = [value for row in rows if isinstance(row, list) for value in row]
    plain = all(isinstance(value, int | float) and not isinstance(value, bool) for value in flat)
    return numbers(values if plain else None, dimensions, what)


def _to_csv(path: Path) -> str:
    path = path if path.kind == "line" else path.sampled(_PIECES)
    head = ["time", *(f"z{number}" for number in range(path.dim))]
    rows = np.column_stack([path.times, path.points]).tolist()
    return "\n".join([",".join(head), *(",".join(map(repr, row)) for row in rows)]) + "\n"


def _from_csv(file: FilePath) -> Path:
    rows = read_rows(file)
    head = [name.strip() for name in rows[0]] if rows else []
    wanted = ["time", *(f"z{number}" for number in range(len(head) - 1))]
    if len(head) < 2 or head != wanted:
        raise ConfigError(f"{file} begins with {','.join(head) or 'nothing'}; time,z0,z1,... is wanted.")
    table = numbers(rows[1:], 2, f"The rows of {file}")
    if table.shape[1] != len(head):
        raise ConfigError(f"The rows of {file} have {table.shape[1]} numbers; its first row names {len(head)}.")
    return _made(file, table[:, 1:], table[:, 0], "line")


def _made(file: FilePath, points: np.ndarray, times: np.ndarray, kind: str) -> Path:
    try:
        return Path(points, times, kind)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error
