"""Uniformity of a path: whether equal steps in time sound equally far, and making them so."""

from typing import NamedTuple

import numpy as np
import torch

from timbre.errors import ConfigError
from timbre.paths.listening import Listening
from timbre.paths.path import Path
from timbre.space.atlas import tensor
from timbre.space.space import Space
from timbre.spectral.descriptors import TIMBRE, describe

_STILL = 1e-6  # of the mean step: what a step takes of the time at least, so that times rise where nothing is heard


class Uniformity(NamedTuple):
    """What is heard along a path.

    Attributes:
        steps: perceptual distances between neighbours of equal steps in time, (steps,): of auditory pictures.
        length: their sum.
        unevenness: their coefficient of variation (standard deviation over mean; Pearson 1896); 0 is perfectly even,
            and a path along which nothing changes.
        monotonic_fraction: 0..1, of the steps at which a descriptor goes the way from its value at the start to that
            at the end, or stays; the mean over the descriptors of :data:`~timbre.spectral.descriptors.TIMBRE` that
            have a value at every step. NaN if none changes.
    """

    steps: np.ndarray
    length: float
    unevenness: float
    monotonic_fraction: float


def evenness(space: Space, path: Path, steps: int = 32, pitch: float | None = 60, velocity: float = 0.8) -> Uniformity:
    """Measure how evenly a path sounds: each of its places is decoded as a held note, every frame of it looked at.

    Args:
        space: the space.
        path: a path of two points or more.
        steps: equal steps in time, 2 or more.
        pitch: MIDI at which the path is heard; None is without pitch.
        velocity: 0..1.

    Raises:
        ConfigError: for a path that cannot be measured, or a control out of range.
    """
    if len(path.points) < 2 or steps < 2 or path.dim != space.dim:
        raise ConfigError(
            f"A path of {len(path.points)} points of {path.dim} dimensions came, to be measured in {steps} steps; "
            f"2 points or more of {space.dim} dimensions, and 2 steps or more, are wanted."
        )
    listening = Listening(space, pitch, velocity, per_cell=None)
    points = path.at(np.linspace(path.times[0], path.times[-1], steps + 1))
    with torch.no_grad():
        spectrograms = torch.cat([listening.spectrograms(part) for part in tensor(points).split(32)])
        pictures = listening.picture(spectrograms).double().numpy()
        pitches = listening.conditions.pitch.expand(len(points))
        descriptors = describe(spectrograms, space.spectrogram, pitches, TIMBRE, natural=True).double().numpy()
    distances = np.linalg.norm(np.diff(pictures, axis=0), axis=1)
    return Uniformity(distances, float(distances.sum()), variation(distances), _monotonic(descriptors))


def variation(steps: np.ndarray) -> float:
    """The coefficient of variation of step sizes (n,); 0 where all are 0."""
    return float(steps.std() / steps.mean()) if steps.any() else 0.0


def _monotonic(values: np.ndarray) -> float:
    """Of descriptors (times, n): the share of steps that go from the first value towards the last."""
    values = values[:, np.isfinite(values).all(0)]
    way = np.sign(values[-1] - values[0])
    rises = (np.diff(values, axis=0) * way >= 0)[:, way != 0]
    return float(rises.mean()) if rises.size else float("nan")


def even(space: Space, path: Path, pitch: float | None = 60, velocity: float = 0.8, steps: int = 64) -> Path:
    """The same curve, run through so that equal steps in time sound equally far.

    Reparametrisation by arc length under the perceptual distance: times become shares of the length heard so far. The
    path's own points stay on it, at other times; its ends stay where and when they are.

    Args:
        space: the space.
        path: any path.
        pitch: MIDI at which it is heard; None is without pitch.
        velocity: 0..1.
        steps: pieces in which the curve is measured.
    """
    if len(path.points) == 1:
        return path
    fine = path.sampled(steps)
    distances = np.linalg.norm(np.diff(Listening(space, pitch, velocity).along(fine.points), axis=0), axis=1)
    shares = distances + _STILL * distances.mean() if distances.any() else np.ones(len(distances))
    heard = np.concatenate([[0.0], np.cumsum(shares)]) / shares.sum()
    times = fine.times[0] + (fine.times[-1] - fine.times[0]) * heard
    times[-1] = fine.times[-1]
    return Path(fine.points, times)
