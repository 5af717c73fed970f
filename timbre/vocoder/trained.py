"""The vocoder of a space: the network with its settings and figures, read, and trained."""

import hashlib
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from timbre.config import Config, SpectrogramConfig, VocoderConfig
from timbre.data import Library
from timbre.data.library import fingerprint
from timbre.errors import CheckpointError, ConfigError
from timbre.files import shown
from timbre.models.checkpoint import Unfilled, load_weights, tensors
from timbre.models.report import read_report
from timbre.models.vae import VAE
from timbre.training.folder import claimed
from timbre.training.ranks import training_device
from timbre.vocoder.network import Vocoder, check_sizes, make_vocoder
from timbre.vocoder.notes import decoded_notes
from timbre.vocoder.training import VocoderTask

VOCODER = "vocoder.safetensors"


@dataclass
class TrainedVocoder:
    """A vocoder of a space."""

    network: Vocoder  # in eval mode, on the CPU
    settings: VocoderConfig  # with which it was trained
    report: dict[str, Any] = field(default_factory=dict)  # plain figures: training, comparison with other inverters
    is_default: bool = False  # whether it is the space's default inverter

    def details(self) -> dict[str, Any]:
        """What config.json contains besides the weights."""
        return {"settings": self.settings.to_dict(), "report": self.report, "is_default": self.is_default}


def read_vocoder(
    files: Mapping[str, bytes], details: Mapping[str, Any], spectrogram: SpectrogramConfig, folder: Path
) -> TrainedVocoder | None:
    """The vocoder in the files of a space, or None; a CheckpointError if it is damaged, or of a newer timbre."""
    kept = details.get("vocoder")
    if kept is None:
        return None
    if not isinstance(kept, dict) or not isinstance(kept.get("is_default"), bool):
        raise CheckpointError(f"{folder} is damaged: its vocoder must have settings and is_default, got {shown(kept)}.")
    try:
        settings = VocoderConfig.from_dict(kept.get("settings"))
    except ConfigError as error:
        raise CheckpointError(f"This timbre does not know settings of the vocoder in {folder}: {error}") from error
    weights = tensors(files, VOCODER, folder)
    check_sizes(spectrogram, settings, weights, folder)
    with Unfilled():
        network = make_vocoder(spectrogram, settings)
    load_weights(network, weights, folder)
    return TrainedVocoder(network.eval(), settings, read_report(kept.get("report"), folder), kept["is_default"])


def learn_vocoder(
    model: VAE, config: Config, library: Library, settings: VocoderConfig, out: Path | None = None,
    progress: bool = False,
) -> TrainedVocoder:  # fmt: skip
    """Train a vocoder on a library's notes as the model of a space decodes them.

    Args:
        model, config: of the space; the model is in eval mode, on the CPU, and left as it is.
        library: notes that the space was trained on, split as then.
        settings: of the vocoder.
        out: folder of the run, from which an interrupted run continues; None keeps everything in memory.
        progress: whether to show bars on stderr.

    Raises:
        LibraryError: if fewer than 8 notes can be used.
        DeviceError: if torch does not find the device.
        TrainingError, CheckpointError: see :meth:`~timbre.training.run.Task.fit`.
    """
    training_device(settings.device, "vocoder.device")  # before the notes are decoded, which takes minutes
    with claimed(out) if out else nullcontext():
        return _learned(model, config, library, settings, out, progress)


def _learned(
    model: VAE, config: Config, library: Library, settings: VocoderConfig, out: Path | None, progress: bool
) -> TrainedVocoder:  # fmt: skip
    notes_mark, _, sounds = fingerprint(library).rpartition(":")
    digest = hashlib.sha256(notes_mark.encode())
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    mark = f"{digest.hexdigest()[:16]}:{sounds}"
    notes = decoded_notes(library, model, config, settings.notes, mark, progress)
    task = VocoderTask(notes, config.spectrogram, settings, out, mark)
    report = task.fit(progress)
    return TrainedVocoder(task.net, settings, report)
