"""The objective of a vocoder: a spectral energy distance, for sounds that are partly random, and a phase distance.

Breath and bow noise are different in every recording, so a vocoder cannot reproduce them. A plain distance would reward
the dullest sound, which is nearest to all recordings. The energy distance (Gritsenko et al. 2020; a proper score,
Gneiting and Raftery 2007) subtracts half the distance between two draws of the same sound: sounds that are as random as
the recordings score best.
"""

import math

import torch
from torch import Tensor, nn

from timbre.spectral.filterbank import filterbank

_SCALES = (0.25, 0.5, 1.0, 2.0)  # windows, in windows of the transform
_FLOOR = 1e-8  # power: -80 dB
_LAGS = (1, 4)  # frames
_CHANGES = 0.5  # weight of a spectrum's changes along time, relative to the spectrum
_COMPRESSED = 5.0  # weight of magnitudes to the power of .3, relative to their logarithms
_CONVERGENCE = 0.5  # weight of the spectral convergence, which the loudest partials dominate
_MELS = 80


class EnergyDistance(nn.Module):
    """The score of two draws against a recording, at several resolutions.

    At each, d(x, y) is the mean absolute difference of log magnitudes and of magnitudes to the power of .3, and of
    their changes over one frame and over four, so that a trembling tone differs from one whose level is unknown; the
    same of log mel magnitudes; and the spectral convergence. The score is d(a, x) + d(b, x) - randomness d(a, b) for
    draws a and b of a recording x.

    Args:
        sample_rate, n_fft: Hz; window of the transform. Those of the score are a quarter of it to twice as long.
        randomness: 1 is a proper score; smaller values favour sounds that are less random than the recordings, and so
            nearer to each of them. The model's own errors count as randomness too, and 1 would turn them into noise.
    """

    def __init__(self, sample_rate: int, n_fft: int, randomness: float = 1.0) -> None:
        super().__init__()
        self.randomness, self.n_fft = randomness, n_fft
        self.sizes = [round(scale * n_fft) for scale in _SCALES]
        for size in self.sizes:
            self.register_buffer(f"window{size}", torch.hann_window(size), persistent=False)
        bank = torch.from_numpy(filterbank(sample_rate, n_fft, _MELS)).float()
        self.mel = nn.Buffer(bank, persistent=False)

    def forward(self, first: Tensor, second: Tensor, recording: Tensor) -> Tensor:
        """Score of waveforms (batch, samples), about in nepers."""
        total, sizes = recording.new_zeros(()), [size for size in self.sizes if size <= recording.shape[-1]]
        for size in sizes:
            spectra = [self._power(waveform, size) for waveform in (first, second, recording)]
            levels = [0.5 * (power + _FLOOR).log() for power in spectra]
            total = total + self._score(levels)
            total = total + _COMPRESSED * self._score([torch.exp(0.3 * level) for level in levels])
            total = total + _CONVERGENCE * self._convergence([level.exp() for level in levels])
            if size == self.n_fft:
                total = total + self._score([0.5 * (self.mel @ power + _FLOOR).log() for power in spectra])
        return total / max(len(sizes), 1)

    def _power(self, waveform: Tensor, size: int) -> Tensor:
        frames = waveform.unfold(-1, size, size // 4) * (self.get_buffer(f"window{size}") * (4.0 / size))
        spectrum = torch.fft.rfft(frames)
        return (spectrum.real.square() + spectrum.imag.square()).mT

    def _score(self, features: list[Tensor]) -> Tensor:
        first, second, recording = features
        apart = _distance(first, recording) + _distance(second, recording)
        return apart - self.randomness * _distance(first, second)

    def _convergence(self, magnitudes: list[Tensor]) -> Tensor:
        """The score with the spectral convergence, ||a - x|| / ||x||, as distance."""
        first, second, recording = magnitudes
        loud = recording.flatten(1).norm(dim=1).clamp_min(1e-3)
        pairs = ((first, recording, 1.0), (second, recording, 1.0), (first, second, -self.randomness))
        return torch.stack([sign * ((a - b).flatten(1).norm(dim=1) / loud).mean() for a, b, sign in pairs]).sum()


def _distance(a: Tensor, b: Tensor) -> Tensor:
    difference = a - b
    total = difference.abs().mean()
    for lag in _LAGS:
        if difference.shape[-1] <= lag:  # a short excerpt at the longest windows
            break
        total = total + _CHANGES * (difference[..., lag:] - difference[..., :-lag]).abs().mean()
    return total


def phase_distance(estimate: Tensor, recording: Tensor, n_fft: int, hop_length: int) -> Tensor:
    """Distance of frequencies and delays where both sounds are loud.

    The sum of the mean absolute differences of the phases' steps from frame to frame and from bin to bin, wrapped (Ai
    and Ling 2023), each in half turns, 0..1. The sounds are (batch, samples).
    """
    window = torch.hann_window(n_fft, device=recording.device)
    first, second = (
        torch.fft.rfft(waveform.unfold(-1, n_fft, hop_length) * (window * (4.0 / n_fft))).mT
        for waveform in (estimate, recording)
    )
    parts = []
    for axis in (-1, -2):
        a, b = _steps(first, axis), _steps(second, axis)
        weight, turned = (a.abs() * b.abs()).detach().pow(0.25), a * b.conj()
        angle = torch.atan2(turned.imag, turned.real + 1e-12).abs() / math.pi
        parts.append((angle * weight).sum() / weight.sum().clamp_min(1e-6))
    return torch.stack(parts).sum()


def _steps(spectrum: Tensor, axis: int) -> Tensor:
    length = spectrum.shape[axis] - 1
    return spectrum.narrow(axis, 1, length) * spectrum.narrow(axis, 0, length).conj()
