"""Descriptor topology maps: what every place of a plane sounds like (Esling, Chemla-Romeu-Santos and Bitton 2018)."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from timbre.errors import ConfigError
from timbre.maps._partial_notes import WHOLE, Frames, SomeFrames
from timbre.maps.planes import Plane
from timbre.models.conditions import Conditions, check_pitch, check_velocity
from timbre.space.space import Space
from timbre.spectral.auditory import AuditoryFeatures
from timbre.spectral.descriptors import DESCRIPTORS, described

SIX = ("centroid", "bandwidth", "flatness", "rolloff", "loudness", "attack")
"""The descriptors of the paper's six planes."""
UNLIKELY = 5.0  # percentile of left-out notes below which a place has no evidence, as in timbre.space.locating
_LARGEST = 1000  # places along each side
_AT_ONCE = 64  # places decoded together


class Smoothness(NamedTuple):
    """How little neighbours of a map differ.

    Attributes:
        step: mean absolute difference of horizontal and vertical neighbours, on the descriptor's natural scale: octaves
            for Hz, doublings for sone, dB for dB.
        relative: the same as a share of the map's standard deviation.
        geary: Geary's contiguity ratio (1954), sum of squared differences of neighbours over twice the number of pairs
            times the variance: 0 where neighbours are alike, 1 where they differ as any two places do.
    """

    step: float
    relative: float
    geary: float


@dataclass(frozen=True, eq=False)
class Topology:
    """Descriptors of the notes that a plane's places decode to. Rows go with v, columns with u.

    Attributes:
        plane: the plane.
        u, v: coordinates of the columns (columns,) and rows (rows,).
        values: by descriptor, in its unit (:data:`~timbre.spectral.descriptors.DESCRIPTORS`), float64 (rows, columns).
        right, up: perceptual distances to the neighbour on the right (rows, columns - 1) and above (rows - 1, columns):
            of auditory pictures.
        density: of the known sounds projected on the plane, per unit of area, (rows, columns): a Gaussian kernel
            estimate, Scott's bandwidth (1992) along each axis.
        nearest: distance from each place, in all dimensions, to the nearest known sound, (rows, columns).
        likelihood: log likelihood of each place under the aggregate posterior, nats, (rows, columns).
        least: log likelihood that 95 in 100 training notes reach when all notes of their instrument are left out, nats;
            places below it have no evidence.
        pitch: MIDI, or None.
        velocity: 0..1.
        frames: of each note that were decoded, and of the whole note.
        seconds: that decoding and describing took.
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
        """Whether the space has evidence for each place (rows, columns)."""
        return self.likelihood >= self.least

    @property
    def steps(self) -> np.ndarray:
        """Perceptual distances of all neighbours (pairs,)."""
        return np.concatenate([self.right.ravel(), self.up.ravel()])

    def smoothness(self, name: str) -> Smoothness:
        """Smoothness of the map of a descriptor."""
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
    """Decode the places of a plane, and describe what is heard there.

    Every place is decoded as a held note of the length of those in training, before its velocity's gain; all
    descriptors are of the same notes. Of a note some 36 of 173 frames are decoded, all of its first quarter of a second
    and ever fewer later on, unless a descriptor is among the names that needs every frame.

    Args:
        space: the space.
        plane: of :func:`~timbre.maps.planes.plane` or :func:`~timbre.maps.planes.plane_through`.
        names: of :data:`~timbre.spectral.descriptors.DESCRIPTORS`.
        resolution: places along each side, 2 to 1000.
        pitch: MIDI; None is without pitch.
        velocity: 0..1.
        progress: whether to show progress on stderr; None shows it in a terminal.

    Raises:
        ConfigError: for an unknown descriptor or one that is not defined at this pitch, a resolution or control out of
            range, or a plane of another space.
    """
    _check(space, plane, names, resolution)
    listener = _Listener(space, names, pitch, velocity)
    u, v = plane.lines(resolution)
    points = plane.place(u, v[:, None])
    begun = time.perf_counter()
    values, right, up = _heard(listener, points, progress)
    seconds = time.perf_counter() - begun
    flat, shape, aggregate = points.reshape(-1, space.dim), (resolution, resolution), space.atlas.aggregate
    return Topology(
        plane, u, v, {name: values[:, :, column] for column, name in enumerate(names)}, right, up,
        density(plane.coordinates(space.atlas.points), u, v), space.atlas.nearest(flat, 1).distances.reshape(shape),
        aggregate.log_likelihood(flat).reshape(shape), float(np.percentile(aggregate.reference, UNLIKELY)),
        pitch, velocity, (len(listener.frames.numbers), listener.frames.count), seconds,
    )  # fmt: skip


def natural(name: str, values: np.ndarray) -> np.ndarray:
    """Values of a descriptor on its natural scale, where equal steps sound about equally large."""
    return np.asarray(DESCRIPTORS[name].scale.natural(torch.from_numpy(np.asarray(values, dtype=np.float64))).numpy())


def smoothness(values: np.ndarray) -> Smoothness:
    """Smoothness of values (rows, columns); 0 for a map on which nothing changes."""
    away = np.concatenate([np.diff(values, axis=0).ravel(), np.diff(values, axis=1).ravel()])
    variance = float(values.var(ddof=1))
    if variance == 0.0:
        return Smoothness(0.0, 0.0, 0.0)
    step = float(np.abs(away).mean())
    return Smoothness(step, step / float(values.std()), float(np.mean(away**2)) / (2.0 * variance))


def density(seen: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Density (rows, columns) at columns u and rows v of coordinates (n, 2), as :class:`Topology` says."""
    kernels = []
    for own, line in zip(seen.T, (u, v), strict=True):
        width = max(float(own.std(ddof=1)), 1e-3 * float(np.ptp(line))) * len(seen) ** (-1.0 / 6.0)
        kernels.append(np.exp(-0.5 * ((line - own[:, None]) / width) ** 2) / (width * np.sqrt(2.0 * np.pi)))
    return np.asarray(kernels[1].T @ kernels[0] / len(seen))


