"""The folder of a space: config.json, model.safetensors, atlas.json, atlas.safetensors, README.md and, if it has them,
vocoder.safetensors and decoder.onnx. :mod:`timbre.models.checkpoint` says how checksums and weights are kept."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from timbre.config import Config, from_dict, require
from timbre.errors import CheckpointError, ConfigError
from timbre.files import shown
from timbre.models.checkpoint import (
    CONFIG,
    FRESH,
    load_weights,
    read_folder,
    tensors,
    write_folder,
)  # fmt: skip
from timbre.models.decoder import UNBOUNDED
from timbre.models.regularizers.axes import Axis
from timbre.models.report import read_report
from timbre.models.vae import VAE, check_sizes
from timbre.space.atlas import Atlas
from timbre.space.card import card
from timbre.vocoder.trained import VOCODER, TrainedVocoder, read_vocoder

_MODEL, _GRAPH = "model.safetensors", "decoder.onnx"


class Parts(NamedTuple):
    """What a folder contains; :class:`~timbre.space.Space` describes each."""

    config: Config
    model: VAE
    atlas: Atlas
    report: dict[str, Any]
    axes: Sequence[Axis]
    vocoder: TrainedVocoder | None
    graph: bytes | None


def write_space(folder: Path, parts: Parts, half: bool = False, page: str | None = None) -> None:
    """Write the folder of a space; arguments and errors as in :meth:`timbre.space.Space.save`."""
    text = page or card(parts.config, parts.report, parts.atlas, parts.axes)
    files = {**parts.atlas.to_files(half), "README.md": text.encode("utf-8", "backslashreplace")}
    if parts.graph is not None:
        files[_GRAPH] = parts.graph
    weights = {_MODEL: parts.model.state_dict()}
    if parts.vocoder:
        weights[VOCODER] = parts.vocoder.network.state_dict()
    if half:
        weights = {file: {name: _half(name, value) for name, value in part.items()} for file, part in weights.items()}
    write_folder(
        folder, parts.config, files, weights, report=parts.report,
        axes=[asdict(axis) for axis in parts.axes], vocoder=parts.vocoder and parts.vocoder.details(),
    )  # fmt: skip


def read_space(folder: Path) -> Parts:
    """Read the folder of a space; errors as in :func:`timbre.space.load`."""
    config, files, details = read_folder(folder)
    if "atlas.json" not in files:
        raise CheckpointError(f"{folder} is a checkpoint and has no atlas; give the folder of the finished run.")
    weights = tensors(files, _MODEL, folder)
    try:
        check_sizes(config, weights, folder)
        model = VAE(config, empty=True)
        axes = _axes(details.get("axes"), config)
    except ConfigError as error:
        raise CheckpointError(f"{folder / CONFIG} is damaged: {error} {FRESH}") from error
    if config.model.map == "learned":  # 0.1 counted every value
        weights.setdefault("evidence", torch.tensor(float(config.spectrogram.bins * config.note_frames)))
    weights.setdefault("decoder.limits", torch.full(model.decoder.limits.shape, UNBOUNDED))  # folders before 0.2
    load_weights(model, weights, folder)
    atlas = Atlas.from_files(files)
    if (dim := atlas.points.shape[1]) != config.model.dim:
        raise CheckpointError(f"{folder} is damaged: its atlas has {dim} dimensions, its model {config.model.dim}.")
    vocoder = read_vocoder(files, details, config.spectrogram, folder)
    report = read_report(details.get("report"), folder)
    return Parts(config, model.eval(), atlas, report, axes, vocoder, files.get(_GRAPH))


def _half(name: str, value: Tensor) -> Tensor:
    half = value.half() if value.is_floating_point() else value
    if not bool(torch.isfinite(half).all()):
        raise CheckpointError(f"The weights must be 65,504 or less to be saved in half, got more in {name}; save all.")
    return half


def _axes(values: Any, config: Config) -> tuple[Axis, ...]:
    """The named axes in config.json, whose names differ; dimensions of a learned map, no more than there are."""
    require(isinstance(values, list), f"axes must be a list, got {shown(values)}.")
    axes = tuple(from_dict(Axis, value, "axes.") for value in values)
    names = [axis.name for axis in axes]
    require(len(set(names)) == len(names), f"axes must have different names, got {shown(names)}.")
    most = config.model.dim if config.model.map == "learned" else len(axes)
    require(len(axes) <= most, f"axes must be {most} or fewer, got {len(axes)}.")
    return axes
