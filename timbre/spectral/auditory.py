"""Auditory features of a note: distances between them follow how different listeners find two notes."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from timbre.spectral.filterbank import hz_to_erb
from timbre.spectral.spectrogram import Spectrogram

BANDS = 32  # about one in each equivalent rectangular bandwidth
FIRST, CELLS = 0.02, 13  # length of the first cell of time, s; number of cells


@dataclass(frozen=True)
class Listener:
    """Three constants, fitted to listeners' ratings; fits on any four of five groups of studies give similar values."""

    exponent: float = 0.1
    """Exponent of power; that of loudness would be .23 to .3 (Zwicker and Fastl 1999), and 0 the logarithm."""
    onset: float = 0.3
    """Cell n of time has the weight n to the power of minus this: the first cells count most."""
    treble: float = 0.5
    """Bands are weighted by the exponential of this times their position, from -1/2 (lowest) to 1/2 (highest)."""


class AuditoryFeatures(nn.Module):
    """Compressed power in ERB bands and cells of time that widen from the onset on.

    Distances between these features follow listeners' dissimilarity ratings better than descriptors or spectrograms do
    (`benchmarks/ratings.py`). The main reason is the logarithmic time scale: listeners hear an attack in milliseconds
    and a decay in seconds. Bands are those of Glasberg and Moore (1990). The features are normalized to unit norm
    before they are weighted, so that gain changes only parts near the floor.

    Args:
        spectrogram: the transform of the spectrograms.
        seconds: length of a note.
        listener: the constants.
    """

    bands: Tensor
    cells: Tensor
    weights: Tensor

    def __init__(self, spectrogram: Spectrogram, seconds: float, listener: Listener = Listener()) -> None:
        super().__init__()
        self.exponent = listener.exponent
        frames = spectrogram.config.frames(round(seconds * spectrogram.config.sample_rate))
        self.register_buffer("bands", _triangles(spectrogram.centers.double(), BANDS), persistent=False)
        self.register_buffer("cells", _cells(frames, spectrogram.config.frame_rate), persistent=False)
        time = torch.linspace(1.0 / CELLS, 1.0, CELLS) ** -listener.onset
        frequency = torch.exp(listener.treble * torch.linspace(-0.5, 0.5, BANDS))
        self.register_buffer("weights", frequency[:, None] * time, persistent=False)

    @property
    def size(self) -> int:
        """Number of features."""
        return len(self.bands) * self.cells.shape[1]

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Features (batch, size) of notes, dB (batch, bins, frames); frames after their length are left out."""
        power = self.bands @ torch.pow(10.0, spectrogram[..., : len(self.cells)] / 10.0)
        features = power.clamp_min(1e-12) ** self.exponent @ self.cells
        norm = features.flatten(1).norm(dim=1)
        return (self.weights * features / norm[:, None, None]).flatten(1)


def _triangles(centers: Tensor, count: int) -> Tensor:
    """Triangular weights (count, bins), evenly spaced in ERB numbers between the lowest and the highest band."""
    scale = torch.from_numpy(hz_to_erb(centers.numpy()))
    knots = torch.linspace(float(scale.min()), float(scale.max()), count + 2, dtype=torch.float64)
    distance = (scale - knots[1:-1, None]).abs() / (knots[1] - knots[0])
    return (1.0 - distance).clamp_min(0.0).float()


def _cells(frames: int, frame_rate: float) -> Tensor:
    """Weights (frames, cells) that average frames over each cell of time; a cell without a frame uses the nearest."""
    time = np.arange(frames) / frame_rate
    edges = np.concatenate([[0.0], np.geomspace(FIRST, max(time[-1], 2 * FIRST) + 1e-6, CELLS)])
    inside = (time >= edges[:-1, None]) & (time < edges[1:, None])
    for row, middle in zip(inside, 0.5 * (edges[:-1] + edges[1:]), strict=True):
        row[np.argmin(np.abs(time - middle))] |= not row.any()
    return torch.from_numpy((inside / inside.sum(1, keepdims=True, dtype=np.float32)).T)
