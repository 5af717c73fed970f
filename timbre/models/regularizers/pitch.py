"""A regularizer that keeps pitch and the recording out of the space: pitch is a control, and a point is a timbre.

It removes pitch *within* an instrument only: instruments have ranges, and that a tuba plays low is part of its timbre.
Where an instrument is there from several sources, its notes at like pitch are drawn together across them.
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


class PitchedNotes(NamedTuple):
    """Points of notes (n, dim), with the numbers of their instruments, their pitches (MIDI) and the numbers of their
    sources (-1: unknown), each (n,).
    """

    points: Tensor
    instrument: Tensor
    pitch: Tensor
    source: Tensor


class Recent(nn.Module):
    """The last pitched notes of known instruments."""

    def __init__(self, dim: int, kept: int) -> None:
        super().__init__()
        self.points = nn.Buffer(torch.zeros(kept, dim))
        self.instrument = nn.Buffer(torch.full((kept,), -1))  # -1 where nothing has been written yet
        self.source = nn.Buffer(torch.full((kept,), -1))
        self.pitch = nn.Buffer(torch.zeros(kept))  # semitones
        self.written = nn.Buffer(torch.zeros((), dtype=torch.long))  # number of notes that were ever written

    @torch.no_grad()
    def write(self, notes: PitchedNotes) -> None:
        """Write notes over the oldest ones."""
        kept, count = len(self.points), len(notes.points)
        index = (self.written + torch.arange(count, device=notes.points.device))[-kept:] % kept
        last = slice(count - len(index), None)
        for name, values in notes._asdict().items():
            buffer = self.get_buffer(name)
            buffer[index] = values.detach()[last].to(buffer.dtype)
        self.written.add_(count)

    def notes(self) -> PitchedNotes:
        """The notes that have been kept."""
        return PitchedNotes(*(self.get_buffer(name)[: self.count] for name in PitchedNotes._fields))

    @property
    def count(self) -> int:
        """Number of notes that have been kept; they come first in the buffers."""
        return min(int(self.written), len(self.points))


def contrast(notes: PitchedNotes, others: PitchedNotes) -> Tensor:
    """How much nearer notes are to their own instrument at other pitches than to other instruments at their own, ().

    For each note i, softplus(2 + log mean_n exp(-d_in^2 / 2 s^2) - log mean_p exp(-d_ip^2 / 2 s^2)): p are the others
    of its instrument two semitones or more away, n those of other instruments within a fifth, d the distance of points
    and s^2 the mean variance of a dimension, so that shrinking the space gains nothing. A contrastive loss (after
    Khosla et al. 2020, Supervised contrastive learning) whose positives differ in pitch and whose negatives do not.
    Notes that have others of their instrument within two semitones, but from another source, count a second time, with
    these as p: alone, since among all of p the nearest ones, of its own source, would outweigh them.
    """
    gap = (notes.pitch.unsqueeze(1) - others.pitch).abs()
    same = notes.instrument.unsqueeze(1) == others.instrument
    elsewhere = (notes.source.unsqueeze(1) != others.source) & (notes.source.unsqueeze(1) >= 0) & (others.source >= 0)
    rivals = ~same & (gap <= NEAR)
    nearness = -squares(notes.points, others.points) / (2.0 * others.points.var(0).mean() + 1e-12)
    against, total, count = _log_mean_exp(nearness, rivals), nearness.new_zeros(()), nearness.new_zeros(())
    for own in (same & (gap >= APART), same & elsewhere & (gap <= APART)):
        compared = own.any(1) & rivals.any(1)
        total = total + (F.softplus(MARGIN + against - _log_mean_exp(nearness, own)) * compared).sum()
        count = count + compared.sum()
    return total / count.clamp_min(1)


class PairTerm(nn.Module):
    """Draws notes of one instrument at different pitches, and of different sources, together: :func:`contrast` with the
    batch and recent notes.
    """

    def __init__(self, dim: int, kept: int = KEPT) -> None:
        super().__init__()
        self.recent = Recent(dim, kept)

    def forward(self, z: Tensor, labels: Labels) -> Tensor:
        """Nats per note for points (batch, dim); 0 while no two notes can be compared."""
        notes, kept = pitched(z, labels), self.recent.notes()
        count, value = len(notes.points), 0.0 * z.sum()
        if count > 1 and len(kept.points) + count >= FEWEST:
            others = PitchedNotes(*map(torch.cat, zip(notes, kept, strict=True)))
            value = NATS * contrast(notes, others) * (count / len(z))
        self.recent.write(notes)
        return value


def pitched(z: Tensor, labels: Labels, residual: bool = False) -> PitchedNotes:
    """The notes whose instrument, pitch and residual are known; with their residuals in place of pitches on demand."""
    known = labels.pitch.isfinite() & labels.residual.isfinite() & (labels.instrument >= 0)
    source = torch.full_like(labels.instrument, -1) if labels.source is None else labels.source
    pitch = labels.residual if residual else labels.pitch
    return PitchedNotes(*(column[known] for column in (z, labels.instrument, pitch, source)))


def squares(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances (n, m) of points (n, dim) and (m, dim)."""
    return (a.square().sum(1, keepdim=True) + b.square().sum(1) - 2.0 * a @ b.T).clamp_min(0.0)


def _log_mean_exp(values: Tensor, chosen: Tensor) -> Tensor:
    """log mean exp over the chosen of (n, m), (n,); very low where none is chosen."""
    total = values.masked_fill(~chosen, -1e9).logsumexp(1)
    return total - chosen.sum(1).clamp_min(1).to(values.dtype).log()
