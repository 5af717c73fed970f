"""Real transforms of overlapping frames: the modified discrete cosine transform (MDCT) and a windowed DCT."""

import math
from functools import lru_cache

import torch
from torch import Tensor, nn


class _Cosines(nn.Module):
    """Windowed frames on cosines: the sum over n of x[n] cos(pi / bins (n + shift) (k + half)).

    Frames are centred every `hop_length` samples, with zeros beyond the ends. Coefficients are scaled so that a sine of
    amplitude 1 at the frequency of one reads 1 there at the phase that suits it best: unlike a magnitude, a real
    coefficient follows the phase and passes through 0.

    Attributes:
        hop_length: samples between frames.
        bins: coefficients of a frame.
    """

    window: Tensor

    def __init__(self, window: Tensor, hop_length: int, bins: int, shift: float, half: float) -> None:
        super().__init__()
        self.size, self.hop_length, self.bins = len(window), hop_length, bins
        self._cosines = (len(window), bins, shift, half)
        self.scale = 2.0 / float(window.sum())
        self.register_buffer("window", window.float(), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Coefficients (batch, bins, frames) of waveforms (batch, samples); frames = 1 + ceil(samples / hop_length)."""
        samples, spectrogram = waveform.shape[-1], self.size // 2
        end = self.hop_length * -(-samples // self.hop_length) + self.size - spectrogram - samples
        padded = nn.functional.pad(waveform.to(self.window.dtype), (spectrogram, end))
        frames = padded.unfold(-1, self.size, self.hop_length) * (self.window * self.scale)
        before, after = _twiddles(*self._cosines, self.window.dtype, self.window.device)
        return (torch.fft.fft(frames * before, n=2 * self.bins)[..., : self.bins] * after).real.mT

    def inverse(self, coefficients: Tensor, length: int) -> Tensor:
        """Waveforms (batch, length) by overlap-add; exact for the coefficients of one of that length."""
        before, after = _twiddles(*self._cosines, self.window.dtype, self.window.device)
        weights = torch.full_like(after.real, 4.0 / self.scale)  # 2 / bins, and what the inverse FFT divides by
        if self._cosines[-1] == 0.0:
            weights[0] /= 2.0
        spectrum = coefficients.mT * (weights * after.conj())
        frames = (torch.fft.ifft(spectrum, n=2 * self.bins)[..., : self.size] * before.conj()).real * self.window
        energy = self._overlap_add(self.window.square().expand(1, frames.shape[1], -1))
        waveform = self._overlap_add(frames) / energy.clamp(min=1e-8)
        waveform = waveform[:, self.size // 2 :][:, :length]
        return nn.functional.pad(waveform, (0, length - waveform.shape[-1]))

    def _overlap_add(self, frames: Tensor) -> Tensor:
        samples = self.hop_length * (frames.shape[1] - 1) + self.size
        sizes = {"output_size": (1, samples), "kernel_size": (1, self.size), "stride": (1, self.hop_length)}
        return nn.functional.fold(frames.mT, **sizes)[:, 0, 0]


class MDCT(_Cosines):
    """Modified discrete cosine transform with a sine window: `hop_length` coefficients of frames of twice that.

    Princen and Bradley 1986: the aliasing of a frame cancels against that of its neighbours, so that as many
    coefficients as samples are enough for perfect reconstruction.

    Args:
        hop_length: samples between frames, and coefficients of each; coefficient k lies at (k + 1/2) / (2 hop_length)
            of the sample rate.
    """

    def __init__(self, hop_length: int) -> None:
        place = torch.arange(2 * hop_length, dtype=torch.float64) + 0.5
        window = torch.sin(math.pi / (2 * hop_length) * place)
        super().__init__(window, hop_length, hop_length, (1 + hop_length) / 2, 0.5)


class DCT(_Cosines):
    """Discrete cosine transform (type 2; Ahmed, Natarajan and Rao 1974) of frames under a Hann window.

    Args:
        n_fft: samples and coefficients of a frame; coefficient k lies at k / (2 n_fft) of the sample rate.
        hop_length: samples between frames, at most n_fft / 2.
    """

    def __init__(self, n_fft: int, hop_length: int) -> None:
        super().__init__(torch.hann_window(n_fft, dtype=torch.float64), hop_length, n_fft, 0.5, 0.0)


@lru_cache(maxsize=8)
def _twiddles(
    size: int, bins: int, shift: float, half: float, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Factors of the samples before an FFT of 2 bins, and of its output after it, that make it the cosines."""
    before = torch.arange(size, dtype=torch.float64) * half
    after = (torch.arange(bins, dtype=torch.float64) + half) * shift
    one = torch.ones((), dtype=torch.float64)
    kind = torch.complex128 if dtype == torch.float64 else torch.complex64
    first, second = (torch.polar(one, -math.pi / bins * turn).to(device, kind) for turn in (before, after))
    return first, second
