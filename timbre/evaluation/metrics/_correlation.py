"""Correlations of vectors that say NaN, and do not warn, where there is nothing to correlate."""

import numpy as np


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's r of two vectors (n,), -1..1; NaN for fewer than two values, or where one side does not vary."""
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return np.nan
    a, b = (values - values.mean() for values in (first, second))
    a, b = a / np.abs(a).max(), b / np.abs(b).max()  # squares of very small values would vanish
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rho of two vectors (n,): Pearson's r of their ranks, equal values sharing the mean of theirs."""
    from scipy.stats import rankdata

    return correlation(rankdata(first), rankdata(second))
