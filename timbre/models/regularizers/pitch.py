"""A regularizer that keeps pitch out of the space, since pitch is a control and a point should keep its timbre.

It removes pitch *within* an instrument only: instruments have ranges, and that a tuba plays low is part of its timbre.
Batches are small, so notes are compared with recent points too, which are constants for the gradient.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbre.models.regularizers.labels import Labels

NATS = 600.0  # of the term at weight 1, for a loss of 1; a note's likelihood is some 10,000
KEPT = 1024  # recent notes with which those of a batch are compared
FEWEST = 64  # notes with which a batch is compared at least
APART = 2.0  # semitones: notes of one instrument at least this far apart are drawn together
NEAR = 7.0  # semitones: notes of other instruments at most this far apart are their rivals
MARGIN = 2.0  # nats by which the own instrument is to be nearer than the rivals


class Recent(nn.Module):
    """The last pitched notes of known instruments."""

    def __init__(self, dim: int, kept: int) -> None:
        super().__init__()
        self.points = nn.Buffer(torch.zeros(kept, dim))
        self.instrument = nn.Buffer(torch.full((kept,), -1))  # -1 where nothing has been written yet
        self.pitch = nn.Buffer(torch.zeros(kept))  # semitones
        self.written = nn.Buffer(torch.zeros((), dtype=torch.long))  # number of notes that were ever written

    @torch.no_grad()
    def write(self, z: Tensor, instrument: Tensor, pitch: Tensor) -> None:
        """Write notes (batch, dim) over the oldest ones."""
        kept = len(self.points)
        index = (self.written + torch.arange(len(z), device=z.device))[-kept:] % kept
        last = slice(len(z) - len(index), None)
        self.points[index] = z.detach()[last].to(self.points.dtype)
        self.instrument[index] = instrument[last]
        self.pitch[index] = pitch[last].to(self.pitch.dtype)
        self.written.add_(len(z))

    @property
    def count(self) -> int:
        """Number of notes that have been kept; they come first in the buffers."""
        return min(int(self.written), len(self.points))


class Sources(NamedTuple):
    """Points of notes (n, dim), with the numbers of their instruments (n,) and their pitches (n,), MIDI."""

    points: Tensor
    instrument: Tensor
    pitch: Tensor


def contrast(notes: Sources, others: Sources) -> Tensor:
    """How much nearer notes are to their own instrument at other pitches than to other instruments at their own, ().

    For each note i, softplus(2 + log mean_n exp(-d_in^2 / 2 s^2) - log mean_p exp(-d_ip^2 / 2 s^2)): p are the others
    of its instrument two semitones or more away, n those of other instruments within a fifth, d the distance of points
    and s^2 the mean variance of a dimension, so that shrinking the space gains nothing. A contrastive loss (after
    Khosla et al. 2020, Supervised contrastive learning) whose positives differ in pitch and whose negatives do not.
    """
    gap = (notes.pitch.unsqueeze(1) - others.pitch).abs()
    same = notes.instrument.unsqueeze(1) == others.instrument
    own, rivals = same & (gap >= APART), ~same & (gap <= NEAR)
    nearness = -squares(notes.points, others.points) / (2.0 * others.points.var(0).mean() + 1e-12)
    lead = _log_mean_exp(nearness, own) - _log_mean_exp(nearness, rivals)
    compared = own.any(1) & rivals.any(1)
    return (F.softplus(MARGIN - lead) * compared).sum() / compared.sum().clamp_min(1)


class PairTerm(nn.Module):
    """Draws notes of one instrument at different pitches together: :func:`contrast` with the batch and recent notes."""

    def __init__(self, dim: int, kept: int = KEPT) -> None:
        super().__init__()
        self.recent = Recent(dim, kept)

    def forward(self, z: Tensor, labels: Labels) -> Tensor:
        """Nats per note for points (batch, dim); 0 while no two notes can be compared."""
        points, known = pitched(z, labels)
        count = self.recent.count
        value = 0.0 * z.sum()
        if len(points) > 1 and count + len(points) >= FEWEST:
            own, memory = Sources(points, known.instrument, known.pitch), self.recent
            kept = (memory.points, memory.instrument, memory.pitch)
            others = Sources(*(torch.cat([new, old[:count]]) for new, old in zip(own, kept, strict=True)))
            value = NATS * contrast(own, others) * (len(points) / len(z))
        self.recent.write(points, known.instrument, known.pitch)
        return value


def pitched(z: Tensor, labels: Labels) -> tuple[Tensor, Labels]:
    """The points and the instrument, pitch and residual of the notes for which these are known."""
    known = labels.pitch.isfinite() & labels.residual.isfinite() & (labels.instrument >= 0)
    instrument, pitch, residual = (column[known] for column in (labels.instrument, labels.pitch, labels.residual))
    return z[known], labels._replace(instrument=instrument, pitch=pitch, residual=residual)


def squares(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances (n, m) of points (n, dim) and (m, dim)."""
    return (a.square().sum(1, keepdim=True) + b.square().sum(1) - 2.0 * a @ b.T).clamp_min(0.0)


def _log_mean_exp(values: Tensor, chosen: Tensor) -> Tensor:
    """log mean exp over the chosen of (n, m), (n,); very low where none is chosen."""
    total = values.masked_fill(~chosen, -1e9).logsumexp(1)
    return total - chosen.sum(1).clamp_min(1).to(values.dtype).log()
