"""Multidimensional scaling: points whose distances approximate dissimilarities."""

import warnings
from dataclasses import dataclass

import numpy as np

from timbre.errors import LibraryError

_FOLDS = 5
_SAMPLE = 100  # items from which the number of dimensions is judged, as the time grows with their square
_GAIN = 0.05  # share of the error that one more dimension must remove


@dataclass(frozen=True, eq=False)
class Scaling:
    """Points for dissimilarities.

    Attributes:
        points: (n, dim), centred, in the unit of the dissimilarities.
        stress: Kruskal's stress-1, sqrt(sum (d - t)^2 / sum d^2) of distances d and dissimilarities t; 0 is perfect,
            .2 is poor.
    """

    points: np.ndarray
    stress: float


def mds(dissimilarities: np.ndarray, dim: int) -> Scaling:
    """Metric multidimensional scaling by majorisation (SMACOF; de Leeuw 1977, in scikit-learn).

    It starts from classical scaling (Torgerson 1952), so the result does not depend on a seed. An unrated pair gets the
    length of the shortest path over rated pairs.

    Args:
        dissimilarities: (n, n), symmetric; NaN for unrated pairs.
        dim: 1 to n - 1.

    Raises:
        LibraryError: if there are fewer than three items, `dim` is out of range, or no ratings connect some items.
    """
    from sklearn.manifold import smacof

    count = len(dissimilarities)
    if count < 3 or not 1 <= dim < count:
        raise LibraryError(f"A scaling must have 3 or more items and fewer dimensions, got {count} items in {dim}.")
    full = _completed(dissimilarities)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # new defaults, which do not matter here
        points, _ = smacof(
            full, n_components=dim, init=_classical(full, dim), n_init=1, eps=1e-8, normalized_stress=False
        )
    points = points - points.mean(0)
    return Scaling(points, _stress(points, dissimilarities))


def sample(dissimilarities: np.ndarray, seed: int = 0) -> np.ndarray:
    """The dissimilarities of at most 100 items that are connected by ratings, drawn at random.

    Raises:
        LibraryError: if no ratings connect some items.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order

    if (count := len(dissimilarities)) <= _SAMPLE:
        return dissimilarities
    order = np.random.default_rng(seed).permutation(count)
    rated = csr_array(np.isfinite(dissimilarities[np.ix_(order, order)]))
    reached = breadth_first_order(rated, 0, directed=False, return_predecessors=False)
    if len(reached) < count:
        raise LibraryError("All items must be connected by ratings; leave out those that are not.")
    chosen = np.sort(order[reached[:_SAMPLE]])
    return dissimilarities[np.ix_(chosen, chosen)]


def choose_dim(dissimilarities: np.ndarray, most: int = 6, seed: int = 0) -> tuple[int, list[float], list[float]]:
    """The number of dimensions that the ratings support, by five-fold cross-validation.

    In each fold a fifth of the pairs is hidden and predicted by the scaling of the others. Dimensions are added as long
    as each reduces the error of prediction by more than 5%. Of more than 100 items, 100 are judged.

    Returns:
        The number; then stress-1, and the root mean square error of hidden pairs, for 1, 2, ... dimensions.
    """
    dissimilarities = sample(dissimilarities, seed)
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
        distances = np.linalg.norm(points[first[fold]] - points[second[fold]], axis=1)
        squares.append((distances - dissimilarities[first[fold], second[fold]]) ** 2)
    return float(np.sqrt(np.concatenate(squares).mean()))


def _classical(full: np.ndarray, dim: int) -> np.ndarray:
    """Classical scaling: points (n, dim) whose scalar products approximate those of the dissimilarities."""
    centring = np.eye(len(full)) - 1.0 / len(full)
    values, vectors = np.linalg.eigh(-0.5 * centring @ full**2 @ centring)
    return vectors[:, : -dim - 1 : -1] * np.sqrt(np.maximum(values[: -dim - 1 : -1], 1e-12))


def _completed(dissimilarities: np.ndarray) -> np.ndarray:
    """The dissimilarities with shortest paths in place of NaN."""
    from scipy.sparse.csgraph import shortest_path

    rated = np.isfinite(dissimilarities)
    lengths = shortest_path(np.where(rated, np.maximum(dissimilarities, 1e-9), 0.0), directed=False)
    if not np.isfinite(lengths).all():
        raise LibraryError("All items must be connected by ratings; leave out those that are not.")
    full = np.where(rated, dissimilarities, lengths)
    np.fill_diagonal(full, 0.0)
    return full


def _stress(points: np.ndarray, dissimilarities: np.ndarray) -> float:
    first, second = np.triu_indices(len(points), 1)
    targets = dissimilarities[first, second]
    rated = np.isfinite(targets)
    distances = np.linalg.norm(points[first] - points[second], axis=1)[rated]
    return float(np.sqrt(np.square(distances - targets[rated]).sum() / max(np.square(distances).sum(), 1e-12)))
