"""Phase slopes read off magnitudes by a small network, where the formulas of PGHI are at the end of their strength.

Magnitude and phase of an STFT determine each other's slopes, but with frames a quarter of a window apart the slopes of
what beats within a bin (low notes, noise, drums) are no longer to be had from a bin's next neighbours. A network that
sees six frames of six bins around it still reads them (the idea is that of Masuyama, Yatabe, Koizumi, Oikawa and Harada
2020, "Phase reconstruction based on recurrent phase unwrapping with deep neural networks"; here a few thousand weights
correct the formula that is exact for steady partials, and say how sure they are). Patches are relative to their own
level and no frequency is named, so one network serves every sample rate and window length.
"""

import math
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from timbre.spectral.inversion._integration import patches

FRAMES = BINS = 6
"""Size of a patch."""
BELOW, ABOVE = 2, 3
"""Bins of a patch on either side of the bin in question."""
LOUD = 10.0**-2.5
"""Bins this far below the loudest are left to the formula (amplitude ratio)."""
UNSURE = 0.3
"""Certainty of a step by formula, among learned ones."""
TRUSTED = 0.2
"""Where network and formula differ by less than about this (radians), the formula is nearly right, and exact for steady
partials and clicks. A bias of a hundredth there, frame after frame, is a cent."""
_WEIGHTS = Path(__file__).with_name("_slopes")


class Slopes(NamedTuple):
    """What the network says of n bins."""

    to_frame: np.ndarray
    """Phase step from the last frame less that of a steady partial, radians (n,)."""
    to_bin: np.ndarray
    """Phase step to the next bin less half a turn, radians (n,)."""
    certainty: np.ndarray
    """Of both steps, from 0 to 1: (n, 2)."""


class Border(NamedTuple):
    """How far patches reach beyond a bin."""

    before: int
    after: int
    below: int = BELOW
    above: int = ABOVE

    def around(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Shape of a picture (frames, bins) with the border."""
        return shape[0] + self.before + self.after, shape[1] + self.below + self.above

    def inside(self, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """Where the picture lies within its border."""
        return slice(self.before, self.before + shape[0]), slice(self.below, self.below + shape[1])

    @classmethod
    def of(cls, look_ahead: int) -> "Border":
        """That of a network that sees `look_ahead` frames after the one in question."""
        return cls(FRAMES - 1 - look_ahead, look_ahead)


def network(sizes: list[int]) -> nn.Sequential:
    """Linear layers of the given sizes with rectifiers between; at first it says that all formulas are right."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    last = nn.Linear(sizes[-2], sizes[-1])
    with torch.no_grad():
        last.weight.mul_(0.1)
        last.bias.copy_(torch.tensor([1.0, 0.0, 1.0, 0.0]))
    return nn.Sequential(*layers, last)


@lru_cache
def shipped(look_ahead: int) -> nn.Sequential:
    """The network for `look_ahead` (0, 1 or 2) frames."""
    weights = load_file(_WEIGHTS / f"look-ahead-{look_ahead}.safetensors")
    matrices = [value for name, value in weights.items() if name.endswith("weight")]
    net = network([matrices[0].shape[1], *(matrix.shape[0] for matrix in matrices)])
    net.load_state_dict(weights)
    return net.requires_grad_(False)


def layers(look_ahead: int) -> tuple[np.ndarray, ...]:
    """The shipped network as matrices (inputs, outputs) and biases in turn."""
    net = shipped(look_ahead)
    found = [layer for layer in net if isinstance(layer, nn.Linear)]
    return tuple(
        np.ascontiguousarray(array.numpy())
        for layer in found
        for array in (layer.weight.detach().T, layer.bias.detach())
    )


def features(level: np.ndarray, width: int, places: np.ndarray, look_ahead: int) -> Tensor:
    """Patches (n, FRAMES * BINS) around bins.

    Args:
        level: log magnitudes (nepers), a flat picture with :class:`Border` repeated around it, float32.
        width: bins per frame, border included.
        places: flat places (n,) of the bins, int64.
        look_ahead: frames after each bin that the patch holds.
    """
    out = np.empty((places.size, FRAMES * BINS), np.float32)
    patches(level, width, places, tuple(Border.of(look_ahead)), out)
    return torch.from_numpy(out)


def read(level: np.ndarray, width: int, places: np.ndarray, look_ahead: int) -> Slopes:
    """What the shipped network says of the bins; arguments as of :func:`features`."""
    net = shipped(look_ahead)
    parts = features(level, width, places, look_ahead).split(2048)  # of a size that stays in the cache
    with torch.no_grad():
        out = torch.cat([net(part) for part in parts]).numpy().reshape(-1, 2, 2)
    angle = np.arctan2(out[..., 1], out[..., 0])
    return Slopes(angle[:, 0], angle[:, 1], np.minimum(np.hypot(out[..., 0], out[..., 1]), 1.0))


def settle(difference: np.ndarray) -> np.ndarray:
    """How far to follow the network away from the formula, of their difference (radians)."""
    difference = difference - 2.0 * math.pi * np.rint(difference / (2.0 * math.pi))
    return difference * -np.expm1(-np.square(difference / TRUSTED))


def steady_steps(magnitude: np.ndarray, n_fft: int, hop: int) -> np.ndarray:
    """Phase step (radians) of every bin of (frames, bins) from one frame to the next, exact for a steady partial.

    With a and b the magnitudes beside a bin, above and below, a partial that lies x bins higher has, through a Hann
    window, a / b = (1 + x)(2 + x) / ((1 - x)(2 - x)), so that x = 4t / (3 + sqrt(9 - 8t^2)) with t = (a - b) / (a + b).
    """
    t = np.zeros_like(magnitude)  # at 0 Hz and Nyquist too, where the spectrum is even
    above, below = magnitude[:, 2:], magnitude[:, :-2]
    np.divide(above - below, above + below, out=t[:, 1:-1])
    bins_above = 4.0 * t / (3.0 + np.sqrt(9.0 - 8.0 * t * t))
    whole = (np.arange(magnitude.shape[1]) * hop + n_fft // 2) % n_fft - n_fft // 2  # hop * bin less whole turns
    return ((bins_above * hop + whole) * (2.0 * math.pi / n_fft)).astype(magnitude.dtype)
