"""Momentary loudness after ITU-R BS.1770-5 and EBU R 128, of one channel."""

import math

import numpy as np

BLOCK, STEP = 0.4, 0.1  # s: momentary loudness, and how often it is taken
_SILENCE = 1e-12
_SHELF = 1681.974450955533, 0.7071752369554196  # Hz, Q: the analogue prototypes of the coefficients at 48 kHz
_HIGH_PASS = 38.13547087602444, 0.5003270373238773
_GAIN = 10.0 ** (3.999843853973347 / 20.0)


def k_weighting(sample_rate: int) -> np.ndarray:
    """The K-weighting as second-order sections (2, 6), for any sample rate."""
    middle = _GAIN**0.4996667741545416
    k, over, whole = _bilinear(*_SHELF, sample_rate)
    shelf = [_GAIN + middle * over + k * k, 2.0 * (k * k - _GAIN), _GAIN - middle * over + k * k]
    sections = [[value / whole for value in shelf] + _poles(k, over, whole)]
    k, over, whole = _bilinear(*_HIGH_PASS, sample_rate)
    return np.array([*sections, [1.0, -2.0, 1.0, *_poles(k, over, whole)]])


def _bilinear(hertz: float, q: float, sample_rate: int) -> tuple[float, float, float]:
    k = math.tan(math.pi * hertz / sample_rate)
    return k, k / q, 1.0 + k / q + k * k


def _poles(k: float, over: float, whole: float) -> list[float]:
    return [1.0, 2.0 * (k * k - 1.0) / whole, (1.0 - over + k * k) / whole]


def momentary(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Loudness, LUFS (blocks,), of 0.4 s every 0.1 s of a waveform (samples,); a shorter one is one block."""
    from scipy.signal import sosfilt

    block, step = round(BLOCK * sample_rate), round(STEP * sample_rate)
    heard = np.asarray(sosfilt(k_weighting(sample_rate), np.asarray(samples, np.float64)))
    heard = np.pad(heard, (0, max(0, block - len(heard))))
    energy = np.concatenate([[0.0], np.cumsum(np.square(heard))])
    starts = np.arange(0, len(heard) - block + 1, step)
    power = (energy[starts + block] - energy[starts]) / block
    return np.asarray(-0.691 + 10.0 * np.log10(np.maximum(power, _SILENCE)))
