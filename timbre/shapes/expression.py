"""Expression: what a recorded note does in the space while it sounds, carried over to a path."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from timbre.audio import Audio
from timbre.data.features.example import Example, example
from timbre.errors import ConfigError
from timbre.models.conditions import Conditions
from timbre.paths.path import Path
from timbre.space.space import Space

_KNOT = 0.04  # s between the points that are fitted: a vibrato of 6 Hz has four in each turn
_STEPS = 40  # of Adam
_RATE = 0.05  # its step
_EVERY = 2  # frames, of which one is looked at
_SOUND_DB = 60.0  # frames so far below the note's peak are silence
_RESTLESS, _AWAY = 20.0, 2.0  # dB^2 for squared steps from knot to knot, and for squared distance from the note's point


class Excursion(NamedTuple):
    """A note's way about its own middle.

    Attributes:
        times: s since the onset, (n,), from 0 to where it falls silent or the model's window ends.
        offsets: (n, dim), of mean 0.
        error_db, still_db: mean absolute error of the decoded note against the recording, dB, with the excursion and
            with its middle held.
    """

    times: np.ndarray
    offsets: np.ndarray
    error_db: float
    still_db: float

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """Offsets (n, dim) at times (n,), s; beyond its end it runs back and forth over its last three quarters."""
        end = self.times[-1]
        span = 0.75 * end
        beyond = np.abs(np.mod(seconds - end, 2.0 * span) - span) + end - span
        inside = np.where(seconds <= end, seconds, beyond)
        return np.stack([np.interp(inside, self.times, column) for column in self.offsets.T], 1)


def excursion(space: Space, audio: Audio, pitch: float | None = None, velocity: float | None = None) -> Excursion:
    """How the point of a recorded note moves while it sounds.

    Since each decoded frame is a function of its own point, a point can be found for every moment: those at knots 40 ms
    apart, with lines between, whose decoded frames are nearest to the recording's, less restlessness (Adam on both,
    Kingma and Ba 2015). Encoding short windows of the note finds nothing of the kind: the encoder was made for whole
    notes, and what such points do from window to window does not bring decoded frames nearer (`docs/paths.md`).

    Args:
        space: the space.
        audio: a note, prepared as for encoding.
        pitch: MIDI; None is unknown.
        velocity: 0..1; None is unknown.

    Raises:
        AudioError: if the sound is silent or shorter than 20 ms.
    """
    note = example(audio, space.spectrogram, space.config, pitch, velocity)
    fit = _Fit(space, note)
    start = torch.from_numpy(space.encode(audio, pitch, velocity))
    moves = torch.zeros(len(fit.knots), space.dim, requires_grad=True)
    optimizer = torch.optim.Adam([moves])
    for step in range(_STEPS):
        optimizer.param_groups[0]["lr"] = _RATE * (1.0 - step / _STEPS)
        error = fit.difference(start + moves).square().mean()
        loss = error + (_RESTLESS * moves.diff(dim=0).square().sum() + _AWAY * moves.square().sum()) / len(moves)
        (moves.grad,) = torch.autograd.grad(loss, moves)
        optimizer.step()
    found, middle = moves.detach(), moves.detach().mean(0)
    with torch.no_grad():
        errors = [float(fit.difference(start + way).abs().mean()) for way in (found, middle.expand_as(found))]
    return Excursion(fit.knots, (found - middle).double().numpy(), *errors)


class _Fit:
    """The sounding frames of a note, beside those decoded from points at knots (n, dim)."""

    def __init__(self, space: Space, note: Example) -> None:
        loudest = note.spectrogram.max(0)
        sounding = np.flatnonzero(loudest > loudest.max() - _SOUND_DB)[-1] + 1
        frames = torch.arange(0, max(int(sounding), 2 * _EVERY), _EVERY)
        self.model, self.clock = space.model, space.model.clock[frames]
        self.target = torch.from_numpy(note.spectrogram)[:, frames]
        controls = (torch.tensor([value]) for value in (note.pitch, note.velocity, note.release))
        self.conditions = Conditions(*(control.float() for control in controls))
        end = float(self.clock[-1])
        self.knots = np.linspace(0.0, end, max(2, round(end / _KNOT) + 1))
        place = torch.from_numpy(self.clock.double().numpy() / end * (len(self.knots) - 1)).clamp_max(
            len(self.knots) - 1
        )
        self.left = place.long().clamp_max(len(self.knots) - 2)
        self.share = (place - self.left).float()[:, None]

    def difference(self, points: Tensor) -> Tensor:
        """Decoded minus recorded frames, dB (bins, frames)."""
        along = torch.lerp(points[self.left], points[self.left + 1], self.share)[None]
        latent = self.model.latent(along, self.conditions.pitch[:, None])
        return self.model.decoder(latent, self.conditions, self.clock)[0] - self.target


def expressive(path: Path, carried: Excursion, seconds: float, amount: float = 1.0) -> Path:
    """A path to which a note's excursion is added, in the note's own time.

    Args:
        path: any path.
        carried: the note's excursion.
        seconds: how long the path will sound, above 0: a vibrato keeps its speed only if it is rendered at that length.
        amount: 1 is the note's own; 0 leaves the path as it is.
    """
    if not (0 < seconds <= 3600 and np.isfinite(amount)) or path.dim != carried.offsets.shape[1]:
        raise ConfigError(
            f"An excursion of {carried.offsets.shape[1]} dimensions was to be carried to a path of {path.dim}, for "
            f"{seconds} s, {amount} times; the same dimensions, a time up to 3600 s and a number are wanted."
        )
    even = np.linspace(0.0, 1.0, max(2, round(seconds / _KNOT) + 1))
    times = np.union1d(even, path.times)
    return Path(path.at(times) + amount * carried.at(times * seconds), times)
