"""Reconstruction errors of a model in dB."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from timbre.models.vae import VAE
from timbre.training.batches import Batch, NoteBatches
from timbre.training.ranks import Ranks

_COMPARED = 128  # notes whose residuals are measured


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


@torch.no_grad()
def evidence(model: VAE, batches: NoteBatches, ranks: Ranks | None = None) -> float | None:
    """Effective number of independent values in the residual of a note, seen as a stationary field.

    (sum of the power spectrum)^2 / sum of its squares, the participation ratio of its covariance's eigenvalues
    (Bretherton et al. 1999, The effective number of spatial degrees of freedom of a time-varying field), of the mean
    spectrum over bands and frames of notes of equal weight. Residuals are weighted as in :meth:`VAE.misfit`.

    Args:
        model: in eval mode.
        batches: of the notes; the first 128 or a few more are used.
        ranks: processes whose estimates are averaged; default: this process only.

    Returns:
        The number; None without notes.
    """
    power, notes = torch.zeros((), dtype=torch.float64), 0
    for batch in batches.in_order():
        if notes < _COMPARED:
            decoded = model.decode(model.posterior(batch.spectrogram, batch.conditions).center, batch.conditions)
            error = model.counted(decoded, batch.spectrogram).sqrt() * (decoded - batch.spectrogram)
            error = error / error.flatten(1).norm(dim=1).clamp_min(1e-9)[:, None, None]
            power, notes = power + torch.fft.fft2(error).abs().square().double().sum(0).cpu(), notes + len(error)
    number = float(power.sum() ** 2 / power.square().sum()) if notes else 0.0
    total, known = number, float(number > 0.0)
    if ranks is not None:
        total, known = ranks.sum(total, known)
    return total / known if known else None
