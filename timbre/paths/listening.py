"""What is heard along a path: auditory pictures of what its points decode to, and how far apart they are."""

import numpy as np
import torch
from torch import Tensor

from timbre.models.conditions import Conditions
from timbre.space.atlas import tensor
from timbre.space.space import Space, _check_pitch, _check_velocity
from timbre.spectral.auditory import AuditoryFeatures

_AT_ONCE = 64  # points decoded together


class Listening:
    """From points to what is heard there: the auditory picture of the decoded, held note.

    Args:
        space: the space.
        pitch: MIDI at which points are heard; None is without pitch.
        velocity: 0..1.
        per_cell: frames that stand for each of the picture's cells of time. With one, distances are right to 2%; with
            two, to 0.1% at a fifth of the cost of all frames, which None is.
    """

    def __init__(self, space: Space, pitch: float | None = 60, velocity: float = 0.8, per_cell: int | None = 2) -> None:
        _check_pitch(pitch)
        _check_velocity(velocity)
        controls = (torch.tensor([value]) for value in (np.nan if pitch is None else pitch, velocity, np.inf))
        self.model, self.conditions = space.model, Conditions(*(control.float() for control in controls))
        self.picture = AuditoryFeatures(space.spectrogram, space.config.data.duration)
        cells = self.picture.cells
        self.frames = torch.arange(len(cells)) if per_cell is None else _some_frames(cells, per_cell)
        kept = cells[self.frames]
        self.picture.cells = kept / kept.sum(0)

    def spectrograms(self, points: Tensor) -> Tensor:
        """Decoded frames of points (n, dim), dB (n, bins, frames); differentiable."""
        return self.model.decode_points(points, self.conditions, self.frames)

    def pictures(self, points: Tensor) -> Tensor:
        """Pictures (n, size) of points (n, dim); differentiable."""
        return self.picture(self.spectrograms(points))

    @torch.no_grad()
    def along(self, points: np.ndarray) -> np.ndarray:
        """Pictures (n, size), float64, of points (n, dim), any number of them."""
        parts = tensor(points).split(_AT_ONCE)
        return torch.cat([self.pictures(part) for part in parts]).double().numpy()


def _some_frames(cells: Tensor, count: int) -> Tensor:
    """Up to `count` frames of each cell (frames, cells), evenly spread."""
    chosen: set[int] = set()
    for cell in cells.T:
        inside = torch.nonzero(cell).flatten().numpy()
        number = min(count, len(inside))
        chosen.update(inside[((np.arange(number) + 0.5) / number * len(inside)).astype(int)].tolist())
    return torch.tensor(sorted(chosen))
