"""Order of a space: active units, groups, pitch, paths. Arrays in, floats out.

Points are those of the atlas, (n, dim), computed in float64; distance is Euclidean over all dimensions. Labels are
names or numbers, one for each note; pitches are MIDI, NaN where unpitched. A result of NaN means that there was no
note, path or triplet to measure. Every function raises ConfigError for arrays of another shape, for columns of
different lengths, and for points that are not finite.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KNeighborsClassifier

from timbre.errors import ConfigError
from timbre.evaluation.metrics._paths import monotonicity, smoothness, straightness
from timbre.evaluation.metrics._probes import probe_accuracy, probe_r2
from timbre.evaluation.metrics.arrays import finite_points, names, same_length

__all__ = [
    "active_units",
    "collapsed",
    "cross_pitch_consistency",
    "monotonicity",
    "neighbour_accuracy",
    "probe_accuracy",
    "probe_r2",
    "residual_pitch",
    "silhouette",
    "silhouette_within_pitch",
    "smoothness",
    "straightness",
]

_ROWS = 512  # rows of a matrix of distances that are in memory at a time


def active_units(means: ArrayLike, threshold: float = 0.01) -> int:
    """Number of dimensions that vary over the notes (Burda, Grosse and Salakhutdinov 2016), 0..dim.

    A dimension counts if the variance of E[z | x] over the notes is above the threshold; that of the prior is 1. With
    flows, the point of a note is used for E[z | x].

    Args:
        means: points of the notes (n, dim), 2 notes or more.
        threshold: variance above which a dimension counts.
    """
    points = finite_points(means)
    if len(points) < 2:
        raise ConfigError(f"Active units need 2 notes or more, got {len(points)}.")
    return int((points.var(axis=0) > threshold).sum())


def collapsed(active: int, kl_nats: float | None, dim: int) -> str | None:
    """A warning if the posterior looks collapsed (Bowman et al. 2016), completely or partly; None otherwise.

    Completely: no dimension is in use, or the mean KL divergence from the prior is below 1 nat, too little to tell even
    three kinds of notes apart. Partly: fewer than half of the dimensions are in use.

    Args:
        active: dimensions in use, from :func:`active_units`.
        kl_nats: mean KL divergence of the notes' posteriors from the prior, nats; None or NaN if unknown.
        dim: dimensions of the space.
    """
    known = kl_nats is not None and not np.isnan(kl_nats)
    information = f" and a note's point holds {kl_nats:.2g} nats" if known else ""
    if active == 0 or (kl_nats is not None and kl_nats < 1.0):
        return (
            f"The space has collapsed: {active} of {dim} dimensions are in use{information}; lower training.beta, or"
            " raise training.beta_warmup or training.free_bits."
        )
    if 2 * active < dim:
        return f"The space has partly collapsed: {active} of {dim} dimensions are in use; try model.dim = {active}."
    return None


def silhouette(points: ArrayLike, labels: ArrayLike) -> float:
    """Mean silhouette of the notes across all pitches (Rousseeuw 1987), -1..1.

    s = (b - a) / max(a, b) for each note, with a its mean distance to the other notes of its label and b the smallest
    mean distance to those of another label; 0 for a note that is the only one of its label. 1: tight, separate groups;
    0: overlapping groups; below 0: most notes are nearer to another group. An instrument whose notes are spread out by
    pitch has a low value here and can have a high one in :func:`silhouette_within_pitch`.

    Returns:
        The mean over all notes; NaN for a single label, or if every note has its own.
    """
    x = finite_points(points)
    texts = names(labels, x)
    return float(silhouette_score(x, texts)) if 2 <= len(np.unique(texts)) < len(texts) else np.nan


def silhouette_within_pitch(points: ArrayLike, labels: ArrayLike, pitches: ArrayLike, width: int = 1) -> float:
    """Mean silhouette (Rousseeuw 1987) among notes of nearly the same pitch, -1..1.

    As :func:`silhouette`, but a and b are taken over the notes within `width` semitones of the note, so that pitch
    neither widens a group nor separates two. Pitches are rounded to semitones; unpitched notes, and notes without
    another note of their label or without another label in that range, are left out.

    Returns:
        The mean over the notes that remain; NaN if none does.
    """
    x, texts, pitch = _pitched(points, labels, pitches)
    kinds, index = np.unique(texts, return_inverse=True)
    members = np.eye(len(kinds))[index]
    parts = [_silhouettes_in_range(rows, x, members, pitch, width) for rows in _blocks(len(x))]
    values = np.concatenate([np.zeros(0), *parts])
    return float(values.mean()) if len(values) else np.nan


def _silhouettes_in_range(
    rows: np.ndarray, x: np.ndarray, members: np.ndarray, pitch: np.ndarray, width: int
) -> np.ndarray:
    """Silhouettes of the notes `rows` among those within `width` of their pitch; notes without one are left out.

    `members` has 1 where a note has a label, (notes, labels).
    """
    close = (np.abs(pitch[rows, None] - pitch) <= width).astype(float)
    close[np.arange(len(rows)), rows] = 0.0
    counts, sums = close @ members, (close * cdist(x[rows], x)) @ members
    mean = np.divide(sums, counts, out=np.full_like(sums, np.inf), where=counts > 0)
    own = members[rows] > 0
    a, b = mean[own], np.where(own, np.inf, mean).min(axis=1, initial=np.inf)
    has = np.isfinite(a) & np.isfinite(b)
    a, b = a[has], b[has]
    larger = np.maximum(a, b)
    return np.divide(b - a, larger, out=np.zeros_like(larger), where=larger > 0)


def neighbour_accuracy(
    points: ArrayLike, labels: ArrayLike, known_points: ArrayLike, known_labels: ArrayLike, k: int = 1
) -> float:
    """Share of notes whose label is that of most of their k nearest reference notes (Cover and Hart 1967), 0..1.

    If `known_points` equals `points`, no note is its own neighbour (leave-one-out). A note whose label no reference
    note has counts as wrong.

    Args:
        points: of the notes to classify (n, dim).
        labels: their labels (n,).
        known_points: of the reference notes (m, dim).
        known_labels: their labels (m,).
        k: neighbours that vote.

    Returns:
        The share; NaN if there are no notes.

    Raises:
        ConfigError: fewer than k reference notes besides the note itself, or arrays that the module refuses.
    """
    x, known = finite_points(points), finite_points(known_points)
    texts, known_texts = names(labels, x), names(known_labels, known)
    if x.shape[1] != known.shape[1]:
        raise ConfigError(f"All points must be of one space, got {x.shape[1]} and {known.shape[1]} dimensions.")
    itself = np.array_equal(x, known)
    if not 1 <= k <= len(known) - itself:
        raise ConfigError(f"k must be from 1 to {len(known) - itself}, the number of other notes, got {k}.")
    if not len(x):
        return np.nan
    predicted = KNeighborsClassifier(n_neighbors=k).fit(known, known_texts).predict(None if itself else x)
    return float(np.mean(predicted == texts))


def residual_pitch(pitches: ArrayLike, instruments: ArrayLike, known: ArrayLike | None = None) -> np.ndarray:
    """Pitch minus the mean pitch of the note's instrument, semitones (n,).

    Ranges differ between instruments and belong to timbre: the point of a tuba may encode that it is low. It should not
    encode which of its notes the tuba plays, and that is what remains when the mean is subtracted.

    Args:
        pitches: MIDI (n,), NaN where unpitched.
        instruments: (n,).
        known: notes that the means are taken over, bool (n,), such as the training notes; default: all.

    Returns:
        Semitones; NaN for unpitched notes, and for instruments without a pitched known note.
    """
    pitch = np.asarray(pitches, dtype=float)
    if pitch.ndim != 1:
        raise ConfigError(f"Pitches must be (n,), got shape {pitch.shape}.")
    texts = names(instruments, pitch)
    chosen = np.ones(len(pitch), bool) if known is None else np.asarray(known)
    if chosen.dtype != bool or chosen.shape != pitch.shape:
        raise ConfigError(f"known must have a bool for each note, got shape {chosen.shape} and type {chosen.dtype}.")
    chosen = chosen & np.isfinite(pitch)
    kinds, index = np.unique(texts, return_inverse=True)
    counts = np.bincount(index[chosen], minlength=len(kinds))
    sums = np.bincount(index[chosen], weights=pitch[chosen], minlength=len(kinds))
    means = np.divide(sums, counts, out=np.full(len(kinds), np.nan), where=counts > 0)
    return pitch - means[index]


def cross_pitch_consistency(
    points: ArrayLike, instruments: ArrayLike, pitches: ArrayLike, apart: int = 3, within: int = 2
) -> float:
    """Share of triplets in which a note is nearer to its instrument at another pitch than to another at its own pitch.

    Over all triplets (a, b, c) with b of the same instrument as a, `apart` semitones or more from it, and c of another
    instrument within `within` semitones of a: the share with d(a, b) < d(a, c), equal distances counting one half. It
    is the probability of Mann and Whitney (1947), pooled over anchors; 0..1, where .5 means that points depend on
    neither, and less that they follow pitch rather than instrument. Pitches are rounded to semitones; unpitched notes
    are left out.

    Returns:
        The share, with equal weight for each triplet; NaN if there is none.
    """
    x, texts, pitch = _pitched(points, instruments, pitches)
    agreed = total = 0.0
    for anchor in range(len(x)):
        same, gap = texts == texts[anchor], np.abs(pitch - pitch[anchor])
        distance = cdist(x[anchor, None], x)[0]
        near, far = distance[same & (gap >= apart)], np.sort(distance[~same & (gap <= within)])
        below, not_above = (np.searchsorted(far, near, side) for side in ("left", "right"))
        agreed += (len(far) - 0.5 * (below + not_above)).sum()
        total += len(near) * len(far)
    return float(agreed / total) if total else np.nan


def _pitched(points: ArrayLike, labels: ArrayLike, pitches: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, labels and pitches (rounded to semitones) of the pitched notes."""
    x, pitch = finite_points(points), np.asarray(pitches, dtype=float)
    texts = names(labels, x)
    same_length(x, pitch)
    has = np.isfinite(pitch)
    return x[has], texts[has], np.round(pitch[has])


def _blocks(count: int) -> Iterator[np.ndarray]:
    """Indices below `count`, at most _ROWS at a time."""
    return (np.arange(start, min(start + _ROWS, count)) for start in range(0, count, _ROWS))
