"""Path files: how `timbre path` and `timbre steer` hand a path to `timbre render`.

JSON: an object with exactly the keys `format` ("timbre-path"), `version`, `kind`, `dim`, `space`, `times` and `points`;
version 1, of timbre 0.1, has no `space`. CSV: a header `time,z0,z1,...` and a row for each point, with straight lines
between the points.
"""

import json
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from timbre.errors import ConfigError
from timbre.files import expanded, read_json, shown, write_text
from timbre.paths.path import Path
from timbre.shapes.number_files import ending, numbers, read_rows, read_table, write_table
from timbre.space.identity import Identity, read_identity
from timbre.space.space import Space

FORMAT, VERSION = "timbre-path", 2
_FORMER = ("format", "version", "kind", "dim", "times", "points")
_KEYS = {1: _FORMER, VERSION: (*_FORMER, "space")}  # of each version
_PIECES = 256  # straight pieces that stand for a curved path in CSV


def read_path(file: str | FilePath, space: Space) -> Path:
    """The path in a JSON or CSV file; a ConfigError for other files, and for a path of another space."""
    file = expanded(file)
    path, made = _read_csv(file) if ending(file, ".json", ".csv") == ".csv" else _read_json(file)
    if not made.is_of(own := space.identity):
        raise ConfigError(made.mismatch(str(file), own))
    return path


def write_path(file: str | FilePath, path: Path, space: Space) -> None:
    """Write a path of a space as JSON or CSV; the file appears complete or not at all.

    CSV has straight pieces only: a path of another kind is written as 256 of them. Other endings, and a path that has
    not the dimensions of the space, raise a ConfigError.
    """
    file = expanded(file)
    form = ending(file, ".json", ".csv")
    if path.dim != space.dim:
        raise ConfigError(f"The path has {path.dim} dimensions and the space {space.dim}; make it with space.path().")
    if form == ".csv":
        path = path if path.kind == "line" else path.sampled(_PIECES)
        write_table(file, _header(path.dim), np.column_stack([path.times, path.points]).tolist())
    else:
        made = space.identity.to_dict()
        head = {"format": FORMAT, "version": VERSION, "kind": path.kind, "dim": path.dim, "space": made}
        write_text(file, json.dumps(head | path_to_dict(path)) + "\n")


def is_path(file: FilePath) -> bool:
    """Whether a JSON or CSV file has the form of a path; if not, it may be a drawn curve."""
    if ending(file, ".json", ".csv") == ".csv":
        rows = read_rows(file)
        return bool(rows) and "z0" in [name.strip() for name in rows[0]]
    return isinstance(read_json(file), dict)


def path_to_dict(path: Path) -> dict[str, Any]:
    """The kind, times and points of a path as plain values."""
    return {"kind": path.kind, "times": path.times.tolist(), "points": path.points.tolist()}


def path_from_dict(values: dict[str, Any], name: str) -> Path:
    """The path of :func:`path_to_dict`; other keys are ignored, and errors begin with `name`."""
    points = numbers(values["points"], 2, f"{name}: the points", strict=True)
    times = numbers(values["times"], 1, f"{name}: the times", strict=True)
    return _path(name, points, times, values["kind"])


def _path(name: object, points: np.ndarray, times: np.ndarray, kind: str) -> Path:
    try:
        return Path(points, times, kind)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error


def _read_json(file: FilePath) -> tuple[Path, Identity]:
    values = read_json(file)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ConfigError(f"{file} is not a path; make one with timbre path.")
    version = values.get("version")
    if type(version) is not int or version not in _KEYS:
        raise ConfigError(f"{file} must be a path of version {' or '.join(map(str, _KEYS))}, got {shown(version)}.")
    if set(values) != set(keys := _KEYS[version]) or not isinstance(values["kind"], str):
        raise ConfigError(f"{file} must have {', '.join(keys)} and a kind in words, got {shown(list(values))}.")
    path = path_from_dict(values, str(file))
    if values["dim"] != path.dim:
        raise ConfigError(f"{file} gives dim {shown(values['dim'])}, but its points have {path.dim} dimensions.")
    return path, read_identity(values.get("space"), path.dim, file)


def _header(dim: int) -> list[str]:
    return ["time", *(f"z{number}" for number in range(dim))]


def _read_csv(file: FilePath) -> tuple[Path, Identity]:
    _, table = read_table(file, lambda header: len(header) > 1 and header == _header(len(header) - 1), "time,z0,z1,...")
    path = _path(file, table[:, 1:], table[:, 0], "line")
    return path, Identity(path.dim)
