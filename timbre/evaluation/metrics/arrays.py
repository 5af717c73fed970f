"""Checks of the metrics' arguments, and correlations."""

from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from timbre.errors import AudioError, ConfigError

Array: TypeAlias = np.ndarray | torch.Tensor


def pair(reference: Array, estimate: Array) -> np.ndarray:
    """Both arrays stacked, float64 (2, ...); AudioError if their shapes differ."""
    first, second = _array(reference), _array(estimate)
    if first.shape != second.shape:
        raise AudioError(f"Reference and estimate must have one shape, got {first.shape} and {second.shape}.")
    return np.stack([first, second])


def vector(samples: Array, least: int) -> np.ndarray:
    """Samples as float64 (n,); AudioError for another shape or fewer than `least`."""
    array = _array(samples)
    if array.ndim != 1 or array.size < least:
        raise AudioError(f"Samples must be (n,) with n of {least} or more, got shape {array.shape}.")
    return array


def vectors(reference: Array, estimate: Array, least: int) -> np.ndarray:
    """Two waveforms of one length, (2, n); AudioError if the lengths differ or the reference is silent."""
    both = pair(reference, estimate)
    vector(both[0], least)
    if not both[0].any():
        raise AudioError("The reference must not be silent: there is nothing to compare with.")
    return both


def decibels(ratio: float | np.floating) -> float:
    """20 log10 of an amplitude ratio; -inf for 0."""
    return float(20.0 * np.log10(ratio)) if ratio > 0.0 else -np.inf


def _array(values: Array) -> np.ndarray:
    return values.detach().cpu().double().numpy() if isinstance(values, torch.Tensor) else np.asarray(values, float)


def finite_points(points: ArrayLike) -> np.ndarray:
    """Points as float64 (n, dim); ConfigError for another shape, NaN or infinite values."""
    array = np.asarray(points, dtype=float)
    if array.ndim != 2:
        raise ConfigError(f"Points must be (n, dim), got shape {array.shape}.")
    if not np.isfinite(array).all():
        raise ConfigError("Points must be finite, got NaN or infinite values; leave those notes out.")
    return array


def same_length(points: np.ndarray, *columns: np.ndarray) -> None:
    """Raise ConfigError unless every column has one value for each point."""
    for column in columns:
        if column.shape != (len(points),):
            raise ConfigError(f"{len(points)} notes must have one value each, got values of shape {column.shape}.")


def names(labels: ArrayLike, points: np.ndarray) -> np.ndarray:
    """Labels as strings (n,), one for each point; ConfigError for another length."""
    texts = np.asarray(labels).astype(str)
    same_length(points, texts)
    return texts


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's r of two vectors (n,), -1..1; NaN for fewer than two values or if one vector is constant."""
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return np.nan
    a, b = (values - values.mean() for values in (first, second))
    a, b = a / np.abs(a).max(), b / np.abs(b).max()  # squares of very small values would underflow
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rho of two vectors (n,): Pearson's r of their ranks, where equal values share their mean rank."""
    return correlation(rankdata(first), rankdata(second))
