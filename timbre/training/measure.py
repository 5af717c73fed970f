"""How well a model meets notes: errors in dB over a set of rows."""

from dataclasses import dataclass

import torch

from timbre.models.vae import VAE
from timbre.training.batches import Batches
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
    model: VAE, batches: Batches, refine: int = 0, stride: int = 1, ranks: Ranks | None = None
) -> ReconstructionErrors:
    """Reconstruct the notes of `batches` from their points, and compare.

    Args:
        model: in eval mode; its weights are left alone.
        batches: which notes.
        refine: steps of :meth:`VAE.refine` on each point; 0 takes the encoder's.
        stride: measure every stride-th frame only.
        ranks: take the notes of all of these together.
    """
    absolute, square, values, notes = 0.0, 0.0, 0.0, 0.0
    for found in batches.in_order():
        with torch.no_grad():
            z = model.posterior(found.spectrogram, found.conditions).center
        if refine:
            z = model.refine(found.spectrogram, found.conditions, z, refine)
        with torch.no_grad():
            frames = torch.arange(0, model.frames, stride, device=z.device)
            error = (model.decode(z, found.conditions, frames) - found.spectrogram[:, :, frames]).double()
        absolute += float(error.abs().sum())
        square += float(error.square().sum())
        values += error.numel()
        notes += len(found.rows)
    if ranks is not None:
        absolute, square, values, notes = ranks.sum(absolute, square, values, notes)
    return ReconstructionErrors(absolute / values, (square / values) ** 0.5, int(notes))
