"""Descriptors of a note's spectrum, frame by frame, and their means over the frames in which it sounds."""

import torch
from torch import Tensor

from timbre.spectral.descriptors.features import TINY, NoteFeatures, power_ratio, root

_ROLLOFF = 0.85
_NARROW = 0.05  # least standard deviation, in the unit of the scale, since bands limit the resolution


def moments(magnitude: Tensor, scale: Tensor, measure: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (batch, frames) of the centres of the bands on any `scale` (bins,); 0 for a silent frame.

    They are weighted by magnitudes (batch, bins, frames), 0 or more, times the `measure` of the bands (bins,).
    """
    middle = scale.mean()
    offset = scale - middle
    total, first, second = _sums(magnitude, offset, measure, 2)
    mean = first / total
    return mean + middle, (second / total - mean.square()).clamp_min(0.0)


def shape(magnitude: Tensor, scale: Tensor, measure: Tensor) -> tuple[Tensor, Tensor]:
    """Skewness and kurtosis (batch, frames) of `scale`; arguments as in :func:`moments`. A Gaussian has 0 and 3."""
    offset = scale - scale.mean()
    total, *raw = _sums(magnitude, offset, measure, 4)
    m1, m2, m3, m4 = (value / total for value in raw)
    variance = (m2 - m1.square()).clamp_min(0.0) + _NARROW**2
    third = m3 - 3.0 * m1 * m2 + 2.0 * m1**3
    fourth = m4 - 4.0 * m1 * m3 + 6.0 * m1.square() * m2 - 3.0 * m1**4
    return third / variance**1.5, fourth.clamp_min(0.0) / variance.square()


def _sums(magnitude: Tensor, offset: Tensor, measure: Tensor, order: int) -> list[Tensor]:
    rows = torch.stack([measure * offset**power for power in range(order + 1)])
    total, *raw = (rows @ magnitude).unbind(1)
    return [total.clamp_min(TINY), *raw]


def rolloff_hz(magnitude: Tensor, hz: Tensor, measure: Tensor, share: float = _ROLLOFF) -> Tensor:
    """Frequency (batch, frames), Hz, below which `share` of the magnitude lies, interpolated linearly."""
    total = (measure[:, None] * magnitude).cumsum(1)
    portion = total / total[:, -1:].clamp_min(TINY)
    step = (share - portion[:, :-1]) / portion.diff(dim=1).clamp_min(TINY)
    return hz[0] + torch.einsum("b,nbt->nt", hz.diff(), step.clamp(0.0, 1.0))


def flatness_db(decibels: Tensor, measure: Tensor) -> Tensor:
    """Geometric over arithmetic mean of the bands' power (batch, frames), dB; 0 is flat, a sine is far below.

    Bands, dB (batch, bins, frames), have the weights `measure` (bins,).
    """
    measure = measure / measure.sum()
    mean = torch.einsum("b,nbt->nt", measure, power_ratio(decibels))
    return torch.einsum("b,nbt->nt", measure, decibels) - 10.0 * torch.log10(mean.clamp_min(TINY))


def centroid(note: NoteFeatures) -> Tensor:
    """Spectral centroid of magnitudes in Hz, log2 Hz; its logarithm is averaged over time."""
    return note.mean(_log_centroid(note))


def bandwidth(note: NoteFeatures) -> Tensor:
    """Standard deviation in Hz, by magnitude, log2 Hz."""
    deviation = root(moments(note.magnitude, note.layout.hz, note.layout.amplitude)[1])
    return note.mean(torch.log2(deviation.clamp_min(1.0)))


def spread(note: NoteFeatures) -> Tensor:
    """Standard deviation in ERB numbers, by magnitude: how much of the ear's range a note covers."""
    return note.mean(_spread(note))


def skewness(note: NoteFeatures) -> Tensor:
    """Skewness in ERB numbers: above 0 if most of the spectrum is low and little of it high."""
    return note.mean(torch.asinh(shape(note.magnitude, note.layout.erb, note.layout.amplitude)[0]))


def kurtosis(note: NoteFeatures) -> Tensor:
    """Kurtosis in ERB numbers, log2 of it + 1: a Gaussian has 2, more is peaked with long tails."""
    return note.mean(torch.log2(shape(note.magnitude, note.layout.erb, note.layout.amplitude)[1] + 1.0))


def flatness(note: NoteFeatures) -> Tensor:
    """Flatness over ERB numbers, dB, of levels relative to white noise."""
    return note.mean(flatness_db(note.density, note.layout.erb_width))


def rolloff(note: NoteFeatures) -> Tensor:
    """Frequency below which 85 % of the magnitude lies, log2 Hz."""
    hz = rolloff_hz(note.magnitude, note.layout.hz, note.layout.amplitude)
    return note.mean(torch.log2(hz.clamp_min(1.0)))


def flux(note: NoteFeatures) -> Tensor:
    """Root mean square over ERB numbers of the change of level from frame to frame, dB."""
    measure = note.layout.erb_width / note.layout.erb_width.sum()
    change = root(torch.einsum("b,nbt->nt", measure, note.density.diff(dim=2).square()))
    return (note.weight[:, 1:] * change).sum(1)


def centroid_variation(note: NoteFeatures) -> Tensor:
    """Standard deviation of the centroid over the whole note, octaves."""
    return note.deviation(_log_centroid(note))


def spread_variation(note: NoteFeatures) -> Tensor:
    """Standard deviation of the spread over the whole note, ERB numbers."""
    return note.deviation(_spread(note))


def _spread(note: NoteFeatures) -> Tensor:
    return root(moments(note.magnitude, note.layout.erb, note.layout.amplitude)[1])


def _log_centroid(note: NoteFeatures) -> Tensor:
    return torch.log2(moments(note.magnitude, note.layout.hz, note.layout.amplitude)[0].clamp_min(1.0))
