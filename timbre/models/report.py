"""The report of a training in config.json, as it is read: plain values of which the known ones have their types."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from timbre.errors import CheckpointError
from timbre.files import shown
from timbre.wording import printable

_DEEPEST = 8  # lists and objects in each other


def read_report(report: Any, folder: Path) -> dict[str, Any]:
    """A report whose texts are printable, and whose known values have their types.

    Raises:
        CheckpointError: if it is no object, or a known value has another type.
    """
    if not isinstance(report, dict):
        raise CheckpointError(f"{folder} is damaged: its report must be an object, got {shown(report)}.")
    plain: dict[str, Any] = _plain(report, folder, 0)
    for name, valid in _KNOWN.items():
        if name in plain and not valid(plain[name]):
            raise CheckpointError(f"{folder} is damaged: its report has {name} {shown(plain[name])}.")
    return plain


def _plain(value: Any, folder: Path, depth: int) -> Any:
    if depth > _DEEPEST:
        raise CheckpointError(f"{folder} is damaged: its report must have {_DEEPEST} levels or fewer.")
    if isinstance(value, dict):
        return {printable(key): _plain(inside, folder, depth + 1) for key, inside in value.items()}
    if isinstance(value, list):
        return [_plain(inside, folder, depth + 1) for inside in value]
    return printable(value) if isinstance(value, str) else value


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _number(value: Any) -> bool:
    return type(value) in (int, float)


def _list_of(kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(kind, value))


def _object_of(kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(kind, value.values()))


def _ratings(value: Any) -> bool:
    return isinstance(value, dict) and all(_list_of(_text)(value.get(name)) for name in ("studies", "items"))


_NUMBERS = (
    "test_l1_db", "test_rmse_db", "test_notes", "test_audible_l1_db", "test_level_error_db", "evidence",
    "train_minutes", "steps", "parameters",
)  # fmt: skip
_KNOWN: dict[str, Callable[[Any], bool]] = {
    "licences": _object_of(lambda value: type(value) is int and value >= 0),
    "dropped": _object_of(_text),
    "held_out": _text,
    "library_fingerprint": _text,
    "ratings": _ratings,
    "regularizers": _list_of(_text),
    **dict.fromkeys(_NUMBERS, _number),
}
