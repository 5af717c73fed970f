"""Studies on a common scale, and pooled by instrument."""

from dataclasses import replace

import numpy as np

from timbre.data.ratings.studies import Ratings, Study
from timbre.errors import LibraryError

ROUNDS = 50  # rounds of alternating least squares; the scales converge in ten


def normalised(ratings: Ratings) -> Ratings:
    """The studies with dissimilarities from 0, the smallest of each, to 1, its largest.

    Raises:
        LibraryError: if all dissimilarities of a study are equal.
    """
    parts = []
    for study in ratings.parts:
        _, _, values = study.pairs()
        low, high = float(values.min()), float(values.max())
        if high - low < 1e-9:
            raise LibraryError(f"The dissimilarities of {study.name} must differ, all are {low:g}; leave it out.")
        scaled = (study.dissimilarities - low) / (high - low)
        np.fill_diagonal(scaled, 0.0)
        parts.append(replace(study, dissimilarities=scaled))
    return replace(ratings, parts=tuple(parts))


def merged(ratings: Ratings, name: str = "merged") -> Ratings:
    """One study of instruments, pooled from all studies after removing each study's offset and slope.

    The pairs of sounds of two instruments are averaged; sounds without an instrument are left out and listed in
    `notes`. A study's ratings are modelled as slope * t + offset + error, where t is a common dissimilarity. Starting
    from min-max scales, alternating least squares on the pairs that studies share gives slopes (mean 1) and offsets
    (mean 0). The weight of a pair is its reliability summed over the studies, divided by one plus the variance of its
    aligned values relative to the variance of all values.

    Raises:
        LibraryError: if no study has two instruments.
    """
    tables = [by_instrument(study) for study in normalised(ratings).parts]
    names = sorted({name for table in tables for pair in table for name in pair})
    if len(names) < 2:
        raise LibraryError("The ratings must have two or more instruments; name those of the sounds in sounds.csv.")
    number = {item: index for index, item in enumerate(names)}
    values = np.full((len(tables), len(names), len(names)), np.nan)
    counts = np.zeros_like(values)
    for own, count, table in zip(values, counts, tables, strict=True):
        if table:
            i, j = np.array([(number[a], number[b]) for a, b in table]).T
            own[i, j], count[i, j] = np.array(list(table.values())).T
            own[j, i], count[j, i] = own[i, j], count[i, j]
    pooled, weights = _aligned(values, counts)
    study = Study(name, tuple(names), pooled, weights, tuple(names))
    out = [item for part in ratings.parts for item, own in zip(part.items, part.instruments, strict=True) if not own]
    notes = (f"Left out, since they have no instrument: {', '.join(sorted(set(out)))}.",) * bool(out)
    return Ratings((study,), ratings.notes + notes)


def by_instrument(study: Study) -> dict[tuple[str, str], tuple[float, float]]:
    """Weighted mean dissimilarity and mean weight of each pair of instruments."""
    names = sorted(set(study.instruments) - {""})
    number = {name: index for index, name in enumerate(names)}
    own = np.array([number.get(name, -1) for name in study.instruments])
    first, second, values = study.pairs()
    low, high = np.minimum(own[first], own[second]), np.maximum(own[first], own[second])
    used = (low >= 0) & (low != high)
    pairs, index, counts = np.unique(low[used] * len(names) + high[used], return_inverse=True, return_counts=True)
    weights = study.weights[first, second][used]
    positive = np.maximum(weights, 1e-9)
    means = np.bincount(index, positive * values[used]) / np.bincount(index, positive)
    reliability = np.bincount(index, weights) / counts
    keys = ((names[pair // len(names)], names[pair % len(names)]) for pair in pairs.tolist())
    return dict(zip(keys, zip(means.tolist(), reliability.tolist(), strict=True), strict=True))


def _aligned(values: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Common dissimilarities and weights (n, n) from values (NaN if unrated) and reliabilities (studies, n, n)."""
    slope, offset = np.ones(len(values)), np.zeros(len(values))
    rated = np.isfinite(values) & (counts > 0)
    for _ in range(ROUNDS):
        common = _mean((values - offset[:, None, None]) / slope[:, None, None], counts * rated)
        for k, own in enumerate(values):
            shared = rated[k] & ((rated.sum(0) - rated[k]) > 0)
            if shared.sum() >= 6 and np.std(common[shared]) > 1e-6:
                slope[k], offset[k] = np.polyfit(common[shared], own[shared], 1)
        slope = np.maximum(slope, 0.2) / np.maximum(slope, 0.2).mean()
        offset -= offset.mean()
    aligned = (values - offset[:, None, None]) / slope[:, None, None]
    common = _mean(aligned, counts * rated)
    variance = _mean((aligned - common) ** 2, counts * rated) / max(float(np.nanvar(aligned)), 1e-9)
    weight = np.where(rated, counts, 0.0).sum(0) / (1.0 + np.nan_to_num(variance))
    common = np.maximum(common, 0.0)
    np.fill_diagonal(common, 0.0)
    return common, np.where(np.isfinite(common), weight, 0.0)


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    total = weights.sum(0)
    return np.where(total > 0, np.nansum(np.nan_to_num(values) * weights, 0) / np.maximum(total, 1e-12), np.nan)
