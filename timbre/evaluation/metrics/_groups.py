"""What the measures of a space do with their arguments: points, and labels beside them."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from timbre.errors import ConfigError


def finite_points(points: ArrayLike) -> np.ndarray:
    """Points as float64 (n, dim); a ConfigError for another shape or for values that are not finite."""
    places = np.asarray(points, dtype=float)
    if places.ndim != 2:
        raise ConfigError(f"Points of shape {places.shape} were given; (n, dim) is wanted.")
    if not np.isfinite(places).all():
        raise ConfigError("Some points hold NaN or infinite values; leave those notes out.")
    return places


def same_length(points: np.ndarray, *columns: np.ndarray) -> None:
    """A ConfigError for columns that do not give one value to each point."""
    for column in columns:
        if column.shape != (len(points),):
            raise ConfigError(f"{len(points)} notes came with values of shape {column.shape}; give one to each note.")


def names(labels: ArrayLike, points: np.ndarray) -> np.ndarray:
    """Labels as texts (n,), one for each point; a ConfigError for another length."""
    texts = np.asarray(labels).astype(str)
    same_length(points, texts)
    return texts


def members(labels: np.ndarray) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Which label each note has, as ones among zeros (n, labels)."""
    kinds, index = np.unique(labels, return_inverse=True)
    return np.eye(len(kinds))[index]
