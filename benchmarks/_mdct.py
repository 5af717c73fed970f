"""The modified discrete cosine transform (MDCT) as a front end, for comparison."""

import math

import torch
from torch import Tensor, nn

from timbre.config import SpectrogramConfig
from timbre.spectral import Spectrogram
from timbre.spectral.lapped import LappedTransform, safe_root


class MDCT(LappedTransform):
    """Modified discrete cosine transform with a sine window: `hop_length` coefficients of frames of twice that.

    Princen and Bradley 1986: the aliasing of a frame cancels against that of its neighbours, so that as many
    coefficients as samples are enough for perfect reconstruction.

    Args:
        hop_length: samples between frames, and coefficients of each; coefficient k lies at (k + 1/2) / (2 hop_length)
            of the sample rate.
        sample_rate: Hz; default: `centers` are in cycles per sample.
    """

    def __init__(self, hop_length: int, sample_rate: float = 1.0) -> None:
        time = torch.arange(2 * hop_length, dtype=torch.float64) + 0.5
        window = torch.sin(math.pi / (2 * hop_length) * time)
        super().__init__(window, hop_length, hop_length, (1 + hop_length) / 2, 0.5, sample_rate)

    def envelope(self, magnitude: Tensor, steady: bool = False) -> Tensor:
        """See the base class. There are too few coefficients to cancel the phase: three frames are averaged."""
        if steady:
            return magnitude
        power = nn.functional.pad(magnitude.square(), (1, 1), mode="replicate")
        return safe_root((power[..., :-2] + power[..., 1:-1] + power[..., 2:]) * (2.0 / 3.0))

    def _lobe(self, offset: Tensor) -> Tensor:
        return sine_lobe(offset)


def sine_lobe(offset: Tensor) -> Tensor:
    """Main lobe of a sine window's transform, 1 at its centre; `offset` in bins."""
    offset = torch.where((offset.abs() - 0.5).abs() < 1e-6, offset + 1e-5, offset)
    return (torch.cos(math.pi * offset) / (1.0 - 4.0 * offset.square()) * (offset.abs() < 1.5)).abs()


def mdct_spectrogram(config: SpectrogramConfig | None = None) -> Spectrogram:
    """The MDCT as a spectrogram; it uses the sample rate, `n_fft`, `hop_length` and `floor_db` of the config."""
    config = config or SpectrogramConfig()
    return Spectrogram(config, MDCT(config.hop_length, config.sample_rate))
