"""Phase slopes from magnitudes by a small network, for sounds that the formulas of PGHI do not fit.

Magnitude and phase of an STFT determine each other's slopes. With frames a quarter of a window apart, though, the
slopes of sounds that beat within a bin (low notes, noise, drums) do not follow from a bin's next neighbours. A network
that sees six frames of six bins around it can still estimate them (the idea is that of Masuyama, Yatabe, Koizumi,
Oikawa and Harada 2020, "Phase reconstruction based on recurrent phase unwrapping with deep neural networks"; here a few
thousand weights correct the formula that is exact for steady partials, and give their certainty). Patches are relative
to their own level and contain no frequency, so one network serves every sample rate and window length.
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

from timbre.spectral.inversion._learned import patches

FRAMES = BINS = 6  # size of a patch
BELOW, ABOVE = 2, 3  # bins of a patch on either side of the bin in question
LOUD = 10.0**-2.5  # amplitude ratio; the formula alone serves bins this far below the loudest
UNSURE = 0.3  # certainty of steps by the formula, next to learned ones
TRUSTED = 0.2
"""If network and formula differ by less than about this (radians), the formula counts: it is exact for steady partials
and clicks. An error of a hundredth there in every frame is a cent."""
_AT_A_TIME = 1024  # bins in one run of the network: their values stay in the processor's cache
_WEIGHTS = Path(__file__).with_name("_slopes")


class Slopes(NamedTuple):
    """Estimates of the network for n bins."""

    to_frame: np.ndarray  # phase step from the last frame minus that of a steady partial, radians (n,)
    to_bin: np.ndarray  # phase step to the next bin minus half a turn, radians (n,)
    certainty: np.ndarray  # of both steps, 0 to 1: (n, 2)


class Border(NamedTuple):
    """How far patches reach beyond a bin: frames before and after it, bins below and above it."""

    before: int
    after: int
    below: int = BELOW
    above: int = ABOVE

    @classmethod
    def of(cls, look_ahead: int) -> "Border":
        """The border for a network that sees `look_ahead` frames after the one in question."""
        return cls(FRAMES - 1 - look_ahead, look_ahead)


def network(sizes: list[int]) -> nn.Sequential:
    """Linear layers of the given sizes with rectifiers between; untrained it leaves the formulas nearly unchanged."""
    net = nn.Sequential(*[layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())][:-1])
    *_, weight, bias = net.parameters()
    with torch.no_grad():
        weight.mul_(0.1)
        bias.copy_(torch.tensor([1.0, 0.0, 1.0, 0.0]))
    return net


@lru_cache
def shipped(look_ahead: int) -> nn.Sequential:
    """The trained network for `look_ahead` (0, 1 or 2) frames."""
    weights = load_file(_WEIGHTS / f"look-ahead-{look_ahead}.safetensors")
    matrices = [value for name, value in weights.items() if name.endswith("weight")]
    net = network([matrices[0].shape[1], *(matrix.shape[0] for matrix in matrices)])
    net.load_state_dict(weights)
    return net.requires_grad_(False)


def layers(look_ahead: int) -> tuple[np.ndarray, ...]:
    """The trained network as matrices (inputs, outputs) and biases in turn."""
    return tuple(np.ascontiguousarray(parameter.numpy().T) for parameter in shipped(look_ahead).parameters())


def features(level: np.ndarray, width: int, bins: np.ndarray, look_ahead: int) -> Tensor:
    """Patches (n, FRAMES * BINS) around bins, given by their flat indices (n,), int64.

    `level` are log magnitudes (nepers), float32: flattened (frames, width), with a :class:`Border` that repeats the
    outermost values; `look_ahead` frames of a patch lie after its bin.
    """
    out = np.empty((bins.size, FRAMES * BINS), np.float32)
    patches(level, width, bins, tuple(Border.of(look_ahead)), out)
    return torch.from_numpy(out)


def estimate(level: np.ndarray, width: int, bins: np.ndarray, look_ahead: int) -> Slopes:
    """Estimates of the trained network for bins; arguments as in :func:`features`."""
    net = shipped(look_ahead)
    parts = np.split(bins, range(_AT_A_TIME, bins.size, _AT_A_TIME))
    with torch.no_grad():
        out = torch.cat([net(features(level, width, part, look_ahead)) for part in parts]).numpy().reshape(-1, 2, 2)
    angle = np.arctan2(out[..., 1], out[..., 0])
    return Slopes(angle[:, 0], angle[:, 1], np.minimum(np.hypot(out[..., 0], out[..., 1]), 1.0))


def settle(difference: np.ndarray) -> np.ndarray:
    """How far to follow the network away from the formula, given their difference (radians)."""
    difference = difference - 2.0 * math.pi * np.rint(difference / (2.0 * math.pi))
    return difference * -np.expm1(-np.square(difference / TRUSTED))


def steady_steps(magnitude: np.ndarray, n_fft: int, hop: int) -> np.ndarray:
    """Phase step (radians) of every bin of (frames, bins) from one frame to the next, exact for a steady partial.

    With a and b the magnitudes of the bins above and below, a partial that lies x bins higher has, through a Hann
    window, a / b = (1 + x)(2 + x) / ((1 - x)(2 - x)), so that x = 4t / (3 + sqrt(9 - 8t^2)) with t = (a - b) / (a + b).
    """
    t = np.zeros_like(magnitude)  # at 0 Hz and Nyquist too, where the spectrum is even
    above, below = magnitude[:, 2:], magnitude[:, :-2]
    np.divide(above - below, above + below, out=t[:, 1:-1])
    bins_above = 4.0 * t / (3.0 + np.sqrt(9.0 - 8.0 * t * t))
    turns = whole_turns(magnitude.shape[1], n_fft, hop)
    return ((bins_above * hop + turns) * (2.0 * math.pi / n_fft)).astype(magnitude.dtype)


def whole_turns(bins: int, n_fft: int, hop: int) -> np.ndarray:
    """Phase step from frame to frame of partials at the bins' centres, without whole turns, in n_fft-ths of a turn."""
    return (np.arange(bins) * hop + n_fft // 2) % n_fft - n_fft // 2
