"""Order of the notes in a space: neighbours, silhouettes, probes, active units."""

from typing import NamedTuple

import numpy as np

from timbre.evaluation.metrics.latent import (
    active_units,
    cross_pitch_consistency,
    neighbour_accuracy,
    probe_accuracy,
    probe_r2,
    residual_pitch,
    silhouette,
    silhouette_within_pitch,
)
from timbre.evaluation.notes import Effort, held_out, sample
from timbre.space import Atlas

NO_FAMILY = "other"  # family of instruments without one in an atlas


class LabelledPoints(NamedTuple):
    """Some notes of an atlas."""

    points: np.ndarray
    """(n, dim)."""
    pitches: np.ndarray
    """MIDI, (n,); NaN where unpitched."""
    velocities: np.ndarray
    """0..1, (n,); NaN where unknown."""
    instruments: np.ndarray
    """Names, (n,)."""
    families: np.ndarray
    """Names, (n,)."""


def labelled_points(atlas: Atlas, indices: np.ndarray) -> LabelledPoints:
    """The notes of these indices, (n,)."""
    columns = (atlas.points, atlas.pitches, atlas.velocities)
    names = (atlas.instruments, atlas.families)
    return LabelledPoints(
        *(np.asarray(column, dtype=np.float64)[indices] for column in columns),
        *(np.array(column, dtype=str)[indices] for column in names),
    )


def geometry(atlas: Atlas, effort: Effort, seed: int) -> dict[str, float | int | None]:
    """Figures of the order of held-out notes, among the training notes where those are needed."""
    splits = np.array(atlas.splits)
    train = labelled_points(atlas, np.sort(sample(np.flatnonzero(splits == "train"), effort.known, seed)))
    test = labelled_points(atlas, np.sort(sample(held_out(atlas)[1], effort.known, seed)))
    return {
        "active_units": active_units(atlas.points) if len(atlas) > 1 else None,
        "instrument_accuracy": nearest(test.points, test.instruments, train.points, train.instruments),
        "family_accuracy": nearest(test.points, test.families, train.points, train.families, NO_FAMILY),
        **_silhouettes(test),
        **probes(train, test, seed),
    }


def nearest(
    points: np.ndarray, labels: np.ndarray, train_points: np.ndarray, train_labels: np.ndarray, ignored: str = ""
) -> float | None:
    """Share of points whose nearest training point has their label; None if no point counts.

    Points count if a training point has their label, and it is not `ignored`.
    """
    counts = np.isin(labels, train_labels) & (labels != ignored)
    return neighbour_accuracy(points[counts], labels[counts], train_points, train_labels) if counts.any() else None


def _silhouettes(test: LabelledPoints) -> dict[str, float | None]:
    has = test.families != NO_FAMILY
    pitched = (test.points, test.instruments, test.pitches)
    return {
        "instrument_silhouette": silhouette(test.points, test.instruments),
        "family_silhouette": silhouette(test.points[has], test.families[has]),
        "instrument_silhouette_within_pitch": silhouette_within_pitch(*pitched),
        "cross_pitch_consistency": cross_pitch_consistency(*pitched),
    }


def probes(train: LabelledPoints, test: LabelledPoints, seed: int) -> dict[str, float | None]:
    """Figures of probes that are trained on the training notes' points and tested on those of held-out notes."""
    instruments = np.concatenate([train.instruments, test.instruments])
    trained = np.arange(len(instruments)) < len(train.instruments)
    residual = residual_pitch(np.concatenate([train.pitches, test.pitches]), instruments, trained)
    pitch = _regressions(train.points, residual[trained], test.points, residual[~trained], seed)
    known = np.isin(test.instruments, train.instruments)
    return {
        "pitch_probe_r2": max(pitch),
        "pitch_probe_linear_r2": pitch[0],
        "pitch_probe_mlp_r2": pitch[1],
        "velocity_probe_r2": max(_regressions(train.points, train.velocities, test.points, test.velocities, seed)),
        "instrument_probe_accuracy": probe_accuracy(
            train.points, train.instruments, test.points[known], test.instruments[known]
        ),
    }


def _regressions(x: np.ndarray, y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray, seed: int) -> list[float]:
    """R^2 of the linear probe and of the network."""
    return [
        probe_r2(x, y, test_x, test_y, kind="linear"),
        probe_r2(x, y, test_x, test_y, kind="mlp", seed=seed),
    ]
