"""Real transforms of overlapping frames: the base class, and a windowed discrete cosine transform (DCT)."""

import math
from functools import lru_cache

import torch
from torch import Tensor, nn

from timbre.spectral.stft import hann_main_lobe, overlap_add

_QUADRATURE = 3.0 * math.pi / 16.0  # scales the two neighbours so that a partial between two bins reads 1


class LappedTransform(nn.Module):
    """Cosine transform of windowed frames: the sum over n of x[n] cos(pi / bins (n + shift) (k + half)).

    Frames are centred every `hop_length` samples, with zeros beyond the ends. Coefficients are scaled so that a sine of
    amplitude 1 at the frequency of one reads at most 1 there: unlike a magnitude, a real coefficient follows the phase
    and passes through 0.

    Args:
        window: (samples of a frame,).
        hop_length: samples between frames; also an attribute.
        bins: coefficients of a frame; also an attribute.
        shift, half: as in the formula.
        sample_rate: Hz.

    Attributes:
        centers: frequencies of the coefficients (bins,), Hz.
    """

    window: Tensor
    centers: Tensor

    def __init__(
        self, window: Tensor, hop_length: int, bins: int, shift: float, half: float, sample_rate: float
    ) -> None:
        super().__init__()
        self.size, self.hop_length, self.bins, self.sample_rate = len(window), hop_length, bins, sample_rate
        self._cosines = (len(window), bins, shift, half)
        self.scale = 2.0 / float(window.sum())
        self.register_buffer("window", window.float(), persistent=False)
        centers = (torch.arange(bins, dtype=torch.float64) + half) * sample_rate / (2 * bins)
        self.register_buffer("centers", centers.float(), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Coefficients (batch, bins, frames) of waveforms (batch, samples); frames = 1 + ceil(samples / hop_length)."""
        samples, half = waveform.shape[-1], self.size // 2
        end = self.hop_length * -(-samples // self.hop_length) + self.size - half - samples
        padded = nn.functional.pad(waveform.to(self.window.dtype), (half, end))
        frames = padded.unfold(-1, self.size, self.hop_length) * (self.window * self.scale)
        before, after = _twiddles(*self._cosines, self.window.dtype, self.window.device)
        return (torch.fft.fft(frames * before, n=2 * self.bins)[..., : self.bins] * after).real.mT

    def inverse(self, coefficients: Tensor, length: int) -> Tensor:
        """Waveforms (batch, length) by overlap-add; exact for the coefficients of a waveform of that length."""
        before, after = _twiddles(*self._cosines, self.window.dtype, self.window.device)
        weights = torch.full_like(after.real, 4.0 / self.scale)  # 2 / bins, and the divisor of the inverse FFT
        if self._cosines[-1] == 0.0:
            weights[0] /= 2.0
        spectrum = coefficients.mT * (weights * after.conj())
        frames = (torch.fft.ifft(spectrum, n=2 * self.bins)[..., : self.size] * before.conj()).real * self.window
        return overlap_add(frames, self.window, self.hop_length, length)

    def response(self, hz: Tensor) -> Tensor:
        """Largest absolute coefficients (n, bins) of steady sines of amplitude 1 at `hz` (n,), over all phases."""
        return self._lobe((hz[:, None] - self.centers.to(hz)) * (self.size / self.sample_rate))

    def envelope(self, magnitude: Tensor, steady: bool = False) -> Tensor:
        """Magnitudes that follow the phase less, from absolute coefficients (..., bins, frames).

        If they are `steady`, they are those of :meth:`response` (..., bins, n), and the columns are not frames.
        """
        raise NotImplementedError

    def _lobe(self, offset: Tensor) -> Tensor:
        """Magnitude of the window's transform, its main lobe only, at distances in bins of a DFT of a frame."""
        raise NotImplementedError


class DCT(LappedTransform):
    """Discrete cosine transform (type 2; Ahmed, Natarajan and Rao 1974) of frames under a Hann window.

    Args:
        n_fft: samples and coefficients of a frame; coefficient k lies at k / (2 n_fft) of the sample rate.
        hop_length: samples between frames, at most n_fft / 2.
        sample_rate: Hz; default: `centers` are in cycles per sample.
    """

    def __init__(self, n_fft: int, hop_length: int, sample_rate: float = 1.0) -> None:
        super().__init__(torch.hann_window(n_fft, dtype=torch.float64), hop_length, n_fft, 0.5, 0.0, sample_rate)

    def envelope(self, magnitude: Tensor, steady: bool = False) -> Tensor:
        """Magnitudes without the flicker of the phase.

        Neighbouring coefficients are in quadrature, and those on both sides of one have opposite signs: with the sum
        of the neighbours as imaginary part the phase cancels (the pseudo-spectrum of Daudet and Sandler 2004, here
        without the signs).
        """
        sides = nn.functional.pad(magnitude, (0, 0, 1, 1))
        quadrature = _QUADRATURE * (sides[..., 2:, :] + sides[..., :-2, :])
        power = magnitude.square() + quadrature.square()
        return safe_root(power / 2.0 if steady else power)

    def _lobe(self, offset: Tensor) -> Tensor:
        return hann_main_lobe(offset)


def safe_root(power: Tensor) -> Tensor:
    """Square root whose gradient is 0, not infinite, where `power` is 0; NaN stays NaN."""
    silent = power == 0.0
    return torch.where(silent, 0.0, torch.where(silent, 1.0, power).sqrt())


@lru_cache(maxsize=8)
def _twiddles(
    size: int, bins: int, shift: float, half: float, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Factors of the samples before an FFT of size 2 bins, and of its output, that turn it into the cosine sum."""
    before = torch.arange(size, dtype=torch.float64) * half
    after = (torch.arange(bins, dtype=torch.float64) + half) * shift
    one = torch.ones((), dtype=torch.float64)
    kind = torch.complex128 if dtype == torch.float64 else torch.complex64
    first, second = (torch.polar(one, -math.pi / bins * turn).to(device, kind) for turn in (before, after))
    return first, second
