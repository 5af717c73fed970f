"""Multidimensional scaling: points whose distances are the dissimilarities, as nearly as can be."""

import warnings
from dataclasses import dataclass

import numpy as np

from timbre.errors import LibraryError

_FOLDS = 5
_GAIN = 0.05  # share of the error that one more dimension has to take away to be worth it


@dataclass(frozen=True, eq=False)
class Scaling:
    """A configuration.

    Attributes:
        points: (n, dim), centred, in the unit of the dissimilarities.
        stress: Kruskal's stress-1, sqrt(sum (d - t)^2 / sum d^2) with t the dissimilarities; 0 is perfect, .2 poor.
    """

    points: np.ndarray
    stress: float


def mds(dissimilarities: np.ndarray, dim: int) -> Scaling:
    """Metric multidimensional scaling by majorisation (SMACOF; de Leeuw 1977, through scikit-learn).

    It starts from classical scaling (Torgerson 1952), and so needs no luck.

    Pairs that were not rated take, in a first step, their shortest way over rated ones.

    Args:
        dissimilarities: (n, n), symmetric; NaN where unrated.
        dim: 1 to n - 1.

    Raises:
        LibraryError: if there are fewer than three items, or not dim < n, or items that no ratings connect.
    """
    from sklearn.manifold import smacof

    count = len(dissimilarities)
    if count < 3 or not 1 <= dim < count:
        raise LibraryError(
            f"A scaling of {count} items in {dim} dimensions was asked for; 3 items and dim < n are wanted."
        )
    full = _completed(dissimilarities)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of the next version's defaults; all are given
        points, _ = smacof(
            full, n_components=dim, init=_classical(full, dim), n_init=1, eps=1e-8, normalized_stress=False
        )
    points = points - points.mean(0)
    return Scaling(points, _stress(points, dissimilarities))


def choose_dim(dissimilarities: np.ndarray, most: int = 6, seed: int = 0) -> tuple[int, list[float], list[float]]:
    """How many dimensions the ratings bear.

    In each of five folds a fifth of the pairs is hidden, and predicted by the scaling of the others. Dimensions are
    added as long as each takes 5% of the error of prediction away.

    Returns:
        The number; stress-1 for 1, 2, ... dimensions; and the root mean square error of hidden pairs, likewise.
    """
    most = min(most, len(dissimilarities) - 1)
    stress = [mds(dissimilarities, dim).stress for dim in range(1, most + 1)]
    errors = [_prediction_error(dissimilarities, dim, seed) for dim in range(1, most + 1)]
    chosen = 1
    while chosen < most and errors[chosen] < (1.0 - _GAIN) * errors[chosen - 1]:
        chosen += 1
    return chosen, stress, errors


def _prediction_error(dissimilarities: np.ndarray, dim: int, seed: int) -> float:
    first, second = np.triu_indices(len(dissimilarities), 1)
    rated = np.flatnonzero(np.isfinite(dissimilarities[first, second]))
    order, squares = np.random.default_rng(seed).permutation(rated), []
    for fold in np.array_split(order, _FOLDS):
        hidden = dissimilarities.copy()
        hidden[first[fold], second[fold]] = hidden[second[fold], first[fold]] = np.nan
        points = mds(hidden, dim).points
        found = np.linalg.norm(points[first[fold]] - points[second[fold]], axis=1)
        squares.append((found - dissimilarities[first[fold], second[fold]]) ** 2)
    return float(np.sqrt(np.concatenate(squares).mean()))


def _classical(full: np.ndarray, dim: int) -> np.ndarray:
    """Coordinates (n, dim) whose scalar products are nearest to those of the dissimilarities."""
    centring = np.eye(len(full)) - 1.0 / len(full)
    values, vectors = np.linalg.eigh(-0.5 * centring @ full**2 @ centring)
    return vectors[:, : -dim - 1 : -1] * np.sqrt(np.maximum(values[: -dim - 1 : -1], 1e-12))


def _completed(dissimilarities: np.ndarray) -> np.ndarray:
    from scipy.sparse.csgraph import shortest_path

    ways = shortest_path(np.where(np.isfinite(dissimilarities), np.maximum(dissimilarities, 1e-9), 0.0), directed=False)
    if not np.isfinite(ways).all():
        raise LibraryError("Some items are connected with the others by no ratings; leave them out.")
    full = np.where(np.isfinite(dissimilarities), dissimilarities, ways)
    np.fill_diagonal(full, 0.0)
    return full


def _stress(points: np.ndarray, dissimilarities: np.ndarray) -> float:
    first, second = np.triu_indices(len(points), 1)
    wanted = dissimilarities[first, second]
    rated = np.isfinite(wanted)
    found = np.linalg.norm(points[first] - points[second], axis=1)[rated]
    return float(np.sqrt(np.square(found - wanted[rated]).sum() / max(np.square(found).sum(), 1e-12)))
