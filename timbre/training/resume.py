"""The state from which a run goes on: kept apart from the space, read with weights_only, never exchanged."""

import io
from pathlib import Path
from typing import Any

import torch

from timbre.config import Config, VocoderConfig
from timbre.errors import CheckpointError
from timbre.files import replacing

STATE = "state.pt"


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write a run's state atomically into `folder`."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / STATE) as partial:
            partial.write_bytes(buffer.getvalue())
    except OSError as error:
        raise CheckpointError(f"The folder {folder} cannot be written: {error.strerror or error}.") from error


def load_state(folder: Path, config: Config | VocoderConfig, library: str) -> dict[str, Any] | None:
    """The state to go on from, or None if there is none.

    Args:
        folder: where :func:`save_state` wrote.
        config: must be the one that the run was started with.
        library: fingerprint of the notes, likewise.

    Raises:
        CheckpointError: if the state is damaged, or belongs to other settings or notes.
    """
    path = folder / STATE
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251  (tensors and plain values only)
        before = type(config).from_dict(state["config"])
    except Exception as error:
        raise CheckpointError(
            f"The training state {path} is damaged ({type(error).__name__}); delete {folder} to start again."
        ) from error
    vocoder = isinstance(config, VocoderConfig)  # a folder inside the space's, which has to stay
    run, anew = (folder, "remove it") if vocoder else (folder.parent, "another folder")
    changed = differences(before.to_dict(), config.to_dict())
    if changed:
        raise CheckpointError(
            f"{run} was started with other settings ({', '.join(changed)}); "
            f"give the same ones to continue it, or {anew} to start anew."
        )
    if state["library"] != library:
        raise CheckpointError(
            f"{run} was started on other notes; give the same library to continue it, or {anew} to start anew."
        )
    return dict(state)


def differences(before: dict[str, Any], after: dict[str, Any], prefix: str = "") -> list[str]:
    """The settings in which two configs differ, such as "model.dim was 16, is 8"."""
    found = []
    for key, old in before.items():
        new = after[key]
        if isinstance(old, dict):
            found += differences(old, new, f"{prefix}{key}.")
        elif old != new:
            found.append(f"{prefix}{key} was {old}, is {new}")
    return found
