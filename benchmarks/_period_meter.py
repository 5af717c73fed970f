"""The pitch meter of version 0.1, which reads the period alone; the row "before" of `pitch.py`."""

import numpy as np

from timbre.audio import Audio
from timbre.audio.pitch import hz_to_midi

_LOWEST, _HIGHEST = 26.0, 4700.0  # Hz, range of `period_pitch`: MIDI 20 to 110
_BAND = 20.0, 8000.0  # Hz: rumble below and breath noise above blur the period
_LAG_RATE = 80000  # Hz, at least: about 17 lags in the shortest period
_TALLEST = 0.95  # share of the tallest peak from which the first peak is the period, later ones its multiples
_CLEAR = 0.7  # similarity of a period, at least
_SILENCE = 1e-4  # peak; lower is the noise of a recording


def period_pitch(audio: Audio) -> float | None:
    """Pitch of a note, MIDI 20 to 110, or None if no pitch stands out.

    Three of four readings of the normalised square difference function (McLeod and Wyvill 2005) must agree: of two
    stretches of up to half a second after the loudest moment, each from powers and from magnitudes.
    """
    rate = audio.sample_rate
    early, late = _steady(audio.mono().samples[0], rate)
    readings: list[float] = []
    for stretch, power in ((early, 2.0), (late, 2.0), (early, 1.0), (late, 1.0)):
        reading = _reading(stretch, rate, power)
        if reading is None:
            continue
        agreeing = [other for other in readings if abs(other - reading) < 0.5]
        if len(agreeing) == 2:
            return agreeing[0]
        readings.append(reading)
    return None


def _steady(samples: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Two overlapping stretches of a note after its loudest 20 ms; the second starts up to 0.25 s later."""
    samples = samples[: 10 * rate].astype(np.float64)
    block = max(1, rate // 50)
    level = np.add.reduceat(np.square(samples), np.arange(0, samples.size, block))
    start = min(int(np.argmax(level)) * block + rate // 20, max(0, samples.size - rate * 3 // 10))
    rest = samples[start:]
    length = min(rate // 2, rest.size * 3 // 4)
    late = min(rate // 4, rest.size - length)
    return rest[:length], rest[late : late + length]


def _reading(samples: np.ndarray, rate: int, power: float) -> float | None:
    """Pitch (MIDI) of a stretch of sound from its period, or None if it is not periodic enough."""
    samples = samples - samples.mean() if samples.size else samples
    if samples.size < 64 or np.max(np.abs(samples)) < _SILENCE:
        return None
    similarity, lag_rate = _similarity(samples, rate, power)
    inner = similarity[1:-1]
    peaks = np.flatnonzero((inner > similarity[:-2]) & (inner >= similarity[2:])) + 1
    negative = np.flatnonzero(similarity < 0)
    peaks = peaks[peaks > max(negative[0] if negative.size else similarity.size, lag_rate / _HIGHEST)]
    if peaks.size == 0:
        return None
    before, here, after = similarity[peaks - 1], similarity[peaks], similarity[peaks + 1]
    shift = 0.5 * (before - after) / (before - 2.0 * here + after)  # of the vertex of the parabola through the three
    height = here - 0.25 * (before - after) * shift
    first = int(np.argmax(height >= _TALLEST * height.max()))
    if power == 2.0 and height[first] < _CLEAR:
        return None
    return hz_to_midi(lag_rate / float(peaks[first] + shift[first]))


def _similarity(samples: np.ndarray, rate: int, power: float) -> tuple[np.ndarray, float]:
    """Similarity (at most 1) of a sound to itself after lags from 0 on, and the rate of the lags (Hz)."""
    size = 1 << int(np.ceil(np.log2(samples.size + rate / _LOWEST + 2)))
    spectrum = np.abs(np.fft.rfft(samples, size)) ** power
    low, high = (int(hz * size / rate) for hz in _BAND)
    spectrum[:low] = 0.0
    finer = 1 << max(0, int(np.ceil(np.log2(_LAG_RATE / rate))))  # lags between samples, for short periods
    count = int(min(rate / _LOWEST, 0.7 * samples.size) * finer)
    correlation = np.fft.irfft(spectrum[:high], size * finer)[:count]
    lags = np.arange(count) / finer
    overlap = _overlap(samples, lags) if power == 2.0 else 1.0 - lags / samples.size
    return correlation / np.maximum(correlation[0] * overlap, 1e-30), float(rate * finer)


def _overlap(samples: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Mean energy of the two parts of a sound that overlap when it is shifted by `lags`, as a share of all energy."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples))]) / np.sum(np.square(samples))
    times = np.arange(energy.size)
    return 0.5 * (np.interp(samples.size - lags, times, energy) + 1.0 - np.interp(lags, times, energy))
