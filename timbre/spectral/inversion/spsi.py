"""Single pass spectrogram inversion (SPSI): phases from the peaks of each frame, without iterations."""

import math

import numpy as np
import torch
from torch import Tensor

from timbre.spectral.inversion.griffin_lim import random_phase
from timbre.spectral.stft import STFT


def spsi(magnitude: Tensor, stft: STFT, length: int, seed: int) -> Tensor:
    """SPSI: Beauregard, Harish and Wyse 2015, "Single pass spectrogram inversion".

    The phase of every spectral peak goes on from that of its bin in the last frame by the peak's frequency; the bins
    around it follow the lobes of the window. The frequency is the one that a Hann window gives exactly, where the paper
    lays a parabola through three magnitudes. Phases are found on the CPU.

    Args:
        magnitude: (batch, n_fft // 2 + 1, frames), linear.
        stft: the transform that the magnitudes belong to.
        length: samples of the waveforms.
        seed: of the phases before the first frame, which are random, and the same in every sound of the batch.

    Returns:
        Waveforms (batch, length).
    """
    from timbre.spectral.inversion._peaks import follow_peaks

    phase = np.empty(magnitude.mT.shape, np.float32)
    start = random_phase(1, magnitude.shape[1], seed)[0].numpy()
    for one, out in zip(magnitude.mT.cpu().float().contiguous().numpy(), phase, strict=True):
        follow_peaks(one, 2.0 * math.pi * stft.hop_length / stft.n_fft, start, out)
    framewise = torch.polar(magnitude.mT.contiguous(), torch.from_numpy(phase).to(magnitude))
    return stft.inverse(framewise.mT, length)
