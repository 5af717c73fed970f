"""Compiled loops of Griffin-Lim."""

import numpy as np

from timbre.spectral.compiled import compiled


@compiled
def restore(spectrum: np.ndarray, magnitude: np.ndarray) -> None:
    """Set the magnitudes (n,) of complex values, in place, given as real and imaginary parts in turn; 0 stays 0."""
    least = magnitude.dtype.type(1e-37)
    for k in range(magnitude.size):
        real, imaginary = spectrum[2 * k], spectrum[2 * k + 1]
        # numpy's division raises no error, so that the loop becomes vector instructions.
        gain = np.divide(magnitude[k], np.sqrt(real * real + imaginary * imaginary + least))
        spectrum[2 * k] = real * gain
        spectrum[2 * k + 1] = imaginary * gain


@compiled
def overlap_add(frames: np.ndarray, window: np.ndarray, hop: int, total: np.ndarray) -> None:
    """Write the sum of windowed frames (frames, n_fft), one every `hop` samples, to `total` (samples,)."""
    total[:] = 0.0
    for number in range(len(frames)):
        frame, part = frames[number], total[number * hop : number * hop + window.size]
        for sample in range(window.size):
            part[sample] += frame[sample] * window[sample]


@compiled
def cut(waveform: np.ndarray, window: np.ndarray, hop: int, frames: np.ndarray) -> None:
    """Write windowed frames of a waveform (samples,) to `frames` (frames, n_fft)."""
    for number in range(len(frames)):
        frame, part = frames[number], waveform[number * hop : number * hop + window.size]
        for sample in range(window.size):
            frame[sample] = part[sample] * window[sample]


@compiled
def accelerate(
    total: np.ndarray, gain: np.ndarray, last: np.ndarray, ahead: np.ndarray, relaxation: float, momentum: float
) -> None:
    """Step from `ahead` towards `total` times `gain`, then further by the change since `last`; both are updated."""
    relaxation, momentum = total.dtype.type(relaxation), total.dtype.type(momentum)
    for sample in range(total.size):
        now = ahead[sample] + relaxation * (total[sample] * gain[sample] - ahead[sample])
        ahead[sample] = now + momentum * (now - last[sample])
        last[sample] = now
