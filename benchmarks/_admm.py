"""Phase reconstruction by the alternating direction method of multipliers (ADMM)."""

import torch
from torch import Tensor

from timbre.spectral.inversion.griffin_lim import random_spectrum
from timbre.spectral.stft import STFT


def admm(magnitude: Tensor, stft: STFT, length: int, seed: int, iterations: int = 32, slack: float = 0.25) -> Tensor:
    """ADMM from random phases: Masuyama, Yatabe and Oikawa 2019, "Griffin-Lim like phase recovery via ADMM".

    Like Griffin-Lim it alternates between the nearest spectrum with the given magnitudes and the nearest spectrum of a
    waveform. It also adds up the differences between the two (the multipliers).

    Args:
        magnitude: (batch, n_fft // 2 + 1, frames), linear.
        stft: the transform that the magnitudes belong to.
        length: samples of the waveforms.
        seed: of the random phases, which are the same in every sound of the batch.
        iterations: number of iterations.
        slack: how much inconsistency a spectrum may keep, 0 or more; a larger value suits magnitudes that belong to no
            waveform.

    Returns:
        Waveforms (batch, length).
    """
    summed = random_spectrum(magnitude, seed)
    for _ in range(iterations):
        consistent = torch.lerp(stft(stft.inverse(summed, length)), summed, slack / (1.0 + slack))
        multipliers = summed - consistent
        restored = magnitude * torch.sgn(consistent - multipliers)
        summed = restored + multipliers
    return stft.inverse(restored if iterations else summed, length)
