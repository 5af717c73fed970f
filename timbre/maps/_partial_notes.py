"""Descriptors of notes of which only some frames are decoded, since a map has thousands of notes."""

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from timbre.spectral.descriptors.features import SOUNDING, TINY, crossing, rise
from timbre.spectral.descriptors.partials import NotePartials
from timbre.spectral.spectrogram import Spectrogram

_DENSE = 20  # frames from the onset that are all decoded
_GROWTH = 0.15  # growth of the time from the onset, from one later frame to the next
WHOLE = ("flux", "effective_duration", "decay_slope", "fluctuation")
"""Descriptors of changes from frame to frame, or of times; they need every frame."""


class Frames:
    """The decoded frames of a note: all of the first quarter of a second, then fewer and fewer.

    Decoded notes change more and more slowly. Values between decoded frames are interpolated linearly.

    Args:
        count: frames of the whole note.
        every: whether all frames are decoded.

    Attributes:
        numbers: indices of the decoded frames (chosen,).
        count: frames of the whole note.
        between: weights (count, chosen) that interpolate values at all frames.
    """

    def __init__(self, count: int, every: bool) -> None:
        chosen = list(range(count if every else min(_DENSE, count)))
        while chosen[-1] < count - 1:
            chosen.append(min(count - 1, max(chosen[-1] + 1, round(chosen[-1] * (1.0 + _GROWTH)))))
        self.numbers, self.count = torch.tensor(chosen), count
        hats = [np.interp(np.arange(count), chosen, row) for row in np.eye(len(chosen))]
        self.between = torch.from_numpy(np.stack(hats, 1)).float()


class SomeFrames(NotePartials):
    """Notes of one pitch of which some frames are given.

    Means over time weigh each frame by the time that it stands for; the level is interpolated at all frames. On decoded
    notes the descriptors differ from those of all frames by 1% or less of their standard deviation over a map.

    Args:
        decibels: (batch, bins, chosen), dB.
        spectrogram: the spectrogram.
        pitch: MIDI (batch,), the same for all, or NaN.
        frames: the given frames.
    """

    def __init__(self, decibels: Tensor, spectrogram: Spectrogram, pitch: Tensor, frames: Frames) -> None:
        super().__init__(decibels, spectrogram, pitch, alike=True)
        self.between = frames.between.to(decibels)
        self.time = frames.numbers.to(decibels) / self.config.frame_rate

    @cached_property
    def weight(self) -> Tensor:
        """Weights (batch, chosen) with sum 1: amplitude times the time that a frame stands for."""
        weight = self.amplitude * self.between.sum(0)
        return weight / weight.sum(1, keepdim=True)

    @cached_property
    def course(self) -> Tensor:
        """Amplitude at all frames (batch, count), 1 at the loudest given frame."""
        return (self.energy + TINY).sqrt() @ self.between.mT

    @cached_property
    def attack(self) -> tuple[Tensor, Tensor]:
        """Begin and end of the attack (batch,), s."""
        return rise(self.course, 1.0 / self.config.frame_rate)

    @cached_property
    def end(self) -> Tensor:
        """The last time at which the level is within 40 dB of the peak (batch,), s."""
        backwards = self.course.flip(1).cummax(1).values
        return self.time[-1] - crossing(backwards, 10.0 ** (-SOUNDING / 20.0)) / self.config.frame_rate
