"""Reconstruction errors of a model in dB."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from timbre.models.vae import VAE
from timbre.training.batches import Batch, NoteBatches
from timbre.training.ranks import Ranks

_COMPARED, _FEWEST = 128, 8  # notes whose residuals are compared, at most and at least


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
    """Effective number of independent values in the residuals of notes: the participation ratio of their covariance.

    (sum of its eigenvalues)^2 / sum of their squares, with tr C from the residuals' own products and tr C^2 from those
    of different notes, so that the covariance of 40,000 values is never formed. Residuals are weighted as in
    :meth:`VAE.misfit`.

    Args:
        model: in eval mode.
        batches: of the notes; the first 128 or a few more are used.
        ranks: processes whose estimates are averaged; default: this process only.

    Returns:
        The number; None for fewer than 8 notes, which say nothing.
    """
    parts: list[Tensor] = []
    for batch in batches.in_order():
        if sum(len(part) for part in parts) < _COMPARED:
            z = model.posterior(batch.spectrogram, batch.conditions).center
            decoded = model.decode(z, batch.conditions)
            weight = model.counted(decoded, batch.spectrogram)
            share = (weight / weight.sum((1, 2), keepdim=True)).sqrt()
            parts.append((share * (decoded - batch.spectrogram)).flatten(1))
    number = _participation(torch.cat(parts)) if parts else None
    total, known = number or 0.0, float(number is not None)
    if ranks is not None:
        total, known = ranks.sum(total, known)
    return total / known if known else None


def _participation(residuals: Tensor) -> float | None:
    count = len(residuals)
    if count < _FEWEST:
        return None
    away = residuals - residuals.mean(0)
    squares = (away @ away.T).double().square()
    trace = float(away.double().square().sum(1).mean())
    across = float((squares.sum() - squares.diagonal().sum()) / (count * (count - 1)))
    return trace**2 / across if across > 0.0 else None
