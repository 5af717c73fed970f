"""Distances in a space compared with listeners' dissimilarities, study by study."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from timbre.audio import read
from timbre.audio.pitch import estimate_pitch
from timbre.data.names import plain
from timbre.data.ratings import Study, match_instruments, read_ratings
from timbre.errors import LibraryError
from timbre.evaluation.figures import average, plain_key
from timbre.evaluation.metrics.agreement import Agreement, agreement, permutation_p
from timbre.space import Space

_SHORT = {"triplet_agreement": "triplets"}  # names of the figures


@dataclass(frozen=True)
class RatedStudy:
    """One study.

    Attributes:
        name: of the study.
        sounds: names of the rated sounds or instruments, (n,).
        distances: in the space, (n, n).
        dissimilarities: by listeners, (n, n); NaN where a pair was not rated.
        agreement: of the two.
        p: share of random relabellings of the sounds that agree at least as well.
        trained: whether the space was trained on the ratings of this study.
        shared: number of the sounds or instruments whose ratings were trained on.
    """

    name: str
    sounds: tuple[str, ...]
    distances: np.ndarray
    dissimilarities: np.ndarray
    agreement: Agreement
    p: float
    trained: bool
    shared: int

    @property
    def key(self) -> str:
        """The name as used in the names of figures."""
        return plain_key(self.name)

    @property
    def part(self) -> str:
        """The part of the study that was trained on, in words."""
        if self.trained:
            return "yes"
        return f"{self.shared} of {len(self.sounds)} instruments" if self.shared else "no"

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Dissimilarities and distances of the rated pairs, (pairs,) each."""
        first, second = np.triu_indices(len(self.sounds), 1)
        rated = np.isfinite(self.dissimilarities[first, second])
        return self.dissimilarities[first, second][rated], self.distances[first, second][rated]


def rate(space: Space, source: str | os.PathLike[str], remarks: list[str]) -> list[RatedStudy]:
    """Compare distances in a space with each study of some ratings.

    Rated sounds are encoded and heard at their labelled pitch, or else at the measured one; rated instruments are at
    the means of their notes in the atlas, heard at middle C, and are left out if the atlas lacks them. Distances are
    the space's dissimilarities (:meth:`timbre.space.space.Space.dissimilarity`).

    The source is a folder or file, as :func:`timbre.data.ratings.read_ratings` takes it; remarks on what was left out
    are appended to `remarks`.

    Raises:
        TimbreError: if the ratings or their sounds cannot be read, or fewer than four instruments are in the atlas.
    """
    ratings = read_ratings(source)
    remarks += ratings.notes
    return [_rated(space, study, remarks) for study in ratings.parts]


def _rated(space: Space, study: Study, remarks: list[str]) -> RatedStudy:
    if set(study.items) <= set(study.files):
        points, pitches = zip(*(_point(space, study, sound) for sound in study.items), strict=True)
        distances = space.hearing.dissimilarities(np.stack(points), np.array(pitches))
    else:
        study, means = _centroids(space, study, remarks)
        distances = space.hearing.dissimilarities(means)
    trained = space.report.get("ratings") or {}
    items = {plain(str(item)) for item in trained.get("items", ())}
    return RatedStudy(
        study.name,
        study.items,
        distances,
        study.dissimilarities,
        agreement(distances, study.dissimilarities),
        permutation_p(distances, study.dissimilarities),
        study.name in trained.get("studies", ()),
        sum(plain(name) in items for name in study.instruments),
    )


def _point(space: Space, study: Study, sound: str) -> tuple[np.ndarray, float]:
    """The point (dim,) of a rated sound and its pitch, MIDI; NaN without one."""
    audio, pitch = read(study.files[sound]), study.pitches.get(sound)
    pitch = estimate_pitch(audio) if pitch is None else pitch
    return space.encode(audio, pitch=pitch), np.nan if pitch is None else pitch


def _centroids(space: Space, study: Study, remarks: list[str]) -> tuple[Study, np.ndarray]:
    """The study of the instruments that the atlas has, and the means of their notes, (n, dim)."""
    own = np.array(space.atlas.instruments)
    try:
        matches = match_instruments(study.items, sorted(set(own.tolist())), drop=True)
    except LibraryError as error:
        raise LibraryError(
            f"The study {study.name} rates {', '.join(study.items[:3])} ...: its sounds must have files in a "
            "sounds.csv, or be instruments of the space."
        ) from error
    missing = [item for item in study.items if item not in matches]
    if missing:
        remarks.append(f"{study.name}: left out, as the space has no such instruments: {', '.join(missing)}")
    kept = study.pick(matches)
    return kept, np.stack([space.atlas.points[np.isin(own, matches[item])].mean(0) for item in kept.items])


def combined(studies: Sequence[RatedStudy]) -> dict[str, float | int | None]:
    """Figures of all studies, and their means over those whose ratings were not trained on."""
    unseen = [study.agreement for study in studies if not study.trained]
    trained = [study.agreement.spearman for study in studies if study.trained]
    figures: dict[str, float | int | None] = {}
    for name in ("spearman", "triplet_agreement", "pearson", "kendall", "ndcg"):
        figures[f"rating_{_SHORT.get(name, name)}"] = average([getattr(one, name) for one in unseen])
    figures["rating_studies"] = len(unseen) if studies else None
    figures["rating_spearman_trained"] = average(trained)
    for study in studies:
        figures[f"rating_spearman_{study.key}"] = study.agreement.spearman
        figures[f"rating_triplets_{study.key}"] = study.agreement.triplet_agreement
        figures[f"rating_p_{study.key}"] = study.p
    return figures
