"""Spectrograms: from waveforms to log magnitudes, and back."""

from functools import cached_property

import torch
from torch import Tensor, nn

from timbre.config import SpectrogramConfig
from timbre.errors import AudioError
from timbre.spectral.front_ends import BandTransform, design_for, make_design, make_transform, read, stft_response
from timbre.spectral.inversion.inverters import Inverter, invert
from timbre.spectral.lapped import LappedTransform
from timbre.spectral.sharpening import STRIDE, Sharpener
from timbre.spectral.stft import STFT

_UPDATES = 6  # with the exponent STRIDE they gain as much as 30 with the exponent 1 of the paper


class Spectrogram(nn.Module):
    """Log-magnitude spectrogram in dB (a full-scale sine reads about 0 dB).

    Differentiable, batched, on any device. Buffers follow the module and are not saved: they follow from the config.

    Every kind is inverted through magnitudes of the STFT. The transform itself has an exact inverse as well, which
    needs its phases or signs.

    Args:
        config: the kind of spectrogram and its settings.
        transform: a transform to use instead of that of ``config.kind``. Descriptors and models do not know it: they
            make their spectrogram from the config.

    Attributes:
        stft: the STFT that spectrograms are inverted through.
        transform: :class:`STFT` itself, :class:`NSGT`, :class:`DCT`, or the one given.
        centers: frequencies of the rows (bins,), Hz.
        filterbank: weights (bins, n_fft // 2 + 1) from STFT magnitudes to the bands of mel and erb; None for others.
        bank_inverse: from the rows to STFT magnitudes (n_fft // 2 + 1, bins); None for ``kind="linear"``.
    """

    centers: Tensor
    filterbank: Tensor | None
    bank_inverse: Tensor | None

    def __init__(self, config: SpectrogramConfig, transform: BandTransform | None = None) -> None:
        super().__init__()
        self.config = config
        self.stft = STFT(config.n_fft, config.hop_length)
        self.transform = transform or make_transform(config) or self.stft
        design = make_design(config) if transform is None else design_for(transform, config)
        for name, value in zip(("centers", "filterbank", "bank_inverse"), design, strict=True):
            self.register_buffer(name, None if value is None else value.clone(), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Spectrograms (batch, bins, frames) in dB, ``floor_db`` or more; frames = 1 + samples // hop_length.

        Args:
            waveform: (batch, samples), at the config's sample rate, full scale ±1.

        Raises:
            AudioError: the shape is not (batch, samples), or there are no samples.
        """
        if waveform.ndim != 2 or waveform.shape[-1] == 0:
            raise AudioError(f"Waveforms must be a tensor (batch, samples), got {tuple(waveform.shape)}.")
        magnitude = read(waveform, self.transform, self.config)
        if self.filterbank is not None:
            magnitude = self.filterbank @ magnitude
        return 20.0 * torch.log10(magnitude.clamp(min=10.0 ** (self.config.floor_db / 20.0)))

    def magnitude(self, spec: Tensor) -> Tensor:
        """Linear STFT magnitudes (batch, n_fft // 2 + 1, frames) of a spectrogram in dB (batch, bins, frames).

        Values at the floor or below are silence. A clipped linear inverse distributes bands over the bins; for a
        filterbank, a few multiplicative updates sharpen it (Lee and Seung 2001, Kullback-Leibler divergence).

        Raises:
            AudioError: the shape is not (batch, bins, frames).
        """
        if spec.ndim != 3 or spec.shape[1] != len(self.centers):
            wanted = f"(batch, {len(self.centers)}, frames)"
            raise AudioError(f"Spectrograms must be a tensor {wanted} in dB, got {tuple(spec.shape)}.")
        bands, magnitude = self.unsharpened(spec)
        if self.sharpener and magnitude.is_cpu and magnitude.dtype == torch.float32 and not magnitude.requires_grad:
            rows, magnitude = (values.mT.contiguous() for values in (bands, magnitude))
            self.sharpener(rows.flatten(0, 1).numpy(), magnitude.flatten(0, 1).numpy())
            return magnitude.mT
        if self.filterbank is not None:
            total = self.filterbank.sum(0)[:, None].clamp(min=1e-6)
            for _ in range(_UPDATES):
                ratio = bands / (self.filterbank @ magnitude).clamp(min=1e-7)
                magnitude = magnitude * (self.filterbank.mT @ ratio / total).pow(STRIDE)
        return magnitude

    def unsharpened(self, spec: Tensor) -> tuple[Tensor, Tensor]:
        """First half of :meth:`magnitude`; :attr:`sharpener` does the second.

        Amplitudes of the rows (batch, bins, frames), and their linear inverse (batch, n_fft // 2 + 1, frames).
        """
        spec = spec.to(self.stft.window.dtype)
        bands = torch.pow(10.0, spec / 20.0)
        bands = torch.where(spec > self.config.floor_db + 1e-4, bands, bands * 0.0)  # keeps NaN, to be refused later
        if self.bank_inverse is None:
            return bands, bands
        envelope = self.transform.envelope(bands) if isinstance(self.transform, LappedTransform) else bands
        return bands, (self.bank_inverse @ envelope).clamp(min=0.0)

    @cached_property
    def sharpener(self) -> Sharpener | None:
        """Second half of :meth:`magnitude` on the CPU without gradients; None if the kind has no filterbank."""
        return None if self.filterbank is None else Sharpener(self.filterbank.cpu().numpy(), _UPDATES)

    def response(self, hz: Tensor) -> Tensor:
        """Magnitudes (n, bins) that steady sines of amplitude 1 at `hz` (n,) read: the main lobes of the windows.

        For a :class:`LappedTransform` they are the largest over all phases.
        """
        hz = hz.to(torch.float64)
        if not isinstance(self.transform, STFT):
            return self.transform.response(hz).to(self.centers)
        lobes = stft_response(self.config, hz).to(self.centers)
        return lobes if self.filterbank is None else lobes @ self.filterbank.T

    def inverse(
        self, spec: Tensor, length: int | None = None, inverter: str | Inverter = "pghi+8", seed: int = 0
    ) -> Tensor:
        """Waveforms (batch, length) with about the spectrogram `spec` (batch, bins, frames) in dB.

        Other arguments and errors are those of :func:`~timbre.spectral.invert`.
        """
        return invert(self.magnitude(spec), self.stft, length, inverter, seed)
