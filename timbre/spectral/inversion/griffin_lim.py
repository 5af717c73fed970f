"""Griffin-Lim phase reconstruction: torchaudio's, the fast one, and the accelerated one that refines phases."""

import math
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from timbre.spectral.inversion._restoration import accelerate, cut, overlap_add, restore
from timbre.spectral.stft import STFT
from timbre.spectral.torchaudio_compat import torchaudio

_GENERATOR = Lock()  # torchaudio draws from the generator that all threads share


def griffin_lim(magnitude: Tensor, stft: STFT, length: int, seed: int, iterations: int = 32) -> Tensor:
    """torchaudio's Griffin-Lim with its default momentum (0.99), from random phases; other arguments as in `invert`."""
    hop = stft.hop_length
    frames = 2 + max(length, stft.n_fft) // hop  # torchaudio reflects half a window at the ends, and so needs one
    padded = torch.nn.functional.pad(magnitude / stft.scale, (0, max(0, frames - magnitude.shape[-1])))
    transform = torchaudio.transforms.GriffinLim(
        stft.n_fft, iterations, hop_length=hop, power=1.0, length=hop * (padded.shape[-1] - 1)
    ).to(magnitude.device)
    devices = [magnitude.device] if magnitude.is_cuda else []
    sounds = []
    for one in padded:  # one by one from the same seed: a sound does not depend on the others in the batch
        with _GENERATOR, torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            sounds.append(transform(one))
    return torch.stack(sounds)[:, :length]


def fast_griffin_lim(magnitude: Tensor, stft: STFT, length: int, seed: int, iterations: int = 32) -> Tensor:
    """Fast Griffin-Lim (Perraudin, Balazs and Sondergaard 2013) from random phases; other arguments as in `invert`."""
    start = random_spectrum(magnitude, seed)
    return stft.inverse(refine(start, magnitude, stft, length, iterations, momentum=0.99, relaxation=1.0), length)


def random_phase(frames: int, bins: int, seed: int) -> Tensor:
    """Uniform random phases (frames, bins) from 0 to 2 pi, drawn on the CPU: every device gives the same sound."""
    return 2.0 * math.pi * torch.rand(frames, bins, generator=torch.Generator().manual_seed(seed))


def random_spectrum(magnitude: Tensor, seed: int) -> Tensor:
    """Complex spectrum of the given magnitudes (batch, bins, frames), with the same random phases in every sound."""
    phase = random_phase(magnitude.shape[-1], magnitude.shape[-2], seed).to(magnitude)
    return torch.polar(magnitude.mT.contiguous(), phase.expand_as(magnitude.mT)).mT


def refine(
    spectrum: Tensor,
    magnitude: Tensor,
    stft: STFT,
    length: int,
    iterations: int,
    momentum: float = 0.9,
    relaxation: float = 1.3,
) -> Tensor:
    """Accelerated Griffin-Lim iterations from a first guess.

    Each iteration finds the waveform nearest to the spectrum, goes beyond it (relaxation), then further by the change
    since the last iteration (momentum), and restores the magnitudes. This is the method of Nenov, Nguyen, Balazs and
    Bot 2023, "Accelerated Griffin-Lim algorithm", with the relaxation as their gamma and the momentum as both their
    alpha and beta; that makes it as simple as fast Griffin-Lim (Perraudin, Balazs and Sondergaard 2013), which it
    equals with a relaxation of 1. The STFT is linear, so that all steps are taken on waveforms: they have an eighth of
    the numbers of a spectrum with a hop of a quarter of a window.

    Momentum and relaxation were tuned on recorded notes that started from PGHI. Inconsistent parts of the spectrum grow
    without bound if the relaxation exceeds 1 + 1 / (1 + 2 momentum), 1.357 with this momentum.

    Args:
        spectrum: complex guess (batch, bins, frames); the result is one with the given magnitudes.
        magnitude: (batch, bins, frames), linear; frames are ``1 + length // hop_length``.
        stft: the transform of both.
        length: samples of the waveform.
        iterations: number of iterations.
        momentum: how far to step on, in units of the last step.
        relaxation: how far to step towards the nearest waveform; 1 reaches it.
    """
    if spectrum.device.type == "cpu":
        pairs = zip(spectrum.mT.contiguous(), magnitude.mT.contiguous(), strict=True)
        sounds = [_refine_compiled(*pair, stft, length, iterations, momentum, relaxation) for pair in pairs]
        return torch.stack(sounds).mT
    last = ahead = None
    for _ in range(iterations):
        consistent = stft.inverse(spectrum, length)
        waveform = consistent if ahead is None else torch.lerp(ahead, consistent, relaxation)
        ahead = waveform if last is None else torch.lerp(last, waveform, 1.0 + momentum)
        spectrum, last = magnitude * torch.sgn(stft(ahead)), waveform
    return spectrum


def _refine_compiled(
    spectrum: Tensor, magnitude: Tensor, stft: STFT, length: int, iterations: int, momentum: float, relaxation: float
) -> Tensor:
    """:func:`refine` for one sound on a CPU, spectra as (frames, bins); four times faster than torch's operations."""
    window, hop = stft.window.numpy(), stft.hop_length
    total = np.empty((len(spectrum) - 1) * hop + stft.n_fft, window.dtype)
    gain, last, ahead = np.zeros_like(total), np.zeros_like(total), np.zeros_like(total)
    overlap_add(np.tile(window, (len(spectrum), 1)), window, hop, total)
    inside = slice(stft.n_fft // 2, stft.n_fft // 2 + length)
    gain[inside] = 1.0 / np.maximum(total[inside], 1e-8)
    for iteration in range(iterations):
        frames = torch.fft.irfft(spectrum, n=stft.n_fft)  # the scale of the STFT cancels in the round trip
        overlap_add(frames.numpy(), window, hop, total)
        accelerate(total, gain, last, ahead, relaxation if iteration else 1.0, momentum if iteration else 0.0)
        cut(ahead, window, hop, frames.numpy())
        spectrum = torch.fft.rfft(frames)
        restore(torch.view_as_real(spectrum).view(-1).numpy(), magnitude.view(-1).numpy())
    return spectrum
