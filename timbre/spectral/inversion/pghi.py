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

TOLERANCE = 1e-6
"""Bins this far below the loudest get random phases (amplitude ratio)."""
_RANKS_PER_NEPER = 20.0
BORDER = slopes.Border.of(look_ahead=2)
"""Border around (frames, bins) that contains every neighbour and every patch."""


def pghi(magnitude: Tensor, stft: STFT, length: int, seed: int, iterations: int = 0, learned: bool = True) -> Tensor:
    """PGHI, then `iterations` of accelerated Griffin-Lim; other arguments as in `invert`.

    Phases are found on the CPU.

    Args:
        iterations: number of iterations.
        learned: let the network correct the slopes if frames lie a quarter of a window apart.
    """
    phase = torch.stack([find_phase(one, stft, seed, learned) for one in magnitude.mT.cpu()]).mT.to(magnitude)
    spectrum = torch.polar(magnitude, phase)
    return stft.inverse(refine(spectrum, magnitude, stft, length, iterations), length)


def find_phase(magnitude: Tensor, stft: STFT, seed: int, learned: bool = True) -> Tensor:
    """Phases (frames, n_fft // 2 + 1), radians, for the :class:`STFT` magnitudes of one sound, of the same shape."""
    frames, bins = magnitude.shape
    floor = np.float32(max(float(magnitude.max()) * TOLERANCE, 1e-30))
    clipped = np.maximum(magnitude.numpy(), floor)
    level = np.log(clipped / floor)
    inside = BORDER.inside(level.shape)
    steps = _by_formula(clipped, stft)
    doubt = np.zeros(steps.shape, np.int16)
    if learned and 4 * stft.hop_length == stft.n_fft:
        _learn(level, steps, doubt)
    rank = np.full(doubt.shape[1:], -1, np.int16)
    rank[inside] = np.where(level > 0.0, level * _RANKS_PER_NEPER, -1.0)
    phase = np.empty(rank.shape, np.float32)
    phase[inside] = random_phase(frames, bins, seed).numpy()
    integrate(rank.reshape(-1), rank.shape[1], *(array.reshape(-1) for array in (*steps, *doubt, phase)))
    return torch.from_numpy(np.ascontiguousarray(phase[inside]))


def _by_formula(magnitude: np.ndarray, stft: STFT) -> np.ndarray:
    """Steps (2, frames, bins) with the border: from the last frame, and to the next bin."""
    steps = np.zeros((2, *BORDER.around(magnitude.shape)), np.float32)
    to_frame, to_bin = (step[BORDER.inside(magnitude.shape)] for step in steps)
    steady = slopes.steady_steps(magnitude, stft.n_fft, stft.hop_length)
    to_frame[1:] = 0.5 * (steady[1:] + steady[:-1])
    across = click_steps(magnitude, stft.n_fft, stft.hop_length)
    to_bin[:, :-1] = 0.5 * (across[:, 1:] + across[:, :-1])
    return steps


def _learn(level: np.ndarray, steps: np.ndarray, doubt: np.ndarray) -> None:
    """Correct the steps of loud bins by the network, and write to `doubt` by how many ranks to lower each step."""
    width = steps.shape[2]
    frame, bin_ = np.nonzero(level[:, 1:-1] > level.max() + math.log(slopes.LOUD))  # 0 Hz and Nyquist are real
    bins = (frame + BORDER.before) * width + bin_ + 1 + BORDER.below
    padding = ((BORDER.before, BORDER.after), (BORDER.below, BORDER.above))
    estimate = slopes.estimate(np.pad(level, padding, mode="edge").reshape(-1), width, bins, BORDER.after)
    to_frame, to_bin = (step.reshape(-1) for step in steps)
    to_frame[bins] += slopes.settle(estimate.to_frame)
    to_bin[bins] += slopes.settle(estimate.to_bin + math.pi - to_bin[bins])
    doubt[:] = _doubt(np.array(slopes.UNSURE))
    for ranks, certainty in zip(doubt, estimate.certainty.T, strict=True):
        ranks.reshape(-1)[bins] = _doubt(certainty)


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
