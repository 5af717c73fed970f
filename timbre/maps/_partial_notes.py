"""Notes of which only some frames were decoded, as a map looks at thousands of them."""

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from timbre.spectral.descriptors.features import SOUNDING, TINY, crossing, rise
from timbre.spectral.descriptors.partials import NotePartials
from timbre.spectral.spectrogram import Spectrogram

_DENSE, _GROWTH = 20, 0.15  # frames from the onset on that are all decoded; then each is so much later than the last
WHOLE = ("flux", "effective_duration", "decay_slope", "fluctuation")
"""Descriptors of what happens from frame to frame, or of when; they need every frame."""


class Frames:
    """Which frames of a note are decoded, and what each stands for.

    All of the first quarter of a second, then ever fewer: decoded notes change ever more slowly. Between them a line
    stands in.

    Args:
        count: frames of the whole note.
        every: whether all are decoded.
    """

    def __init__(self, count: int, every: bool) -> None:
        chosen = list(range(count if every else min(_DENSE, count)))
        while chosen[-1] < count - 1:
            chosen.append(min(count - 1, max(chosen[-1] + 1, round(chosen[-1] * (1.0 + _GROWTH)))))
        self.numbers, self.count = torch.tensor(chosen), count
        hats = [np.interp(np.arange(count), chosen, row) for row in np.eye(len(chosen))]
        self.between = torch.from_numpy(np.stack(hats, 1)).float()
        """Weights (count, chosen) that make values at all frames from those at the chosen ones."""


class SomeFrames(NotePartials):
    """Notes of one pitch that are known at some frames.

    Means over time weigh each frame by how long it stands for; the course of the level is followed at all frames. On
    decoded notes the descriptors differ from those of all frames by 1% at worst of their standard deviation over a map.

    Args:
        decibels: (batch, bins, chosen), dB.
        spectrogram: the front end.
        pitch: MIDI (batch,), the same for all, or NaN.
        frames: the frames that were chosen.
    """

    def __init__(self, decibels: Tensor, spectrogram: Spectrogram, pitch: Tensor, frames: Frames) -> None:
        super().__init__(decibels, spectrogram, pitch, alike=True)
        self.between = frames.between.to(decibels)
        self.time = frames.numbers.to(decibels) / self.config.frame_rate

    @cached_property
    def weight(self) -> Tensor:
        """Weights (batch, chosen) of sum 1, by amplitude and by the time that a frame stands for."""
        weight = self.amplitude * self.between.sum(0)
        return weight / weight.sum(1, keepdim=True)

    @cached_property
    def course(self) -> Tensor:
        """Amplitude at all frames (batch, count), 1 at the loudest chosen one."""
        return (self.energy + TINY).sqrt() @ self.between.mT

    @cached_property
    def attack(self) -> tuple[Tensor, Tensor]:
        """When the attack begins and ends (batch,), s."""
        return rise(self.course, 1.0 / self.config.frame_rate)

    @cached_property
    def end(self) -> Tensor:
        """When the level was last within 40 dB of the peak (batch,), s."""
        backwards = self.course.flip(1).cummax(1).values
        return self.time[-1] - crossing(backwards, 10.0 ** (-SOUNDING / 20.0)) / self.config.frame_rate
