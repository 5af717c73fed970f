"""Regularizers that keep pitch out of the space: it is a control, and a place should sound alike at every pitch.

Each is a term in nats per note of the points of a batch. What is to go is pitch *within* an instrument (its residual):
instruments have ranges, and that a tuba plays low is a part of its timbre. Batches are small, so both terms compare
their notes with a memory of recent points, which are constants for the gradient.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbre.models.regularizers.labels import Labels

NATS = 600.0  # of a term at weight 1, for a loss of 1; a note's likelihood is some 10,000
KEPT = 1024  # recent notes with which those of a batch are compared
FEWEST = 64  # of them before anything is compared
APART = 2.0  # semitones: notes of one instrument at least so far apart are drawn together
NEAR = 7.0  # semitones: notes of other instruments at most so far apart are their rivals
MARGIN = 2.0  # nats by which the own instrument is to be nearer than the rivals
FOILED = 3.0  # weight of the adversary beside the pairs
RIDGE = 1.0  # of the adversary, for kernels that are 1 for a typical note
TYPICAL = 10.0  # semitones: the unit of residuals


class Recent(nn.Module):
    """The last pitched notes of known instruments.

    Attributes:
        points: (kept, dim).
        instrument: (kept,), -1 where nothing has been written yet.
        pitch, residual: semitones, (kept,).
        written: notes that were ever written, ().
    """

    points: Tensor
    instrument: Tensor
    pitch: Tensor
    residual: Tensor
    written: Tensor

    def __init__(self, dim: int, kept: int) -> None:
        super().__init__()
        self.register_buffer("points", torch.zeros(kept, dim))
        self.register_buffer("instrument", torch.full((kept,), -1))
        self.register_buffer("pitch", torch.zeros(kept))
        self.register_buffer("residual", torch.zeros(kept))
        self.register_buffer("written", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def write(self, z: Tensor, labels: Labels) -> None:
        """Take in notes (batch, dim) over the oldest ones."""
        place = (self.written + torch.arange(len(z), device=z.device))[-len(self.points) :] % len(self.points)
        last = slice(len(z) - len(place), None)
        self.points[place] = z.detach()[last].to(self.points.dtype)
        self.instrument[place] = labels.instrument[last]
        self.pitch[place] = labels.pitch[last].to(self.pitch.dtype)
        self.residual[place] = labels.residual[last].to(self.residual.dtype)
        self.written += len(z)

    @property
    def count(self) -> int:
        """Notes that are there; they fill the first places."""
        return min(int(self.written), len(self.points))


class Sources(NamedTuple):
    """Points of notes, (n, dim), with what plays them and how high."""

    points: Tensor
    instrument: Tensor
    """Numbers, (n,)."""
    pitch: Tensor
    """MIDI, (n,)."""


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
    """Notes of one instrument at different pitches are drawn together: :func:`contrast` with a memory of recent notes.

    Args:
        dim: dimensions of the points.
        kept: how many recent notes to compare with.
    """

    def __init__(self, dim: int, kept: int = KEPT) -> None:
        super().__init__()
        self.recent = Recent(dim, kept)

    def forward(self, z: Tensor, labels: Labels) -> Tensor:
        """Nats per note for points (batch, dim); 0 where no two notes can be compared yet."""
        points, known = _pitched(z, labels)
        count = self.recent.count
        value = 0.0 * z.sum()
        if len(points) > 1 and count + len(points) >= FEWEST:
            own, memory = Sources(points, known.instrument, known.pitch), self.recent
            kept = (memory.points[:count], memory.instrument[:count], memory.pitch[:count])
            others = Sources(*(torch.cat(pair) for pair in zip(own, kept, strict=True)))
            value = NATS * contrast(own, others) * (len(points) / len(z))
        self.recent.write(points, known)
        return value


class AdversaryTerm(nn.Module):
    """An adversary that reads the residual pitch r from the points is foiled; the pairs keep the instruments apart.

    The adversary f is the ridge regression with a kernel that is best on recent notes, in closed form, so that it
    always is up to date (an adversary as of Ganin et al. 2016, without a game). It knows the instrument: u is the
    point minus the instrument's mean, in units of the spread within instruments, and the kernel is the mean of
    u.u'/dim, the same for notes of one instrument only, exp(-|u - u'|^2 / dim) and exp(-|z - z'|^2 / dim) of
    standardised points. The term is f(z)^2 / (2 var r), half the share of the variance that it explains: unlike the
    adversary's error it has a minimum, where points say nothing, and no gain in misleading. Half of log(1 / (1 - R^2))
    nats is what Gaussian points say of r, and half of R^2 its start. The pairs of :class:`PairTerm` are added: without
    them pitch also goes where instruments are mixed up.

    Args:
        dim: dimensions of the points.
        kept: how many recent notes the adversary learns from.
    """

    def __init__(self, dim: int, kept: int = KEPT) -> None:
        super().__init__()
        self.pairs = PairTerm(dim, kept)

    @property
    def recent(self) -> Recent:
        """What the adversary learns from."""
        return self.pairs.recent

    def forward(self, z: Tensor, labels: Labels) -> Tensor:
        """Nats per note for points (batch, dim); 0 where the adversary has too little to learn from yet."""
        points, known = _pitched(z, labels)
        value = self.pairs(z, labels)  # which also keeps the batch
        if len(points) == 0 or self.recent.count < FEWEST:
            return value
        read = self.read(points, known.instrument)
        explained = 0.5 * read.square().mean() / (self._residual().square().mean() + 1e-6)
        return value + NATS * FOILED * explained * (len(points) / len(z))

    def read(self, z: Tensor, instrument: Tensor) -> Tensor:
        """What the adversary takes the residual pitch of points (batch, dim) to be, in tens of semitones, (batch,)."""
        count = self.recent.count
        known, owner = self.recent.points[:count], self.recent.instrument[:count]
        number = int(torch.maximum(owner.max(), instrument.max())) + 1
        member = F.one_hot(owner, number).to(z.dtype)
        mean = member.T @ known / member.sum(0).clamp_min(1.0).unsqueeze(-1)
        spread = known.std(0) + 1e-6
        within = (known - mean[owner]).square().mean(0).sqrt() + 1e-2 * spread

        def features(points: Tensor, of: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return (points - known.mean(0)) / spread, (points - mean[of]) / within, of

        seen = features(known, owner)
        gram = _kernel(seen, seen) + RIDGE * torch.eye(count, device=z.device, dtype=z.dtype)
        solved = torch.cholesky_solve(self._residual().unsqueeze(-1), torch.linalg.cholesky(gram))
        return (_kernel(features(z, instrument), seen) @ solved).squeeze(-1)

    def _residual(self) -> Tensor:
        return self.recent.residual[: self.recent.count] / TYPICAL


def _pitched(z: Tensor, labels: Labels) -> tuple[Tensor, Labels]:
    """The notes of a known pitch and instrument."""
    known = labels.pitch.isfinite() & labels.residual.isfinite() & (labels.instrument >= 0)
    chosen = (labels.instrument[known], labels.pitch[known], labels.residual[known])
    return z[known], labels._replace(instrument=chosen[0], pitch=chosen[1], residual=chosen[2])


def _kernel(a: tuple[Tensor, Tensor, Tensor], b: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    (z, u, of), (z_b, u_b, of_b) = a, b
    dim = z.shape[1]
    linear = u @ u_b.T / dim
    shared = linear * (1.0 + (of.unsqueeze(1) == of_b).to(z.dtype))
    return (shared + torch.exp(-squares(u, u_b) / dim) + torch.exp(-squares(z, z_b) / dim)) / 4.0


def squares(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances (n, m) of points (n, dim) and (m, dim)."""
    return (a.square().sum(1, keepdim=True) + b.square().sum(1) - 2.0 * a @ b.T).clamp_min(0.0)


def _log_mean_exp(values: Tensor, chosen: Tensor) -> Tensor:
    """log mean exp over the chosen of (n, m), (n,); very low where none is."""
    total = values.masked_fill(~chosen, -1e9).logsumexp(1)
    return total - chosen.sum(1).clamp_min(1).to(values.dtype).log()
