"""The levels of all partials of decoded frames, and the share of their energy that is noise."""

from typing import NamedTuple

import numpy as np
import torch

from timbre.models.conditions import Conditions
from timbre.models.frame_decoder import HELD
from timbre.space import Space
from timbre.spectral.descriptors.features import layout

_PITCHES = tuple(range(60, 35, -3))  # MIDI
_LOUDER, _NOISIER = 10.0, 0.05  # dB, and a share of the energy


class Harmonics(NamedTuple):
    """The partials of frames."""

    levels: np.ndarray
    """(frames, partials), dB, float64; 0 is amplitude 1. The partials are all below half the sample rate."""
    noise: np.ndarray
    """Power of the noise relative to that of the partials (frames,), float64."""


@torch.no_grad()
def harmonics(space: Space, points: np.ndarray, times: np.ndarray, pitch: float, velocity: float) -> Harmonics:
    """The partials of frames of held notes, as the decoder has them.

    Args:
        space: the space.
        points: (frames, dim).
        times: s since the onset (frames,).
        pitch: MIDI, of all.
        velocity: 0..1, of all.
    """
    decoder, count = space.model.decoder, len(points)
    conditions = Conditions(*(torch.full((count,), float(value)) for value in (pitch, velocity, HELD)))
    z = space.model.latent(torch.tensor(points, dtype=torch.float32), conditions.pitch)
    parts = decoder.parts(z, conditions, torch.tensor(times, dtype=torch.float32)[:, None])
    envelope, noise, levels = (part[:, 0] for part in parts)
    found = decoder.partial_levels(envelope, levels, pitch).double()
    bands = layout(space.config.spectrogram, torch.float64, "cpu")
    density = 10.0 ** (noise.double() / 10.0) / bands.noise
    noise_power = (density * bands.hz_width).sum(1) / decoder.partials.nyquist
    return Harmonics(found.numpy(), (noise_power / (0.5 * 10.0 ** (found / 10.0)).sum(1)).numpy())


def lowest_good_pitch(space: Space, points: np.ndarray, time: float, velocity: float) -> float:
    """The lowest pitch from C2 to C4 at which the decoder still knows the sounds of points (n, dim): MIDI.

    A low pitch has many partials; but below the notes that a space was trained on, its sounds become noise or loud. So
    from C4 on the pitch is lowered by minor thirds while the share of noise and the level of each point stay about the
    same.
    """
    shares, levels = [], []
    for pitch in _PITCHES:
        found = harmonics(space, points, np.full(len(points), time), pitch, velocity)
        shares.append(found.noise / (1.0 + found.noise))
        levels.append(10.0 * np.log10((10.0 ** (found.levels / 10.0)).sum(1)))
    change = np.abs(np.array(levels) - levels[0]).max(1)
    noisier = (np.array(shares) - np.array(shares).min(0)).max(1)
    good = (change <= _LOUDER) & (noisier <= _NOISIER)
    good[0] = True
    return float(_PITCHES[int(np.argmin(np.append(good, False))) - 1])
