"""How far distances in a space follow listeners' dissimilarities. Arrays in, floats out.

All measures take two square matrices over the same items: `distances` (n, n), and `dissimilarities` (n, n), NaN where
a pair was not rated; their diagonals are not looked at. Listeners' scales have no common zero or unit, so each study
has its own figure; over studies, take the mean. Every measure but :func:`pearson` uses the order of the distances
alone: it stays the same when the distances are scaled, squared or otherwise mapped monotonically.

Every measure raises a ConfigError for matrices that are not square, differ in shape, are not symmetric, or hold
infinite values, and for distances that are NaN; and it is NaN where nothing can be compared: fewer than two rated
pairs, or distances or dissimilarities that are all the same.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from timbre.errors import ConfigError
from timbre.evaluation.metrics._correlation import correlation, rank_correlation

LEAST_ITEMS = 4  # three items have three pairs, which agree by chance too often to mean anything


@dataclass(frozen=True)
class Agreement:
    """Agreement of a space with the listeners of one study; each field is what the function of its name gives."""

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
    """All measures of this module but the permutation test.

    Args:
        distances: between the items in the space (n, n), 4 items or more.
        dissimilarities: by listeners (n, n), NaN where unrated.

    Raises:
        ConfigError: fewer than 4 items, or matrices as the module refuses them.
    """
    if len(_matrices(distances, dissimilarities)[0]) < LEAST_ITEMS:
        raise ConfigError(
            f"Agreement was asked for over {len(np.asarray(distances))} items; rate or encode {LEAST_ITEMS} or more."
        )
    return Agreement(
        **{
            measure.__name__: measure(distances, dissimilarities)
            for measure in (pearson, spearman, kendall, triplet_agreement, ndcg)
        }
    )


def euclidean(points: ArrayLike, dims: int | None = None) -> np.ndarray:
    """Euclidean distances between points, (n, n), with a diagonal of 0.

    Args:
        points: (n, dim).
        dims: take the first so many dimensions; None, or 0, takes all.

    Raises:
        ConfigError: points of another shape or not finite, or dims out of range.
    """
    from scipy.spatial.distance import pdist, squareform

    places = np.asarray(points, dtype=float)
    if places.ndim != 2 or not np.isfinite(places).all():
        raise ConfigError(f"Points of shape {places.shape} were given; finite values (n, dim) are wanted.")
    if not 0 <= (dims or 0) <= places.shape[1]:
        raise ConfigError(f"dims is {dims}; the points have {places.shape[1]} dimensions.")
    return squareform(pdist(places[:, : dims or None])) if len(places) else np.zeros((0, 0))


def pearson(distances: ArrayLike, dissimilarities: ArrayLike) -> float:
    """Pearson's r over the rated pairs of the upper triangle (Pearson 1895), -1..1.

    sum (d - mean d)(r - mean r) / sqrt(sum (d - mean d)^2 sum (r - mean r)^2). It asks for a straight line, which
    dissimilarities need not follow: :func:`spearman` is the figure to compare.
    """
    return correlation(*_pairs(distances, dissimilarities))


def spearman(distances: ArrayLike, dissimilarities: ArrayLike) -> float:
    """Spearman's rho over the rated pairs of the upper triangle (Spearman 1904), -1..1, chance 0.

    Pearson's r of the ranks; equal values share the mean of their ranks. Pairs that share an item are not
    independent, so its significance is :func:`permutation_p`, not the textbook's.
    """
    return rank_correlation(*_pairs(distances, dissimilarities))


def kendall(distances: ArrayLike, dissimilarities: ArrayLike) -> float:
    """Kendall's tau-b over the rated pairs of the upper triangle (Kendall 1945), -1..1, chance 0.

    (C - D) / sqrt((C + D + T_d)(C + D + T_r)): C and D count pairs of pairs that the two sides put in the same and in
    opposite order, T_d and T_r those that are equal in the distances alone and in the dissimilarities alone.
    """
    from scipy.stats import kendalltau

    first, second = _pairs(distances, dissimilarities)
    varies = len(first) > 1 and np.ptp(first) > 0 and np.ptp(second) > 0
    return float(kendalltau(first, second, variant="b").statistic) if varies else np.nan


def triplet_agreement(distances: ArrayLike, dissimilarities: ArrayLike, threshold: float = 0.1) -> float:
    """Share of triplets (anchor; b, c) on whose order space and listeners agree, 0..1, chance .5.

    A triplet counts where both pairs are rated and r(anchor, b) and r(anchor, c) differ by more than `threshold`; it
    agrees where d(anchor, b) and d(anchor, c) stand in the same order, and is worth a half where they are equal. The
    result is the mean over all triplets, so that an anchor with clear contrasts weighs more than one without. Relative
    comparisons of this form are Schultz and Joachims' (2003).

    Args:
        distances: (n, n).
        dissimilarities: (n, n), NaN where unrated, on any scale: they are brought to 0..1 over all rated pairs.
        threshold: smallest difference that listeners are taken to mean, as a share of the range of dissimilarities.

    Raises:
        ConfigError: a threshold outside 0..1 (1 excluded), or matrices as the module refuses them.
    """
    if not 0 <= threshold < 1:
        raise ConfigError(f"threshold is {threshold}; it is a share of the range, from 0 to below 1.")
    near, rated = _matrices(distances, dissimilarities)
    rated = _unit_range(rated)
    agreed = total = 0.0
    for d, r in zip(near, rated, strict=True):
        # Ratings of two decimals that differ by .1 exactly may differ by a hair more in binary.
        further = r[:, None] - r[None, :] > threshold + 1e-9
        agreed += (further & (d[:, None] > d[None, :])).sum() + 0.5 * (further & (d[:, None] == d[None, :])).sum()
        total += further.sum()
    return float(agreed / total) if total else np.nan


def ndcg(distances: ArrayLike, dissimilarities: ArrayLike) -> float:
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen 2002): does the space list similar sounds first?

    For each anchor, DCG = sum_k g_k / log2(k + 1) over the other items in order of distance, k = 1, 2, ..., divided by
    that of the best order; averaged over anchors. The gain g is 1 minus the dissimilarity, brought to 0..1 over all
    rated pairs; items at equal distances share their discounts. Above 0 to 1, but chance is near .8, since every order
    finds some similar sounds early: read it beside the figure of random distances.
    """
    from sklearn.metrics import ndcg_score

    near, rated = _matrices(distances, dissimilarities)
    gains = 1.0 - _unit_range(rated)
    scores = [
        ndcg_score([gain[known]], [-d[known]])
        for d, gain in zip(near, gains, strict=True)
        if (known := ~np.isnan(gain)).sum() > 1 and gain[known].any()
    ]
    return float(np.mean(scores)) if scores else np.nan


