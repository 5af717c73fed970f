"""The non-stationary Gabor transform (NSGT): bands on any frequency scale, exactly invertible.

Balazs, Doerfler, Jaillet, Holighaus and Velasco 2011, "Theory, implementation and applications of nonstationary Gabor
frames"; Velasco, Holighaus, Doerfler and Grill 2011 for the constant-Q scale; Holighaus, Doerfler, Velasco and Grill
2013. The form here is a matrix: all bands have the same number of coefficients, one every `hop_length` samples.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from timbre.errors import AudioError, ConfigError


class NSGT(nn.Module):
    """Non-stationary Gabor transform of whole signals, in the painless case.

    A band is the part of the spectrum under a raised cosine that falls to zero at the centres of its neighbours, as an
    analytic signal sampled every `hop_length` samples. No band is wider than that sample rate, so that the frame
    operator is diagonal over frequency and the dual windows are the windows over the sum of their squares. The inverse
    is exact for the coefficients of a signal, and the least-squares inverse for others.

    The signal is padded with zeros to a length that suits the FFT (others are slower and, in single precision, 20 dB
    less exact) and treated as periodic; pad it further if its end must not reach its start.

    Args:
        centers: frequencies of the bands (bands,), Hz, rising from 0 to `sample_rate` / 2.
        sample_rate: Hz.
        hop_length: largest number of samples between coefficients; see the attribute.
        min_width: least distance from a band's centre to its edges, Hz, beyond its neighbours if necessary. It limits
            the length of the windows in time to about 4 / `min_width` seconds from zero to zero.

    Attributes:
        hop_length: samples between coefficients: the largest divisor of the given one that keeps the frame painless,
            that is, less than `sample_rate` over the width of the widest band.

    Raises:
        ConfigError: the centres do not rise from 0 to half of the sample rate.
    """

    centers: Tensor

    def __init__(self, centers: np.ndarray, sample_rate: int, hop_length: int, min_width: float = 0.0) -> None:
        super().__init__()
        nyquist, spacing = sample_rate / 2.0, np.diff(centers)
        if len(centers) < 2 or (spacing <= 0).any() or not np.allclose(centers[[0, -1]], [0.0, nyquist], atol=1e-6):
            raise ConfigError(f"The centres of the NSGT's bands must rise from 0 to {nyquist:g} Hz.")
        below, above = np.maximum([np.r_[spacing[0], spacing], np.r_[spacing, spacing[-1]]], min_width)
        widest = float((np.minimum(centers + above, nyquist) - np.maximum(centers - below, 0.0)).max())
        self.hop_length = max(
            n for n in range(1, hop_length + 1) if hop_length % n == 0 and (n == 1 or n * widest < sample_rate)
        )
        self._bands = _Bands(tuple(centers.tolist()), tuple(below.tolist()), tuple(above.tolist()), sample_rate)
        self.register_buffer("centers", torch.from_numpy(centers).float(), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Complex coefficients (batch, bands, frames) of waveforms (batch, samples).

        The number of frames is ceil(samples / hop_length), rounded up to a number whose prime factors are 2, 3 and 5.
        A sine of amplitude 1 at a band's centre has magnitude 1 there.

        Raises:
            AudioError: the shape is not (batch, samples), or there are no samples.
        """
        if waveform.ndim != 2 or waveform.shape[-1] == 0:
            raise AudioError(f"Waveforms must be a tensor (batch, samples), got {tuple(waveform.shape)}.")
        from scipy.fft import next_fast_len  # scipy takes a tenth of a second to import

        frames = next_fast_len(-(-waveform.shape[-1] // self.hop_length), real=True)
        bins, window, _ = self._plan(frames)
        spectrum = torch.fft.rfft(waveform.to(self.centers.dtype), n=frames * self.hop_length)
        return torch.fft.ifft(spectrum[:, bins] * window)

    def inverse(self, coefficients: Tensor, length: int) -> Tensor:
        """Waveforms (batch, length) from coefficients (batch, bands, frames); zeros beyond the frames."""
        bins, _, dual = self._plan(coefficients.shape[-1])
        samples = coefficients.shape[-1] * self.hop_length
        parts = (torch.fft.fft(coefficients) * dual).flatten(1)
        spectrum = parts.new_zeros(len(parts), samples // 2 + 1).index_add(1, bins.flatten(), parts)
        waveform = torch.fft.irfft(spectrum, n=samples)[:, :length]
        return nn.functional.pad(waveform, (0, length - waveform.shape[-1]))

    def response(self, hz: Tensor) -> Tensor:
        """Magnitudes (n, bands) of steady sines of amplitude 1 at `hz` (n,), 0 to half of the sample rate."""
        return torch.from_numpy(_windows(self._bands, hz.double().cpu().numpy()).T.copy()).to(self.centers)

    def _plan(self, frames: int) -> tuple[Tensor, Tensor, Tensor]:
        return _make_plan(self._bands, self.hop_length, frames, self.centers.dtype, self.centers.device)


class _Bands(NamedTuple):
    centers: tuple[float, ...]
    below: tuple[float, ...]
    above: tuple[float, ...]
    sample_rate: int


def _windows(bands: _Bands, hz: np.ndarray) -> np.ndarray:
    """Raised cosines (bands, n) at frequencies (n,) or (bands, n)."""
    offset = hz - np.array(bands.centers)[:, None]
    width = np.where(offset < 0.0, np.array(bands.below)[:, None], np.array(bands.above)[:, None])
    return 0.5 + 0.5 * np.cos(np.pi * np.minimum(np.abs(offset) / width, 1.0))


@lru_cache(maxsize=8)
def _make_plan(
    bands: _Bands, hop: int, frames: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Bins of the spectrum, in the order in which sampling folds them, windows and dual windows; all (bands, frames).

    They are computed in double precision. Modulo `frames`, the bins of a band differ.
    """
    samples = frames * hop
    step = bands.sample_rate / samples
    lowest = np.floor((np.array(bands.centers) - np.array(bands.below)) / step).astype(np.int64)
    first = np.maximum(lowest + 1, 0)[:, None]
    bins = first + (np.arange(frames) - first) % frames
    window = _windows(bands, bins * step) * (bins <= samples // 2)
    bins = np.minimum(bins, samples // 2)
    power = np.zeros(samples // 2 + 1)
    np.add.at(power, bins, window**2)
    scale = 2.0 / hop  # half of a sine's amplitude is at its positive frequency, and sampling divides it by `hop`
    analysis, synthesis = (
        torch.from_numpy(w).to(device, dtype) for w in (window * scale, window / power[bins] / scale)
    )
    return torch.from_numpy(bins).to(device), analysis, synthesis
