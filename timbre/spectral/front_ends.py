"""The kinds of spectrogram: their transforms, their bands, and the matrices from the bands to STFT magnitudes."""

from functools import lru_cache

import torch
from torch import Tensor, nn

from timbre.config import SpectrogramConfig
from timbre.spectral.filterbank import band_edges, bank_inverse, cq_edges, filterbank, response_inverse
from timbre.spectral.lapped import DCT, LappedTransform
from timbre.spectral.nsgt import NSGT
from timbre.spectral.stft import STFT, hann_main_lobe

_FINENESS = 4  # steps per STFT bin of the sines from which the inverse of the bands is learnt

BandTransform = NSGT | LappedTransform
"""The transforms beside the STFT: modules with ``forward``, ``inverse``, ``response`` and ``centers``."""


Design = tuple[Tensor, Tensor | None, Tensor | None]
"""``centers``, ``filterbank`` and ``bank_inverse`` of :class:`~timbre.spectral.Spectrogram`."""


def make_transform(config: SpectrogramConfig) -> BandTransform | None:
    """The transform of a config's kind; None if it is the STFT."""
    rate = config.sample_rate
    if config.kind == "dct":
        return DCT(config.n_fft, config.hop_length, rate)
    if not config.kind.startswith("nsgt"):
        return None
    scale = config.kind.removeprefix("nsgt_")
    if scale == "cq":
        edges = cq_edges(rate, config.fmin, config.bins_per_octave, config.cq_bands)
    else:
        edges = band_edges(rate, config.n_mels - 2, scale)
    # Windows longer than the STFT's would keep a partial before and after the STFT sees it.
    return NSGT(edges, rate, config.hop_length, min_width=2.0 * rate / config.n_fft)


@lru_cache(maxsize=8)
def make_design(config: SpectrogramConfig) -> Design:
    """The tensors of a config; takes up to a second, once."""
    if transform := make_transform(config):
        return design_for(transform, config)
    if config.kind == "linear":
        centers = torch.arange(config.bins, dtype=torch.float64) * config.sample_rate / config.n_fft
        return centers.float(), None, None
    centers = torch.from_numpy(band_edges(config.sample_rate, config.n_mels, config.kind)[1:-1])
    weights = filterbank(config.sample_rate, config.n_fft, config.n_mels, config.kind)
    return centers.float(), torch.from_numpy(weights), torch.from_numpy(bank_inverse(weights))


def design_for(transform: BandTransform, config: SpectrogramConfig) -> Design:
    """The tensors of a transform whose bands are not filters on the STFT."""
    hz = torch.linspace(0.0, config.sample_rate / 2, _FINENESS * config.n_fft // 2 + 1, dtype=torch.float64)
    readings = transform.response(hz).to(hz)
    if isinstance(transform, LappedTransform):
        readings = transform.envelope(readings.mT, steady=True).mT
    lobes = stft_response(config, hz)
    return transform.centers, None, torch.from_numpy(response_inverse(readings.numpy(), lobes.numpy()))


def read(waveform: Tensor, transform: BandTransform | STFT, config: SpectrogramConfig) -> Tensor:
    """Magnitudes (batch, bins, frames) of waveforms (batch, samples).

    Those of an NSGT are root mean squares over a hop around each frame's centre: bands wider than the frame rate
    fluctuate from frame to frame, and single samples of them would be random.
    """
    if not isinstance(transform, NSGT):
        return transform(waveform).abs()[..., : config.frames(waveform.shape[-1])]
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


def stft_response(config: SpectrogramConfig, hz: Tensor) -> Tensor:
    """Magnitudes (n, n_fft // 2 + 1) of steady sines of amplitude 1 in the bins of the STFT, `hz` in double precision.

    A Hann window's main lobe ends 2 bins off its centre; the lobes beyond it (-31 dB and falling) are left out.
    """
    position, count = hz[:, None] * config.n_fft / config.sample_rate, config.n_fft // 2 + 1
    near = position.floor().long() + torch.arange(-1, 3, device=hz.device)  # the bins inside the main lobe
    lobes = hann_main_lobe(position - near) * ((near >= 0) & (near < count))
    return lobes.new_zeros(len(hz), count).scatter_add_(1, near.clamp(0, count - 1), lobes)
