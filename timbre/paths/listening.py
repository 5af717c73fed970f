"""How points sound: the auditory features of the held notes that they decode to, and distances between them."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from timbre.models.conditions import Conditions, check_pitch, check_velocity
from timbre.models.vae import VAE
from timbre.spectral import Spectrogram
from timbre.spectral.auditory import AuditoryFeatures

_BATCH = 64  # points decoded together


@dataclass(frozen=True, eq=False)
class Listening:
    """Decodes points as held notes and computes their auditory features; `Space.listening()` makes one for a space.

    A note of `duration` (s) has a pitch (MIDI; None is without) and a velocity (0..1); a ConfigError is raised if they
    are out of range. `per_cell` is the number of frames that are decoded for each time cell of the features: with 1,
    distances are correct to 2%; with 2, to 0.1%, at a fifth of the cost of all frames (None).
    """

    model: VAE
    spectrogram: Spectrogram
    duration: float
    pitch: float | None = 60
    velocity: float = 0.8
    per_cell: int | None = 2

    def __post_init__(self) -> None:
        check_pitch(self.pitch)
        check_velocity(self.velocity)

    def sampled(self, per_cell: int | None) -> "Listening":
        """The same with another number of frames for each time cell; None is all frames."""
        return replace(self, per_cell=per_cell)

    @cached_property
    def conditions(self) -> Conditions:
        """Controls of the held note."""
        return Conditions.constant(self.pitch, self.velocity)

    @cached_property
    def frames(self) -> Tensor:
        """Indices of the frames that are decoded: `per_cell` evenly spaced ones of each cell."""
        cells = self._all_frames.cells
        if self.per_cell is None:
            return torch.arange(len(cells))
        chosen: set[int] = set()
        for cell in cells.T:
            inside = torch.nonzero(cell).flatten().numpy()
            number = min(self.per_cell, len(inside))
            chosen.update(inside[((np.arange(number) + 0.5) / number * len(inside)).astype(int)].tolist())
        return torch.tensor(sorted(chosen))

    @cached_property
    def auditory(self) -> AuditoryFeatures:
        """The features of these frames."""
        auditory, kept = self._all_frames, self._all_frames.cells[self.frames]
        auditory.cells = kept / kept.sum(0)
        return auditory

    @cached_property
    def _all_frames(self) -> AuditoryFeatures:
        return AuditoryFeatures(self.spectrogram, self.duration)

    def spectrograms(self, points: Tensor) -> Tensor:
        """Decoded frames of points (n, dim), dB (n, bins, frames); differentiable."""
        return self.model.decode_points(points, self.conditions, self.frames)

    def features(self, points: Tensor) -> Tensor:
        """Auditory features (n, size) of points (n, dim); differentiable."""
        return self.auditory(self.spectrograms(points))

    @torch.no_grad()
    def along(self, points: np.ndarray) -> np.ndarray:
        """Auditory features (n, size), float64, of any number of points (n, dim)."""
        parts = torch.tensor(points, dtype=torch.float32).split(_BATCH)
        return torch.cat([self.features(part) for part in parts]).double().numpy()
