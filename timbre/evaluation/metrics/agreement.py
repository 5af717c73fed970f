"""Agreement of distances in a space with listeners' dissimilarities. Arrays in, floats out.

All measures take two square matrices over the same items: `distances` (n, n), and `dissimilarities` (n, n), NaN where
a pair was not rated; their diagonals are ignored. Listeners' scales have no common zero or unit, so each study has its
own figure; over studies, take the mean. Every measure except :func:`pearson` uses only the order of the distances: it
stays the same when they are scaled, squared or mapped monotonically in another way.

Every measure raises ConfigError for matrices that are not square, differ in shape, are not symmetric, or contain
infinite values, and for distances that are NaN. It is NaN if nothing can be compared: fewer than two rated pairs, or
distances or dissimilarities that are all equal.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import pdist, squareform
from scipy.stats import kendalltau, rankdata
from sklearn.metrics import ndcg_score

from timbre.errors import ConfigError
from timbre.evaluation.metrics.arrays import correlation, finite_points, rank_correlation

LEAST_ITEMS = 4  # three items have three pairs, which agree by chance too often


@dataclass(frozen=True)
class Agreement:
    """Agreement of a space with the listeners of one study; each field is the result of the function of that name."""

    pearson: float
    """-1..1."""
    spearman: float
    """-1..1, chance 0."""
    kendall: float
    """-1..1, chance 0."""
    triplet_agreement: float
    """0..1, chance .5."""
    ndcg: float
    """Above 0 to 1, chance about .8."""


def agreement(distances: ArrayLike, dissimilarities: ArrayLike) -> Agreement:
    """All measures of this module except the permutation test.

    Raises:
        ConfigError: fewer than 4 items, or matrices that the module refuses.
    """
    if len(_matrices(distances, dissimilarities)[0]) < LEAST_ITEMS:
        raise ConfigError(f"Agreement needs {LEAST_ITEMS} items or more, got {len(np.asarray(distances))}.")
    measures = (pearson, spearman, kendall, triplet_agreement, ndcg)
    return Agreement(*(measure(distances, dissimilarities) for measure in measures))


def euclidean(points: ArrayLike, dims: int | None = None) -> np.ndarray:
    """Euclidean distances between points (n, dim) over their first `dims` dimensions (None or 0: all), (n, n).

    Raises:
        ConfigError: points of another shape or not finite, or dims out of range.
    """
    x = finite_points(points)
    if not 0 <= (dims or 0) <= x.shape[1]:
        raise ConfigError(f"dims must be from 0 to {x.shape[1]}, the dimensions of the points, got {dims}.")
    return squareform(pdist(x[:, : dims or None])) if len(x) else np.zeros((0, 0))


def pearson(distances: ArrayLike, dissimilarities: ArrayLike) -> float:
    """Pearson's r over the rated pairs of the upper triangle (Pearson 1895), -1..1.

    sum (d - mean d)(r - mean r) / sqrt(sum (d - mean d)^2 sum (r - mean r)^2). It assumes a linear relation, which
    dissimilarities need not have: compare :func:`spearman`.
    """
    return correlation(*_pairs(distances, dissimilarities))


def spearman(distances: ArrayLike, dissimilarities: ArrayLike) -> float:
    """Spearman's rho over the rated pairs of the upper triangle (Spearman 1904), -1..1, chance 0.

    Pearson's r of the ranks; equal values share their mean rank. Pairs that share an item are not independent, so test
    its significance with :func:`permutation_p`, not with the usual table.
    """
    return rank_correlation(*_pairs(distances, dissimilarities))


def kendall(distances: ArrayLike, dissimilarities: ArrayLike) -> float:
    """Kendall's tau-b over the rated pairs of the upper triangle (Kendall 1945), -1..1, chance 0.

    (C - D) / sqrt((C + D + T_d)(C + D + T_r)): C and D count pairs of pairs in the same and in opposite order, T_d
    and T_r those that are equal only in the distances and only in the dissimilarities.
    """
    first, second = _pairs(distances, dissimilarities)
    varies = len(first) > 1 and np.ptp(first) > 0 and np.ptp(second) > 0
    return float(kendalltau(first, second, variant="b").statistic) if varies else np.nan


def triplet_agreement(distances: ArrayLike, dissimilarities: ArrayLike, threshold: float = 0.1) -> float:
    """Share of triplets (anchor; b, c) that space and listeners put in the same order, 0..1, chance .5.

    A triplet counts where both pairs are rated and r(anchor, b) and r(anchor, c) differ by more than `threshold`, a
    share of the range of all dissimilarities; it agrees where d(anchor, b) and d(anchor, c) have the same order, and
    counts one half where they are equal. The result is the mean over all triplets, so that an anchor with clear
    contrasts has more weight than one without. Comparisons of this form are due to Schultz and Joachims (2003).

    Raises:
        ConfigError: a threshold outside 0..1 (1 excluded), or matrices that the module refuses.
    """
    if not 0 <= threshold < 1:
        raise ConfigError(f"threshold must be from 0 to below 1, a share of the range, got {threshold}.")
    near, rated = _matrices(distances, dissimilarities)
    rated = _unit_range(rated)
    agreed = total = 0.0
    for d, r in zip(near, rated, strict=True):
        # Ratings of two decimals that differ by exactly .1 can differ by slightly more in binary.
        further = r[:, None] - r[None, :] > threshold + 1e-9
        agreed += (further & (d[:, None] > d[None, :])).sum() + 0.5 * (further & (d[:, None] == d[None, :])).sum()
        total += further.sum()
    return float(agreed / total) if total else np.nan


def ndcg(distances: ArrayLike, dissimilarities: ArrayLike) -> float:
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen 2002): whether similar sounds are nearest.

    For each anchor, DCG = sum_k g_k / log2(k + 1) over the other items in order of distance, k = 1, 2, ..., divided by
    that of the best order; averaged over anchors. The gain g is 1 minus the dissimilarity, mapped to 0..1 over all
    rated pairs; items at equal distances share their discounts. Above 0 to 1, but chance is near .8, since every order
    has some similar sounds early: compare with the figure of random distances.
    """
    near, rated = _matrices(distances, dissimilarities)
    gains = 1.0 - _unit_range(rated)
    scores = [
        ndcg_score([gain[known]], [-d[known]])
        for d, gain in zip(near, gains, strict=True)
        if (known := ~np.isnan(gain)).sum() > 1 and gain[known].any()
    ]
    return float(np.mean(scores)) if scores else np.nan


