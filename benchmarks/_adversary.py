"""An adversary that keeps pitch out of a space: a regularizer for `timbre.train(..., regularizers={...})`.

It is worse than the pitch flow that timbre fits after training (see docs/perception.md), and is kept for comparison.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbre.models.regularizers.labels import Labels
from timbre.models.regularizers.pitch import FEWEST, KEPT, NATS, PairTerm, Recent, pitched, squares

FOILED = 3.0  # weight of the adversary beside the pairs
RIDGE = 1.0  # of the adversary, for kernels that are 1 for a typical note
TYPICAL = 10.0  # semitones: the unit of residuals


class AdversaryTerm(nn.Module):
    """Foils an adversary that reads the residual pitch r from the points, and adds :class:`PairTerm`.

    The adversary f is the ridge regression with a kernel that is best on recent notes, in closed form, so that it is
    always up to date (an adversary as in Ganin et al. 2016, without a game). It knows the instrument: u is the point
    minus the instrument's mean, in units of the deviation within instruments, and the kernel is the mean of u.u'/dim,
    the same for notes of one instrument only, exp(-|u - u'|^2 / dim) and exp(-|z - z'|^2 / dim) of standardised points.
    The term is f(z)^2 / (2 var r), half the share of the variance that it explains: unlike the adversary's error it has
    a minimum, where points carry no pitch, and nothing is gained by misleading. Half of log(1 / (1 - R^2)) nats is the
    information in Gaussian points about r, and half of R^2 its first term. Without the pairs, pitch also disappears
    where instruments are mixed up.

    Args:
        dim: dimensions of the points.
        kept: number of recent notes that the adversary learns from.
    """

    def __init__(self, dim: int, kept: int = KEPT) -> None:
        super().__init__()
        self.pairs, self.recent = PairTerm(dim, kept), Recent(dim, kept)

    def forward(self, z: Tensor, labels: Labels) -> Tensor:
        """Nats per note for points (batch, dim); 0 while the adversary has too little to learn from."""
        notes = pitched(z, labels, residual=True)
        value = self.pairs(z, labels)
        self.recent.write(notes)
        if len(notes.points) == 0 or self.recent.count < FEWEST:
            return value
        read = self.read(notes.points, notes.instrument)
        explained = 0.5 * read.square().mean() / (self._residual().square().mean() + 1e-6)
        return value + NATS * FOILED * explained * (len(notes.points) / len(z))

    def read(self, z: Tensor, instrument: Tensor) -> Tensor:
        """The adversary's estimate of the residual pitch of points (batch, dim), in tens of semitones, (batch,)."""
        count = self.recent.count
        known, owner = self.recent.points[:count], self.recent.instrument[:count]
        number = int(torch.maximum(owner.max(), instrument.max())) + 1
        member = F.one_hot(owner, number).to(z.dtype)
        mean = member.T @ known / member.sum(0).clamp_min(1.0).unsqueeze(-1)
        deviation = known.std(0) + 1e-6
        within = (known - mean[owner]).square().mean(0).sqrt() + 1e-2 * deviation

        def features(points: Tensor, of: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return (points - known.mean(0)) / deviation, (points - mean[of]) / within, of

        seen = features(known, owner)
        gram = _kernel(seen, seen) + RIDGE * torch.eye(count, device=z.device, dtype=z.dtype)
        solved = torch.cholesky_solve(self._residual().unsqueeze(-1), torch.linalg.cholesky(gram))
        return (_kernel(features(z, instrument), seen) @ solved).squeeze(-1)

    def _residual(self) -> Tensor:
        return self.recent.pitch[: self.recent.count] / TYPICAL


def _kernel(a: tuple[Tensor, Tensor, Tensor], b: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    (z, u, of), (z_b, u_b, of_b) = a, b
    dim = z.shape[1]
    linear = u @ u_b.T / dim
    shared = linear * (1.0 + (of.unsqueeze(1) == of_b).to(z.dtype))
    return (shared + torch.exp(-squares(u, u_b) / dim) + torch.exp(-squares(z, z_b) / dim)) / 4.0
