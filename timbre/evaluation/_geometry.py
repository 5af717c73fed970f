"""How the known notes lie in a space: neighbours, silhouettes, probes, unused dimensions."""

from typing import NamedTuple

import numpy as np

from timbre.evaluation._notes import Effort, held_out, sample
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
from timbre.space import Atlas

UNTOLD = "other"  # what an atlas calls the family of an instrument that has none


class Known(NamedTuple):
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


def known(atlas: Atlas, numbers: np.ndarray) -> Known:
    """The notes of these numbers, (n,)."""
    columns = (atlas.points, atlas.pitches, atlas.velocities)
    names = (atlas.instruments, atlas.families)
    return Known(
        *(np.asarray(column, dtype=np.float64)[numbers] for column in columns),
        *(np.array(column, dtype=str)[numbers] for column in names),
    )


def geometry(atlas: Atlas, effort: Effort, seed: int) -> dict[str, float | int | None]:
    """Figures of the order of the space: of held-out notes, among the training notes where those are needed."""
    splits = np.array(atlas.splits)
    train = known(atlas, np.sort(sample(np.flatnonzero(splits == "train"), effort.known, seed)))
    test = known(atlas, np.sort(sample(held_out(atlas)[1], effort.known, seed)))
    return {
        "active_units": active_units(atlas.points) if len(atlas) > 1 else None,
        "instrument_accuracy": nearest(test.points, test.instruments, train.points, train.instruments),
        "family_accuracy": nearest(test.points, test.families, train.points, train.families, UNTOLD),
        **_silhouettes(test),
        **probes(train, test, seed),
    }


def nearest(
    points: np.ndarray, labels: np.ndarray, known_points: np.ndarray, known_labels: np.ndarray, untold: str = ""
) -> float | None:
    """Share of points whose nearest known point has their label; None where there are no such points.

    Points count whose label some known point has, and is not `untold`.
    """
    there = np.isin(labels, known_labels) & (labels != untold)
    return neighbour_accuracy(points[there], labels[there], known_points, known_labels) if there.any() else None


def _silhouettes(test: Known) -> dict[str, float | None]:
    told = test.families != UNTOLD
    pitched = (test.points, test.instruments, test.pitches)
    return {
        "instrument_silhouette": silhouette(test.points, test.instruments),
        "family_silhouette": silhouette(test.points[told], test.families[told]),
        "instrument_silhouette_within_pitch": silhouette_within_pitch(*pitched),
        "cross_pitch_consistency": cross_pitch_consistency(*pitched),
    }


def probes(train: Known, test: Known, seed: int) -> dict[str, float | None]:
    """What a probe, trained on the training notes' points, reads from those of held-out notes."""
    instruments = np.concatenate([train.instruments, test.instruments])
    trained = np.arange(len(instruments)) < len(train.instruments)
    residual = residual_pitch(np.concatenate([train.pitches, test.pitches]), instruments, trained)
    pitch = _regressions(train.points, residual[trained], test.points, residual[~trained], seed)
    there = np.isin(test.instruments, train.instruments)
    return {
        "pitch_probe_r2": max(pitch),
        "pitch_probe_linear_r2": pitch[0],
        "pitch_probe_mlp_r2": pitch[1],
        "velocity_probe_r2": max(_regressions(train.points, train.velocities, test.points, test.velocities, seed)),
        "instrument_probe_accuracy": probe_accuracy(
            train.points, train.instruments, test.points[there], test.instruments[there]
        ),
    }


def _regressions(x: np.ndarray, y: np.ndarray, unseen: np.ndarray, wanted: np.ndarray, seed: int) -> list[float]:
    """R^2 of the linear probe and of the network."""
    return [
        probe_r2(x, y, unseen, wanted, kind="linear"),
        probe_r2(x, y, unseen, wanted, kind="mlp", seed=seed),
    ]
