"""Reconstruction errors of a model in dB."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from timbre.models.vae import VAE
from timbre.training.batches import Batch, NoteBatches
from timbre.training.ranks import Ranks

_COMPARED = 128  # notes whose residuals are measured
AUDIBLE_DB = 60.0  # below a note's peak: what counts as audible
_LOUDEST = 0.05  # s over which the level of a note is taken


@dataclass(frozen=True)
class ReconstructionErrors:
    """Errors over a set of notes, dB.

    Attributes:
        l1_db, rmse_db: mean absolute and root mean square error, with equal weight for all bins and frames.
        notes: their number.
        audible_l1_db: mean absolute error of the bins that are within 60 dB of the note's peak, recorded or decoded:
            most of the others lie on the floor, where an error is neither likely nor heard.
        level_error_db: level of the loudest 50 ms, decoded minus recorded, mean over the notes.
    """

    l1_db: float
    rmse_db: float
    notes: int
    audible_l1_db: float
    level_error_db: float


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
    sums = np.zeros(7)
    for batch in batches.in_order():
        with torch.no_grad():
            z = encode(batch) if encode else model.posterior(batch.spectrogram, batch.conditions).center
            frames = torch.arange(0, model.frames, stride, device=z.device)
            recorded, decoded = batch.spectrogram[:, :, frames], model.decode(z, batch.conditions, frames)
        width = max(1, round(_LOUDEST / float(model.clock[1]) / stride))
        sums += _sums(recorded.double(), decoded.double(), width)
    if ranks is not None:
        sums = np.array(ranks.sum(*sums.tolist()))
    absolute, square, values, audible, cells, level, notes = sums.tolist()
    heard = audible / cells if cells else math.nan  # none, where what is decoded is no number
    return ReconstructionErrors(absolute / values, (square / values) ** 0.5, int(notes), heard, level / notes)


def _sums(recorded: Tensor, decoded: Tensor, width: int) -> np.ndarray:
    """Sums over notes: absolute and square errors, bins, the same of audible bins, errors of the level, and notes."""
    error = (decoded - recorded).abs()
    audible = torch.maximum(recorded, decoded) >= recorded.amax((1, 2), keepdim=True) - AUDIBLE_DB
    loudest = [
        avg_pool1d(torch.pow(10.0, one / 10.0).sum(1), min(width, one.shape[2]), 1).amax(1).log10()
        for one in (decoded, recorded)
    ]
    level = 10.0 * (loudest[0] - loudest[1])
    parts = (error, error.square(), torch.ones_like(error), error[audible], audible, level, torch.ones_like(level))
    return np.array([float(part.sum()) for part in parts])


@torch.no_grad()
def evidence(model: VAE, batches: NoteBatches, ranks: Ranks | None = None) -> float | None:
    """Effective number of independent values in the residual of a note, seen as a stationary field.

    (sum of the power spectrum over bands and frames)^2 / sum of its squares, the participation ratio of the eigenvalues
    of its covariance (Bretherton et al. 1999, The effective number of spatial degrees of freedom of a time-varying
    field): with as many independent values, a posterior's variance is on average that under the whole covariance. The
    spectrum is the mean over notes of equal weight, whose residuals are weighted as in :meth:`VAE.misfit`. Take notes
    of the training: the errors of others are smoother, as they are no noise.

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
    number = float(power.sum() ** 2 / power.square().sum()) if power.sum() > 0 else 0.0
    total, known = number, float(number > 0.0)
    if ranks is not None:
        total, known = ranks.sum(total, known)
    return total / known if known else None
