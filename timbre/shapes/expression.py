"""Expression: the movement of a recorded note in the space, added to a path."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from timbre.audio import Audio
from timbre.errors import ConfigError
from timbre.models.conditions import Conditions
from timbre.models.refinement import descend
from timbre.paths.path import Path
from timbre.space.space import Space

_KNOT = 0.04  # s between the fitted points: a vibrato of 6 Hz has four in each turn
_STEPS = 40  # of Adam
_RATE = 0.05  # of Adam
_EVERY = 2  # every second frame is compared
_SILENT_DB = 60.0  # frames this far below the note's peak are silence
_STEP_COST = 20.0  # dB^2 per squared step between knots
_OFFSET_COST = 2.0  # dB^2 per squared distance from the note's point


class Excursion(NamedTuple):
    """The movement of a note around its mean point.

    Attributes:
        times: s since the onset, (n,), from 0 to where it falls silent or the model's window ends.
        offsets: (n, dim), with mean 0.
        error_db, still_db: mean absolute error of the decoded note against the recording, dB, with the movement and
            with the mean point alone.
    """

    times: np.ndarray
    offsets: np.ndarray
    error_db: float
    still_db: float

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """Offsets (n, dim) at times (n,), s; after the end, the last three quarters repeat back and forth."""
        end = self.times[-1]
        span = 0.75 * end
        beyond = np.abs(np.mod(seconds - end, 2.0 * span) - span) + end - span
        inside = np.where(seconds <= end, seconds, beyond)
        return np.stack([np.interp(inside, self.times, column) for column in self.offsets.T], 1)


def excursion(space: Space, audio: Audio, pitch: float | None = None, velocity: float | None = None) -> Excursion:
    """The movement of a recorded note in the space while it sounds.

    Each decoded frame is a function of its own point. So points are fitted at knots 40 ms apart, with straight lines
    between: those whose decoded frames are nearest to the recording, with a penalty on movement (Adam; Kingma and Ba
    2015). Encoding short windows of the note does not work: the encoder was trained on whole notes, and the points of
    the windows do not bring the decoded frames nearer (`docs/paths.md`). Arguments and errors are those of
    :meth:`~timbre.space.space.Space.encode`.
    """
    fit = _Fit(space, *space.observe(audio, pitch, velocity))
    start = torch.from_numpy(space.encode(audio, pitch, velocity))

    def loss(_: int, moves: Tensor) -> Tensor:
        error = fit.difference(start + moves).square().mean()
        cost = _STEP_COST * moves.diff(dim=0).square().sum() + _OFFSET_COST * moves.square().sum()
        return error + cost / len(moves)

    (offsets,) = descend([torch.zeros(len(fit.knots), space.dim)], loss, _STEPS, _RATE)
    mean = offsets.mean(0)
    with torch.no_grad():
        errors = [float(fit.difference(start + move).abs().mean()) for move in (offsets, mean.expand_as(offsets))]
    return Excursion(fit.knots, (offsets - mean).double().numpy(), *errors)


class _Fit:
    """Compares the sounding frames of a note with frames decoded from points at knots (n, dim)."""

    def __init__(self, space: Space, spectrogram: Tensor, conditions: Conditions) -> None:
        loudest = spectrogram[0].numpy().max(0)
        sounding = np.flatnonzero(loudest > loudest.max() - _SILENT_DB)[-1] + 1
        frames = torch.arange(0, max(int(sounding), 2 * _EVERY), _EVERY)
        self.model, self.clock = space.model, space.model.clock[frames]
        self.target, self.conditions = spectrogram[0][:, frames], conditions
        end = float(self.clock[-1])
        self.knots = np.linspace(0.0, end, max(2, round(end / _KNOT) + 1))
        last = len(self.knots) - 1
        position = torch.from_numpy(self.clock.double().numpy() / end * last).clamp_max(last)
        self.left = position.long().clamp_max(last - 1)
        self.share = (position - self.left).float()[:, None]

    def difference(self, points: Tensor) -> Tensor:
        """Decoded minus recorded frames, dB (bins, frames), for points at the knots (knots, dim)."""
        along = torch.lerp(points[self.left], points[self.left + 1], self.share)[None]
        latent = self.model.latent(along, self.conditions.pitch[:, None])
        return self.model.decoder(latent, self.conditions, self.clock)[0] - self.target


def expressive(path: Path, movement: Excursion, seconds: float, amount: float = 1.0) -> Path:
    """A path with the movement of a note added, at the note's own speed.

    Args:
        path, movement: the path, and what is added to it.
        seconds: how long the path will sound, above 0 and 3600 or less; a vibrato keeps its speed only at that length.
        amount: factor of the movement; 1 is as recorded, 0 leaves the path as it is.
    """
    if not (0 < seconds <= 3600 and np.isfinite(amount)):
        raise ConfigError(
            f"The seconds must be above 0 and 3600 or less and the amount finite, got {seconds}, {amount}."
        )
    if path.dim != movement.offsets.shape[1]:
        raise ConfigError(f"The movement must have the path's {path.dim} dimensions, got {movement.offsets.shape[1]}.")
    even = np.linspace(0.0, 1.0, max(2, round(seconds / _KNOT) + 1))
    times = np.union1d(even, path.times)
    return Path(path.at(times) + amount * movement.at(times * seconds), times)
