"""A space's vocoder as it is kept: the network, its settings, and what was measured."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from timbre.config import Config, SpectrogramConfig, VocoderConfig
from timbre.data import Library
from timbre.data.fingerprint import fingerprint
from timbre.errors import CheckpointError, ConfigError
from timbre.models.checkpoint import load_weights, tensors
from timbre.models.vae import VAE
from timbre.training.ranks import training_device
from timbre.vocoder.network import Vocoder, make_vocoder
from timbre.vocoder.notes import decoded_notes
from timbre.vocoder.training import fit_vocoder

VOCODER = "vocoder.safetensors"


@dataclass
class TrainedVocoder:
    """A vocoder of a space.

    Attributes:
        network: in eval mode, on the CPU.
        settings: with which it was trained.
        report: plain figures of the training, and of the comparison with other inverters.
        is_default: whether the space uses it unless something else is asked for.
    """

    network: Vocoder
    settings: VocoderConfig
    report: dict[str, Any] = field(default_factory=dict)
    is_default: bool = False

    def details(self) -> dict[str, Any]:
        """What config.json keeps beside the weights."""
        return {"settings": self.settings.to_dict(), "report": self.report, "is_default": self.is_default}


def read_vocoder(
    files: Mapping[str, bytes], details: Mapping[str, Any], spectrogram: SpectrogramConfig, place: Path
) -> TrainedVocoder | None:
    """The vocoder in the files of a space; None where there is none.

    Raises:
        CheckpointError: its weights or settings are damaged, or of a newer timbre.
    """
    kept = details.get("vocoder")
    if not kept:
        return None
    try:
        settings = VocoderConfig.from_dict(kept["settings"])
    except ConfigError as error:
        raise CheckpointError(f"The vocoder in {place} has settings that this timbre does not know: {error}") from error
    network = make_vocoder(spectrogram, settings)
    load_weights(network, tensors(files, VOCODER, place), place)
    return TrainedVocoder(network.eval(), settings, kept["report"], bool(kept["is_default"]))


def learn_vocoder(
    model: VAE, config: Config, library: Library, settings: VocoderConfig, out: Path | None = None,
    progress: bool = False,
) -> TrainedVocoder:  # fmt: skip
    """Train a vocoder on a library's notes as the model of a space decodes them.

    Args:
        model: of the space, in eval mode, on the CPU; it is left as it is.
        config: of the space.
        library: notes that it was trained on; its own split says which are learned from.
        settings: of the vocoder.
        out: folder of the run, which goes on from there when it was broken off; None keeps all in memory.
        progress: whether to show bars on stderr.

    Raises:
        LibraryError: if fewer than 8 notes can be used.
        DeviceError: if torch does not find the device.
        TrainingError, CheckpointError: as of :func:`~timbre.vocoder.training.fit_vocoder`.
    """
    training_device(settings.device, "vocoder.device")  # refused before the notes are decoded, which takes minutes
    digest = hashlib.sha256(fingerprint(library).encode())
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    mark = digest.hexdigest()[:16]
    notes = decoded_notes(library, model, config, settings.notes, mark, progress)
    network, report = fit_vocoder(notes, config.spectrogram, settings, out, mark, progress)
    return TrainedVocoder(network, settings, report)
