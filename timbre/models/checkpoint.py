"""Saved models: a folder with config.json and safetensors files, no pickles.

`config.json` contains the format's name and version, the config, further details, and the SHA-256 of every other file
and of itself, so that a changed byte is detected when the folder is read.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from timbre.config import Config
from timbre.errors import CheckpointError, ConfigError
from timbre.files import replacing
from timbre.version import __version__

FORMAT, VERSION = "timbre-space", 2
CONFIG = "config.json"


def write_folder(
    folder: Path, config: Config, files: Mapping[str, bytes], weights: Mapping[str, Mapping[str, Tensor]],
    **details: Any,
) -> None:  # fmt: skip
    """Write a model folder: each file under a temporary name first, config.json last.

    `files` are bytes by file name, `weights` tensors by file name, written as safetensors, and `details` further JSON
    values. A CheckpointError if the folder cannot be written.
    """
    contents = dict(files)
    for name, values in weights.items():
        contents[name] = safetensors_bytes({key: x.detach().cpu().contiguous() for key, x in values.items()})
    head = {
        "format": FORMAT,
        "format_version": VERSION,
        "timbre_version": __version__,
        "config": config.to_dict(),
        "details": details,
        "sha256": {name: hashlib.sha256(body).hexdigest() for name, body in contents.items()},
    }
    head["self_sha256"] = hashlib.sha256(_canonical(head)).hexdigest()
    contents[CONFIG] = json.dumps(head, indent=1).encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, body in contents.items():
            with replacing(folder / name) as partial:
                partial.write_bytes(body)
    except OSError as error:
        raise CheckpointError(f"The folder {folder} cannot be written: {error.strerror or error}.") from error


def read_folder(folder: Path) -> tuple[Config, dict[str, bytes], dict[str, Any]]:
    """Read a model folder: its config, its files' bytes by name, and its details.

    Raises:
        CheckpointError: if a file is missing or damaged, or the format is unknown or newer than this program.
    """
    head = _read_head(folder)
    files = {}
    for name, digest in head["sha256"].items():
        files[name] = _read(folder, name)
        _verify(files[name], digest, folder / name)
    try:
        return Config.from_dict(head["config"]), files, head["details"]
    except ConfigError as error:
        raise CheckpointError(f"This timbre does not know settings in {folder / CONFIG}: {error}") from error


def tensors(files: Mapping[str, bytes], name: str, folder: Path) -> dict[str, Tensor]:
    """The tensors of one safetensors file that :func:`read_folder` returned."""
    if name not in files:
        raise CheckpointError(f"{folder} has no {name}; it is not a complete space.")
    try:
        return parse_safetensors(files[name])
    except SafetensorError as error:
        raise CheckpointError(f"{folder / name} is not a safetensors file: {error}.") from error


def load_weights(module: Any, weights: Mapping[str, Tensor], folder: Path) -> None:
    """Load weights into a module; names and shapes must match exactly."""
    try:
        module.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise CheckpointError(
            f"The weights in {folder} do not fit its config: {str(error).splitlines()[-1].strip()}"
        ) from error


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"{folder} has no {name}; it is not a complete space.") from None
    except OSError as error:
        raise CheckpointError(f"{folder / name} cannot be read: {error.strerror or error}.") from error


def _read_head(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise CheckpointError(f"There is no folder {folder}; give the folder of a trained space.")
    try:
        head = json.loads(_read(folder, CONFIG))
    except ValueError as error:
        raise CheckpointError(f"{folder / CONFIG} is damaged: it is not valid JSON ({error}).") from error
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise CheckpointError(f"{folder / CONFIG} is not the config of a timbre space.")
    version = head.get("format_version")
    if isinstance(version, int) and version > VERSION:
        raise CheckpointError(
            f"{folder} is of format version {version}, made by timbre {head.get('timbre_version')}; "
            f"this is timbre {__version__}, which reads up to version {VERSION}. Update timbre."
        )
    if version != VERSION:
        raise CheckpointError(
            f"{folder} has format version {version}, of timbre {head.get('timbre_version')}, with another network. "
            "Train the space again."
        )
    rest = {key: value for key, value in head.items() if key != "self_sha256"}
    _verify(_canonical(rest), head.get("self_sha256"), folder / CONFIG)
    return head


def _canonical(head: dict[str, Any]) -> bytes:
    return json.dumps(head, sort_keys=True).encode()


def _verify(body: bytes, digest: str | None, path: Path) -> None:
    if hashlib.sha256(body).hexdigest() != digest:
        raise CheckpointError(f"{path} is damaged: its checksum does not match. Get a fresh copy of the folder.")
