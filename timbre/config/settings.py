"""Settings classes: ranges of numbers, and strict reading from dictionaries and TOML.

Unknown keys, wrong types and values out of range raise a :class:`~timbre.errors.ConfigError` that names the setting.
"""

import difflib
import math
import re
import tomllib
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from operator import attrgetter
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from timbre.errors import ConfigError
from timbre.files import read_text, shown
from timbre.wording import printable

T = TypeVar("T")
_TYPES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", dict: "a table"}
_HUGE = 2**1023  # a whole number that is not much larger still fits into a float
_MOST_TOML, _MOST_DOTS = 1 << 20, 100
_PIECES = re.compile(r"[=\n,{}]")  # between keys and values in TOML
_REMOVED = {"spectrogram.kind": {"mdct": "dct"}}
"""Choices of timbre 0.1 that no longer exist, by setting, with what to use instead."""

_JOINED = {
    "data.gain_db": ("augment", 0.0, 4.0),
    "data.offset": ("augment", 0.0, 0.04),
    "data.noise_db": ("augment", -60.0, -35.0),
}
"""Settings of timbre 0.1 that are part of another one now: its name, and their values at which it is 0 and 1."""


def require(condition: object, message: str) -> None:
    """Raise a ConfigError with a message unless a condition holds."""
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True)
class Range:
    """The numbers that a setting or a command-line option accepts.

    Attributes:
        low, high: the limits.
        above, below: whether `low`, and `high`, are excluded themselves.
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        low = self.low < value if self.above else self.low <= value
        return low and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        first, last = (f"{x:,}" if isinstance(x, int) and x >= 1e6 else f"{x:g}" for x in (self.low, self.high))
        if math.isfinite(self.low) and math.isfinite(self.high) and not (self.above or self.below):
            return f"{first} to {last}"
        low = f"above {first}" if self.above else f"{first} or more"
        high = f"below {last}" if self.below else f"{last} or less"
        return " and ".join(text for text, limit in ((low, self.low), (high, self.high)) if math.isfinite(limit))

    def __call__(self, _kind: Any, value: float | None) -> None:
        """Raise a ConfigError if a command-line option is given and out of range (the signature is cyclopts')."""
        require(value is None or value in self, f"must be {self}, got {value}.")


def ranges(settings: type) -> dict[str, Range]:
    """The range of each number in a settings class, by its name: {"data.valid": Range(0, 0.5, below=True), ...}."""
    found: dict[str, Range] = {}
    for name, hint in get_type_hints(settings, include_extras=True).items():
        if isinstance(hint, type) and issubclass(hint, Settings):
            found |= {f"{name}.{key}": limits for key, limits in ranges(hint).items()}
        for limits in getattr(hint, "__metadata__", ()):
            found[name] = limits
    return found


class Settings:
    """Base of the settings classes: checks the ranges, and converts from and to plain values."""

    def __post_init__(self) -> None:
        for name, limits in ranges(type(self)).items():
            value = attrgetter(name)(self)
            require(value in limits, f"{_prefix(type(self))}{name} must be {limits}, got {value}.")

    def to_dict(self) -> dict[str, Any]:
        """The settings as (nested) dictionaries of plain values."""
        return asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Settings from (nested) dictionaries; missing keys keep their defaults, unknown keys raise a ConfigError."""
        return from_dict(cls, values, _prefix(cls))

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Settings from a TOML file: :class:`Config` has the tables [spectrogram], [data], [model], [regularization]
        and [training], :class:`VocoderConfig` has none."""
        return cls.from_dict(read_toml(path))


def _prefix(settings: type) -> str:
    """What comes before a setting's name in errors: "training." for TrainingConfig."""
    table = settings.__name__.removesuffix("Config").lower()
    return f"{table}." if table else ""


def read_toml(path: str | Path) -> dict[str, Any]:
    """The tables of a TOML file of up to 1 MiB; a ConfigError if it cannot be read or is malformed."""
    text = read_text(Path(path), _MOST_TOML)
    if any(piece.count(".") > _MOST_DOTS for piece in _PIECES.split(text)):  # tomllib takes gigabytes for such keys
        raise ConfigError(f"{path} is not valid TOML: a key must have {_MOST_DOTS} parts or fewer.")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).partition(";")[0]
        raise ConfigError(f"{path} is not valid TOML: {reason}.") from error


def from_dict(cls: type[T], values: Any, prefix: str = "", **given: Any) -> T:
    """A dataclass of type `cls` from a dictionary; `prefix` comes before the names in errors.

    Fields that are `given` are no keys of the dictionary. An unknown or missing key, or a value of the wrong type,
    raises a ConfigError.
    """
    require(isinstance(values, dict), f"{prefix.rstrip('.: ') or 'The config'} must be a table, got {shown(values)}.")
    hints, values = get_type_hints(cls), _joined(values, prefix)
    known = {field.name: field for field in fields(cls) if field.name not in given}  # type: ignore[arg-type]
    for key in (key for key in values if key not in known):
        close = difflib.get_close_matches(key[:100], known, n=1)
        hint = f"did you mean {prefix}{close[0]}?" if close else f"the settings are: {', '.join(known)}."
        raise ConfigError(f"Unknown setting {prefix}{printable(key[:100])}; {hint}")
    for key, field in known.items():
        optional = field.default is not MISSING or field.default_factory is not MISSING
        require(key in values or optional, f"{prefix}{key} must be given, got none.")
    return cls(**given, **{key: _convert(value, hints[key], f"{prefix}{key}") for key, value in values.items()})


def _joined(values: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The values with settings of timbre 0.1 as what they are part of now, the largest counts; it may be given, too."""
    joined: dict[str, float] = {}
    for key in (key for key in values if f"{prefix}{key}" in _JOINED):
        name, none, all_ = _JOINED[f"{prefix}{key}"]
        share = (_convert(values[key], float, f"{prefix}{key}") - none) / (all_ - none)
        joined[name] = max(joined.get(name, 0.0), min(share, 1.0))
    return joined | {key: value for key, value in values.items() if f"{prefix}{key}" not in _JOINED}


def _convert(value: Any, kind: Any, name: str) -> Any:
    """A value as the type `kind` of a setting."""
    if is_dataclass(kind):
        return from_dict(kind, value, f"{name}.")  # type: ignore[arg-type]
    if get_origin(kind) is Literal:
        instead = _REMOVED.get(name, {}).get(value) if isinstance(value, str) else None
        require(not instead, f"{name} {value!r} is no longer part of timbre (0.1 had it); use {instead!r} instead.")
        choices = {repr(choice): str(choice) for choice in get_args(kind)}
        known = type(value) in (str, int) and repr(value) in choices
        require(known, f"{name} must be one of {', '.join(choices.values())}, got {shown(value)}.")
        return value
    if get_origin(kind) is tuple:
        require(isinstance(value, list | tuple), f"{name} must be a list, got {shown(value)}.")
        return tuple(_convert(item, get_args(kind)[0], f"{name} {n}") for n, item in enumerate(value, start=1))
    allowed = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    if float in allowed and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < _HUGE else math.inf
    names = " or ".join(_TYPES.get(kind, kind.__name__) for kind in allowed if kind is not NoneType)
    require(type(value) in allowed, f"{name} must be {names}, got {shown(value)}.")
    require(not isinstance(value, float) or math.isfinite(value), f"{name} must be a finite number, got {value}.")
    text = "".join(value.split()) if isinstance(value, str) else ""
    require(printable(text) == text, f"{name} must be printable text, got {shown(value)}.")
    return value
