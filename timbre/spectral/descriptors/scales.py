"""Natural scales of descriptors: equal steps sound about equally large, and notes are evenly distributed."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

_STEADY = 5.0  # dB/s; smaller slopes sound steady
_AUDIBLE = 0.3  # dB of level: about the modulation that can just be heard (Viemeister 1979)
_SMOOTH = 0.1  # in Vassilakis's unit; less sounds smooth
_IN_TUNE = 1e-3  # of the fundamental; partials with smaller deviations sound harmonic


class NaturalScale(NamedTuple):
    """Two functions: from public values to the natural scale, and back."""

    natural: Callable[[Tensor], Tensor]
    public: Callable[[Tensor], Tensor]


LINEAR = NaturalScale(lambda x: x, lambda x: x)
LOG2 = NaturalScale(torch.log2, torch.exp2)
ASINH = NaturalScale(torch.asinh, torch.sinh)
KURTOSIS = NaturalScale(lambda x: torch.log2(x + 1.0), lambda x: torch.exp2(x) - 1.0)
LENGTH = NaturalScale(torch.log10, lambda x: torch.pow(10.0, x))
DECAY = NaturalScale(lambda x: torch.asinh(x / _STEADY), lambda x: _STEADY * torch.sinh(x))
FLUCTUATION = NaturalScale(
    lambda x: torch.log10(x + _AUDIBLE), lambda x: (torch.pow(10.0, x) - _AUDIBLE).clamp_min(0.0)
)
ROUGHNESS = NaturalScale(lambda x: torch.log2(x + _SMOOTH), lambda x: (torch.exp2(x) - _SMOOTH).clamp_min(0.0))
STRETCH = NaturalScale(lambda x: torch.log10(x + _IN_TUNE), lambda x: (torch.pow(10.0, x) - _IN_TUNE).clamp_min(0.0))
