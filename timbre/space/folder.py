"""The folder of a space: config.json, model.safetensors, atlas.json, atlas.safetensors, README.md and, where the space
has a vocoder, vocoder.safetensors. :mod:`timbre.models.checkpoint` says how checksums and weights are kept."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from timbre.config import Config, from_dict
from timbre.errors import CheckpointError
from timbre.models.checkpoint import load_weights, read_folder, tensors, write_folder
from timbre.models.regularizers.axes import Axis
from timbre.models.vae import VAE
from timbre.space.atlas import Atlas
from timbre.space.card import card
from timbre.vocoder.trained import VOCODER, TrainedVocoder, read_vocoder

_MODEL = "model.safetensors"


class Parts(NamedTuple):
    """What a folder contains; :class:`~timbre.space.Space` describes each."""

    config: Config
    model: VAE
    atlas: Atlas
    report: dict[str, Any]
    axes: Sequence[Axis]
    vocoder: TrainedVocoder | None


def write_space(folder: Path, parts: Parts, half: bool = False, page: str | None = None) -> None:
    """Write the folder of a space; arguments and errors as in :meth:`timbre.space.Space.save`."""
    page = page or card(parts.config, parts.report, parts.atlas, parts.axes)
    weights = {_MODEL: parts.model.state_dict()}
    if parts.vocoder:
        weights[VOCODER] = parts.vocoder.network.state_dict()
    if half:
        weights = {file: {name: value.half() for name, value in part.items()} for file, part in weights.items()}
    write_folder(
        folder, parts.config, {**parts.atlas.to_files(), "README.md": page.encode()}, weights, report=parts.report,
        axes=[asdict(axis) for axis in parts.axes], vocoder=parts.vocoder and parts.vocoder.details(),
    )  # fmt: skip


def read_space(folder: Path) -> Parts:
    """Read the folder of a space; errors as in :func:`timbre.space.load`."""
    config, files, details = read_folder(folder)
    if "atlas.json" not in files:
        raise CheckpointError(f"{folder} is a checkpoint and has no atlas; give the folder of the finished run.")
    model = VAE(config)
    load_weights(model, tensors(files, _MODEL, folder), folder)
    atlas = Atlas.from_files(files)
    if (dim := atlas.points.shape[1]) != config.model.dim:
        raise CheckpointError(f"{folder} is damaged: its atlas has {dim} dimensions, its model {config.model.dim}.")
    axes = [from_dict(Axis, values, "axes.") for values in details["axes"]]
    vocoder = read_vocoder(files, details, config.spectrogram, folder)
    return Parts(config, model.eval(), atlas, details["report"], axes, vocoder)
