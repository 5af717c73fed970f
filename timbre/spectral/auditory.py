"""The auditory picture of a note: what a listener may compare, as far as distances between pictures tell."""

import numpy as np
import torch
from torch import Tensor, nn

from timbre.spectral.filterbank import hz_to_erb
from timbre.spectral.spectrogram import Spectrogram

BANDS = 32  # about one in each equivalent rectangular bandwidth
EXPONENT = 0.15  # of power; loudness would be .23 to .3 (Zwicker and Fastl 1999)
_FIRST = 0.02  # s, the first cell of time
_CELLS = 13


class AuditoryPicture(nn.Module):
    """Compressed power in ERB bands by cells of time that widen from the onset on, at unit norm.

    Distances between such pictures follow listeners' dissimilarity ratings better than descriptors or spectrograms do
    (`benchmarks/ratings.py`). What matters is time on a logarithmic scale: listeners hear an attack in milliseconds and
    a decay in seconds. Power is compressed as in the ear (Glasberg and Moore 1990 for the bands).

    Args:
        front: the front end whose spectrograms are looked at.
        seconds: length of a note.
        bands, exponent: of the picture.
    """

    bands: Tensor
    cells: Tensor

    def __init__(self, front: Spectrogram, seconds: float, bands: int = BANDS, exponent: float = EXPONENT) -> None:
        super().__init__()
        self.exponent = exponent
        frames = front.config.frames(round(seconds * front.config.sample_rate))
        self.register_buffer("bands", _triangles(front.centers.double(), bands), persistent=False)
        self.register_buffer("cells", _cells(frames, front.config.frame_rate), persistent=False)

    @property
    def size(self) -> int:
        """Values of a picture."""
        return len(self.bands) * self.cells.shape[1]

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Pictures (batch, size) of notes, dB (batch, bins, frames); each of Euclidean norm 1, so gain is nothing."""
        power = self.bands @ torch.pow(10.0, spectrogram / 10.0)
        picture = (power.clamp_min(1e-12) ** self.exponent @ self.cells).flatten(1)
        return picture / picture.norm(dim=1, keepdim=True)


def _triangles(centers: Tensor, count: int) -> Tensor:
    """Triangular weights (count, bins), even on the scale of ERB numbers between the lowest and the highest band."""
    scale = torch.from_numpy(hz_to_erb(centers.numpy()))
    knots = torch.linspace(float(scale.min()), float(scale.max()), count + 2, dtype=torch.float64)
    distance = (scale - knots[1:-1, None]).abs() / (knots[1] - knots[0])
    return (1.0 - distance).clamp_min(0.0).float()


def _cells(frames: int, frame_rate: float) -> Tensor:
    """Means (frames, cells) over stretches of time; a stretch without a frame takes the nearest one."""
    time = np.arange(frames) / frame_rate
    edges = np.concatenate([[0.0], np.geomspace(_FIRST, max(time[-1], 2 * _FIRST) + 1e-6, _CELLS)])
    inside = (time >= edges[:-1, None]) & (time < edges[1:, None])
    for row, middle in zip(inside, 0.5 * (edges[:-1] + edges[1:]), strict=True):
        row[np.argmin(np.abs(time - middle))] |= not row.any()
    return torch.from_numpy((inside / inside.sum(1, keepdims=True)).T.astype(np.float32))