def permutation_p(distances: ArrayLike, dissimilarities: ArrayLike, n: int = 999, seed: int = 0) -> float:
    """Chance of so high a rank correlation if the items of the space bore arbitrary names (Mantel 1967), 0..1.

    The rows and columns of `distances` are shuffled together n times; p = (1 + shuffles whose Spearman correlation is
    at least the true one) / (1 + n), one-sided. Mantel's statistic is the plain product; on ranks it is Dietz's (1983).

    Args:
        distances: (n, n).
        dissimilarities: (n, n), NaN where unrated.
        n: shuffles; p cannot fall below 1 / (n + 1).
        seed: of the shuffles.

    Raises:
        ConfigError: n below 1, or matrices as the module refuses them.
    """
    from scipy.spatial.distance import squareform
    from scipy.stats import rankdata

    if n < 1:
        raise ConfigError(f"n is {n}; a permutation test needs 1 shuffle or more.")
    near, rated = _matrices(distances, dissimilarities)
    rows, columns = np.nonzero(np.triu(~np.isnan(rated), 1))
    ranks, rng = rankdata(rated[rows, columns]), np.random.default_rng(seed)
    complete = 2 * len(rows) == len(near) * (len(near) - 1)
    if complete:  # every shuffle holds the same distances, and so the same ranks
        near = squareform(rankdata(squareform(near, checks=False)))

    def statistic(order: np.ndarray) -> float:
        values = near[order[rows], order[columns]]
        return correlation(values if complete else rankdata(values), ranks)

    true = statistic(np.arange(len(near)))
    shuffled = np.array([statistic(rng.permutation(len(near))) for _ in range(n)])
    return float((1 + (shuffled >= true - 1e-12).sum()) / (1 + n)) if np.isfinite(true) else np.nan


def _matrices(distances: ArrayLike, dissimilarities: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as exactly symmetric float64 (n, n); the dissimilarities' diagonal is NaN, so that no item is its own pair.

    The upper and the lower triangle may differ by what float32 loses; their mean is taken.
    """
    near = _square(distances, "distances")
    rated = _square(dissimilarities, "dissimilarities")
    if near.shape != rated.shape:
        raise ConfigError(f"{len(near)} items have distances and {len(rated)} dissimilarities; give the same items.")
    if np.isnan(near).any():
        raise ConfigError("The distances hold NaN; every item needs a point.")
    np.fill_diagonal(rated, np.nan)
    return near, rated


def _square(values: ArrayLike, name: str) -> np.ndarray:
    matrix = np.array(values, dtype=float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ConfigError(f"The {name} have shape {matrix.shape}; a square matrix (n, n) over items is wanted.")
    np.fill_diagonal(matrix, 0.0)
    if np.isinf(matrix).any():
        raise ConfigError(f"The {name} hold infinite values; finite ones are wanted.")
    slack = 1e-5 * np.nanmax(np.abs(matrix), initial=0.0)
    if not np.allclose(matrix, matrix.T, rtol=0.0, atol=slack, equal_nan=True):
        raise ConfigError(f"The {name} are not symmetric; give each pair one value, such as the mean of both orders.")
    return 0.5 * matrix + 0.5 * matrix.T


def _pairs(distances: ArrayLike, dissimilarities: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Distances and dissimilarities of the rated pairs of the upper triangle, (pairs,) each."""
    near, rated = _matrices(distances, dissimilarities)
    chosen = np.triu(~np.isnan(rated), 1)
    return near[chosen], rated[chosen]


def _unit_range(rated: np.ndarray) -> np.ndarray:
    """Dissimilarities brought to 0..1 over all rated pairs; all NaN where they are all the same."""
    low, high = np.nanmin(rated, initial=np.inf), np.nanmax(rated, initial=-np.inf)
    return (rated - low) / (high - low) if high > low else np.full_like(rated, np.nan)
