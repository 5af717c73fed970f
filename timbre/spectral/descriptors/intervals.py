"""Descriptors of where partials lie: how they beat with each other, and how far they are from harmonic places."""

import math

import torch
from torch import Tensor

from timbre.spectral.descriptors.features import TINY
from timbre.spectral.descriptors.partials import NotePartials
from timbre.spectral.descriptors.scales import ROUGHNESS, STRETCH

_FAINT = -45.0  # dB below the strongest partial: fainter ones do not beat audibly
_COUNTED = 16  # partials by which a stretch is found
_DEEPEST = -60.0  # dB
_SHARPNESS = 4.0  # per dB of the partials' mean level: how surely the best stretch is taken
_TUNINGS = 17  # of the fundamental, 5 cents apart
_STRETCHES = (1e-5, 3e-3, 48)  # least and most of Fletcher's coefficient, and how many


def roughness(note: NotePartials) -> Tensor:
    """Roughness of all pairs of partials (Vassilakis 2001), log2 of it + 0.1, levels against the strongest partial.

    Beats of anything but partials with each other, such as two notes at once, are not heard by it.
    """
    found = note.partials
    audible = torch.sigmoid(found.decibels - _FAINT) * found.present
    amplitude = torch.pow(10.0, found.decibels / 20.0)
    hz = found.base * found.number
    first, second = torch.triu_indices(len(found.number), len(found.number), 1, device=hz.device)
    pair = pair_roughness(hz[:, first], hz[:, second], amplitude[:, first], amplitude[:, second])
    total = (audible[:, first] * audible[:, second] * pair).sum(1)
    return found.defined(ROUGHNESS.natural(total), 3)


def pair_roughness(low: Tensor, high: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Roughness of two sines at `low` and `high` Hz of amplitudes `first` and `second`; shapes broadcast."""
    rate = 0.24 / (0.0207 * low + 18.96)
    curve = torch.exp(-3.5 * rate * (high - low)) - torch.exp(-5.75 * rate * (high - low))
    depth = 2.0 * torch.minimum(first, second) / (first + second)
    return (first * second) ** 0.1 * 0.5 * depth**3.11 * curve


def inharmonicity(note: NotePartials) -> Tensor:
    """2 / f0 times the mean distance of partials from harmonic places, by power; log10 of it + 0.001.

    Partials are looked for where those of a stiff string lie, h f0 sqrt(1 + B h^2) (Fletcher 1964): over B from 0 to
    0.003 and f0 within 40 cents, the mean is taken by how high the first 16 partials stand there, in dB. Of what is no
    such series, a bell's partials for instance, it says little.
    """
    found = note.partials
    places, away = _candidates(found.base, found.number[:_COUNTED])
    level = _read(10.0 * torch.log10(found.spectrum + 10.0 ** (_DEEPEST / 10.0)), found.layout.hz, places)
    inside = places < found.nyquist
    score = torch.where(inside, level, _DEEPEST).mean(2)
    likely = torch.softmax(_SHARPNESS * score, 1)
    power = torch.where(inside, torch.pow(10.0, level / 10.0), 0.0) / _gain(note, places)
    value = 2.0 * (away * power).sum(2) / power.sum(2).clamp_min(TINY)
    return found.defined(STRETCH.natural((likely * value).sum(1)), 3)


def _candidates(base: Tensor, number: Tensor) -> tuple[Tensor, Tensor]:
    """Places of partials (batch, candidates, partials), Hz, and how far from harmonic they are (candidates, partials),
    as a share of the fundamental."""
    low, high, count = _STRETCHES
    rising = torch.logspace(math.log10(low), math.log10(high), count)
    stretch = torch.cat([torch.zeros(1), rising]).to(number)
    tuning = torch.exp2(torch.linspace(-40.0, 40.0, _TUNINGS).to(number) / 1200.0)
    series = number * (1.0 + stretch[:, None] * number.square()).sqrt()
    ratio = (tuning[:, None, None] * series).flatten(0, 1)
    away = (series - number).repeat(_TUNINGS, 1)
    return base[:, :, None] * ratio, away


def _read(values: Tensor, hz: Tensor, places: Tensor) -> Tensor:
    """`values` (batch, bins) of bands at `hz` (bins,) between them, at `places` (batch, candidates, partials), Hz."""
    flat = places.flatten(1).expand(len(values), -1)
    right = torch.searchsorted(hz, flat.detach().contiguous()).clamp(1, len(hz) - 1)
    share = ((flat - hz[right - 1]) / (hz[right] - hz[right - 1])).clamp(0.0, 1.0)
    return torch.lerp(values.gather(1, right - 1), values.gather(1, right), share).view(len(values), *places.shape[1:])


def _gain(note: NotePartials, places: Tensor) -> Tensor:
    """What a sine of power 1 at `places` reads there."""
    layout = note.layout
    grid = torch.arange(len(layout.pictures), dtype=places.dtype, device=places.device) * layout.step
    own = _read(layout.pictures, layout.hz, grid[:, None, None])[:, 0, 0]
    place = (places / layout.step).clamp(0, len(own) - 1.001)
    row = place.detach().long()
    return torch.lerp(own[row], own[row + 1], place - row).clamp_min(TINY)
