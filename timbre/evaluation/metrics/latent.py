"""Order of a space: active units, groups, pitch, paths. Arrays in, floats out.

Points are those of the atlas, (n, dim), computed in float64; distance is Euclidean over all dimensions. Labels are
names or numbers, one for each note; pitches are MIDI, NaN where unpitched. A result of NaN means that there was no
note, path or triplet to measure. Every function raises ConfigError for arrays of another shape, for columns of
different lengths, and for points that are not finite.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from sklearn.metrics import silhouette_samples, silhouette_score
from sklearn.neighbors import KNeighborsClassifier

from timbre.errors import ConfigError
from timbre.evaluation.metrics.arrays import finite_points, names, rank_correlation, same_length


def active_units(means: ArrayLike, threshold: float = 0.01) -> int:
    """Number of dimensions that vary over the notes (Burda, Grosse and Salakhutdinov 2016), 0..dim.

    A dimension counts if the variance of E[z | x] over the notes is above the threshold; that of the prior is 1. With
    flows, the point of a note is used for E[z | x]. The points are those of 2 notes or more.
    """
    points = finite_points(means)
    if len(points) < 2:
        raise ConfigError(f"Active units need 2 notes or more, got {len(points)}.")
    return int((points.var(axis=0) > threshold).sum())


def collapsed(active: int, kl_nats: float | None, dim: int) -> str | None:
    """A warning if the posterior looks collapsed (Bowman et al. 2016), completely or partly; None otherwise.

    Completely: no dimension is in use, or the mean KL divergence from the prior is below 1 nat, too little to tell even
    three kinds of notes apart (None or NaN: unknown). Partly: fewer than half of the `dim` dimensions are in use.
    """
    known = kl_nats is not None and not np.isnan(kl_nats)
    information = f" and a note's point contains {kl_nats:.2g} nats" if known else ""
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
    values = [np.zeros(0)]
    for one in np.unique(pitch):
        close = np.abs(pitch - one) <= width
        kinds, index, counts = np.unique(texts[close], return_inverse=True, return_counts=True)
        if 2 <= len(kinds) < len(index):
            samples = silhouette_samples(cdist(x[close], x[close]), index, metric="precomputed")
            values.append(samples[(pitch[close] == one) & (counts[index] > 1)])
    silhouettes = np.concatenate(values)
    return float(silhouettes.mean()) if len(silhouettes) else np.nan


def neighbour_accuracy(
    points: ArrayLike, labels: ArrayLike, known_points: ArrayLike, known_labels: ArrayLike, k: int = 1
) -> float:
    """Share of notes whose label is that of most of their k nearest reference notes (Cover and Hart 1967), 0..1.

    If the reference notes `known_points` (m, dim) equal `points` (n, dim), no note is its own neighbour
    (leave-one-out). A note whose label no reference note has counts as wrong. Without notes the result is NaN.

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


def straightness(path: ArrayLike) -> np.ndarray:
    """Straightness of each path: the distance between its ends over its length, 0..1, (n,).

    |x_last - x_first| / sum_k |x_k+1 - x_k|, the straightness index of Batschelet (1981); 1 for a line that never turns
    back; NaN for a path that does not move. Apply it to the points that the decoded steps of a straight line are
    encoded to, or to their descriptors: paths (n, steps, dim), 2 steps or more.
    """
    steps = np.asarray(path, dtype=float)
    if steps.ndim != 3 or steps.shape[1] < 2 or not np.isfinite(steps).all():
        raise ConfigError(f"Paths must be finite, (n, steps, dim) with 2 steps or more, got shape {steps.shape}.")
    length = np.linalg.norm(np.diff(steps, axis=1), axis=2).sum(1)
    chord = np.linalg.norm(steps[:, -1] - steps[:, 0], axis=1)
    # Rounding can make the length of a straight path slightly less than its chord.
    return np.minimum(np.divide(chord, length, out=np.full_like(length, np.nan), where=length > 0), 1.0)


def monotonicity(values: ArrayLike) -> np.ndarray:
    """Monotonicity of a descriptor along each path, -1..1, (n,): Spearman's rho (1904) of its values with the step.

    1: it rises at every step; -1: it falls at every step. Steps of the values (n, steps) that are NaN are left out; the
    result is NaN for a path of fewer than two values, or along which nothing changes.
    """
    rows = _rows(values)
    steps = np.arange(rows.shape[1])
    return np.array([rank_correlation(row[has], steps[has]) for row in rows for has in [~np.isnan(row)]])


def smoothness(steps: ArrayLike) -> float:
    """Unevenness of the change of sound along equal steps: standard deviation over mean of the changes, 0 or more.

    The coefficient of variation (Pearson 1896) of each path's changes, averaged over paths, so that a long path
    counts as much as a short one. 0: every step changes the sound by the same amount; sqrt(steps - 1), the maximum: all
    of the change happens in one step. Paths along which nothing changes are left out; NaN if all are.

    Args:
        steps: sizes of the change of the spectrum along equal steps in the space (n, steps), 0 or more, any unit.
    """
    sizes = _rows(steps)
    if not (sizes >= 0).all():
        raise ConfigError("Sizes of changes must be 0 or more, got values that are negative or NaN.")
    sizes = sizes[sizes.sum(1) > 0]
    return float((sizes.std(axis=1) / sizes.mean(axis=1)).mean()) if len(sizes) else np.nan


def _rows(values: ArrayLike) -> np.ndarray:
    rows = np.asarray(values, dtype=float)
    if rows.ndim != 2 or np.isinf(rows).any():
        raise ConfigError(f"Values must be finite, of shape (n, steps), got shape {rows.shape}.")
    return rows


def _pitched(points: ArrayLike, labels: ArrayLike, pitches: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, labels and pitches (rounded to semitones) of the pitched notes."""
    x, pitch = finite_points(points), np.asarray(pitches, dtype=float)
    texts = names(labels, x)
    same_length(x, pitch)
    has = np.isfinite(pitch)
    return x[has], texts[has], np.round(pitch[has])
