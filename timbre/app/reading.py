"""What comes in: bounded bodies, and values that are what they should be."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request

from timbre.errors import ConfigError
from timbre.paths import Path
from timbre.paths.path import KINDS

BODY = 1 << 20  # bytes of JSON
_POINTS = 4096  # of a path
_PATIENCE = 60.0  # s in which a body has to come
_WANTED: Any = object()


class Field(NamedTuple):
    """A value that is wanted: what it must be, and what stands in where it is missing."""

    check: Callable[[str, Any], Any]
    default: Any = _WANTED


def picked(values: Any, **fields: Field) -> dict[str, Any]:
    """The values of an object that has these fields and no others.

    Raises:
        ConfigError: if it is no object, one is missing, too many or not what it should be.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"An object with {', '.join(fields) or 'nothing in it'} is wanted.")
    unknown = [str(name)[:40] for name in values if name not in fields]
    if unknown:
        raise ConfigError(f"There is no field {unknown[0]!r}; known: {', '.join(fields) or 'none'}.")
    missing = [name for name, field in fields.items() if name not in values and field.default is _WANTED]
    if missing:
        raise ConfigError(f"The field {missing[0]} is missing.")
    return {
        name: field.check(name, values[name]) if name in values else field.default for name, field in fields.items()
    }


def number(name: str, value: Any) -> float:
    """A finite number, or the word for one."""
    try:
        found = float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError):
        found = float("nan")
    if not np.isfinite(found):
        raise ConfigError(f"The {name} is {str(value)[:40]!r}; a number is wanted.")
    return found


def maybe(name: str, value: Any) -> float | None:
    """A number, or none."""
    return None if value in (None, "", "none") else number(name, value)


def between(low: float, high: float, unit: str) -> Callable[[str, Any], float]:
    """A check for numbers from low to high."""

    def check(name: str, value: Any) -> float:
        found = number(name, value)
        if not low <= found <= high:
            raise ConfigError(f"The {name} is {found:g} {unit}; {low:g} to {high:g} {unit} is wanted.")
        return found

    return check


def text(name: str, value: Any) -> str:
    """Up to 200 letters."""
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise ConfigError(f"The {name} is no text of 1 to 200 letters.")
    return value


def flag(name: str, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ConfigError(f"The {name} is {str(value)[:40]!r}; true or false is wanted.")
    return value


def row(name: str, value: Any) -> list[float]:
    """Numbers, in a list or with commas between them."""
    values = value.split(",") if isinstance(value, str) else value
    if not isinstance(values, list) or not 0 < len(values) <= _POINTS:
        raise ConfigError(f"The {name} is no row of 1 to {_POINTS} numbers.")
    return [number(name, one) for one in values]


def path(name: str, value: Any) -> Path:
    """A path: an object of points (n, dim), times (n,) from 0 to 1, and a kind."""
    found = picked(value, points=Field(_rows), times=Field(row), kind=Field(text, "line"))
    if found["kind"] not in KINDS:
        raise ConfigError(f"The {name} is of kind {found['kind'][:40]!r}; kinds are {', '.join(KINDS)}.")
    return Path(np.array(found["points"]), np.array(found["times"]), found["kind"])


def _rows(name: str, value: Any) -> list[list[float]]:
    if not isinstance(value, list) or not 0 < len(value) <= _POINTS:
        raise ConfigError(f"The {name} are no list of 1 to {_POINTS} points.")
    rows = [row(name, one) for one in value]
    if len({len(one) for one in rows}) != 1:
        raise ConfigError(f"The {name} have different numbers of coordinates.")
    return rows


def parsed(content: str | bytes) -> Any:
    """What JSON says; a ConfigError if it is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ConfigError("The message is not JSON.") from error


async def json_of(request: Request) -> Any:
    """The JSON body of a request, at most 1 MiB."""
    return parsed(b"".join([chunk async for chunk in chunks(request, BODY)]))


async def chunks(request: Request, most: int) -> AsyncIterator[bytes]:
    """The body of a request as it comes, which is broken off once it has more than `most` bytes, or takes too long."""
    large = HTTPException(413, f"The upload is larger than {most / 2**20:g} MiB, which is the most that is taken.")
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > most:
        raise large
    try:
        async with asyncio.timeout(_PATIENCE):
            count = 0
            async for chunk in request.stream():
                count += len(chunk)
                if count > most:
                    raise large
                yield chunk
    except TimeoutError as error:
        raise HTTPException(408, f"The upload took more than {_PATIENCE:g} s; try again.") from error
