"""Two-dimensional views of a space that keep neighbours together. Their positions cannot be decoded.

For positions that can be decoded see :mod:`timbre.maps.planes`.
"""

import warnings
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import numpy as np

from timbre.errors import ConfigError, TimbreError
from timbre.shapes.components import principal
from timbre.wording import needs

VIEWS = ("pca", "umap", "tsne")
_FEWEST = 4
_NEIGHBOURS = {"umap": 15.0, "tsne": 30.0}  # fewer for few points


def embed(points: np.ndarray, view: str, neighbours: float | None = None, seed: int = 0) -> np.ndarray:
    """Positions (n, 2), float64, of points (n, dim).

    "pca" is principal components; "umap" is UMAP (McInnes, Healy and Melville 2018), "tsne" t-SNE (van der Maaten and
    Hinton 2008). UMAP and t-SNE start from the principal components, which keeps the large-scale arrangement (Kobak and
    Linderman 2021), and give the same result for the same seed on one machine. Points that are near in them are near in
    the space; the distances between groups, and their sizes, mean little.

    Args:
        points: (n, dim), n >= 4, dim >= 2.
        view: one of :data:`VIEWS`.
        neighbours: UMAP's number of neighbours, 2 to n - 1, or t-SNE's perplexity, 1 to below n. By default 15 and 30,
            or less for few points.
        seed: random seed.

    Raises:
        ConfigError: for another view, too few points, or neighbours out of range.
        TimbreError: for "umap" without umap-learn.
    """
    points = np.asarray(points, dtype=np.float64)
    check_views([view])
    if points.ndim != 2 or len(points) < _FEWEST or points.shape[1] < 2 or not np.isfinite(points).all():
        raise ConfigError(
            f"A view needs {_FEWEST} finite points or more of 2 dimensions or more, got shape {points.shape}."
        )
    if view == "pca" and neighbours is not None:
        raise ConfigError("The view pca has no neighbours; leave their number out.")
    start = principal(points).coordinates
    if view == "pca":
        return start
    chosen = _checked(view, len(points), neighbours)
    start = 1e-4 * start / max(float(start[:, 0].std()), 1e-12)
    settings = {"init": start.astype(np.float32), "random_state": seed}
    if view == "umap":
        return _umap(points.astype(np.float32), int(chosen), settings)
    from sklearn.manifold import TSNE

    learner = TSNE(perplexity=chosen, **settings)
    return np.asarray(learner.fit_transform(points.astype(np.float32)), dtype=np.float64)


def _umap(points: np.ndarray, neighbours: int, settings: dict[str, Any]) -> np.ndarray:
    """UMAP of points (n, dim), with exact neighbours: compiling the approximate search takes half a minute."""
    from sklearn.neighbors import NearestNeighbors

    distances, indices = NearestNeighbors(n_neighbors=neighbours).fit(points).kneighbors(points)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about parts of umap-learn that are not used
        from umap import UMAP

        known = (indices, distances, None)
        learner = UMAP(n_neighbors=neighbours, n_jobs=1, precomputed_knn=known, **settings)
        return np.asarray(learner.fit_transform(points), dtype=np.float64)


def check_views(views: Iterable[str]) -> None:
    """Raise the errors of :func:`embed` for views that do not exist or whose package is missing."""
    for view in views:
        if view not in VIEWS:
            raise ConfigError(f"A view must be one of {', '.join(VIEWS)}, got {view!r}.")
        if view == "umap" and find_spec("umap") is None:
            raise TimbreError(needs("The view umap", "umap-learn"))


def trust(points: np.ndarray, view: np.ndarray, neighbours: int = 8) -> float:
    """Trustworthiness of a view (n, 2) of points (n, dim), 0..1 (Venna and Kaski 2001).

    It is 1 if the nearest neighbours in the view are those in the space. At most a third of the points are neighbours.
    """
    from sklearn.manifold import trustworthiness

    return float(trustworthiness(points, view, n_neighbors=max(1, min(neighbours, len(points) // 3))))


def _checked(view: str, count: int, neighbours: float | None) -> float:
    lowest, highest = (2.0, count - 1.0) if view == "umap" else (1.0, count - 1e-6)
    if neighbours is None:
        return min(_NEIGHBOURS[view], count - 1.0 if view == "umap" else (count - 1.0) / 3.0)
    if not lowest <= neighbours <= highest or (view == "umap" and neighbours != round(neighbours)):
        allowed = f"a whole number from 2 to {count - 1}" if view == "umap" else f"1 or more and less than {count}"
        raise ConfigError(f"The neighbours among {count} points must be {allowed}, got {neighbours:g}.")
    return neighbours
