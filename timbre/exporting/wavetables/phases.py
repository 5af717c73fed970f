"""Phases of partials that give frames a low crest factor, the same for all frames of a wavetable."""

import numpy as np
import torch

_STEPS, _NORMS = 60, (8, 32)  # of L-BFGS, with each norm; the last is near the maximum
_MOST_FRAMES = 32  # of a table, evenly spaced, for which phases are optimised


def low_crest_phases(amplitudes: np.ndarray, size: int) -> np.ndarray:
    """Phases (partials,), radians, with which frames of these partials are flat, so that a table is loud.

    The frames keep the same phases, so that a synthesizer that mixes neighbouring frames does not cancel partials. They
    begin with Schroeder's (1970) for the mean power spectrum, whose envelope is about even. Then L-BFGS lowers the 8-
    and the 32-norm of all frames at equal power.

    Args:
        amplitudes: (frames, partials), more than 0 in every frame.
        size: samples of a frame.
    """
    power = amplitudes**2 / (amplitudes**2).sum(1, keepdims=True)
    share = power.mean(0)
    start = -2.0 * np.pi * np.cumsum(np.cumsum(share) - share)
    chosen = np.unique(np.linspace(0, len(power) - 1, _MOST_FRAMES).astype(int))
    rows = torch.from_numpy(np.sqrt(2.0 * power[chosen]))
    phases = torch.from_numpy(start).requires_grad_()
    for norm in _NORMS:
        _lowered(phases, rows, size, norm)
    return np.asarray(np.remainder(phases.detach().numpy(), 2.0 * np.pi))


def _lowered(phases: torch.Tensor, rows: torch.Tensor, size: int, norm: int) -> None:
    """Lower the norm of the frames with these amplitudes (frames, partials), in place."""
    optimizer = torch.optim.LBFGS([phases], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = waves(rows, phases, size).abs().pow(norm).mean().log() / norm
        value.backward()
        return value

    optimizer.step(loss)


def waves(amplitudes: torch.Tensor, phases: torch.Tensor, size: int) -> torch.Tensor:
    """Frames (frames, size) with partials of amplitudes (frames, partials) and phases (partials,); no DC."""
    spectrum = torch.polar(0.5 * size * amplitudes, phases.expand_as(amplitudes))
    padded = torch.nn.functional.pad(spectrum, (1, size // 2 - amplitudes.shape[1]))
    return torch.fft.irfft(padded, n=size)
