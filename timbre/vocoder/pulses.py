"""The STFT of a band-limited pulse train, in closed form: where a note's partials lie, and their phases."""

import math

import torch
from torch import Tensor

NEAR = 4  # partials that contribute to a bin; a Hann window's lobe is four bins wide
FADE = 0.02  # share of half the sample rate over which the highest partials fade when the pitch moves


def pulse_spectrum(frequency: Tensor, phase: Tensor, n_fft: int, sample_rate: float) -> tuple[Tensor, Tensor]:
    """The STFT (Hann window, centred frames) of sum_h cos(h phase(t)), all partials below half the sample rate.

    The frequency is taken as steady within a frame, so that frames are independent. Only the four nearest partials
    count, since lobes of others are 40 dB lower.

    Args:
        frequency: Hz, (...); NaN: no pitch.
        phase: of the first partial at the frame's centre, radians, (...).
        n_fft: window and FFT size, samples.
        sample_rate: Hz.

    Returns:
        Two tensors (..., n_fft // 2 + 1), 0 where there is no pitch: the complex spectrum, in which a partial of
        amplitude 1 has magnitude 1; and its magnitude if partials did not interfere.
    """
    bins = torch.arange(n_fft // 2 + 1, device=frequency.device, dtype=torch.float32)
    known = frequency.isnan().logical_not()
    width = torch.where(known, frequency, 100.0 * sample_rate / n_fft) * (n_fft / sample_rate)  # bins between partials
    first = torch.floor(bins / width.unsqueeze(-1)) - (NEAR // 2 - 1)
    numbers = first.unsqueeze(-2) + torch.arange(NEAR, device=frequency.device).unsqueeze(-1)  # (..., NEAR, bins)
    center = numbers * width[..., None, None]
    edge = ((n_fft / 2 - center) / (FADE * n_fft / 2)).clamp(0.0, 1.0)
    lobes = hann_lobe(bins - center) * edge * (numbers >= 1) * known[..., None, None]
    turns = torch.remainder(numbers * (phase[..., None, None] / (2.0 * math.pi)), 1.0) * (2.0 * math.pi)
    signs = 1.0 - 2.0 * torch.remainder(bins, 2.0)  # centred frames: the FFT's time begins half a window early
    spectrum = torch.complex((lobes * turns.cos()).sum(-2), (lobes * turns.sin()).sum(-2)) * signs
    return spectrum, lobes.square().sum(-2).sqrt()


def hann_lobe(distance: Tensor) -> Tensor:
    """The transform of a Hann window, 1 at its centre, for distances in bins: sinc(d) / (1 - d^2)."""
    rest = 1.0 - distance.square()
    limit = rest.abs() < 1e-4
    return torch.where(limit, 0.5, torch.sinc(distance) / torch.where(limit, 1.0, rest))


def advance(phase: float, before: float, now: float, hop_length: int, sample_rate: float) -> float:
    """The phase of the first partial one hop later, radians, 0..2 pi.

    Args:
        phase: now, radians.
        before, now: frequencies at the start and the end of the hop, Hz, with a straight line between them; NaN: no
            pitch, during which the phase stands still.
    """
    known = [value for value in (before, now) if not math.isnan(value)]
    mean = sum(known) / len(known) if known else 0.0
    return (phase + 2.0 * math.pi * hop_length / sample_rate * mean) % (2.0 * math.pi)
