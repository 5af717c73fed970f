"""How far single coordinates of a code stand for single factors: DCI, SAP and MIG.

Codes are (n, c), factors (n, k), one row for each note, both continuous; a factor is NaN where a note has none. Every
function raises ConfigError for arrays of another shape, and for codes that are not finite. A factor that fewer than 20
notes have, or that is the same for all, does not count; the result is NaN if none counts.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import mutual_info_score, r2_score

from timbre.errors import ConfigError
from timbre.evaluation.metrics.arrays import correlation, finite_points

_FEWEST = 20  # notes that have a factor
_TREES, _DEEPEST, _LEAF = 50, 12, 3
_TESTED = 0.3  # share of the notes that the forests do not see
_BINS = 20  # of each variable, at most


class DCI(NamedTuple):
    """Disentanglement, completeness and informativeness of a code."""

    disentanglement: float
    """Whether a coordinate tells of one factor only, 0..1."""
    completeness: float
    """Whether one coordinate alone tells of a factor, 0..1."""
    informativeness: float
    """How well all coordinates predict the factors of other notes, R^2, 1 or less; mean over the factors."""


def dci(codes: ArrayLike, factors: ArrayLike, seed: int = 0) -> DCI:
    """Disentanglement, completeness and informativeness (Eastwood and Williams 2018).

    A random forest of 50 trees predicts each factor from the code; its importances are the weights of coordinates.
    Disentanglement is 1 less the entropy of a coordinate's weights over factors (in units of the largest one), averaged
    over coordinates by their weight; completeness the same of a factor's weights over coordinates, averaged over
    factors. Informativeness is the R^2 on the 30% of the notes that the forest does not see (in place of their error).
    With a single coordinate completeness is 1, with a single factor disentanglement.
    """
    weights, informed = [], []
    for code, factor in _counting(codes, factors):
        order, tested = np.random.default_rng(seed).permutation(len(code)), round(_TESTED * len(code))
        train, test = order[tested:], order[:tested]
        forest = RandomForestRegressor(_TREES, max_depth=_DEEPEST, min_samples_leaf=_LEAF, random_state=seed)
        forest.fit(code[train], factor[train])
        informed.append(r2_score(factor[test], forest.predict(code[test])))
        weights.append(forest.feature_importances_)
    if not weights or not np.any(weights):
        return DCI(np.nan, np.nan, np.nan)
    table = np.array(weights).T  # (codes, factors)
    share = table.sum(1) / table.sum()
    return DCI(float(share @ _certainty(table)), float(_certainty(table.T).mean()), float(np.mean(informed)))


def sap(codes: ArrayLike, factors: ArrayLike) -> float:
    """Separated attribute predictability (Kumar et al. 2018), 0..1.

    For each factor the squared correlation with the coordinate that it correlates with most, less that with the next
    one; mean over factors. Only linear relations count.
    """
    return _mean_gap([
        np.square([np.nan_to_num(correlation(column, factor)) for column in code.T])
        for code, factor in _counting(codes, factors)
    ])  # fmt: skip


def mig(codes: ArrayLike, factors: ArrayLike) -> float:
    """Mutual information gap (Chen et al. 2018), 0..1.

    For each factor the mutual information with the coordinate that has most of it, less that of the next one, over the
    factor's entropy; mean over factors. Both are cut into bins of equal width, 20, or fewer where there would be fewer
    than 5 notes in a cell of a row.
    """
    gaps = []
    for code, factor in _counting(codes, factors):
        bins = int(np.clip(len(factor) // 5, 2, _BINS))
        cut = _binned(factor, bins)
        gaps.append(np.array([mutual_info_score(_binned(column, bins), cut) for column in code.T])
                    / mutual_info_score(cut, cut))  # fmt: skip
    return _mean_gap(gaps)


def _counting(codes: ArrayLike, factors: ArrayLike) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The codes and values of the notes that have a factor, for each factor that counts."""
    code, table = finite_points(codes), np.asarray(factors, dtype=float)
    if table.ndim != 2 or len(table) != len(code) or np.isinf(table).any():
        raise ConfigError(f"Factors must be finite or NaN, ({len(code)}, k), got shape {table.shape}.")
    for column in table.T:
        has = ~np.isnan(column)
        if has.sum() >= _FEWEST and np.ptp(column[has]) > 0.0:
            yield code[has], column[has]


def _mean_gap(rows: list[np.ndarray]) -> float:
    """Mean over factors of the largest value less the next one, which is 0 with a single coordinate."""
    tops = [np.sort(np.append(row, 0.0))[-2:] for row in rows]
    return float(np.mean([top[1] - top[0] for top in tops])) if tops else np.nan


def _certainty(weights: np.ndarray) -> np.ndarray:
    """1 less the entropy of each row, in units of the largest one, (rows,); 1 for rows of a single value."""
    size, total = weights.shape[1], weights.sum(1, keepdims=True)
    shares = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0.0)
    entropy = -(shares * np.log(np.where(shares > 0.0, shares, 1.0))).sum(1)
    return np.asarray(1.0 - entropy / np.log(size)) if size > 1 else np.ones(len(weights))


def _binned(values: np.ndarray, bins: int) -> np.ndarray:
    """The bin of each value, (n,)."""
    return np.asarray(np.digitize(values, np.histogram_bin_edges(values, bins)[1:-1]))
