"""Descriptor topology maps: descriptors of every point of a plane (Esling, Chemla-Romeu-Santos and Bitton 2018)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from timbre.errors import ConfigError
from timbre.maps._partial_notes import WHOLE, Frames, SomeFrames
from timbre.maps.planes import Plane
from timbre.space.space import Space
from timbre.spectral.auditory import AuditoryFeatures
from timbre.spectral.descriptors import DESCRIPTORS, described

SIX = ("centroid", "bandwidth", "flatness", "rolloff", "loudness", "attack")
"""The descriptors of the paper's six planes."""
UNLIKELY = 5.0  # percentile of left-out notes below which a point has no evidence, as in timbre.space.locating
_LARGEST = 1000  # points along each side
_BATCH = 64  # points decoded together


class Smoothness(NamedTuple):
    """Smoothness of a map.

    Attributes:
        step: mean absolute difference of horizontal and vertical neighbours, on the descriptor's natural scale: octaves
            for Hz, doublings for sone, dB for dB.
        relative: `step` as a share of the map's standard deviation.
        geary: Geary's contiguity ratio (1954), sum of squared differences of neighbours over twice the number of pairs
            times the variance: 0 if neighbours are equal, 1 if they differ as much as any two points.
    """

    step: float
    relative: float
    geary: float


@dataclass(frozen=True, eq=False)
class Topology:
    """Descriptors of the notes that the points of a plane decode to. Rows go with v, columns with u.

    Attributes:
        plane: the plane.
        u, v: coordinates of the columns (columns,) and rows (rows,).
        values: by descriptor, in its unit (:data:`~timbre.spectral.descriptors.DESCRIPTORS`), float64 (rows, columns).
        right, up: perceptual distances (of auditory features) to the neighbour on the right (rows, columns - 1) and
            above (rows - 1, columns).
        density: density of the library notes projected onto the plane, per unit of area, (rows, columns): a Gaussian
            kernel estimate with Scott's bandwidth (1992) along each axis.
        nearest: dissimilarity of each point to the nearest library note at middle C, (rows, columns).
        likelihood: log likelihood of each point under the aggregate posterior, nats, (rows, columns).
        least: log likelihood that 95 in 100 training notes reach when all notes of their instrument are left out, nats;
            points below it have no evidence.
        pitch: MIDI, or None.
        velocity: 0..1.
        frames: decoded frames of each note, and frames of the whole note.
        seconds: time that decoding and describing took.
    """

    plane: Plane
    u: np.ndarray
    v: np.ndarray
    values: dict[str, np.ndarray]
    right: np.ndarray
    up: np.ndarray
    density: np.ndarray
    nearest: np.ndarray
    likelihood: np.ndarray
    least: float
    pitch: float | None
    velocity: float
    frames: tuple[int, int]
    seconds: float

    @property
    def evidence(self) -> np.ndarray:
        """Whether the space has evidence for each point (rows, columns)."""
        return self.likelihood >= self.least

    @property
    def steps(self) -> np.ndarray:
        """Perceptual distances of all pairs of neighbours (pairs,)."""
        return np.concatenate([self.right.ravel(), self.up.ravel()])

    def smoothness(self, name: str) -> Smoothness:
        """Smoothness of a descriptor's map."""
        return smoothness(natural(name, self.values[name]))


def topology(
    space: Space,
    plane: Plane,
    names: Sequence[str] = SIX,
    resolution: int = 50,
    pitch: float | None = 57,
    velocity: float = 0.8,
    progress: bool | None = None,
) -> Topology:
    """Decode the points of a plane and compute descriptors of the notes.

    Every point is decoded as a held note with the duration of those in training, before the gain of the velocity; all
    descriptors are of the same notes. About 36 of the 173 frames of a note are decoded, all of the first quarter of a
    second and then fewer and fewer, unless one of the descriptors needs every frame.

    Args:
        space, plane: the space, and a plane of :mod:`timbre.maps.planes`.
        names: of :data:`~timbre.spectral.descriptors.DESCRIPTORS`.
        resolution: points along each side, 2 to 1000.
        pitch, velocity: MIDI, None is without pitch; 0..1.
        progress: whether to show progress on stderr; None shows it in a terminal.

    Raises:
        ConfigError: for an unknown descriptor or one that is not defined at this pitch, a resolution or control out of
            range, or a plane of another space.
    """
    _check(space, plane, names, resolution)
    listener = _Listener(space, names, pitch, velocity)
    u, v = plane.lines(resolution)
    points = plane.at(u, v[:, None])
    start = time.perf_counter()
    values, right, up = _describe(listener, points, progress)
    seconds = time.perf_counter() - start
    flat, shape, aggregate = points.reshape(-1, space.dim), (resolution, resolution), space.atlas.aggregate
    return Topology(
        plane, u, v, {name: values[:, :, column] for column, name in enumerate(names)}, right, up,
        density(plane.coordinates(space.atlas.points), u, v), space.hearing.neighbours(flat).distances.reshape(shape),
        aggregate.log_likelihood(flat).reshape(shape), float(np.percentile(aggregate.reference, UNLIKELY)),
        pitch, velocity, (len(listener.frames.numbers), listener.frames.count), seconds,
    )  # fmt: skip


