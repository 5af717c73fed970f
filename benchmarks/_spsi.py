"""Single pass spectrogram inversion (SPSI): phases from the peaks of each frame, without iterations."""

import math

import numpy as np
import torch
from torch import Tensor

from timbre.spectral.compiled import compiled
from timbre.spectral.inversion.griffin_lim import random_phase
from timbre.spectral.stft import STFT


def spsi(magnitude: Tensor, stft: STFT, length: int, seed: int) -> Tensor:
    """SPSI: Beauregard, Harish and Wyse 2015, "Single pass spectrogram inversion".

    The phase of every spectral peak continues from that of its bin in the last frame by the peak's frequency; the bins
    around it follow the lobes of the window. The frequency is exact for a Hann window; the paper fits a parabola to
    three magnitudes. Phases are found on the CPU.

    Args:
        magnitude: (batch, n_fft // 2 + 1, frames), linear.
        stft: the transform that the magnitudes belong to.
        length: samples of the waveforms.
        seed: of the phases before the first frame, which are random, and the same in every sound of the batch.

    Returns:
        Waveforms (batch, length).
    """
    phase = np.empty(magnitude.mT.shape, np.float32)
    start = random_phase(1, magnitude.shape[1], seed)[0].numpy()
    for one, out in zip(magnitude.mT.cpu().float().contiguous().numpy(), phase, strict=True):
        follow_peaks(one, 2.0 * math.pi * stft.hop_length / stft.n_fft, start, out)
    framewise = torch.polar(magnitude.mT.contiguous(), torch.from_numpy(phase).to(magnitude))
    return stft.inverse(framewise.mT, length)


@compiled
def _offset(below: float, above: float) -> float:
    """Distance of a steady partial above its peak's bin, in bins, from the magnitudes of the bins below and above."""
    total = below + above
    if total <= 0.0:
        return 0.0
    contrast = (above - below) / total
    return 4.0 * contrast / (3.0 + math.sqrt(9.0 - 8.0 * contrast * contrast))


@compiled
def follow_peaks(magnitude: np.ndarray, advance: float, start: np.ndarray, phase: np.ndarray) -> None:
    """Write the phases of one sound, each frame from the last.

    Args:
        magnitude: (frames, bins).
        advance: phase step of bin 1 from frame to frame, radians.
        start: phases before the first frame (bins,).
        phase: (frames, bins), radians, written.
    """
    frames, bins = magnitude.shape
    last, now = start.astype(np.float64), np.empty(bins, np.float64)  # at the centres of frames
    for frame in range(frames):
        row = magnitude[frame]
        first = 0
        while first < bins:  # from valley to valley
            peak = first
            while peak + 1 < bins and row[peak + 1] > row[peak]:
                peak += 1
            end = peak + 1
            while end < bins and row[end] <= row[end - 1]:
                end += 1
            position = float(peak)
            if 0 < peak < bins - 1:
                position += _offset(row[peak - 1], row[peak + 1])
            centre = (last[peak] + advance * position) % (2.0 * math.pi)
            for bin_ in range(first, end):
                now[bin_] = centre
                # A frame counts its phase from its start, half a turn per bin; beyond the main lobe, of two bins on
                # either side, the lobes of the window change sign as well.
                turns = bin_ + max(0, int(abs(bin_ - position)) - 1)
                phase[frame, bin_] = centre + math.pi * (turns % 2)
            first = end
        last[:] = now