def permutation_p(distances: ArrayLike, dissimilarities: ArrayLike, n: int = 999, seed: int = 0) -> float:
    """Probability of a rank correlation this high if the items had random names (Mantel 1967), 0..1.

    The rows and columns of `distances` are shuffled together n times; p = (1 + shuffles whose Spearman correlation is
    at least the true one) / (1 + n), one-sided. Mantel's statistic is the product of the values; the one on
    ranks is due to Dietz (1983).

    Raises:
        ConfigError: n below 1, or matrices that the module refuses.
    """
    if n < 1:
        raise ConfigError(f"n, the number of shuffles, must be 1 or more, got {n}.")
    near, rated = _matrices(distances, dissimilarities)
    rows, columns = np.nonzero(np.triu(~np.isnan(rated), 1))
    ranks, rng = rankdata(rated[rows, columns]), np.random.default_rng(seed)
    complete = 2 * len(rows) == len(near) * (len(near) - 1)
    if complete:  # every shuffle has the same distances, and so the same ranks
        near = squareform(rankdata(squareform(near, checks=False)))

    def statistic(order: np.ndarray) -> float:
        values = near[order[rows], order[columns]]
        return correlation(values if complete else rankdata(values), ranks)

    true = statistic(np.arange(len(near)))
    shuffled = np.array([statistic(rng.permutation(len(near))) for _ in range(n)])
    return float((1 + (shuffled >= true - 1e-12).sum()) / (1 + n)) if np.isfinite(true) else np.nan


def _matrices(distances: ArrayLike, dissimilarities: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both matrices, float64 (n, n), exactly symmetric; the dissimilarities have NaN on the diagonal.

    The upper and the lower triangle may differ by float32 rounding; their mean is taken.
    """
    near = _square(distances, "distances")
    rated = _square(dissimilarities, "dissimilarities")
    if near.shape != rated.shape:
        raise ConfigError(f"Distances and dissimilarities must be of the same items, got {len(near)} and {len(rated)}.")
    if np.isnan(near).any():
        raise ConfigError("Distances must be finite, got NaN; give every item a point.")
    np.fill_diagonal(rated, np.nan)
    return near, rated


def _square(values: ArrayLike, name: str) -> np.ndarray:
    matrix = np.array(values, dtype=float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ConfigError(f"The {name} must be a square matrix (n, n), got shape {matrix.shape}.")
    np.fill_diagonal(matrix, 0.0)
    if np.isinf(matrix).any():
        raise ConfigError(f"The {name} must be finite, got infinite values.")
    slack = 1e-5 * np.nanmax(np.abs(matrix), initial=0.0)
    if not np.allclose(matrix, matrix.T, rtol=0.0, atol=slack, equal_nan=True):
        raise ConfigError(f"The {name} must be symmetric; give each pair one value, such as the mean of both orders.")
    return 0.5 * matrix + 0.5 * matrix.T


def _pairs(distances: ArrayLike, dissimilarities: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Distances and dissimilarities of the rated pairs of the upper triangle, (pairs,) each."""
    near, rated = _matrices(distances, dissimilarities)
    chosen = np.triu(~np.isnan(rated), 1)
    return near[chosen], rated[chosen]


def _unit_range(rated: np.ndarray) -> np.ndarray:
    """Dissimilarities mapped to 0..1 over all rated pairs; all NaN if they are all equal."""
    low, high = np.nanmin(rated, initial=np.inf), np.nanmax(rated, initial=-np.inf)
    return (rated - low) / (high - low) if high > low else np.full_like(rated, np.nan)
