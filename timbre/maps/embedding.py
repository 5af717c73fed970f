"""Views of a space for looking: many dimensions in two, with neighbours kept together. There is no way back to sound.

For places that can be decoded see :mod:`timbre.maps.planes`.
"""

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import numpy as np

from timbre.errors import ConfigError, TimbreError

VIEWS = ("pca", "umap", "tsne")
_FEWEST = 4
_NEIGHBOURS = {"umap": 15.0, "tsne": 30.0}  # where the sounds suffice


def embed(points: np.ndarray, view: str, neighbours: float | None = None, seed: int = 0) -> np.ndarray:
    """Points (n, dim) as places (n, 2), float64.

    "pca" is principal components; "umap" is UMAP (McInnes, Healy and Melville 2018), "tsne" t-SNE (van der Maaten and
    Hinton 2008). Both of these begin with the principal components, which keeps the large arrangement (Kobak and
    Linderman 2021), and come out the same for a seed, on one machine. What is near in them is near in the space; how
    far apart groups lie, and how large they are, means little.

    Args:
        points: (n, dim), n >= 4, dim >= 2.
        view: one of :data:`VIEWS`.
        neighbours: how many each sound is to stay close to: UMAP's number of neighbours, 2 to n - 1, or t-SNE's
            perplexity, from 1 to less than n. By default 15 and 30, or what few sounds allow.
        seed: of what is random.

    Raises:
        ConfigError: for another view, too few points, or neighbours out of range.
        TimbreError: for "umap" without umap-learn.
    """
    places = np.asarray(points, dtype=np.float64)
    check_views([view])
    if places.ndim != 2 or len(places) < _FEWEST or places.shape[1] < 2 or not np.isfinite(places).all():
        raise ConfigError(
            f"Points of shape {places.shape} came; a view needs {_FEWEST} finite ones or more, of 2 dimensions or more."
        )
    if view == "pca" and neighbours is not None:
        raise ConfigError("The view pca has no neighbours; leave their number out.")
    if view == "pca":
        return _principal(places)
    chosen = _checked(view, len(places), neighbours)
    start = _principal(places)
    start = 1e-4 * start / max(float(start[:, 0].std()), 1e-12)
    learn = _umap if view == "umap" else _tsne
    return np.asarray(learn(places.astype(np.float32), start.astype(np.float32), chosen, seed), dtype=np.float64)


def check_views(views: Iterable[str]) -> None:
    """Refuse views that are not known, or need a package that is not there, before any work is done.

    Raises:
        ConfigError: for another view.
        TimbreError: for "umap" without umap-learn.
    """
    for view in views:
        if view not in VIEWS:
            raise ConfigError(f"There is no view {view!r}; known are {', '.join(VIEWS)}.")
        if view == "umap" and find_spec("umap") is None:
            raise TimbreError("The view umap needs umap-learn; install it with pip install 'timbre[maps]'.")


def trust(points: np.ndarray, view: np.ndarray, neighbours: int = 8) -> float:
    """Trustworthiness of a view (n, 2) of points (n, dim), 0..1 (Venna and Kaski 2001): 1 if the nearest in the view
    are the nearest in the space. At most a third of the points count as neighbours."""
    from sklearn.manifold import trustworthiness

    return float(trustworthiness(points, view, n_neighbors=max(1, min(neighbours, len(points) // 3))))


def _principal(points: np.ndarray) -> np.ndarray:
    left, sizes, rows = np.linalg.svd(points - points.mean(0), full_matrices=False)
    signs = np.sign(rows[np.arange(2), np.abs(rows[:2]).argmax(1)])
    return np.asarray(left[:, :2] * sizes[:2] * signs)


def _checked(view: str, count: int, neighbours: float | None) -> float:
    lowest, highest = (2.0, count - 1.0) if view == "umap" else (1.0, count - 1e-6)
    if neighbours is None:
        return min(_NEIGHBOURS[view], count - 1.0 if view == "umap" else (count - 1.0) / 3.0)
    if not lowest <= neighbours <= highest or (view == "umap" and neighbours != round(neighbours)):
        wanted = f"a whole number from 2 to {count - 1}" if view == "umap" else f"1 or more and less than {count}"
        raise ConfigError(f"{neighbours:g} neighbours were asked for, of {count} sounds; {wanted} is wanted.")
    return neighbours


def _umap(points: np.ndarray, start: np.ndarray, neighbours: float, seed: int) -> Any:
    from umap import UMAP

    return UMAP(n_neighbors=int(neighbours), init=start, random_state=seed, n_jobs=1).fit_transform(points)


def _tsne(points: np.ndarray, start: np.ndarray, perplexity: float, seed: int) -> Any:
    from sklearn.manifold import TSNE

    return TSNE(perplexity=perplexity, init=start, random_state=seed).fit_transform(points)
