"""Regularizers that make distances in the space follow listeners.

Each is a term in nats per note of the points of a batch. `prior`, `l2`, `gaussian` and `student` are those of Esling,
Chemla-Romeu-Santos and Bitton (Generative timbre spaces, DAFx 2018). `rank` follows only the order of the rated
dissimilarities; `metric` follows the distances of a listener model, which exist for every pair of notes.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbre.errors import ConfigError
from timbre.models.regularizers.labels import Labels

NATS = 3000.0  # of a form of ratings at weight 1, for an error of 1; a note's likelihood is about 100,000
METRIC_NATS = 60000.0  # of the metric form; its error falls to .01 (distances within a tenth) at no reconstruction cost
KEPT = 1024  # recent notes with which those of a batch are compared
SOFTENING = 0.1  # mean distances, added before logarithms, which would be too steep near 0
TEMPERATURE = 0.1  # of the ranks, in mean distances
PITCH_WIDTH = 3.0  # semitones: how close notes must be in pitch for their spectra to be compared
DURATION_WIDTH = 0.5  # octaves: how close they must be in duration


class ItemPoints(nn.Module):
    """The recent points of the rated items, since batches are small and contain few rated pairs.

    `keep` is the share of an item's point that is kept at an update.
    """

    points: Tensor  # a moving average of each item's points, (items, dim)
    seen: Tensor  # 1 for items that have a point, 0 for others, (items,)

    def __init__(self, items: int, dim: int, keep: float = 0.5) -> None:
        super().__init__()
        self.keep = keep
        self.register_buffer("points", torch.zeros(items, dim))
        self.register_buffer("seen", torch.zeros(items))

    @torch.no_grad()
    def update(self, z: Tensor, item: Tensor) -> None:
        """Add points (batch, dim) of items (batch,), -1 for none."""
        share = F.one_hot(item + 1, len(self.points) + 1)[:, 1:].to(z.dtype)
        count = share.sum(0)
        means = (share.T @ z.detach()) / count.clamp_min(1.0).unsqueeze(-1)
        keep = torch.where(self.seen > 0, self.keep, 0.0).unsqueeze(-1)
        self.points = torch.where((count > 0).unsqueeze(-1), keep * self.points + (1.0 - keep) * means, self.points)
        self.seen = torch.maximum(self.seen, (count > 0).to(self.seen))


def l2(distance: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of squared differences of distances, both in units of their weighted means (paper: Euclidean)."""
    error = _scaled(distance, weight) - _scaled(target, weight)
    return _mean(error.square(), weight)


