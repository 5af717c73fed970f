"""Descriptors of the frequencies of partials: how they beat with each other, and how inharmonic they are."""

import math

import torch
from torch import Tensor

from timbre.spectral.descriptors.features import TINY
from timbre.spectral.descriptors.partials import NotePartials
from timbre.spectral.descriptors.scales import ROUGHNESS, STRETCH

_FAINT = -45.0  # dB relative to the strongest partial; the beats of weaker ones are inaudible
_COUNTED = 16  # partials that determine the stretch
_DEEPEST = -60.0  # dB
_SHARPNESS = 4.0  # per dB of the partials' mean level: how strongly the best stretch is preferred
_TUNINGS = 17  # of the fundamental, 5 cents apart
_STRETCHES = (1e-5, 3e-3, 48)  # least and largest coefficient of Fletcher's formula, and their number


def roughness(note: NotePartials) -> Tensor:
    """Roughness of all pairs of partials (Vassilakis 2001), log2 of it + 0.1, levels relative to the strongest partial.

    It contains beats between partials of the note only, not those of two notes at once.
    """
    partials = note.partials
    audible = torch.sigmoid(partials.decibels - _FAINT) * partials.present
    amplitude = torch.pow(10.0, partials.decibels / 20.0)
    hz = partials.base * partials.number
    first, second = torch.triu_indices(len(partials.number), len(partials.number), 1, device=hz.device)
    pair = pair_roughness(hz[:, first], hz[:, second], amplitude[:, first], amplitude[:, second])
    total = (audible[:, first] * audible[:, second] * pair).sum(1)
    return partials.defined(ROUGHNESS.natural(total), 3)


def pair_roughness(low: Tensor, high: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Roughness of two sines at `low` and `high` Hz of amplitudes `first` and `second`; shapes broadcast."""
    rate = 0.24 / (0.0207 * low + 18.96)
    curve = torch.exp(-3.5 * rate * (high - low)) - torch.exp(-5.75 * rate * (high - low))
    depth = 2.0 * torch.minimum(first, second) / (first + second)
    return (first * second) ** 0.1 * 0.5 * depth**3.11 * curve


def inharmonicity(note: NotePartials) -> Tensor:
    """2 / f0 times the mean distance of partials from harmonic frequencies, by power; log10 of it + 0.001.

    Partials are those of a stiff string, h f0 sqrt(1 + B h^2) (Fletcher 1964): a mean over B from 0 to 0.003 and f0
    within 40 cents, weighted by the level of the first 16 partials there, in dB. For sounds without such a series, such
    as bells, the value means little.
    """
    partials = note.partials
    hz, away = _candidates(partials.base, partials.number[:_COUNTED])
    level = _interpolate(10.0 * torch.log10(partials.spectrum + 10.0 ** (_DEEPEST / 10.0)), partials.layout.hz, hz)
    inside = hz < partials.nyquist
    score = torch.where(inside, level, _DEEPEST).mean(2)
    likely = torch.softmax(_SHARPNESS * score, 1)
    power = torch.where(inside, torch.pow(10.0, level / 10.0), 0.0) / _gain(note, hz)
    value = 2.0 * (away * power).sum(2) / power.sum(2).clamp_min(TINY)
    return partials.defined(STRETCH.natural((likely * value).sum(1)), 3)


def _candidates(base: Tensor, number: Tensor) -> tuple[Tensor, Tensor]:
    """Frequencies of partials (batch, candidates, partials), Hz, and their distances from harmonic ones (candidates,
    partials), as a share of the fundamental."""
    low, high, count = _STRETCHES
    rising = torch.logspace(math.log10(low), math.log10(high), count)
    stretch = torch.cat([torch.zeros(1), rising]).to(number)
    tuning = torch.exp2(torch.linspace(-40.0, 40.0, _TUNINGS).to(number) / 1200.0)
    series = number * (1.0 + stretch[:, None] * number.square()).sqrt()
    ratio = (tuning[:, None, None] * series).flatten(0, 1)
    away = (series - number).repeat(_TUNINGS, 1)
    return base[:, :, None] * ratio, away


def _interpolate(values: Tensor, hz: Tensor, target: Tensor) -> Tensor:
    """`values` (batch, bins) of bands at `hz` (bins,), interpolated at `target` (batch, candidates, partials), Hz."""
    flat = target.flatten(1).expand(len(values), -1)
    right = torch.searchsorted(hz, flat.detach().contiguous()).clamp(1, len(hz) - 1)
    share = ((flat - hz[right - 1]) / (hz[right] - hz[right - 1])).clamp(0.0, 1.0)
    return torch.lerp(values.gather(1, right - 1), values.gather(1, right), share).view(len(values), *target.shape[1:])


def _gain(note: NotePartials, hz: Tensor) -> Tensor:
    """Squared magnitudes of sines of power 1 at `hz`, interpolated between the bands at the same frequencies."""
    layout = note.layout
    grid = torch.arange(len(layout.responses), dtype=hz.dtype, device=hz.device) * layout.step
    own = _interpolate(layout.responses, layout.hz, grid[:, None, None])[:, 0, 0]
    return layout.at(own, hz).clamp_min(TINY)
