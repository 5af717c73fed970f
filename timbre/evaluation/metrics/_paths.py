"""Measures of paths through a space, or of descriptors along them. Exported by `metrics.latent`."""

import numpy as np
from numpy.typing import ArrayLike

from timbre.errors import ConfigError
from timbre.evaluation.metrics.arrays import rank_correlation


def straightness(path: ArrayLike) -> np.ndarray:
    """Straightness of each path: the distance between its ends over its length, 0..1, (n,).

    |x_last - x_first| / sum_k |x_k+1 - x_k|, the straightness index of Batschelet (1981); 1 for a line that never turns
    back. Apply it to the points that the decoded steps of a straight line are encoded to, or to their descriptors.

    Args:
        path: (n, steps, dim), 2 steps or more.

    Returns:
        NaN for a path that does not move.
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

    1: it rises at every step; -1: it falls at every step.

    Args:
        values: (n, steps); steps where it is NaN are left out.

    Returns:
        NaN for a path of fewer than two values, or along which nothing changes.
    """
    rows = _rows(values)
    steps = np.arange(rows.shape[1])
    return np.array([rank_correlation(row[has], steps[has]) for row in rows for has in [~np.isnan(row)]])


def smoothness(steps: ArrayLike) -> float:
    """Unevenness of the change of sound along equal steps: standard deviation over mean of the changes, 0 or more.

    The coefficient of variation (Pearson 1896) of each path's changes, averaged over paths, so that a long path
    counts as much as a short one. 0: every step changes the sound by the same amount; sqrt(steps - 1), the maximum: all
    of the change happens in one step. Lower is smoother.

    Args:
        steps: sizes of the change of the spectrum along equal steps in the space (n, steps), 0 or more, any unit.

    Returns:
        The mean over paths along which anything changes; NaN where none does.
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
