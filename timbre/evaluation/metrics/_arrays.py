"""What the metrics do with their arguments."""

from typing import TypeAlias

import numpy as np
import torch

from timbre.errors import AudioError

Array: TypeAlias = np.ndarray | torch.Tensor


def pair(reference: Array, estimate: Array) -> np.ndarray:
    """Both in one array (2, ...); an AudioError if their shapes differ."""
    first, second = _array(reference), _array(estimate)
    if first.shape != second.shape:
        raise AudioError(f"Shapes {first.shape} and {second.shape} were given; one and the same is wanted.")
    return np.stack([first, second])


def vector(samples: Array, least: int) -> np.ndarray:
    """Samples as float64 (n,); an AudioError for another shape or fewer than `least`."""
    array = _array(samples)
    if array.ndim != 1 or array.size < least:
        raise AudioError(f"Samples of shape {array.shape} were given; (n,) with n of {least} or more is wanted.")
    return array


def vectors(reference: Array, estimate: Array, least: int) -> np.ndarray:
    """Two waveforms (n,) of one length as (2, n); an AudioError if they are not, or if the reference is silent."""
    both = pair(reference, estimate)
    vector(both[0], least)
    if not both[0].any():
        raise AudioError("The reference is silent: there is nothing to compare with.")
    return both


def decibels(ratio: float | np.floating) -> float:
    """20 log10 of an amplitude ratio; -inf for 0."""
    return float(20.0 * np.log10(ratio)) if ratio > 0.0 else -np.inf


def _array(values: Array) -> np.ndarray:
    return values.detach().cpu().double().numpy() if isinstance(values, torch.Tensor) else np.asarray(values, float)
