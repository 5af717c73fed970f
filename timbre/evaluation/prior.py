"""The prior of a space: whether draws of it, of N(0, I), and points between notes sound like the library's notes."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from timbre.evaluation.metrics.distributions import density_coverage, frechet, gaussian_kl
from timbre.evaluation.metrics.sounds import crests_db, loudest_db
from timbre.evaluation.notes import SIZE, Effort, sample
from timbre.models.conditions import Conditions
from timbre.paths.path import Path
from timbre.space import Atlas, Space
from timbre.space.prior import Prior
from timbre.spectral.auditory import AuditoryFeatures

PITCH, VELOCITY = 60.0, 0.8  # of all decoded notes, which are held
COMPONENTS = 16  # principal components of the library's auditory features
NEIGHBOURS = 5  # k of density and coverage
_CLICK = 3.0  # dB by which a click exceeds 99 of 100 decoded library notes
_LEAST = 1e-9  # variance of features, whose norm is about 1, below which all notes sound the same
_SILENT = 40.0  # dB below the median level of decoded library notes


def prior_figures(space: Space, effort: Effort, seed: int) -> dict[str, float | None]:
    """Figures of the library's points as draws of N(0, I), and of draws as sounds: of N(0, I) and of `Space.draw`.

    Sounds are notes decoded at middle C, held, with velocity 0.8. Their auditory features are compared in the first 16
    principal components of the library's; Frechet distances are shares of the total variance of the library's features.
    The library's notes are a seeded choice, in two random halves; there are as many draws and midpoints as notes in a
    half, or more.
    """
    atlas = space.atlas.take(sample(np.arange(len(space.atlas)), 2 * effort.draws, seed))
    return _points(space.atlas) | (_sounds(space, atlas.points, effort, seed) if len(atlas) > 4 * NEIGHBOURS else {})


def _points(atlas: Atlas) -> dict[str, float | None]:
    train = atlas.points[np.array(atlas.splits, dtype=str) == "train"]
    return {
        "fit_kl_nats": gaussian_kl(train) if len(train) else None,
        "aggregate_kl_nats": atlas.aggregate.kl_nats() if len(train) > 1 else None,
        "posterior_std": None if atlas.stds is None or not len(atlas) else mean_std(atlas.stds),
    }


def mean_std(stds: np.ndarray) -> float:
    """Mean over the notes of the root mean square of their posteriors' standard deviations (notes, dim)."""
    return float(np.sqrt(np.square(stds, dtype=float).mean(1)).mean())


def _sounds(space: Space, points: np.ndarray, effort: Effort, seed: int) -> dict[str, float | None]:
    drawn = space.draw(effort.draws, seed)
    ends = points[
        np.random.default_rng(seed).permuted(np.tile(np.arange(len(points)), (effort.draws, 1)), axis=1)[:, :2]
    ]
    features = LibraryFeatures(space, points)
    if features.variance < _LEAST:
        return {}
    halves = np.array_split(features(points), 2)
    found: dict[str, float | None] = {"halves_frechet": frechet(*halves) / features.variance}
    for kind, name in (("line", "midpoint"), ("slerp", "slerp_midpoint")):
        found[f"{name}_frechet"] = features.share(features(midpoints(ends, kind)))
    standard = Prior(np.zeros((0, space.dim))).draw(effort.draws, seed)
    for name, some in (("draws", drawn), ("prior", standard)):
        found |= {f"{name}_{key}": value for key, value in _compared(features, halves, features(some)).items()}
    return found | {"draws_faulty": _faulty(space, drawn[: effort.sounds], points[: effort.sounds], seed)}


def _compared(features: "LibraryFeatures", halves: list[np.ndarray], some: np.ndarray) -> dict[str, float | None]:
    """Figures of draws beside the library's features in two halves."""
    own, others = (density_coverage(halves[0], few[: len(halves[1])], NEIGHBOURS) for few in (halves[1], some))
    return {
        "frechet": features.share(some),
        "density": others[0] / own[0] if own[0] else None,
        "coverage": others[1] / own[1] if own[1] else None,
    }


class LibraryFeatures:
    """Auditory features of held notes, in the first principal components of those of a library's points (n, dim).

    `variance` is the total variance of the library's features.
    """

    def __init__(self, space: Space, points: np.ndarray) -> None:
        self._space = space
        self._auditory = AuditoryFeatures(space.spectrogram, space.config.heard)
        library = self._auditory_features(points)
        self.variance = float(library.var(0).sum())
        self._mean = library.mean(0)
        self._components = np.linalg.svd(library - self._mean, full_matrices=False)[2][:COMPONENTS]
        self._library = (library - self._mean) @ self._components.T

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Features (m, components) of points (m, dim)."""
        return np.asarray((self._auditory_features(points) - self._mean) @ self._components.T)

    def share(self, features: np.ndarray) -> float:
        """Squared Frechet distance of features from the library's, as a share of its total variance."""
        return frechet(self._library, features) / self.variance

    def _auditory_features(self, points: np.ndarray) -> np.ndarray:
        starts = range(0, len(points), SIZE)
        decode = self._space.model.decode_heard
        parts = [self._auditory(_decoded(decode, points[start : start + SIZE])) for start in starts]
        return torch.cat(parts).double().numpy()


@torch.no_grad()
def _decoded(decode: Callable[[Tensor, Conditions], Tensor], points: np.ndarray) -> Tensor:
    """Spectrograms (n, bins, frames), dB, of points (n, dim) as notes at middle C that are held."""
    values = (PITCH, VELOCITY, torch.inf)
    conditions = Conditions(*(torch.full((len(points),), value) for value in values))
    return decode(torch.from_numpy(points.astype(np.float32)), conditions)


def midpoints(ends: np.ndarray, kind: str) -> np.ndarray:
    """The middles (n, dim) of paths of a kind between pairs of points (n, 2, dim)."""
    return np.concatenate([Path(pair, np.array([0.0, 1.0]), kind).at(np.array([0.5])) for pair in ends])


def _faulty(space: Space, drawn: np.ndarray, known: np.ndarray, seed: int) -> float:
    length = round(space.config.data.duration * space.renderer.sample_rate)
    both = (_decoded(space.model.decode_whole, points) for points in (drawn, known))
    sounds, library = ([space.renderer.invert(one, PITCH, length, seed) for one in spectra] for spectra in both)
    return float(np.mean(faulty(sounds, library, space.renderer.sample_rate)))


def faulty(sounds: list[np.ndarray], library: list[np.ndarray], sample_rate: int) -> np.ndarray:
    """Whether each sound clicks or is silent, among a library's; bool (sounds,).

    A sound clicks if the highest of its :func:`~timbre.evaluation.metrics.sounds.crests_db` is 3 dB above those of 99%
    of the library's sounds. It is silent if the level of its loudest 50 ms is 40 dB below the library's median. A sound
    with values that are not finite counts as silent.
    """
    sounds = [one if np.isfinite(one).all() else np.zeros(len(one)) for one in sounds]
    crests, known = ([max(crests_db(one, sample_rate), default=0.0) for one in some] for some in (sounds, library))
    levels, usual = (np.array([loudest_db(one, sample_rate) for one in some]) for some in (sounds, library))
    clicks = np.array(crests) > np.quantile(known, 0.99) + _CLICK
    return clicks | (levels <= np.median(usual) - _SILENT)
