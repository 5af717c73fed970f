"""Uniformity of a path: whether equal steps in time are equal perceptual distances, and a path made so."""

from typing import NamedTuple

import numpy as np
import torch

from timbre.errors import ConfigError
from timbre.paths.listening import Listening
from timbre.paths.path import Path
from timbre.spectral.descriptors import TIMBRE, describe

_STILL = 1e-6  # smallest step, as a share of the mean one: times must rise even where nothing changes
_ROUNDING = 1e-7  # features have a norm of about 1


class Uniformity(NamedTuple):
    """Perceptual steps along a path.

    Attributes:
        steps: perceptual distances between neighbours of equal steps in time, (steps,).
        length: their sum.
        unevenness: their coefficient of variation (standard deviation over mean; Pearson 1896); 0 is perfectly uniform,
            as is a path along which nothing changes.
        monotonic_fraction: 0..1, share of the steps at which a descriptor moves from its value at the start towards
            that at the end, or stays; the mean over the descriptors of :data:`~timbre.spectral.descriptors.TIMBRE` that
            have a value at every step. NaN if none changes.
    """

    steps: np.ndarray
    length: float
    unevenness: float
    monotonic_fraction: float


def uniformity(listening: Listening, path: Path, steps: int = 32) -> Uniformity:
    """Measure how uniformly the sound changes along a path: every point is decoded as a held note, all of its frames.

    The path must have two points or more of the model's dimensions, and is measured in two equal steps in time or more;
    a ConfigError is raised otherwise. `listening` is of the space, such as `space.listening(pitch=60)`.
    """
    if len(path.points) < 2 or steps < 2 or path.dim != listening.model.dim:
        raise ConfigError(
            f"The path must have 2 points or more of {listening.model.dim} dimensions, measured in 2 steps or more; "
            f"got {len(path.points)} of {path.dim} dimensions, and {steps} steps."
        )
    listening = listening.sampled(None)
    points = path.at(np.linspace(path.times[0], path.times[-1], steps + 1))
    with torch.no_grad():
        parts = torch.tensor(points, dtype=torch.float32).split(32)
        spectrograms = torch.cat([listening.spectrograms(part) for part in parts])
        features = listening.auditory(spectrograms).double().numpy()
        pitches = listening.conditions.pitch.expand(len(points))
        descriptors = describe(spectrograms, listening.spectrogram, pitches, TIMBRE, natural=True).double().numpy()
    distances = _distances(features)
    descriptors = descriptors[:, np.isfinite(descriptors).all(0)]
    direction = np.sign(descriptors[-1] - descriptors[0])
    rises = (np.diff(descriptors, axis=0) * direction >= 0)[:, direction != 0]
    monotonic = float(rises.mean()) if rises.size else float("nan")
    return Uniformity(distances, float(distances.sum()), variation(distances), monotonic)


def _distances(features: np.ndarray) -> np.ndarray:
    """Perceptual distances (n - 1,) of neighbours, from their features (n, size); 0 within the rounding of float32."""
    distances = np.linalg.norm(np.diff(features, axis=0), axis=1)
    return np.where(distances < _ROUNDING, 0.0, distances)


def variation(steps: np.ndarray) -> float:
    """The coefficient of variation of step sizes (n,); 0 where all are 0."""
    return float(steps.std() / steps.mean()) if steps.any() else 0.0


def even(listening: Listening, path: Path, steps: int = 64) -> Path:
    """The same curve with times such that equal steps in time are equal perceptual distances.

    Reparametrisation by arc length under the perceptual distance: times become shares of the length so far. The path's
    own points stay on it, at other times; its ends keep theirs. The curve is measured in `steps` pieces.
    """
    if len(path.points) == 1:
        return path
    fine = path.sampled(steps)
    distances = _distances(listening.sampled(2).along(fine.points))
    shares = distances + _STILL * distances.mean() if distances.any() else np.ones(len(distances))
    length = np.concatenate([[0.0], np.cumsum(shares)]) / shares.sum()
    times = fine.times[0] + (fine.times[-1] - fine.times[0]) * length
    times[-1] = fine.times[-1]
    return Path(fine.points, times)
