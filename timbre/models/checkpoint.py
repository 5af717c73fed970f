"""Saved models: a folder with config.json and safetensors files, no pickles.

`config.json` contains the format's name and version, the config, further details, and the SHA-256 of every other file
and of itself, so that a changed byte is detected when the folder is read. Line ends and other blanks in JSON and text
files do not count.

Saving over a model is all or nothing. New files are first written as `NAME.DIGEST`, then config.json, which names their
digests, replaces the old one, and only then do they get their names. So the files that belong to the config.json are
there at every moment, and :func:`read_folder` looks for them under both names.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as safetensors_bytes
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from timbre.config import Config
from timbre.errors import CheckpointError, ConfigError
from timbre.files import (
    flush,
    flush_folder,
    locked,
    parse_json,
    read_inside,
    shown,
    unwritable,
)  # fmt: skip
from timbre.version import __version__

FORMAT, VERSION = "timbre-space", 3
_FORMER = 2  # of timbre 0.1, whose settings are these
_FORMERLY: dict[str, dict[str, Any]] = {
    "model": {"map": "learned", "settle": 0}, "training": {"audible_db": 0.0},
    "data": {"augment": 0.0, "balance": 0.0, "dense": 60.0},
}  # fmt: skip
CONFIG = "config.json"
MOST_WEIGHTS = 1 << 30  # bytes of a file
FRESH = "Get a fresh copy of the folder."
_NAME = re.compile(r"(?=.{1,100}$)[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+")
_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.bool)
_MOST_FILES = 32
_DIGITS = 16  # of a digest in the name of a new file
_READINGS = 3  # of files that do not fit an unchanged config.json, as another process may be saving the folder
_STAGED = re.compile(f"[0-9a-f]{{{_DIGITS}}}")
_SHA256 = re.compile("[0-9a-f]{64}")


def write_folder(
    folder: Path, config: Config, files: Mapping[str, bytes], weights: Mapping[str, Mapping[str, Tensor]],
    **details: Any,
) -> None:  # fmt: skip
    """Write a model folder, over an old one if there is one; readers find the old model or the new one.

    `files` are bytes by file name, `weights` tensors by file name, written as safetensors, and `details` further JSON
    values. Other files in the folder stay. A CheckpointError if the folder cannot be written; it is then as before.
    """
    contents = dict(files)
    for name, values in weights.items():
        contents[name] = safetensors_bytes({key: x.detach().cpu().contiguous() for key, x in values.items()})
        if len(contents[name]) > MOST_WEIGHTS:
            raise CheckpointError(
                f"{folder / name} must have {MOST_WEIGHTS // 2**20} MiB or less; use a smaller model."
            )
    digests = {name: _digest(name, body) for name, body in contents.items()}
    head = {
        "format": FORMAT,
        "format_version": VERSION,
        "timbre_version": __version__,
        "config": config.to_dict(),
        "details": details,
        "sha256": digests,
    }
    head["self_sha256"] = hashlib.sha256(_canonical(head)).hexdigest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            _write(folder, contents, digests, json.dumps(head, indent=1).encode())
    except OSError as error:
        raise CheckpointError(f"The folder {unwritable(folder, error)}") from error


def _write(folder: Path, contents: Mapping[str, bytes], digests: Mapping[str, str], head: bytes) -> None:
    """Write new files, then config.json, then give the files their names; see the module."""
    contents = {**contents, CONFIG: head}
    paths = {name: _staged(folder, name, digest) for name, digest in digests.items()}
    paths[CONFIG] = _staged(folder, CONFIG, hashlib.sha256(head).hexdigest())
    new = [path for path in paths.values() if not path.exists()]  # others belong to a save that was stopped
    try:
        for name, path in paths.items():
            if not _is(path, contents[name]):
                path.write_bytes(contents[name])
                flush(path)
        flush_folder(folder)
        os.replace(paths.pop(CONFIG), folder / CONFIG)
    except BaseException:
        if not _is(folder / CONFIG, head):
            for path in new:
                path.unlink(missing_ok=True)
        raise
    flush_folder(folder)
    with suppress(OSError):  # of Windows, where a file that is being read keeps its name; readers find both
        for name, path in paths.items():
            os.replace(path, folder / name)
        for left in folder.glob("*.*"):
            name, _, digits = left.name.rpartition(".")
            if name in contents and _STAGED.fullmatch(digits):
                left.unlink()
    flush_folder(folder)


def _staged(folder: Path, name: str, digest: str) -> Path:
    """The name of a new file until config.json is replaced."""
    return folder / f"{name}.{digest[:_DIGITS]}"


def _is(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def read_folder(folder: Path) -> tuple[Config, dict[str, bytes], dict[str, Any]]:
    """Read a model folder: its config, its files' bytes by name, and its details.

    Raises:
        CheckpointError: if a file is missing or damaged, lies outside of the folder, or is no file, or the format is
            unknown or newer than this program.
    """
    head, unchanged = _read_head(folder), 0
    while True:
        try:
            files = {name: _read_file(folder, name, digest) for name, digest in head["sha256"].items()}
            break
        except CheckpointError:
            before, head = head, _read_head(folder)
            unchanged = unchanged + 1 if _canonical(head) == _canonical(before) else 0  # NaN differs from itself
            if unchanged == _READINGS:  # nobody is saving the folder
                raise
    try:
        return Config.from_dict(_settings(head)), files, head["details"]
    except ConfigError as error:
        raise CheckpointError(f"This timbre does not know settings in {folder / CONFIG}: {error}") from error


def _settings(head: dict[str, Any]) -> Any:
    """The settings in a config.json; those of an earlier version with what it took for granted."""
    settings = head.get("config")
    if head["format_version"] == VERSION or not isinstance(settings, dict):
        return settings
    found = {name: settings.get(name, {}) for name in _FORMERLY}
    return {**settings, **{name: {**_FORMERLY[name], **own} for name, own in found.items() if isinstance(own, dict)}}


def tensors(files: Mapping[str, bytes], name: str, folder: Path) -> dict[str, Tensor]:
    """The tensors of one safetensors file that :func:`read_folder` returned; all their values are finite."""
    if name not in files:
        raise CheckpointError(f"{folder} has no {name}; it is not a complete space.")
    try:
        values = parse_safetensors(files[name])
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
        raise CheckpointError(f"{folder / name} is not a safetensors file: {error}.") from error
    for key, value in values.items():
        if value.dtype not in _TYPES or not bool(torch.isfinite(value).all()):
            raise CheckpointError(f"{folder / name} is damaged: {shown(key)} must be finite numbers. {FRESH}")
    return values


def require_shapes(shapes: Mapping[str, Sequence[int]], weights: Mapping[str, Tensor], folder: Path) -> None:
    """A CheckpointError if a weight is missing or has another shape."""
    for name, shape in shapes.items():
        if name not in weights or tuple(weights[name].shape) != tuple(shape):
            got = tuple(weights[name].shape) if name in weights else "none"
            raise CheckpointError(
                f"The weights in {folder} do not fit its config: {name} must have the shape {tuple(shape)}, got {got}."
            )


def require_count(name: str, count: int, most: int, folder: Path) -> None:
    """A CheckpointError if a config asks for more than its weights have."""
    if count > most:
        raise CheckpointError(f"The weights in {folder} do not fit its config: {name} needs {count}, but has {most}.")


class Unfilled(TorchFunctionMode):
    """A block in which modules are made on torch's meta device, without values, until :func:`load_weights`.

    They get no first values either: torch would import its compiler for random ones, which takes a second.
    """

    def __enter__(self) -> TorchFunctionMode:
        self._device = torch.device("meta")
        self._device.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._device.__exit__(*error)

    def __torch_function__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        """What torch calls instead of a function: nothing for those of `torch.nn.init`."""
        kwargs = kwargs or {}
        if getattr(function, "__module__", "") == nn.init.__name__:
            return kwargs.get("tensor", args[:1])
        return function(*args, **kwargs)


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], folder: Path) -> None:
    """Load weights into a module; names and shapes must match exactly. The module may be :class:`Unfilled`."""
    own = module.state_dict()
    require_shapes({name: value.shape for name, value in own.items()}, weights, folder)
    unknown = [name for name in weights if name not in own]
    if unknown:
        raise CheckpointError(f"The weights in {folder} do not fit its config: {shown(unknown[0])} is unknown.")
    values = {name: weights[name].to(value.dtype, copy=True) for name, value in own.items()}
    module.load_state_dict(values, assign=True)


def _read_file(folder: Path, name: str, digest: str) -> bytes:
    """The content of a file that has a digest, under its own name or the one that it has while a space is saved."""
    named = folder / name
    for path in (named, _staged(folder, name, digest), named):  # it may be renamed meanwhile
        body = read_inside(path, MOST_WEIGHTS, CheckpointError) if os.path.lexists(path) else None
        if body is not None and (hashlib.sha256(body).hexdigest() == digest or _digest(name, body) == digest):
            return body
    if not os.path.exists(named):
        raise CheckpointError(f"{folder} has no {name}; it is not a complete space.")
    raise _damaged(named)


def _read_head(folder: Path) -> dict[str, Any]:
    """The content of config.json, whose version and checksum are right, and which names files in its own folder."""
    if not folder.is_dir():
        raise CheckpointError(f"There is no folder {folder}; give the folder of a trained space.")
    path = folder / CONFIG
    if not os.path.lexists(path):
        raise CheckpointError(f"{folder} has no {CONFIG}; it is not a complete space.")
    head = parse_json(read_inside(path, error=CheckpointError), path, CheckpointError, nan=True)
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not the config of a timbre space.")
    _check_version(head, folder)
    rest = {key: value for key, value in head.items() if key != "self_sha256"}
    if hashlib.sha256(_canonical(rest)).hexdigest() != head.get("self_sha256"):
        raise _damaged(path)
    files, details = head.get("sha256"), head.get("details")
    if not isinstance(files, dict) or not isinstance(details, dict) or len(files) > _MOST_FILES:
        raise CheckpointError(f"{path} is damaged: it must have details, and the digests of up to {_MOST_FILES} files.")
    for name, digest in files.items():
        if not _NAME.fullmatch(name) or name == CONFIG or not (isinstance(digest, str) and _SHA256.fullmatch(digest)):
            raise CheckpointError(f"{path} must name files in its own folder with their digests, got {shown(name)}.")
    return head


def _check_version(head: dict[str, Any], folder: Path) -> None:
    version, made = head.get("format_version"), shown(head.get("timbre_version"))
    if isinstance(version, int) and version > VERSION:
        raise CheckpointError(
            f"{folder} is of format version {version}, made by timbre {made}; "
            f"this is timbre {__version__}, which reads up to version {VERSION}. Update timbre."
        )
    if version not in (_FORMER, VERSION):
        raise CheckpointError(
            f"{folder} has format version {shown(version)}, of timbre {made}, with another network. "
            "Train the space again."
        )


def _canonical(head: dict[str, Any]) -> bytes:
    return json.dumps(head, sort_keys=True).encode()


def _digest(name: str, body: bytes) -> str:
    """The SHA-256 of a file as timbre writes it, whatever line ends and blanks it has now."""
    if name.endswith(".json"):
        with suppress(CheckpointError, RecursionError):
            body = json.dumps(parse_json(body, Path(name), CheckpointError), indent=0).encode()
    elif name.endswith(".md"):
        body = body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    return hashlib.sha256(body).hexdigest()


def _damaged(path: Path) -> CheckpointError:
    return CheckpointError(f"{path} is damaged: its checksum does not match. {FRESH}")
