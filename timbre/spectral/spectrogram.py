"""The front end: waveforms to log magnitudes, and back."""

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from timbre.config import SpectrogramConfig
from timbre.errors import AudioError
from timbre.spectral.front_ends import envelope, make_design, make_transform, read_nsgt, respond, stft_response
from timbre.spectral.inversion.inverters import invert
from timbre.spectral.nsgt import NSGT
from timbre.spectral.stft import STFT

if TYPE_CHECKING:
    from timbre.spectral.sharpening import Sharpener

_UPDATES, _STRIDE = 6, 1.8  # of these, steps longer than by the book gain as much as 30 by the book


class Spectrogram(nn.Module):
    """Log-magnitude spectrogram in dB (a full-scale sine reads about 0 dB), of the kind that the config names.

    Differentiable, batched, on any device. Buffers follow the module and are not saved: the config makes them.

    Whatever the kind, the way back to sound leads through magnitudes of the STFT. The transform beneath has an exact
    inverse of its own, for who keeps its phases or signs.

    Args:
        config: front-end settings.

    Attributes:
        stft: the STFT that spectrograms are inverted through.
        transform: the transform beneath: :class:`STFT` itself, :class:`NSGT`, :class:`DCT` or :class:`MDCT`.
        centers: frequencies of the rows (bins,), Hz.
        filterbank: weights (bins, n_fft // 2 + 1) from STFT magnitudes to the bands of mel and erb; None for others.
        bank_inverse: from the rows to STFT magnitudes (n_fft // 2 + 1, bins); None for ``kind="linear"``.
    """

    centers: Tensor
    filterbank: Tensor | None
    bank_inverse: Tensor | None

    def __init__(self, config: SpectrogramConfig) -> None:
        super().__init__()
        self.config = config
        self.stft = STFT(config.n_fft, config.hop_length)
        self.transform = make_transform(config) or self.stft
        for name, value in make_design(config)._asdict().items():
            self.register_buffer(name, None if value is None else value.clone(), persistent=False)

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
        magnitude = self._read(waveform)
        return 20.0 * torch.log10(magnitude.clamp(min=10.0 ** (self.config.floor_db / 20.0)))

    def magnitude(self, spec: Tensor) -> Tensor:
        """Linear STFT magnitudes (batch, n_fft // 2 + 1, frames) of a spectrogram in dB (batch, bins, frames).

        Values at the floor or below are silence. Bands are spread over the bins by a clipped linear inverse; those of
        a filterbank are sharpened by a few multiplicative updates (Lee and Seung 2001, Kullback-Leibler divergence).

        Raises:
            AudioError: the shape is not (batch, bins, frames).
        """
        if spec.ndim != 3 or spec.shape[1] != self.config.bins:
            wanted = f"(batch, {self.config.bins}, frames)"
            raise AudioError(f"The spectrogram comes as {tuple(spec.shape)}; a tensor {wanted} in dB is wanted.")
        bands = self._amplitudes(spec)
        magnitude = self._spread(bands)
        return magnitude if self.filterbank is None else _sharpened(magnitude, bands, self.filterbank)

    def spread(self, spec: Tensor) -> tuple[Tensor, Tensor]:
        """The first half of :meth:`magnitude`, for who does the second with :attr:`sharpener`.

        Returns:
            Amplitudes of the rows (batch, bins, frames), and what the linear inverse makes of them
            (batch, n_fft // 2 + 1, frames).
        """
        bands = self._amplitudes(spec)
        return bands, self._spread(bands)

    @cached_property
    def sharpener(self) -> "Sharpener | None":
        """The second half of :meth:`magnitude`, on the CPU, quick for few frames; None where there is none."""
        from timbre.spectral.sharpening import Sharpener

        return None if self.filterbank is None else Sharpener(self.filterbank.cpu().numpy(), _UPDATES, _STRIDE)

    def response(self, hz: Tensor) -> Tensor:
        """Magnitudes (n, bins) that steady sines of amplitude 1 at `hz` (n,) read: the main lobes of the windows.

        For dct and mdct at the phase that suits each coefficient best.
        """
        hz = hz.to(torch.float64)
        if self.transform is not self.stft:
            return respond(self.config, self.centers.double(), hz).to(self.centers)
        lobes = stft_response(self.config, hz).to(self.centers)
        return lobes if self.filterbank is None else lobes @ self.filterbank.T

    def _amplitudes(self, spec: Tensor) -> Tensor:
        spec = spec.to(self.stft.window.dtype)
        bands = torch.pow(10.0, spec / 20.0)
        return torch.where(spec > self.config.floor_db + 1e-4, bands, bands * 0.0)  # keeps NaN, to be refused later

    def _spread(self, bands: Tensor) -> Tensor:
        if self.bank_inverse is None:
            return bands
        seen = bands if self.filterbank is not None else envelope(bands, self.config.kind)
        return (self.bank_inverse @ seen).clamp(min=0.0)

    def _read(self, waveform: Tensor) -> Tensor:
        if isinstance(self.transform, NSGT):
            return read_nsgt(waveform, self.transform, self.config)
        magnitude = self.transform(waveform).abs()[..., : self.config.frames(waveform.shape[-1])]
        return magnitude if self.filterbank is None else self.filterbank @ magnitude

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


def _sharpened(magnitude: Tensor, bands: Tensor, bank: Tensor) -> Tensor:
    total = bank.sum(0)[:, None].clamp(min=1e-6)
    for _ in range(_UPDATES):
        ratio = bands / (bank @ magnitude).clamp(min=1e-7)
        magnitude = magnitude * (bank.mT @ ratio / total).pow(_STRIDE)
    return magnitude
