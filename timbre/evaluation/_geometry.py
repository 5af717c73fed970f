"""Order of the notes in a space: neighbours, silhouettes, probes, active units."""

from collections.abc import Sequence

import numpy as np

from timbre.evaluation.metrics.latent import (
    active_units,
    cross_pitch_consistency,
    neighbour_accuracy,
    residual_pitch,
    silhouette,
    silhouette_within_pitch,
)
from timbre.evaluation.metrics.probes import probe_accuracy, probe_r2
from timbre.evaluation.notes import Effort, held_out, sample
from timbre.space import Atlas, Space

NO_FAMILY = "other"  # family of instruments without one in an atlas


def geometry(space: Space, effort: Effort, seed: int) -> dict[str, float | int | None]:
    """Figures of the order of held-out notes, among the training notes where those are needed.

    Nearest notes are heard at their own pitches, groups and instruments across pitches at middle C.
    """
    atlas, own, middle = space.atlas, space.hearing.at_own_pitch, space.hearing.at_middle_c
    indices = (np.flatnonzero(np.array(atlas.splits) == "train"), held_out(atlas)[1])
    known, tested = (np.sort(sample(part, effort.known, seed)) for part in indices)
    train, test = atlas.take(known), atlas.take(tested)
    families = np.array(test.families, dtype=str)
    has = families != NO_FAMILY
    heard = middle[tested]
    pitched = (heard, test.instruments, test.pitches)
    return {
        "active_units": active_units(atlas.points) if len(atlas) > 1 else None,
        "instrument_accuracy": nearest(own[tested], test.instruments, own[known], train.instruments),
        "family_accuracy": nearest(own[tested], test.families, own[known], train.families, NO_FAMILY),
        "instrument_silhouette": silhouette(heard, test.instruments),
        "family_silhouette": silhouette(heard[has], families[has]),
        "instrument_silhouette_within_pitch": silhouette_within_pitch(*pitched),
        "cross_pitch_consistency": cross_pitch_consistency(*pitched),
        **_probes(train, test, seed),
    }


def source_out(space: Space, sources: Sequence[str | None]) -> float | None:
    """:func:`nearest` by instrument, of those held-out notes whose source has no training note.

    Takes the source of each note of the atlas. None if sources are unknown, or if all have training notes (see `timbre
    scan --split-by source`).
    """
    atlas, heard = space.atlas, space.hearing.at_own_pitch
    source, train = np.array([one or "" for one in sources], dtype=str), np.array(atlas.splits) == "train"
    foreign = np.intersect1d(held_out(atlas)[1], np.flatnonzero((source != "") & ~np.isin(source, source[train])))
    test, known = atlas.take(foreign), atlas.take(np.flatnonzero(train))
    return nearest(heard[foreign], test.instruments, heard[train], known.instruments)


def nearest(
    heard: np.ndarray, labels: Sequence[str], train_heard: np.ndarray, train_labels: Sequence[str], ignored: str = ""
) -> float | None:
    """Share of notes whose nearest training note has their label, by heard coordinates (notes, k); None if none counts.

    Notes count if a training note has their label, and it is not `ignored`.
    """
    texts = np.array(labels, dtype=str)
    counts = np.isin(texts, train_labels) & (texts != ignored)
    return neighbour_accuracy(heard[counts], texts[counts], train_heard, train_labels) if counts.any() else None


def _probes(train: Atlas, test: Atlas, seed: int) -> dict[str, float | None]:
    """Figures of probes that are trained on the training notes' points and tested on those of held-out notes."""
    instruments = np.array(train.instruments + test.instruments, dtype=str)
    trained = np.arange(len(instruments)) < len(train)
    residual = residual_pitch(np.concatenate([train.pitches, test.pitches]), instruments, trained)
    linear, network = _regressions(train, residual[trained], test, residual[~trained], seed)
    known = np.isin(instruments[~trained], train.instruments)
    return {
        "pitch_probe_r2": max(linear, network),
        "pitch_probe_linear_r2": linear,
        "pitch_probe_mlp_r2": network,
        "velocity_probe_r2": max(_regressions(train, train.velocities, test, test.velocities, seed)),
        "instrument_probe_accuracy": probe_accuracy(
            train.points, train.instruments, test.points[known], instruments[~trained][known]
        ),
    }


def _regressions(train: Atlas, y: np.ndarray, test: Atlas, test_y: np.ndarray, seed: int) -> tuple[float, float]:
    """R^2 of the linear probe and of the network."""
    data = (train.points, y, test.points, test_y)
    return probe_r2(*data, kind="linear"), probe_r2(*data, kind="mlp", seed=seed)
