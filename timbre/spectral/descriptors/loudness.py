"""Loudness, after Moore, Glasberg and Baer (1997), from powers in calibrated bands."""

from functools import lru_cache

import torch
from torch import Tensor

from timbre.config import SpectrogramConfig
from timbre.spectral.descriptors.features import NoteFeatures, layout

FULL_SCALE = 90.0  # dB SPL of a full-scale sine; a note at the standard level then plays at about 78
_STEP = 0.25  # ERB numbers between points of the basilar membrane
_LOWEST = 1.8  # ERB numbers: 50 Hz
_QUIET = 2.31  # excitation at the threshold in quiet, of a 1 kHz tone at 0 dB SPL
_SONES, _EXPONENT, _EARS = 0.047, 0.2, 2
_LEAST = 2.0**-10  # sone


def loudness(note: NoteFeatures) -> Tensor:
    """Loudness, log2 sone (one more is twice as loud, 10 phon); its logarithm is averaged over time.

    Excitation through symmetrical roex filters, specific loudness 0.047 ((E + 2 E0)^.2 - (2 E0)^.2) per ERB, summed
    over the basilar membrane and both ears. The threshold in quiet (Terhardt 1979) stands for the transfer to the inner
    ear. Not modelled: filters that widen with the level, the lower gain below 500 Hz, levels above 100 dB, and temporal
    integration.
    """
    filters = _filters(note.config, note.magnitude.dtype, str(note.magnitude.device))
    excitation = (note.magnitude.square().mT @ filters.mT).mT  # one product, not one for each note
    specific = (excitation + 2.0 * _QUIET) ** _EXPONENT - (2.0 * _QUIET) ** _EXPONENT
    sones = _EARS * _STEP * _SONES * specific.sum(1)
    return note.mean(torch.log2(sones + _LEAST))


@lru_cache(maxsize=8)
def _filters(config: SpectrogramConfig, dtype: torch.dtype, device: str) -> Tensor:
    """Excitation (points, bins) per power in each band, relative to that of 0 dB SPL at 1 kHz."""
    bands = layout(config, torch.float64, "cpu")
    points = torch.arange(_LOWEST, float(bands.erb.max()), _STEP, dtype=torch.float64)
    away = 4.0 * (points[:, None] - bands.erb).abs()
    level = FULL_SCALE - _threshold(bands.hz) + 10.0 * torch.log10(torch.tensor(_QUIET))
    matrix = (1.0 + away) * torch.exp(-away) * bands.power * torch.pow(10.0, level / 10.0)
    return matrix.to(device, dtype)


def _threshold(hz: Tensor) -> Tensor:
    """Threshold in quiet, dB SPL."""
    khz = hz.clamp_min(20.0) / 1000.0
    return 3.64 * khz**-0.8 - 6.5 * torch.exp(-0.6 * (khz - 3.3).square()) + 1e-3 * khz**4
