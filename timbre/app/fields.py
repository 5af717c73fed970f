"""Checks what the page sends: bodies of limited size, and the fields of objects."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path as FilePath
from typing import Any, NamedTuple

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request

from timbre.config.settings import require
from timbre.errors import ConfigError
from timbre.files import parse_json, shown
from timbre.paths import Path
from timbre.paths.path import KINDS
from timbre.playback.controls import check_number

MAX_JSON = 1 << 20  # bytes
MISSING: Any = object()
_MAX_POINTS = 4096  # of a path
_MAX_TARGETS = 256  # of what shapes a note
_BODY_TIMEOUT = 60.0  # s
_MOST_BODIES = 16  # that arrive at the same time

_arriving: set[Request] = set()  # whose bodies arrive at present

Check = Callable[[str, Any], Any]  # from a field's name and value to the checked value


class Field(NamedTuple):
    """A field of an object: its check, and its default value if it may be missing."""

    check: Check
    default: Any = MISSING


def read_fields(values: Any, /, **fields: Field) -> dict[str, Any]:
    """The checked values of an object that has these fields and no others; a ConfigError if one is wrong."""
    names = ", ".join(fields) or "(none)"
    require(isinstance(values, Mapping), f"The value must be an object with the fields {names}.")
    for name in values:
        require(name in fields, f"A field must be one of {names}, got {shown(name)}.")
    for name, field in fields.items():
        require(name in values or field.default is not MISSING, f"The field {name} is missing.")
    return {
        name: field.check(name, values[name]) if name in values else field.default for name, field in fields.items()
    }


def number(name: str, value: Any) -> float:
    """A finite number, also from its text."""
    try:
        parsed = float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError):
        parsed = float("nan")
    if not np.isfinite(parsed):
        raise ConfigError(f"The {name} must be a number, got {shown(value)}.")
    return parsed


def whole(name: str, value: Any) -> int:
    """A whole number, also from its text."""
    parsed = number(name, value)
    require(parsed.is_integer(), f"The {name} must be a whole number, got {shown(value)}.")
    return int(parsed)


def between(low: float, high: float, unit: str) -> Check:
    """A check for numbers from low to high."""
    return lambda name, value: check_number(name, number(name, value), low, high, unit)


def optional(check: Check) -> Check:
    """A check that also allows no value: None, "none" or an empty text."""
    return lambda name, value: None if value in (None, "", "none") else check(name, value)


def text(name: str, value: Any) -> str:
    """A text of 1 to 200 characters."""
    valid = isinstance(value, str) and 0 < len(value) <= 200 and not re.search("[\ud800-\udfff]", value)
    require(valid, f"The {name} must be a text of 1 to 200 characters.")
    return str(value)


def flag(name: str, value: Any) -> bool:
    """True or false."""
    require(isinstance(value, bool), f"The {name} must be true or false, got {shown(value)}.")
    return bool(value)


def row(name: str, value: Any) -> list[float]:
    """A list of numbers, or a text of numbers separated by commas."""
    return [number(name, one) for one in _list(name, value.split(",") if isinstance(value, str) else value, "numbers")]


def targets(name: str, value: Any) -> dict[str | int, float]:
    """Numbers by target, as :meth:`Controls.express` has them; a name of digits is the index of a dimension."""
    is_object = isinstance(value, Mapping) and len(value) <= _MAX_TARGETS
    require(is_object, f"The {name} must be an object of at most {_MAX_TARGETS} numbers, got {shown(value)}.")
    return {int(to) if to.isdecimal() and len(to) < 6 else to: number(name, one) for to, one in value.items()}


def path(name: str, value: Any) -> Path:
    """A path, from an object with points (n, dim), times (n,) from 0 to 1, and a kind."""
    values = read_fields(value, points=Field(_rows), times=Field(row), kind=Field(text, "line"))
    kind = values["kind"]
    require(kind in KINDS, f"The kind of the {name} must be one of {', '.join(KINDS)}, got {shown(kind)}.")
    return Path(np.array(values["points"]), np.array(values["times"]), kind)


def _rows(name: str, value: Any) -> list[list[float]]:
    rows = [row(name, one) for one in _list(name, value, "points")]
    require(len({len(one) for one in rows}) == 1, f"The {name} must all have the same number of coordinates.")
    return rows


def _list(name: str, value: Any, items: str) -> list[Any]:
    is_list = isinstance(value, list) and 0 < len(value) <= _MAX_POINTS
    require(is_list, f"The {name} must be a list of 1 to {_MAX_POINTS} {items}.")
    return list(value)


async def read_json(request: Request) -> Any:
    """The JSON body of a request, at most 1 MiB."""
    content = b"".join([chunk async for chunk in chunks(request, MAX_JSON)])
    return parse_json(content, FilePath("The message"), ConfigError)


async def chunks(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body of a request as it arrives; stops with an error beyond `limit` bytes, or after a minute."""
    if len(_arriving) >= _MOST_BODIES:
        raise HTTPException(503, "The server receives too many uploads; wait a moment and try again.")
    too_large = HTTPException(413, f"An upload must have at most {limit / 2**20:g} MiB; send a smaller one.")
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > limit:
        raise too_large
    _arriving.add(request)
    try:
        async with asyncio.timeout(_BODY_TIMEOUT):
            count = 0
            async for chunk in request.stream():
                count += len(chunk)
                if count > limit:
                    raise too_large
                yield chunk
    except TimeoutError as error:
        raise HTTPException(408, f"An upload must arrive within {_BODY_TIMEOUT:g} s; try again.") from error
    finally:
        _arriving.discard(request)
