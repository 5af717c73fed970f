"""Descriptors of a note over time: attack, decay, length, fluctuation."""

import torch
from torch import Tensor

from timbre.spectral.descriptors.features import HIGH, LOW, TINY, NoteFeatures, root
from timbre.spectral.descriptors.scales import DECAY, FLUCTUATION

_SHORT = 0.005  # s
_EFFECTIVE = 0.4  # of the peak amplitude (Peeters et al. 2011)
_TREND = 0.15  # s, standard deviation of the Gaussian window of the trend; fluctuations of 3 Hz or more remain


def attack(note: NoteFeatures) -> Tensor:
    """Logarithmic attack time, log10 s: length of a linear attack with the same time from .1 to .8 of the peak."""
    seconds = note.attack[1] - note.attack[0]
    measured, ramp = note.layout.rise, note.layout.ramp
    right = torch.searchsorted(measured, seconds.detach()).clamp(1, len(ramp) - 1)
    share = (seconds - measured[right - 1]) / (measured[right] - measured[right - 1]).clamp_min(TINY)
    beyond = (seconds - measured[-1]).clamp_min(0.0) / (HIGH - LOW)
    return torch.log10(torch.lerp(ramp[right - 1], ramp[right], share.clamp(0.0, 1.0)) + beyond)


def temporal_centroid(note: NoteFeatures) -> Tensor:
    """Mean time of the sounding frames, by amplitude, log10 s."""
    return torch.log10(note.mean(note.time.expand_as(note.energy)) + _SHORT)


def temporal_balance(note: NoteFeatures) -> Tensor:
    """Temporal centroid as a share of the time from onset to end: near 0 for a click, .5 for a steady note."""
    begin = note.attack[0]
    share = (note.mean(note.time.expand_as(note.energy)) - begin) / (note.end - begin).clamp_min(1e-3)
    return share.clamp(0.0, 1.0)


def effective_duration(note: NoteFeatures) -> Tensor:
    """Time for which the amplitude is above 40 % of its peak, log10 s."""
    edge = 20.0 * torch.log10(note.level.new_tensor(_EFFECTIVE))
    return torch.log10(torch.sigmoid((note.level - edge) / 0.5).sum(1) / note.config.frame_rate)


def decay_slope(note: NoteFeatures) -> Tensor:
    """Slope of the level between attack and end, by least squares; asinh of dB/s over 5."""
    weight = note.steady / note.steady.sum(1, keepdim=True)
    time = note.time - (weight * note.time).sum(1, keepdim=True)
    level = note.level - (weight * note.level).sum(1, keepdim=True)
    # Added to the variance of the time, so that rounding does not give a note of one frame a slope.
    least = 1e-3 * note.config.frame_rate**-2
    slope = (weight * time * level).sum(1) / ((weight * time.square()).sum(1) + least)
    return DECAY.natural(slope)


def fluctuation(note: NoteFeatures) -> Tensor:
    """Standard deviation of the level around its slow trend between attack and end, log10 of dB + 0.3.

    The value shrinks with the length of short notes.
    """
    return FLUCTUATION.natural(_around_trend(note.level, note))


def _around_trend(values: Tensor, note: NoteFeatures) -> Tensor:
    """Deviation (batch,) from the parabola that fits best in a Gaussian window around each frame (local regression)."""
    weight = note.amplitude * note.steady
    weight = weight / weight.sum(1, keepdim=True)
    values = values - (weight * values).sum(1, keepdim=True)
    away = (note.time[None, :] - note.time[:, None]) / _TREND
    kernel = torch.exp(-0.5 * away.square())
    powers = [weight @ (kernel * away**order).mT for order in range(5)]
    products = [(weight * values) @ (kernel * away**order).mT for order in range(3)]
    matrix = torch.stack([torch.stack(powers[row : row + 3], -1) for row in range(3)], -2)
    ridge = (1e-4 * powers[0][..., None, None] + TINY) * torch.eye(3, dtype=values.dtype, device=values.device)
    trend = torch.linalg.solve(matrix + ridge, torch.stack(products, -1).unsqueeze(-1))[..., 0, 0]
    seconds = note.steady.sum(1) / note.config.frame_rate
    return root((weight * (values - trend).square()).sum(1)) * seconds / (seconds + _TREND)
