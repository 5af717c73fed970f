"""Reduction of the steady noise under a note."""

from typing import Any

import numpy as np

_FRAME = 0.023  # s: twice as long as the shortest attacks, half as long as the shortest example of noise
_SUBTRACTED = 1.5  # times the mean power of the noise; more takes away what is soft in the note
_SMOOTH = 9  # bins: the spectrum of hiss is smooth, and the example may be short


def without_noise(samples: np.ndarray, noise: np.ndarray, rate: int) -> np.ndarray:
    """Samples (n,) without steady noise of which there is an example (m,), float64: spectral subtraction (Boll 1979).

    An example that is silent, or shorter than 23 ms, changes nothing. Powers are means over three frames and bins.
    """
    size = max(16, 1 << round(np.log2(_FRAME * rate)))
    samples = samples.astype(np.float64)
    if noise.size < size or samples.size < size or not np.any(noise):
        return samples
    from scipy.ndimage import uniform_filter  # slow to import
    from scipy.signal import ShortTimeFFT

    transform = ShortTimeFFT(np.sin(np.pi * np.arange(size) / size), size // 4, rate)  # the root of a Hann window
    floor = _SUBTRACTED * _noise_power(transform, noise.astype(np.float64))[:, None]
    spectrum = transform.stft(samples)
    power = uniform_filter(np.square(np.abs(spectrum)), 3, mode="nearest")
    gain = np.sqrt(np.maximum(0.0, 1.0 - floor / np.maximum(power, 1e-30)))
    reduced: np.ndarray = transform.istft(spectrum * gain, k1=samples.size)
    return reduced


def _noise_power(transform: Any, noise: np.ndarray) -> np.ndarray:
    """Power of noise in each bin, from the median over frames, which a click does not change."""
    from scipy.ndimage import uniform_filter1d

    whole = transform.lower_border_end[1], transform.upper_border_begin(noise.size)[1]
    frames = transform.stft(noise, whole[0], max(whole[0] + 1, whole[1]))
    power = np.median(np.square(np.abs(frames)), axis=1) / np.log(2.0)
    return np.maximum(power, uniform_filter1d(power, _SMOOTH, mode="nearest"))