def natural(name: str, values: np.ndarray) -> np.ndarray:
    """Values of a descriptor on its natural scale, on which equal steps sound about equally large."""
    return np.asarray(DESCRIPTORS[name].scale.natural(torch.from_numpy(np.asarray(values, dtype=np.float64))).numpy())


def smoothness(values: np.ndarray) -> Smoothness:
    """Smoothness of values (rows, columns); 0 for a constant map."""
    steps = np.concatenate([np.diff(values, axis=0).ravel(), np.diff(values, axis=1).ravel()])
    variance = float(values.var(ddof=1))
    if variance == 0.0:
        return Smoothness(0.0, 0.0, 0.0)
    step = float(np.abs(steps).mean())
    return Smoothness(step, step / float(values.std()), float(np.mean(steps**2)) / (2.0 * variance))


def density(coordinates: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Density (rows, columns) of coordinates (n, 2) at columns u and rows v; see :class:`Topology`."""
    kernels = []
    for values, line in zip(coordinates.T, (u, v), strict=True):
        width = max(float(values.std(ddof=1)), 1e-3 * float(np.ptp(line))) * len(coordinates) ** (-1.0 / 6.0)
        kernels.append(np.exp(-0.5 * ((line - values[:, None]) / width) ** 2) / (width * np.sqrt(2.0 * np.pi)))
    return np.asarray(kernels[1].T @ kernels[0] / len(coordinates))


class _Listener:
    """Descriptors and auditory features of decoded notes."""

    def __init__(self, space: Space, names: Sequence[str], pitch: float | None, velocity: float) -> None:
        self.space, self.names = space, names
        self.conditions = space.listening(pitch, velocity).conditions
        self.frames = Frames(space.config.dense_frames, any(name in WHOLE for name in names))
        self.auditory = AuditoryFeatures(space.spectrogram, space.config.heard)
        self.auditory.cells = self.frames.between.mT @ self.auditory.cells
        middle = self.describe(torch.tensor(space.atlas.points.mean(0, keepdims=True)))[0][0]
        for name, value in zip(names, middle, strict=True):
            if not np.isfinite(value):
                raise ConfigError(
                    f"{name} is a descriptor of partials, and there are none without a pitch or at such a high one; "
                    "choose another descriptor or a lower pitch."
                )

    @torch.no_grad()
    def describe(self, points: Tensor) -> tuple[np.ndarray, Tensor]:
        """Values (n, names), float64, and auditory features (n, size) of points (n, dim)."""
        decibels = self.space.model.decode_points(points, self.conditions, self.frames.numbers)
        note = SomeFrames(decibels, self.space.spectrogram, self.conditions.pitch.expand(len(points)), self.frames)
        return described(note, self.names).double().numpy(), self.auditory(decibels)


def _describe(listener: _Listener, points: np.ndarray, progress: bool | None) -> list[np.ndarray]:
    """Values (rows, columns, names), and perceptual distances to the right and up.

    Only one row of auditory features is kept in memory.
    """
    values, right, up, below = [], [], [], None
    off = None if progress is None else not progress
    with tqdm(total=len(points) * points.shape[1], desc="map", unit="point", leave=False, disable=off) as bar:
        for row in points:
            batches = torch.tensor(row, dtype=torch.float32).split(_BATCH)
            rows, features = zip(*map(listener.describe, batches), strict=True)
            current = torch.cat(features)
            values.append(np.concatenate(rows))
            right.append(current.diff(dim=0).norm(dim=1).numpy())
            if below is not None:
                up.append((current - below).norm(dim=1).numpy())
            below = current
            bar.update(len(row))
    return [np.stack(rows).astype(np.float64) for rows in (values, right, up)]


def _check(space: Space, plane: Plane, names: Sequence[str], resolution: int) -> None:
    unknown = [name for name in names if name not in DESCRIPTORS]
    if unknown or not names:
        raise ConfigError(f"Descriptors must be one or more of {', '.join(DESCRIPTORS)}, got {unknown or 'none'}.")
    if not 2 <= resolution <= _LARGEST:
        raise ConfigError(f"The resolution must be 2 to {_LARGEST}, got {resolution}.")
    if len(plane.origin) != space.dim:
        raise ConfigError(f"The plane must have the {space.dim} dimensions of the space, got {len(plane.origin)}.")
