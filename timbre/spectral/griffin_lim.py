"""Griffin-Lim phase reconstruction: torchaudio's, and the accelerated one."""

import math

import torch
from torch import Tensor

from timbre.spectral._torchaudio import torchaudio
from timbre.spectral.stft import STFT


def griffin_lim(magnitude: Tensor, stft: STFT, length: int, seed: int, iterations: int = 32) -> Tensor:
    """torchaudio's Griffin-Lim with its own momentum of 0.99, from random phases; arguments as of an inverter."""
    hop = stft.hop_length
    frames = 2 + max(length, stft.n_fft) // hop  # torchaudio reflects half a window at the ends, and so needs one
    padded = torch.nn.functional.pad(magnitude / stft.scale, (0, max(0, frames - magnitude.shape[-1])))
    transform = torchaudio.transforms.GriffinLim(
        stft.n_fft, iterations, hop_length=hop, power=1.0, length=hop * (padded.shape[-1] - 1)
    ).to(magnitude.device)
    devices = [magnitude.device] if magnitude.is_cuda else []
    sounds = []
    for one in padded:  # one by one, each from the same seed: a sound does not depend on the batch around it
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            sounds.append(transform(one))
    return torch.stack(sounds)[:, :length]


def fast_griffin_lim(magnitude: Tensor, stft: STFT, length: int, seed: int, iterations: int = 32) -> Tensor:
    """Fast Griffin-Lim (Perraudin, Balazs and Sondergaard 2013) from random phases; arguments as of an inverter."""
    phase = random_phase(magnitude.shape[-1], magnitude.shape[-2], seed).mT.to(magnitude)
    spectrum = torch.polar(magnitude, phase.expand_as(magnitude))
    return stft.inverse(refine(spectrum, magnitude, stft, length, iterations), length)


def random_phase(frames: int, bins: int, seed: int) -> Tensor:
    """Phases (frames, bins) drawn evenly from 0..2 pi on the CPU, so that every device gives the same sound."""
    return 2.0 * math.pi * torch.rand(frames, bins, generator=torch.Generator().manual_seed(seed))


def refine(
    spectrum: Tensor, magnitude: Tensor, stft: STFT, length: int, iterations: int, momentum: float = 0.99
) -> Tensor:
    """Fast Griffin-Lim iterations from a first guess.

    Each makes the spectrum consistent (that of some waveform of `length` samples), steps beyond it by the momentum, and
    restores the magnitudes.

    Args:
        spectrum: complex guess (batch, bins, frames).
        magnitude: (batch, bins, frames), linear.
        stft: the transform of both.
        length: samples of the waveform.
        iterations: how many.
        momentum: how far to step on, in units of the last step.

    Returns:
        Complex spectrum with the given magnitudes.
    """
    last = None
    for _ in range(iterations):
        consistent = stft(stft.inverse(spectrum, length))
        ahead = consistent if last is None else torch.lerp(last, consistent, 1.0 + momentum)
        spectrum, last = magnitude * torch.sgn(ahead), consistent
    return spectrum