def gaussian(distance: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """KL between Gaussian neighbourhoods, as in stochastic neighbour embedding (Hinton and Roweis 2002)."""
    return _divergence(distance, -_scaled(target, weight).square(), weight)


def student(distance: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """sum_j KL(D^z_j || D^T_j) with D^z Gaussian and D^T Student-t of one degree of freedom (the paper's choice)."""
    return _divergence(distance, -torch.log1p(_scaled(target, weight).square()), weight)


def rank(distance: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean of log(1 + exp((d_ab - d_ac) / temperature)) over triplets in which listeners rated b nearer to a than c.

    Weights are the difference of the two ratings and their reliabilities (after Burges et al. 2005, RankNet). 0 where
    all orders hold by a margin.
    """
    gap = target.unsqueeze(1) - target.unsqueeze(2)  # of c over b: (n, b, c)
    counts = gap.clamp_min(0.0) * weight.unsqueeze(1) * weight.unsqueeze(2)
    scaled = _scaled(distance, weight)
    loss = F.softplus((scaled.unsqueeze(2) - scaled.unsqueeze(1)) / TEMPERATURE) * TEMPERATURE
    return _mean(loss, counts)


FORMS: dict[str, Callable[..., Tensor]] = {"l2": l2, "gaussian": gaussian, "student": student, "rank": rank}
"""Functions of distances, targets and weights, each (n, items), to one number; weight 0: unrated."""


class RatingsTerm(nn.Module):
    """Makes distances of rated items follow their dissimilarities, by one of :data:`FORMS`.

    Notes of a batch are compared with the recent points of the items. An item is an instrument, with many notes, or a
    sound, with one.

    Args:
        form: name of the form.
        dissimilarity, weight: ratings and their reliability, (items, items); NaN if unrated.
        dim: dimensions of the points.
        dims: number of dimensions that count, from the first; 0: all.
    """

    def __init__(self, form: str, dissimilarity: Tensor, weight: Tensor, dim: int, dims: int = 0) -> None:
        super().__init__()
        self.form, self.dims = FORMS[form], dims or dim
        rated = ~(dissimilarity.isnan() | torch.eye(len(dissimilarity), dtype=torch.bool))
        self.target = nn.Buffer(dissimilarity.nan_to_num(0.0).float(), persistent=False)
        self.weight = nn.Buffer(torch.where(rated, weight, 0.0).float(), persistent=False)
        self.recent = ItemPoints(len(dissimilarity), self.dims)

    def forward(self, z: Tensor, labels: Labels) -> Tensor:
        """Nats per note for points (batch, dim); 0 until two rated items have been seen. Does not wait for a GPU."""
        z = z[:, : self.dims]
        known, item = labels.item >= 0, labels.item.clamp_min(0)
        self.recent.update(z, labels.item)
        weight = self.weight[item] * self.recent.seen * known.unsqueeze(-1)
        value = self.form(distances(z, self.recent.points), self.target[item], weight)
        return NATS * value * known.float().mean()


class PriorTerm(nn.Module):
    """The paper's first form: the prior of a rated item is a Gaussian around its point T_i in the listeners' space.

    log N(z; 0, 1) - log N(z; T_i, 1) = |z - T_i|^2 / 2 - |z|^2 / 2, which turns the bound's N(0, 1) into N(T_i, 1). T
    is `points` from multidimensional scaling of the ratings, (items, dims), scaled to unit variance.
    """

    def __init__(self, points: Tensor) -> None:
        super().__init__()
        centred = points - points.mean(0)
        self.points = nn.Buffer((centred / centred.square().mean().sqrt()).float(), persistent=False)

    def forward(self, z: Tensor, labels: Labels) -> Tensor:
        """Nats per note for points (batch, dim)."""
        known = (labels.item >= 0).float()
        z, target = z[:, : self.points.shape[1]], self.points[labels.item.clamp_min(0)]
        return (known * 0.5 * ((z - target).square() - z.square()).sum(1)).mean()


class MetricTerm(nn.Module):
    """Makes distances in the space follow those of a listener model between the sounds themselves.

    The notes of a batch are compared with the latest ones of earlier batches. Since the model compares spectra, a pair
    has the weight exp(-(pitch difference)^2 / 2 (3 semitones)^2), or a half if neither note has a pitch, times
    exp(-(octaves between the durations)^2 / 2 (1/2)^2), so that durations do not dominate. The term is the weighted
    variance of log(d / D), with distances d in the space and D of the model: near pairs count as much as far ones
    (after Sammon 1969), and the unit of the space stays free, which reconstruction needs.

    Args:
        dim, size: dimensions of the points, and number of auditory features.
        dims: number of dimensions that count, from the first; 0: all.
    """

    def __init__(self, dim: int, size: int, dims: int = 0) -> None:
        super().__init__()
        self.dims = dims or dim
        self.points = nn.Buffer(torch.zeros(KEPT, self.dims))
        self.features = nn.Buffer(torch.zeros(KEPT, size))
        self.pitches = nn.Buffer(torch.full((KEPT,), torch.nan))
        self.durations = nn.Buffer(torch.ones(KEPT))
        self.filled = nn.Buffer(torch.zeros(KEPT))

    def forward(self, z: Tensor, labels: Labels) -> Tensor:
        """Nats per note for points (batch, dim) and `labels.features` (batch, size)."""
        if labels.features is None:
            raise ConfigError("The metric form needs auditory features in its labels.")
        z = z[:, : self.dims]
        target = torch.cdist(labels.features, self.features)
        weight = self._nearness(labels) * self.filled * (target > 1e-4)
        error = _logarithm(distances(z, self.points), weight) - _logarithm(target, weight)
        value = _mean((error - _mean(error, weight)).square(), weight)
        self._keep(
            points=z.detach(), features=labels.features, pitches=labels.pitch,
            durations=labels.duration.clamp_min(0.01), filled=torch.ones_like(labels.pitch),
        )  # fmt: skip
        return METRIC_NATS * value

    def _nearness(self, labels: Labels) -> Tensor:
        apart = labels.pitch.unsqueeze(1) - self.pitches
        neither = labels.pitch.isnan().unsqueeze(1) & self.pitches.isnan()
        in_pitch = torch.where(neither, 0.5, torch.exp(-0.5 * (apart / PITCH_WIDTH).square()).nan_to_num(0.0))
        octaves = torch.log2(labels.duration.clamp_min(0.01)).unsqueeze(1) - torch.log2(self.durations)
        return in_pitch * torch.exp(-0.5 * (octaves / DURATION_WIDTH).square())

    @torch.no_grad()
    def _keep(self, **latest: Tensor) -> None:
        """Put the notes of a batch first; the oldest ones drop out."""
        for name, new in latest.items():
            old = self.get_buffer(name)
            setattr(self, name, torch.cat([new.to(old), old])[:KEPT])


class SumOfTerms(nn.Module):
    """The sum of several terms, nats per note."""

    def __init__(self, terms: Sequence[nn.Module]) -> None:
        super().__init__()
        self.terms = nn.ModuleList(terms)

    def forward(self, z: Tensor, labels: Labels) -> Tensor:
        """Nats per note for points (batch, dim)."""
        return torch.stack([term(z, labels) for term in self.terms]).sum()


def distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances (n, m) of points (n, dim) and (m, dim); their gradient exists at 0 too."""
    return ((a.unsqueeze(1) - b).square().sum(-1) + 1e-6).sqrt()


def _logarithm(distance: Tensor, weight: Tensor) -> Tensor:
    """log of distances, softened where they are small compared with their mean."""
    return torch.log(distance + SOFTENING * _mean(distance.detach(), weight).clamp_min(1e-6))


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp_min(1e-9)


def _scaled(distance: Tensor, weight: Tensor) -> Tensor:
    """Distances in units of their weighted mean."""
    return distance / _mean(distance, weight).clamp_min(1e-6)


def _divergence(distance: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean over the rows of KL(softmax own || softmax target) among the rated, weighted by mean reliability.

    `own` are Gaussian neighbourhoods with s^2 = 1/2 in units of the mean distance (the paper's s = 1/sqrt 2).
    """
    own, none = -_scaled(distance, weight).square(), weight == 0
    log_own, log_target = (x.masked_fill(none, -1e4).log_softmax(1) for x in (own, target))
    row = (log_own.exp() * (log_own - log_target)).sum(1)
    return _mean(row, weight.sum(1) / (~none).sum(1).clamp_min(1))
