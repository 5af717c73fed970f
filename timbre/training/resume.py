"""The state from which a run continues: kept apart from the space, read with weights_only, never exchanged."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from timbre.data.library import same_inputs
from timbre.errors import CheckpointError
from timbre.files import replacing, unwritable
from timbre.training.packing import pack, unpack

STATE = "state.pt"
FORMAT = 3
_OF_MACHINE = ("device", "precision", "threads")  # settings in which the machine that continues a run may differ
_NEAR = {"average": "model", "best_weights": "average"}  # fields whose tensors are like those of another


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write a run's state, tensors and plain values, atomically into `folder`; see :func:`load_state`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / STATE) as partial:
            packed = {name: pack(value, state.get(_NEAR.get(name, ""))) for name, value in state.items()}
            torch.save({"format": FORMAT, **packed}, partial)
    except OSError as error:
        raise CheckpointError(unwritable(folder, error)) from error
    except RuntimeError as error:  # of torch, where a file cannot be written to its end
        raise CheckpointError(f"{folder} cannot be written: the disk may be full; free some space.") from error


def load_state(folder: Path, identity: dict[str, Any], fingerprint: str) -> dict[str, Any] | None:
    """The state that :func:`save_state` wrote, or None if there is none.

    Raises:
        CheckpointError: if the state is damaged, or belongs to another version, other settings or other notes.
    """
    path, anew = folder / STATE, f"delete {folder} to start again"
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251  (tensors and plain values only)
    except Exception as error:
        raise CheckpointError(f"The training state {path} is damaged ({type(error).__name__}); {anew}.") from error
    made = state.get("format") if isinstance(state, dict) else None
    if type(made) is not type(FORMAT) or made != FORMAT:
        raise CheckpointError(f"The training state {path} was written by another version of timbre; {anew}.")
    with expected_fields(folder):
        for name in state:  # a field comes after the one that it is near to
            state[name] = unpack(state[name], state.get(_NEAR.get(name, "")))
        changed, same = differences(state["identity"], identity), same_inputs(state["fingerprint"], fingerprint)
    if changed:
        raise CheckpointError(
            f"The run in {folder} was started with other settings ({', '.join(changed)}); give the same settings to "
            f"continue it, or {anew}."
        )
    if not same:
        raise CheckpointError(
            f"The run in {folder} was started on other notes; give the same library to continue it, or {anew}."
        )
    return state


@contextmanager
def expected_fields(folder: Path | None) -> Iterator[None]:
    """A CheckpointError where the fields of a state are missing or of other kinds."""
    try:
        yield
    except CheckpointError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, ArithmeticError, zlib.error) as error:
        raise CheckpointError(
            f"The training state in {folder} is damaged ({type(error).__name__}); delete {folder} to start again."
        ) from error


def checked(value: Any, kind: type) -> Any:
    """A value of a state; a ValueError if it is of another kind, or a count below 0."""
    fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
    if not fits or (kind is int and value < 0):
        raise ValueError(f"must be {kind.__name__}, got {value!r}")
    return value


def differences(before: dict[str, Any], after: dict[str, Any], prefix: str = "") -> list[str]:
    """The settings in which two configs differ, such as "model.dim was 16, is 8"; those of the machine do not count."""
    changed = []
    for key in {**before, **after}:
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            changed += differences(old, new, f"{prefix}{key}.")
        elif old != new and key not in _OF_MACHINE:
            changed.append(f"{prefix}{key} was {old}, is {new}")
    return changed
