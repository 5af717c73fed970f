"""The network's inputs besides the point: pitch, velocity, and the time since onset and release."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from timbre.errors import ConfigError

TIME_CONSTANTS = (0.006, 0.012, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)  # s; from one frame to a slow decay
SLOW_CONSTANTS = (3.2, 6.4, 12.8, 25.6)  # s, up to the length of notes of which the model sees later frames
RELEASE_CONSTANTS = (0.01, 0.03, 0.1, 0.3)  # s
PITCH_CENTRES = tuple(range(24, 109, 7))  # MIDI


@dataclass(frozen=True)
class Conditions:
    """Controls of a batch of notes.

    Attributes:
        pitch: MIDI, (batch,) or (batch, frames); NaN: unknown or unpitched.
        velocity: 0..1, (batch,) or (batch, frames); NaN: unknown.
        release: s after the onset, (batch,); infinity: not released.
    """

    pitch: Tensor
    velocity: Tensor
    release: Tensor

    @classmethod
    def constant(cls, pitch: float | None, velocity: float | None, release: float = math.inf) -> "Conditions":
        """Controls of one note, a batch of one; a pitch or velocity of None or NaN is unknown."""
        values = (math.nan if value is None else float(value) for value in (pitch, velocity, release))
        return cls(*(torch.tensor([value]) for value in values))

    def to(self, device: torch.device | str) -> "Conditions":
        """The same controls on another device."""
        return Conditions(self.pitch.to(device), self.velocity.to(device), self.release.to(device))

    def hide(self, chance: float) -> "Conditions":
        """A copy in which each pitch and each velocity is made unknown with the given probability."""

        def hidden(value: Tensor) -> Tensor:
            return torch.where(torch.rand_like(value) < chance, torch.full_like(value, torch.nan), value)

        return Conditions(hidden(self.pitch), hidden(self.velocity), self.release)


def check_pitch(pitch: Any) -> Any:
    """The pitch, one or many (MIDI) or None; a ConfigError if one is not from 12 to 127."""
    return _within(pitch, 12, 127, "The pitch must be a MIDI number from 12 to 127 (A4 is 69)")


def check_velocity(velocity: Any) -> Any:
    """The velocity, one or many or None; a ConfigError if one is not from 0 to 1."""
    return _within(velocity, 0, 1, "The velocity must be a number from 0 to 1")


def _within(value: Any, low: float, high: float, requirement: str) -> Any:
    values = np.atleast_1d(np.asarray(low if value is None else value))
    wrong = values[~((values >= low) & (values <= high))]
    if wrong.size:
        raise ConfigError(f"{requirement}, got {wrong[0]:g}.")
    return value


class Embedding(nn.Module):
    """Pitch and velocity as a vector; a learned vector replaces each where it is unknown."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pitch = nn.Linear(len(PITCH_CENTRES) + 1, channels)
        self.velocity = nn.Linear(2, channels)
        self.no_pitch = nn.Parameter(torch.zeros(channels))
        self.no_velocity = nn.Parameter(torch.zeros(channels))
        self.centres = nn.Buffer(torch.tensor(PITCH_CENTRES, dtype=torch.float32, device="cpu"), persistent=False)

    def forward(self, conditions: Conditions) -> Tensor:
        """(batch, channels), or (batch, frames, channels) if a control is given for every frame."""
        pitch, velocity = torch.broadcast_tensors(conditions.pitch, conditions.velocity)
        p, v = pitch.nan_to_num(60.0).unsqueeze(-1), velocity.nan_to_num(0.5).unsqueeze(-1)
        bumps = torch.cat([torch.exp(-0.5 * ((p - self.centres) / 7.0) ** 2), (p - 60.0) / 24.0], -1)
        by_pitch = torch.where(pitch.isnan().unsqueeze(-1), self.no_pitch, self.pitch(bumps))
        levels = torch.cat([v - 0.5, (v - 0.5) ** 2], -1)
        by_velocity = torch.where(velocity.isnan().unsqueeze(-1), self.no_velocity, self.velocity(levels))
        return by_pitch + by_velocity


def time_constants(longest: float, dense: float) -> tuple[float, ...]:
    """Constants of exponential decays, s, for notes that are `longest` s long, of which `dense` s are seen densely."""
    return TIME_CONSTANTS + tuple(slow for slow in SLOW_CONSTANTS if dense < slow <= longest)


def time_features(time: Tensor, release: Tensor, longest: float, constants: Sequence[float]) -> Tensor:
    """Time as the decoder sees it, (batch, frames, OTHER_TIMES + constants).

    Args:
        time: s since the onset, (frames,) or (batch, frames).
        release: s, (batch,).
        longest: s; after it a note that is not released stays as it is, since training saw nothing longer.
        constants: of the decays since the onset, s.
    """
    time = time.expand(release.shape[0], -1)  # not len(): the batch is not fixed in a traced graph
    since = (time - release.unsqueeze(-1)).clamp_min(0.0)
    held = torch.minimum(time, release.unsqueeze(-1)).clamp(0.0, longest)
    onset = [torch.exp(-held / constant) for constant in constants]
    after = [-torch.expm1(-since / constant) for constant in RELEASE_CONSTANTS]
    return torch.stack([held / longest, *onset, since.clamp_max(1.0), *after], -1)


OTHER_TIMES = 2 + len(RELEASE_CONSTANTS)
