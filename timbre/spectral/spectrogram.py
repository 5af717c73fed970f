"""The front end: waveforms to log magnitudes, and back."""

from functools import lru_cache

import torch
from torch import Tensor, nn

from timbre.config import SpectrogramConfig
from timbre.errors import AudioError
from timbre.spectral.filterbank import bank_inverse, mel_filterbank
from timbre.spectral.inverters import invert
from timbre.spectral.stft import STFT

_UPDATES = 3  # each gains about .5 dB of magnitude error on real notes, the first most


@lru_cache(maxsize=8)
def _banks(config: SpectrogramConfig) -> tuple[Tensor, Tensor]:
    """The filterbank of a config and its inverse; a third of a second of work, done once."""
    weights = mel_filterbank(config.sample_rate, config.n_fft, config.n_mels)
    return torch.from_numpy(weights), torch.from_numpy(bank_inverse(weights))


class Spectrogram(nn.Module):
    """Log-magnitude spectrogram in dB (a full-scale sine reads about 0 dB), on a mel filterbank or on linear bins.

    Differentiable, batched, on any device. Buffers follow the module and are not saved: the config makes them.

    Args:
        config: front-end settings.

    Attributes:
        stft: the complex transform beneath.
        filterbank: weights (bins, n_fft // 2 + 1) from STFT magnitudes to bands; None for ``kind="linear"``.
        bank_inverse: the way back (n_fft // 2 + 1, bins), or None.
    """

    filterbank: Tensor | None
    bank_inverse: Tensor | None

    def __init__(self, config: SpectrogramConfig) -> None:
        super().__init__()
        self.config = config
        self.stft = STFT(config.n_fft, config.hop_length)
        bank = inverse = None
        if config.kind == "mel":
            bank, inverse = (weights.clone() for weights in _banks(config))
        self.register_buffer("filterbank", bank, persistent=False)
        self.register_buffer("bank_inverse", inverse, persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Spectrogram of `waveform`.

        Args:
            waveform: (batch, samples), at the config's sample rate, full scale ±1.

        Returns:
            (batch, bins, frames) in dB, never below ``floor_db``; frames = 1 + samples // hop_length.

        Raises:
            AudioError: the shape is not (batch, samples), or there are no samples.
        """
        if waveform.ndim != 2 or waveform.shape[-1] == 0:
            raise AudioError(f"Waveforms come as {tuple(waveform.shape)}; a tensor (batch, samples) is wanted.")
        magnitude = self.stft(waveform).abs()
        if self.filterbank is not None:
            magnitude = self.filterbank @ magnitude
        return 20.0 * torch.log10(magnitude.clamp(min=10.0 ** (self.config.floor_db / 20.0)))

    def magnitude(self, spec: Tensor) -> Tensor:
        """Linear STFT magnitudes (batch, n_fft // 2 + 1, frames) of a spectrogram in dB (batch, bins, frames).

        Values at the floor or below are silence. Mel bands are spread over the bins by the clipped inverse of the
        filterbank and sharpened by a few multiplicative updates (Lee and Seung 2001, Kullback-Leibler divergence).

        Raises:
            AudioError: the shape is not (batch, bins, frames).
        """
        if spec.ndim != 3 or spec.shape[1] != self.config.bins:
            wanted = f"(batch, {self.config.bins}, frames)"
            raise AudioError(f"The spectrogram comes as {tuple(spec.shape)}; a tensor {wanted} in dB is wanted.")
        spec = spec.to(self.stft.window.dtype)
        bands = torch.pow(10.0, spec / 20.0)
        bands = torch.where(spec > self.config.floor_db + 1e-4, bands, bands * 0.0)  # keeps NaN, to be refused later
        if self.filterbank is None or self.bank_inverse is None:
            return bands
        return _unmix(bands, self.filterbank, self.bank_inverse)

    def inverse(self, spec: Tensor, length: int | None = None, inverter: str = "pghi+8", seed: int = 0) -> Tensor:
        """Waveforms (batch, length) with about the spectrogram `spec` (batch, bins, frames) in dB.

        Args:
            spec: as :meth:`forward` gives it, or as a decoder makes it; finite.
            length: samples wanted; the frames' own length, ``hop_length * (frames - 1)``, by default.
            inverter: how phases are found; see :data:`~timbre.spectral.INVERTERS`.
            seed: of the phases that are drawn at random.

        Raises:
            AudioError: the shape is wrong, or a value is not finite.
            ConfigError: there is no such inverter.
        """
        return invert(self.magnitude(spec), self.stft, length, inverter, seed)


def _unmix(bands: Tensor, bank: Tensor, inverse: Tensor) -> Tensor:
    magnitude = (inverse @ bands).clamp(min=0.0)
    total = bank.sum(0)[:, None].clamp(min=1e-6)
    for _ in range(_UPDATES):
        ratio = bands / (bank @ magnitude).clamp(min=1e-7)
        magnitude = magnitude * (bank.mT @ ratio) / total
    return magnitude
