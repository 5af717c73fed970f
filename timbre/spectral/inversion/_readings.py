"""What a spectrogram reads of a partial, of many and of noise: the levels of the portable inverter."""

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from timbre.config import SpectrogramConfig
from timbre.spectral.spectrogram import Spectrogram

GRID_HZ = 4.0
LOW, STEP, HIGH = 12.0, 2.0, 128.0  # MIDI pitches at which combs are read
_WINDOWS = 12  # length of what is read, in windows
_FLOOR = -150.0  # dB
_MOST, _LEAST = 3.0, -15.0  # dB: the largest corrections
_LOBE = 2.5  # bins from a partial at which its lobe has ended


class Readings(NamedTuple):
    """Readings of a spectrogram's bands."""

    centers: Tensor  # of the bands, Hz (bands,)
    band_at: Tensor  # place among the bands of frequencies `GRID_HZ` apart, (frequencies,)
    white: Tensor  # mean level of white noise of variance 1, dB (bands,)
    single: Tensor  # level of a sine of amplitude 1 in the middle of a band, dB (bands,)
    combs: Tensor  # what a partial's level exceeds the band's mean by, dB (pitches, bands)
    below: Tensor  # number of the band where the lobe of a partial in each band has ended, (bands,)
    above: Tensor


@lru_cache(maxsize=8)
@torch.no_grad()
def readings(config: SpectrogramConfig) -> Readings:
    """The readings of the bands of `config`; takes about a second, once."""
    spectrogram = Spectrogram(replace(config, floor_db=_FLOOR))
    centers = spectrogram.centers.double()
    grid = np.arange(0.0, config.sample_rate / 2 + 2 * GRID_HZ, GRID_HZ)
    band_at = torch.from_numpy(np.interp(grid, centers.numpy(), np.arange(len(centers))))
    single = 20.0 * torch.log10(spectrogram.response(centers).diagonal().clamp_min(1e-3))
    below, above = _beside(centers, _LOBE * config.sample_rate / config.n_fft)
    return Readings(
        centers.float(), band_at.float(), _white(spectrogram), single.float(), _combs(spectrogram), below, above
    )


def _white(spectrogram: Spectrogram) -> Tensor:
    noise = torch.randn(4, 4 * _WINDOWS * spectrogram.config.n_fft, generator=torch.Generator().manual_seed(0))
    return spectrogram(noise)[..., 4:-4].mean((0, 2))


def _combs(spectrogram: Spectrogram) -> Tensor:
    """How far the level of partials that share bands is above that of the decoder's envelope, mostly below 0.

    The decoder takes the power of a band for the sum of its partials' powers. Bands that are wider than the distance
    of the partials read more: they sum magnitudes. The difference is read from trains of pulses.
    """
    config = spectrogram.config
    pitches = torch.arange(LOW, HIGH, STEP, dtype=torch.float64)
    base = 440.0 * torch.exp2((pitches - 69.0) / 12.0)
    counts = ((config.sample_rate / 2.0 / base).ceil().long() - 1).clamp_min(1)
    time = torch.arange(_WINDOWS * config.n_fft, dtype=torch.float64) / config.sample_rate
    trains = _train(torch.outer(base, time), counts.unsqueeze(-1))
    read = spectrogram(trains.float())[..., 4:-4].mean(2).double()
    return torch.stack([_comb(spectrogram, *each) for each in zip(base, counts, read, strict=True)])


def _comb(spectrogram: Spectrogram, base: Tensor, count: Tensor, read: Tensor) -> Tensor:
    hz, centers = base * torch.arange(1, int(count) + 1), spectrogram.centers.double().numpy()
    power = sum(part.double().square().sum(0) for part in map(spectrogram.response, hz.split(512)))
    above = (10.0 * torch.log10(torch.as_tensor(power) + 1e-12) - read).numpy()
    along = np.interp(hz.numpy(), centers, above).clip(_LEAST, _MOST)
    return torch.from_numpy(np.interp(centers, hz.numpy(), along)).float()


def _train(turns: Tensor, count: Tensor) -> Tensor:
    """The sum of the first `count` harmonics of amplitude 1, in phase half a turn after the start (Dirichlet)."""
    x = torch.pi * ((turns + 0.5) % 1.0)
    return torch.sin(count * x) * torch.cos((count + 1) * x) / torch.where(x.sin().abs() < 1e-9, 1e-9, x.sin())


def _beside(centers: Tensor, hz: float) -> tuple[Tensor, Tensor]:
    numbers, last = torch.arange(len(centers)), len(centers) - 1
    below = torch.minimum(torch.searchsorted(centers, centers - hz, right=True) - 1, numbers - 1)
    above = torch.maximum(torch.searchsorted(centers, centers + hz), numbers + 1)
    return below.clamp(0, last), above.clamp(0, last)
