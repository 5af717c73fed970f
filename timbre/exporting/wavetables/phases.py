"""Phases of partials that give frames a low crest factor, the same for all frames of a wavetable."""

import numpy as np
from scipy.optimize import minimize

_NORMS, _STEPS = (8, 32), 60  # the last is near the maximum; of L-BFGS with each norm
_MOST_FRAMES = 32  # of a table, evenly spaced, for which phases are optimised
_DENSE = 4  # samples for each partial, at least


def low_crest_phases(amplitudes: np.ndarray) -> np.ndarray:
    """Phases (partials,), radians, with which frames of these partials are flat, so that a table is loud.

    All frames have the same phases, so that a synthesizer that mixes neighbouring frames does not cancel partials. They
    begin with Schroeder's (1970) for the mean power spectrum, which make the envelope about even. Then L-BFGS lowers
    the 8-norm and the 32-norm of all frames at equal power.

    Args:
        amplitudes: (frames, partials); no frame is silent.
    """
    power = amplitudes**2 / (amplitudes**2).sum(1, keepdims=True)
    share = power.mean(0)
    phases = -2.0 * np.pi * np.cumsum(np.cumsum(share) - share)
    rows = np.sqrt(2.0 * power[np.unique(np.linspace(0, len(power) - 1, _MOST_FRAMES).astype(int))])
    for norm in _NORMS:
        options = {"maxiter": _STEPS}
        phases = minimize(_loudness_of_peaks, phases, (rows, norm), "L-BFGS-B", jac=True, options=options).x
    return np.asarray(np.remainder(phases, 2.0 * np.pi))


def _loudness_of_peaks(phases: np.ndarray, rows: np.ndarray, norm: int) -> tuple[float, np.ndarray]:
    """Log of the norm of frames with amplitudes (frames, partials), and its gradient (partials,)."""
    size = 1 << int(np.ceil(np.log2(_DENSE * rows.shape[1] + 4)))
    samples = waves(rows, phases, size)
    largest = np.abs(samples).max()
    scaled = samples / largest
    total = (np.abs(scaled) ** norm).sum()
    slope = np.sign(scaled) * np.abs(scaled) ** (norm - 1) / (total * largest)
    turned = np.fft.rfft(slope)[:, 1 : rows.shape[1] + 1].conj() * np.exp(1j * phases)
    value = np.log(largest) + np.log(total / samples.size) / norm
    return float(value), -(rows * turned.imag).sum(0)


def waves(amplitudes: np.ndarray, phases: np.ndarray, size: int) -> np.ndarray:
    """Frames (frames, size) with partials of amplitudes (frames, partials) and phases (partials,); no DC."""
    spectrum = np.zeros((len(amplitudes), size // 2 + 1), complex)
    spectrum[:, 1 : amplitudes.shape[1] + 1] = 0.5 * size * amplitudes * np.exp(1j * phases)
    return np.fft.irfft(spectrum, size)
