"""The short-time Fourier transform (STFT) that all spectrograms and inverters share."""

import torch
from torch import Tensor, nn


class STFT(nn.Module):
    """STFT with a periodic Hann window, centred frames and zeros beyond the ends.

    Scaled so that a sine of amplitude 1 reads magnitude 1 at its bin. The number of frames is
    ``1 + samples // hop_length``.

    Spectra are (batch, bins, frames) but lie in memory frame by frame, as the FFT returns them. Overlap-add is written
    out: `torch.istft` is several times slower on a CPU and refuses frames that end in the zeros of the window.

    Args:
        n_fft: window and FFT size, samples (even).
        hop_length: samples between frames.
    """

    window: Tensor

    def __init__(self, n_fft: int, hop_length: int) -> None:
        super().__init__()
        self.n_fft, self.hop_length = n_fft, hop_length
        self.scale = 4.0 / n_fft  # a periodic Hann window sums to n_fft / 2, and a sine shares it between +f and -f
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Complex spectrogram (batch, n_fft // 2 + 1, frames) of waveforms (batch, samples)."""
        half = self.n_fft // 2
        padded = nn.functional.pad(waveform.to(self.window.dtype), (half, half))
        frames = padded.unfold(-1, self.n_fft, self.hop_length) * (self.window * self.scale)
        return torch.fft.rfft(frames).mT

    def inverse(self, spectrum: Tensor, length: int) -> Tensor:
        """Waveforms (batch, length) by least-squares overlap-add (Griffin and Lim 1984); 0 where no frame reaches.

        Exact for the spectrum of a waveform of that length.
        """
        frames = torch.fft.irfft(spectrum.mT, n=self.n_fft) * (self.window / self.scale)
        return overlap_add(frames, self.window, self.hop_length, length)


def overlap_add(frames: Tensor, window: Tensor, hop_length: int, length: int) -> Tensor:
    """Waveforms (batch, length) from centred frames by least squares; 0 where no frame reaches.

    The frames (batch, frames, n_fft) are multiplied by the window (n_fft,) twice.
    """
    energy = _sum(window.square().expand(1, frames.shape[1], -1), hop_length)
    waveform = (_sum(frames, hop_length) / energy.clamp(min=1e-8))[:, len(window) // 2 :][:, :length]
    return nn.functional.pad(waveform, (0, length - waveform.shape[-1]))


def _sum(frames: Tensor, hop_length: int) -> Tensor:
    """Sum of frames (batch, frames, n_fft), each `hop_length` after the one before: (batch, samples)."""
    batch, count, size = frames.shape
    hops = -(-size // hop_length)
    pieces = nn.functional.pad(frames, (0, hops * hop_length - size)).unflatten(-1, (hops, -1))
    total = frames.new_zeros(batch, count + hops - 1, hop_length)
    for hop in range(hops):
        total[:, hop : hop + count] += pieces[:, :, hop]
    return total.flatten(1)


def hann_main_lobe(offset: Tensor) -> Tensor:
    """Magnitude of a Hann window's transform, 1 at its centre; `offset` in bins. Beyond the main lobe it is 0."""
    offset = torch.where((offset.abs() - 1).abs() < 1e-6, offset + 1e-5, offset)
    return (torch.sinc(offset) / (1.0 - offset.square()) * (offset.abs() < 2)).abs()
