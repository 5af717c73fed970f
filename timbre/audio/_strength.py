"""Strength of pitches: how well the spectrum of a sound fits each of them."""

from functools import lru_cache

import numpy as np

_TOP = 9000.0  # Hz, of the highest partials
_PERIODS = 8.0  # of a candidate in its window: then a partial is as wide as a lobe of the kernel
_FRAMES = 3  # at most, for each size of window; they overlap by half of it or less
_SMALLEST = 4  # power of two, of the shortest window
_PRIMES = (1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67)
CANDIDATES = 440.0 * 2.0 ** ((np.arange(20.0, 110.1, 0.125) - 69.0) / 12.0)
"""Hz: MIDI 20 to 110, in steps of an eighth of a semitone."""


def strengths(samples: np.ndarray, rate: int) -> np.ndarray:
    """The strength of each of `CANDIDATES` in a steady sound of `rate` Hz, at most 1; noise has less than 0.2.

    This is SWIPE' (Camacho and Harris 2008): the square root of the spectrum, in a window of eight periods of the
    candidate, is compared with a kernel that is positive at the first and the prime partials and negative between
    them. Partials that are not resolved in this window, as the side bands of a tremolo, count as the partial that they
    surround; and a subharmonic is weak, because it has to have its own low partials.
    """
    frequencies, kernels = _kernels(round(4.0 * np.log2(min(_TOP, 0.49 * rate))))
    sizes = np.log2(_PERIODS * rate / CANDIDATES)
    total = np.zeros(CANDIDATES.size)
    for power in range(max(_SMALLEST, int(sizes.min())), int(np.ceil(sizes.max())) + 1):
        weight = 1.0 - np.abs(sizes - power)
        near = np.flatnonzero(weight > 0.0)
        level = _levels(samples, 1 << power, rate, frequencies)
        if near.size and (norm := float(np.linalg.norm(level))) > 0.0:
            members = slice(near[0], near[-1] + 1)  # sizes fall with the pitch
            total[members] += weight[members] * (kernels[members] @ (level / norm))
    return total


def _levels(samples: np.ndarray, size: int, rate: int, frequencies: np.ndarray) -> np.ndarray:
    """Square roots of the amplitudes at some frequencies, in windows of `size` samples or of a shorter sound."""
    length = min(size, samples.size)
    last = samples.size - length
    count = min(_FRAMES, 1 + -(-2 * last // length))
    starts = [last * number // max(1, count - 1) for number in range(count)]
    frames = np.stack([samples[start : start + length] for start in starts]) * _window(length)
    power = np.square(np.abs(np.fft.rfft(frames, size))).mean(axis=0)
    return np.interp(frequencies, np.arange(power.size) * (rate / size), power**0.25)


@lru_cache(maxsize=64)
def _window(length: int) -> np.ndarray:
    return np.hanning(length)


@lru_cache(maxsize=16)
def _kernels(top: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies (Hz) on a scale of critical bands up to 2 ** (top / 4), and a kernel for each candidate."""
    low, high = (21.4 * np.log10(1.0 + hertz / 229.0) for hertz in (0.5 * CANDIDATES[0], 2.0 ** (top / 4.0)))
    frequencies = 229.0 * (10.0 ** (np.arange(low, high, 0.15) / 21.4) - 1.0)
    ratio = frequencies / CANDIDATES[:, None]
    wave, kernel = np.cos(2.0 * np.pi * ratio), np.zeros(ratio.shape)
    highest = np.maximum(1.0, frequencies[-1] / CANDIDATES - 0.75)[:, None]
    for number in _PRIMES:
        away = np.where(number <= highest, np.abs(ratio - number), 1.0)
        kernel += wave * np.where(away < 0.25, 1.0, np.where(away < 0.75, 0.5, 0.0))
    kernel /= np.sqrt(frequencies)
    kernel /= np.maximum(1e-30, np.linalg.norm(np.maximum(kernel, 0.0), axis=1, keepdims=True))
    return frequencies, kernel
