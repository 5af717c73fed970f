"""The compiled loops of Griffin-Lim; imported when they are first used, for numba takes a while to load."""

import numpy as np

from timbre.spectral.compiled import compiled


@compiled
def restore(spectrum: np.ndarray, magnitude: np.ndarray) -> None:
    """Give complex values the magnitudes wanted, in place; 0 stays 0.

    Args:
        spectrum: flat, real and imaginary parts in turn (2 n).
        magnitude: (n,), of the same type.
    """
    least = magnitude.dtype.type(1e-37)
    for place in range(magnitude.size):
        real, imaginary = spectrum[2 * place], spectrum[2 * place + 1]
        # numpy's division raises no error, and so the loop becomes vector instructions.
        gain = np.divide(magnitude[place], np.sqrt(real * real + imaginary * imaginary + least))
        spectrum[2 * place] = real * gain
        spectrum[2 * place + 1] = imaginary * gain


@compiled
def overlap_add(frames: np.ndarray, window: np.ndarray, hop: int, total: np.ndarray) -> None:
    """Write the sum of windowed frames (frames, n_fft), each `hop` after the last, to `total` (samples,)."""
    total[:] = 0.0
    for number in range(len(frames)):
        frame, place = frames[number], total[number * hop : number * hop + window.size]
        for sample in range(window.size):
            place[sample] += frame[sample] * window[sample]


@compiled
def cut(waveform: np.ndarray, window: np.ndarray, hop: int, frames: np.ndarray) -> None:
    """Write windowed frames of a waveform (samples,) to `frames` (frames, n_fft)."""
    for number in range(len(frames)):
        frame, place = frames[number], waveform[number * hop : number * hop + window.size]
        for sample in range(window.size):
            frame[sample] = place[sample] * window[sample]


@compiled
def accelerate(
    total: np.ndarray, gain: np.ndarray, last: np.ndarray, ahead: np.ndarray, relaxation: float, momentum: float
) -> None:
    """Step from `ahead` towards `total` times `gain`, then on by what has changed since `last`; both are updated."""
    relaxation, momentum = total.dtype.type(relaxation), total.dtype.type(momentum)
    for sample in range(total.size):
        now = ahead[sample] + relaxation * (total[sample] * gain[sample] - ahead[sample])
        ahead[sample] = now + momentum * (now - last[sample])
        last[sample] = now
