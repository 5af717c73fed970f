"""Phase gradient heap integration (PGHI): phases from magnitudes alone, without iterations.

Prusa, Balazs and Sondergaard 2017, "A noniterative method for reconstruction of phase from STFT magnitude". Log
magnitude and phase of an STFT determine each other's slopes; the phase is integrated along those slopes from the
loudest bins to the softest. Three things differ from the paper:

- The paper's slopes are those of a Gaussian window. For the Hann window used here the relation is solved exactly for
  the two cases that matter, a steady partial and a click.
- If frames lie a quarter of a window apart, a small network corrects the slopes (see slopes.py), and the most certain
  steps are taken first. On real notes that improves the spectral convergence by 7 dB.
- The queue of bins is sorted into level classes of 0.4 dB instead of a heap: the order of two bins of about the same
  level does not matter to the result.
"""

import math

import numpy as np
import torch
from torch import Tensor

from timbre.spectral.inversion import slopes
from timbre.spectral.inversion._integration import integrate
from timbre.spectral.inversion.griffin_lim import random_phase, refine
from timbre.spectral.stft import STFT

TOLERANCE = 1e-6  # amplitude ratio; bins this far below the loudest get random phases
_RANKS_PER_NEPER = 20.0
_BORDER = slopes.Border.of(look_ahead=2)


def pghi(magnitude: Tensor, stft: STFT, length: int, seed: int, iterations: int = 0, learned: bool = True) -> Tensor:
    """PGHI on the CPU, then `iterations` of accelerated Griffin-Lim; other arguments as in `invert`.

    If frames lie a quarter of a window apart, the network corrects the slopes, unless `learned` is False.
    """
    phase = torch.stack([find_phase(one, stft, seed, learned) for one in magnitude.mT.cpu()]).mT.to(magnitude)
    spectrum = torch.complex(magnitude * phase.cos(), magnitude * phase.sin())  # torch.polar takes twice the time
    return stft.inverse(refine(spectrum, magnitude, stft, length, iterations), length)


def find_phase(magnitude: Tensor, stft: STFT, seed: int, learned: bool = True) -> Tensor:
    """Phases (frames, n_fft // 2 + 1), radians, for the :class:`STFT` magnitudes of one sound, of the same shape.

    All arrays have the border of the network's patches, so that one index means the same bin in each.
    """
    frames, bins = magnitude.shape
    floor = np.float32(max(float(magnitude.max()) * TOLERANCE, 1e-30))
    clipped = np.maximum(magnitude.numpy(), floor)
    level = np.pad(np.log(clipped / floor), (_BORDER[:2], _BORDER[2:]), mode="edge")
    inside = slice(_BORDER.before, _BORDER.before + frames), slice(_BORDER.below, _BORDER.below + bins)
    steps, doubt = np.zeros((2, *level.shape), np.float32), np.zeros((2, *level.shape), np.int16)
    steady = slopes.steady_steps(clipped, stft.n_fft, stft.hop_length)
    steps[0][inside][1:] = 0.5 * (steady[1:] + steady[:-1])
    across = click_steps(clipped, stft.n_fft, stft.hop_length)
    steps[1][inside][:, :-1] = 0.5 * (across[:, 1:] + across[:, :-1])
    if learned and 4 * stft.hop_length == stft.n_fft:
        _learn(level, inside, steps.reshape(2, -1), doubt.reshape(2, -1))
    rank, phase = np.full(level.shape, -1, np.int16), np.zeros_like(level)
    rank[inside] = np.where(level[inside] > 0.0, level[inside] * _RANKS_PER_NEPER, -1.0)
    phase[inside] = random_phase(frames, bins, seed).numpy()
    integrate(rank.reshape(-1), level.shape[1], *steps.reshape(2, -1), *doubt.reshape(2, -1), phase.reshape(-1))
    return torch.from_numpy(np.ascontiguousarray(phase[inside]))


def _learn(level: np.ndarray, inside: tuple[slice, slice], steps: np.ndarray, doubt: np.ndarray) -> None:
    """Correct the steps (2, n) of loud bins by the network, and write by how many ranks to lower each.

    `inside` is the part of the levels (frames, bins) within their border, and n the number of all levels.
    """
    loud, own = np.zeros(level.shape, bool), level[inside]
    loud[inside][:, 1:-1] = own[:, 1:-1] > own.max() + math.log(slopes.LOUD)  # 0 Hz and Nyquist are real
    bins = np.flatnonzero(loud)
    estimate = slopes.estimate(level.reshape(-1), level.shape[1], bins, _BORDER.after)
    to_frame, to_bin = steps
    to_frame[bins] += slopes.settle(estimate.to_frame)
    to_bin[bins] += slopes.settle(estimate.to_bin + math.pi - to_bin[bins])
    doubt[:] = _doubt(np.array(slopes.UNSURE))
    for ranks, certainty in zip(doubt, estimate.certainty.T, strict=True):
        ranks[bins] = _doubt(certainty)


def _doubt(certainty: np.ndarray) -> np.ndarray:
    """Ranks by which to lower a step: as if the bin it leads to were softer by the square of the certainty."""
    return -2.0 * _RANKS_PER_NEPER * np.log(np.maximum(certainty, 0.01))


def click_steps(magnitude: np.ndarray, n_fft: int, hop: int) -> np.ndarray:
    """Phase step (radians) of every bin of (frames, bins) to the next, exact for a click.

    With a and b the magnitudes in the next and the last frame, a click y samples after the frame's centre has
    tan(pi y / n_fft) tan(pi hop / n_fft) = (sqrt a - sqrt b) / (sqrt a + sqrt b). The first and last frame have one
    neighbour only, whose ratio gives y as well: that matters, since a note begins in the first frame.
    """
    root, angle = np.sqrt(magnitude), math.pi * hop / n_fft
    tangents = np.zeros_like(root)
    if len(root) > 1:
        after, before = root[2:], root[:-2]
        tangents[1:-1] = (after - before) / (after + before) / math.tan(angle)
        ends = root[[1, -2]] / root[[0, -1]]
        tangents[[0, -1]] = (ends - math.cos(angle)) / math.sin(angle) * np.array([[1.0], [-1.0]])
    return math.pi - 2.0 * np.arctan(tangents)  # (a frame's phase counts from its start: half a turn per bin)
