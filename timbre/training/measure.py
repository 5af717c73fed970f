"""How well a model meets notes: errors in dB over a set of rows."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from timbre.models.vae import VAE
from timbre.training.batches import Batch, Batches
from timbre.training.ranks import Ranks


@dataclass(frozen=True)
class ReconstructionErrors:
    """ReconstructionErrors over a set of notes, all bins and frames alike.

    Attributes:
        l1_db: mean absolute error, dB.
        rmse_db: root mean square error, dB.
        notes: how many notes.
    """

    l1_db: float
    rmse_db: float
    notes: int


def errors(
    model: VAE, batches: Batches, encode: Callable[[Batch], Tensor] | None = None, stride: int = 1,
    ranks: Ranks | None = None,
) -> ReconstructionErrors:  # fmt: skip
    """Reconstruct the notes of `batches` from their points, and compare.

    Args:
        model: in eval mode; its weights are left alone.
        batches: which notes.
        encode: from a batch to latent points (batch, dim); default: the encoder's.
        stride: measure every stride-th frame only.
        ranks: take the notes of all of these together.
    """
    absolute, square, values, notes = 0.0, 0.0, 0.0, 0.0
    for found in batches.in_order():
        with torch.no_grad():
            z = encode(found) if encode else model.posterior(found.spectrogram, found.conditions).center
            frames = torch.arange(0, model.frames, stride, device=z.device)
            error = (model.decode(z, found.conditions, frames) - found.spectrogram[:, :, frames]).double()
        absolute += float(error.abs().sum())
        square += float(error.square().sum())
        values += error.numel()
        notes += len(found.rows)
    if ranks is not None:
        absolute, square, values, notes = ranks.sum(absolute, square, values, notes)
    return ReconstructionErrors(absolute / values, (square / values) ** 0.5, int(notes))
