"""What differs between the kinds of spectrogram: the transform, its bands, and the way to magnitudes of the STFT."""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from timbre.config import SpectrogramConfig
from timbre.spectral.filterbank import band_edges, bank_inverse, cq_edges, filterbank, response_inverse
from timbre.spectral.lapped import DCT, MDCT
from timbre.spectral.nsgt import NSGT

_FINENESS = 4  # steps per STFT bin of the sinusoids from which the way to the STFT is learnt
_NEIGHBOUR = 3.0 * math.pi / 16.0  # what a Hann window's lobe at half a bin wants to make two of it 1


class Design(NamedTuple):
    """Tensors that a config alone decides; see the attributes of :class:`~timbre.spectral.Spectrogram`."""

    centers: Tensor
    filterbank: Tensor | None
    bank_inverse: Tensor | None


def make_transform(config: SpectrogramConfig) -> nn.Module | None:
    """The transform of a config's kind; None where it is the STFT."""
    if config.kind == "dct":
        return DCT(config.n_fft, config.hop_length)
    if config.kind == "mdct":
        return MDCT(config.hop_length)
    if not config.kind.startswith("nsgt"):
        return None
    scale, rate = config.kind.removeprefix("nsgt_"), config.sample_rate
    if scale == "cq":
        edges = cq_edges(rate, config.fmin, config.bins_per_octave, config.cq_bands)
    else:
        edges = band_edges(rate, config.n_mels - 2, scale)
    # Windows longer than the STFT's would hold on to a partial before and after the STFT sees it.
    return NSGT(edges, rate, config.hop_length, min_width=2.0 * rate / config.n_fft)


@lru_cache(maxsize=8)
def make_design(config: SpectrogramConfig) -> Design:
    """The tensors of a config; up to a second of work, done once."""
    centers = _centers(config)
    if config.kind == "linear":
        return Design(centers, None, None)
    if config.kind in ("mel", "erb"):
        weights = filterbank(config.sample_rate, config.n_fft, config.n_mels, config.kind)
        return Design(centers, torch.from_numpy(weights), torch.from_numpy(bank_inverse(weights)))
    hz = torch.linspace(0.0, config.sample_rate / 2, _FINENESS * config.n_fft // 2 + 1, dtype=torch.float64)
    readings = envelope(respond(config, centers.double(), hz).mT, config.kind, steady=True).mT
    lobes = stft_response(config, hz)
    return Design(centers, None, torch.from_numpy(response_inverse(readings.numpy(), lobes.numpy())))


def read_nsgt(waveform: Tensor, transform: NSGT, config: SpectrogramConfig) -> Tensor:
    """Root mean squares of the bands (batch, bands, frames) over a hop around each frame's centre.

    Bands wider than the frame rate fluctuate from frame to frame, and a sample of them would be one of chance.
    """
    coefficients = transform(nn.functional.pad(waveform, (0, config.n_fft + config.hop_length)))
    power = coefficients.real.square() + coefficients.imag.square()
    count = config.hop_length // transform.hop_length
    weights = power.new_ones(1, 1, count + 1 - count % 2)
    if count % 2 == 0:
        weights[..., [0, -1]] = 0.5  # samples that two frames share
    power = power.roll(count // 2, -1).flatten(0, 1).unsqueeze(1)
    mean = nn.functional.conv1d(power, weights / count, stride=count).view(*coefficients.shape[:2], -1)
    smallest = 10.0 ** (config.floor_db / 10.0)
    return mean[..., : config.frames(waveform.shape[-1])].clamp(min=smallest).sqrt()


def respond(config: SpectrogramConfig, centers: Tensor, hz: Tensor) -> Tensor:
    """Magnitudes (n, bins) of steady sines of amplitude 1 in bins that are not filters on the STFT."""
    transform = make_transform(config)
    if isinstance(transform, NSGT):
        return transform.response(hz).to(hz)
    size = 2 * config.hop_length if config.kind == "mdct" else config.n_fft
    offset = (hz[:, None] - centers) * (size / config.sample_rate)
    return sine_lobe(offset) if config.kind == "mdct" else hann_lobe(offset)


def stft_response(config: SpectrogramConfig, hz: Tensor) -> Tensor:
    """Magnitudes (n, n_fft // 2 + 1) of steady sines of amplitude 1 in the bins of the STFT, `hz` in double precision.

    A Hann window's main lobe ends 2 bins off its centre; the lobes beyond it (-31 dB and falling) are left out.
    """
    bins = torch.arange(config.n_fft // 2 + 1, dtype=torch.float64, device=hz.device)
    return hann_lobe(hz[:, None] * config.n_fft / config.sample_rate - bins)


def hann_lobe(offset: Tensor) -> Tensor:
    """Main lobe of a Hann window's transform, 1 at its centre; `offset` in bins."""
    offset = torch.where((offset.abs() - 1).abs() < 1e-6, offset + 1e-5, offset)
    return (torch.sinc(offset) / (1.0 - offset.square()) * (offset.abs() < 2)).abs()


def sine_lobe(offset: Tensor) -> Tensor:
    """Main lobe of a sine window's transform, 1 at its centre; `offset` in bins."""
    offset = torch.where((offset.abs() - 0.5).abs() < 1e-6, offset + 1e-5, offset)
    return (torch.cos(math.pi * offset) / (1.0 - 4.0 * offset.square()) * (offset.abs() < 1.5)).abs()


def envelope(magnitude: Tensor, kind: str, steady: bool = False) -> Tensor:
    """Magnitudes that no longer follow the phase, from absolute coefficients (..., bins, frames); NSGTs' as they are.

    Neighbouring coefficients of the DCT are in quadrature, and those on both sides of one have opposite signs: with
    the sum of the neighbours as imaginary part the phase cancels (the pseudo-spectrum of Daudet and Sandler 2004, here
    without the signs). The MDCT has half as many coefficients, too few for that: its three nearest frames are averaged.

    Args:
        magnitude: (..., bins, frames).
        kind: of the spectrogram.
        steady: `magnitude` is that of each coefficient's best phase, in columns that are no frames.
    """
    if kind == "dct":
        sides = nn.functional.pad(magnitude, (0, 0, 1, 1))
        quadrature = _NEIGHBOUR * (sides[..., 2:, :] + sides[..., :-2, :])
        power = magnitude.square() + quadrature.square()
        return _root(power / 2.0 if steady else power)
    if kind != "mdct" or steady:
        return magnitude
    power = nn.functional.pad(magnitude.square(), (1, 1), mode="replicate")
    return _root((power[..., :-2] + power[..., 1:-1] + power[..., 2:]) * (2.0 / 3.0))


def _root(power: Tensor) -> Tensor:
    """Square root whose gradient is 0, not infinite, where `power` is 0; NaN stays NaN."""
    silent = power == 0.0
    return torch.where(silent, 0.0, torch.where(silent, 1.0, power).sqrt())


def _centers(config: SpectrogramConfig) -> Tensor:
    rate, transform = config.sample_rate, make_transform(config)
    if isinstance(transform, NSGT):
        return transform.centers
    if config.kind in ("mel", "erb"):
        return torch.from_numpy(band_edges(rate, config.n_mels, config.kind)[1:-1]).float()
    place = torch.arange(config.bins, dtype=torch.float64)
    if config.kind == "linear":
        return (place * rate / config.n_fft).float()
    return ((place + (config.kind == "mdct") / 2) * rate / (2 * config.bins)).float()