class _Listener:
    """From places to descriptors and auditory pictures of the same decoded notes."""

    def __init__(self, space: Space, names: Sequence[str], pitch: float | None, velocity: float) -> None:
        check_pitch(pitch)
        check_velocity(velocity)
        self.space, self.names = space, names
        self.conditions = Conditions.constant(pitch, velocity)
        self.frames = Frames(space.config.note_frames, any(name in WHOLE for name in names))
        self.picture = AuditoryFeatures(space.spectrogram, space.config.data.duration)
        self.picture.cells = self.frames.between.mT @ self.picture.cells
        middle = self.hear(torch.tensor(space.atlas.points.mean(0, keepdims=True)))[0][0]
        for name, value in zip(names, middle, strict=True):
            if not np.isfinite(value):
                raise ConfigError(
                    f"{name} is one of partials, and there are none without a pitch, or at so high a one; choose "
                    "another descriptor, or a lower pitch."
                )

    @torch.no_grad()
    def hear(self, points: Tensor) -> tuple[np.ndarray, Tensor]:
        """Values (n, names), float64, and pictures (n, size) of points (n, dim)."""
        decibels = self.space.model.decode_points(points, self.conditions, self.frames.numbers)
        note = SomeFrames(decibels, self.space.spectrogram, self.conditions.pitch.expand(len(points)), self.frames)
        return described(note, self.names).double().numpy(), self.picture(decibels)


def _heard(listener: _Listener, points: np.ndarray, progress: bool | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values (rows, columns, names), and perceptual distances to the right and up; one row of pictures is kept."""
    values, right, up, below = [], [], [], None
    off = None if progress is None else not progress
    with tqdm(total=len(points) * points.shape[1], desc="map", unit="place", leave=False, disable=off) as bar:
        for row in points:
            found, pictures = zip(*_in_parts(listener, row, bar), strict=True)
            own = torch.cat(pictures)
            values.append(np.concatenate(found))
            right.append(own.diff(dim=0).norm(dim=1).numpy())
            if below is not None:
                up.append((own - below).norm(dim=1).numpy())
            below = own
    return np.stack(values), np.stack(right).astype(np.float64), np.stack(up).astype(np.float64)


def _in_parts(listener: _Listener, row: np.ndarray, bar: tqdm) -> Iterator[tuple[np.ndarray, Tensor]]:
    for part in torch.tensor(row, dtype=torch.float32).split(_AT_ONCE):
        yield listener.hear(part)
        bar.update(len(part))


def _check(space: Space, plane: Plane, names: Sequence[str], resolution: int) -> None:
    unknown = [name for name in names if name not in DESCRIPTORS]
    if unknown or not names:
        wrong = f"There is no descriptor {unknown[0]!r}" if unknown else "No descriptor was named"
        raise ConfigError(f"{wrong}; known here: {', '.join(DESCRIPTORS)}.")
    if not 2 <= resolution <= _LARGEST:
        raise ConfigError(f"A map of {resolution} by {resolution} places was asked for; 2 to {_LARGEST} are wanted.")
    if len(plane.origin) != space.dim:
        raise ConfigError(f"The plane has {len(plane.origin)} dimensions and the space {space.dim}; make it anew.")
