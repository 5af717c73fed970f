"""Reconstruction errors of a model in dB."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from timbre.models.vae import VAE
from timbre.training.batches import Batch, NoteBatches
from timbre.training.ranks import Ranks


@dataclass(frozen=True)
class ReconstructionErrors:
    """Mean absolute and root mean square error over a set of notes, dB, with equal weight for all bins and frames."""

    l1_db: float
    rmse_db: float
    notes: int


def errors(
    model: VAE, batches: NoteBatches, encode: Callable[[Batch], Tensor] | None = None, stride: int = 1,
    ranks: Ranks | None = None,
) -> ReconstructionErrors:  # fmt: skip
    """Reconstruct notes from their points and compare.

    Args:
        model: in eval mode; it is not changed.
        batches: of the notes.
        encode: from a batch to latent points (batch, dim); default: the encoder's.
        stride: measure every stride-th frame only.
        ranks: processes whose notes are taken together; default: this process only.
    """
    absolute = square = values = notes = 0.0
    for batch in batches.in_order():
        with torch.no_grad():
            z = encode(batch) if encode else model.posterior(batch.spectrogram, batch.conditions).center
            frames = torch.arange(0, model.frames, stride, device=z.device)
            error = (model.decode(z, batch.conditions, frames) - batch.spectrogram[:, :, frames]).double()
        absolute += float(error.abs().sum())
        square += float(error.square().sum())
        values += error.numel()
        notes += len(batch.rows)
    if ranks is not None:
        absolute, square, values, notes = ranks.sum(absolute, square, values, notes)
    return ReconstructionErrors(absolute / values, (square / values) ** 0.5, int(notes))
