"""How a space is ordered: dimensions in use, groups, pitch, paths. Arrays in, floats out.

Points are those of the atlas, (n, dim), float64 inside; distance is Euclidean over all dimensions. Labels are names or
numbers, one for each note; pitches are MIDI, NaN where unpitched. NaN as a result means that no note, path or triplet
was there to measure. Every function raises a ConfigError for arrays of another shape, for columns of different
lengths, and for points that are not finite.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from timbre.errors import ConfigError
from timbre.evaluation.metrics._groups import finite_points, members, names, same_length
from timbre.evaluation.metrics._paths import monotonicity, smoothness, straightness
from timbre.evaluation.metrics._probes import probe_accuracy, probe_r2

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

_ROWS = 512  # of a matrix of distances, held at a time


def active_units(means: ArrayLike, threshold: float = 0.01) -> int:
    """Dimensions that differ from note to note (Burda, Grosse and Salakhutdinov 2016), 0..dim.

    Those whose variance over the notes of E[z | x] is above the threshold, where the prior's variance is 1. With flows
    the point of a note stands in for E[z | x].

    Args:
        means: points of the notes (n, dim), 2 notes or more.
        threshold: smallest variance of a dimension in use.
    """
    places = finite_points(means)
    if len(places) < 2:
        raise ConfigError(f"{len(places)} notes were given; what varies over notes needs 2 or more.")
    return int((places.var(axis=0) > threshold).sum())


def collapsed(active: int, kl_nats: float | None, dim: int) -> str | None:
    """One sentence where the posterior looks collapsed (Bowman et al. 2016), wholly or in part; None where it does not.

    Wholly: no dimension is in use, or a note's KL divergence from the prior is below 1 nat, so that a place tells less
    than two kinds of notes apart. In part: less than half of the dimensions are in use.

    Args:
        active: dimensions in use, of :func:`active_units`.
        kl_nats: mean KL divergence of the notes' posteriors from the prior, nats; None or NaN where there is none.
        dim: dimensions of the space.
    """
    known = kl_nats is not None and not np.isnan(kl_nats)
    cost = f" and a note's place holds {kl_nats:.2g} nats" if known else ""
    if active == 0 or (kl_nats is not None and kl_nats < 1.0):
        return (
            f"The space has collapsed: {active} of {dim} dimensions are in use{cost}; lower training.beta, or raise"
            " training.beta_warmup or training.free_bits."
        )
    if 2 * active < dim:
        return f"The space has collapsed in part: {active} of {dim} dimensions are in use; model.dim = {active} may do."
    return None


def silhouette(points: ArrayLike, labels: ArrayLike) -> float:
    """Mean silhouette of the notes over all pitches (Rousseeuw 1987), -1..1.

    s = (b - a) / max(a, b) for each note, with a its mean distance to the other notes of its label and b the smallest
    mean distance to those of another label; 0 for a note that is the only one of its label. 1: tight, separate groups;
    0: overlapping ones; below 0: most notes lie nearer to another group. An instrument whose notes are strung out by
    pitch has a low value here and may have a high one in :func:`silhouette_within_pitch`.

    Returns:
        The mean over all notes; NaN for a single label, or where every note has its own.
    """
    from sklearn.metrics import silhouette_score

    places = finite_points(points)
    texts = names(labels, places)
    return float(silhouette_score(places, texts)) if 2 <= len(np.unique(texts)) < len(texts) else np.nan


def silhouette_within_pitch(points: ArrayLike, labels: ArrayLike, pitches: ArrayLike, width: int = 1) -> float:
    """Mean silhouette (Rousseeuw 1987) among notes of nearly the same pitch, -1..1.

    As :func:`silhouette`, but a and b are taken over the notes within `width` semitones of the note, so that pitch
    neither spreads a group nor separates two. Pitches count to the nearest semitone; unpitched notes, and notes that
    have no second one of their label or no other label in reach, are left out.

    Returns:
        The mean over the notes that remain; NaN where none does.
    """
    places, texts, pitch = _pitched(points, labels, pitches)
    belongs = members(texts)
    found = [_silhouettes_in_reach(rows, places, belongs, pitch, width) for rows in _blocks(len(places))]
    values = np.concatenate([np.zeros(0), *found])
    return float(values.mean()) if len(values) else np.nan


def _silhouettes_in_reach(
    rows: np.ndarray, places: np.ndarray, belongs: np.ndarray, pitch: np.ndarray, width: int
) -> np.ndarray:
    """Silhouettes of those of the notes `rows` that have one, with the notes within `width` of their pitch."""
    from scipy.spatial.distance import cdist

    close = (np.abs(pitch[rows, None] - pitch) <= width).astype(float)
    close[np.arange(len(rows)), rows] = 0.0
    counts, sums = close @ belongs, (close * cdist(places[rows], places)) @ belongs
    mean = np.divide(sums, counts, out=np.full_like(sums, np.inf), where=counts > 0)
    own = belongs[rows] > 0
    a, b = mean[own], np.where(own, np.inf, mean).min(axis=1, initial=np.inf)
    has = np.isfinite(a) & np.isfinite(b)
    a, b = a[has], b[has]
    larger = np.maximum(a, b)
    return np.divide(b - a, larger, out=np.zeros_like(larger), where=larger > 0)


def neighbour_accuracy(
    points: ArrayLike, labels: ArrayLike, known_points: ArrayLike, known_labels: ArrayLike, k: int = 1
) -> float:
    """Share of notes with the label that most of their k nearest known notes have (Cover and Hart 1967), 0..1.

    Where `known_points` equals `points`, no note is its own neighbour (leave-one-out). A note whose label no known note
    has can only be missed.

    Args:
        points: of the notes to name (n, dim).
        labels: theirs (n,).
        known_points: of the notes to name them by (m, dim).
        known_labels: (m,).
        k: neighbours that vote.

    Returns:
        The share; NaN without notes.

    Raises:
        ConfigError: fewer than k known notes besides the note itself, or arrays as the module refuses them.
    """
    from sklearn.neighbors import KNeighborsClassifier

    places, known = finite_points(points), finite_points(known_points)
    texts, known_texts = names(labels, places), names(known_labels, known)
    if places.shape[1] != known.shape[1]:
        raise ConfigError(f"Points of {places.shape[1]} and {known.shape[1]} dimensions were given; use one space.")
    itself = np.array_equal(places, known)
    if not 1 <= k <= len(known) - itself:
        raise ConfigError(f"{k} neighbours were asked for among {len(known) - itself} notes; ask for 1 up to so many.")
    if not len(places):
        return np.nan
    named = KNeighborsClassifier(n_neighbors=k).fit(known, known_texts).predict(None if itself else places)
    return float(np.mean(named == texts))


def residual_pitch(pitches: ArrayLike, instruments: ArrayLike, known: ArrayLike | None = None) -> np.ndarray:
    """Pitch less the mean pitch of the note's instrument, semitones (n,).

    Ranges differ between instruments and belong to timbre: a tuba's place may tell that it is low. What a place should
    not tell is which of its notes the tuba plays, and that is what is left after the mean is taken off.

    Args:
        pitches: MIDI (n,), NaN where unpitched.
        instruments: (n,).
        known: which notes the means are taken over, bool (n,), such as the training notes; None is all.

    Returns:
        Semitones; NaN for unpitched notes, and for instruments without a pitched known note.
    """
    pitch = np.asarray(pitches, dtype=float)
    if pitch.ndim != 1:
        raise ConfigError(f"Pitches of shape {pitch.shape} were given; (n,) is wanted.")
    texts = names(instruments, pitch)
    chosen = np.ones(len(pitch), bool) if known is None else np.asarray(known)
    if chosen.dtype != bool or chosen.shape != pitch.shape:
        raise ConfigError(f"known has shape {chosen.shape} and type {chosen.dtype}; a bool for each note is wanted.")
    chosen = chosen & np.isfinite(pitch)
    kinds, index = np.unique(texts, return_inverse=True)
    counts = np.bincount(index[chosen], minlength=len(kinds))
    sums = np.bincount(index[chosen], weights=pitch[chosen], minlength=len(kinds))
    means = np.divide(sums, counts, out=np.full(len(kinds), np.nan), where=counts > 0)
    return pitch - means[index]


def cross_pitch_consistency(
    points: ArrayLike, instruments: ArrayLike, pitches: ArrayLike, apart: int = 3, within: int = 2
) -> float:
    """Share of triplets in which a note lies nearer to its own instrument at another pitch than to another at its own.

    Over all triplets (a, b, c) with b of the same instrument as a, `apart` semitones or more from it, and c of another
    instrument within `within` semitones of a: the share with d(a, b) < d(a, c), equal distances worth a half. It is the
    probability of Mann and Whitney (1947), pooled over anchors; 0..1, where .5 says that place depends on neither, and
    less that it follows pitch rather than instrument. Pitches count to the nearest semitone; unpitched notes are left
    out.

    Returns:
        The share, every triplet counting the same; NaN where there is none.
    """
    from scipy.spatial.distance import cdist

    places, texts, pitch = _pitched(points, instruments, pitches)
    agreed = total = 0.0
    for anchor in range(len(places)):
        same, gap = texts == texts[anchor], np.abs(pitch - pitch[anchor])
        distance = cdist(places[anchor, None], places)[0]
        near, far = distance[same & (gap >= apart)], np.sort(distance[~same & (gap <= within)])
        below, not_above = (np.searchsorted(far, near, side) for side in ("left", "right"))
        agreed += (len(far) - 0.5 * (below + not_above)).sum()
        total += len(near) * len(far)
    return float(agreed / total) if total else np.nan


def _pitched(points: ArrayLike, labels: ArrayLike, pitches: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, labels and pitches, to the semitone, of the pitched notes."""
    places, pitch = finite_points(points), np.asarray(pitches, dtype=float)
    texts = names(labels, places)
    same_length(places, pitch)
    has = np.isfinite(pitch)
    return places[has], texts[has], np.round(pitch[has])


def _blocks(count: int) -> Iterator[np.ndarray]:
    """Numbers below `count`, some hundreds at a time."""
    return (np.arange(start, min(start + _ROWS, count)) for start in range(0, count, _ROWS))
