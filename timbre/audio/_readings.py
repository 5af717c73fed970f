"""Readings of the pitch of a stretch of sound, from its period and from its spectrum. All pitches are in hertz."""

from functools import cached_property

import numpy as np

from timbre.audio._strength import CANDIDATES, strengths

LOWEST, HIGHEST = 26.0, 4700.0  # Hz, range of the periods: MIDI 20 to 110
_BAND = 20.0, 8000.0  # Hz: rumble below and breath noise above blur the period
_LAG_RATE = 80000  # Hz, at least: about 17 lags in the shortest period
_TALLEST = 0.95  # share of the tallest peak from which the first peak is the period, later ones its multiples
_CLEAR = 0.7  # 1 % of 1,500 notes of melodic instruments lie below, half of drums, shakers and cymbals
_SILENCE = 1e-4  # peak; lower is the noise of a recording
_FEWEST = 64  # samples of a stretch
_LOUD = 0.01  # of the power of the strongest partial, from which another one can be the fundamental


def stretches(samples: np.ndarray, rate: int) -> "list[Stretch]":
    """Two overlapping stretches of a note after its loudest 20 ms, the second up to 0.25 s later; no silent ones."""
    samples = samples[: 10 * rate].astype(np.float64)
    block = max(1, rate // 50)
    level = np.add.reduceat(np.square(samples), np.arange(0, samples.size, block))
    start = min(int(np.argmax(level)) * block + rate // 20, max(0, samples.size - rate * 3 // 10))
    rest = samples[start:]
    length = min(rate // 2, rest.size * 3 // 4)
    late = min(rate // 4, rest.size - length)
    parts = [part - part.mean() for part in (rest[:length], rest[late : late + length]) if part.size >= _FEWEST]
    return [Stretch(part, rate) for part in parts if np.max(np.abs(part)) >= _SILENCE]


class Stretch:
    """A stretch of sound without an offset.

    Args:
        samples: at least 64.
        rate: Hz.
    """

    def __init__(self, samples: np.ndarray, rate: int) -> None:
        self.samples, self.rate = samples, rate

    @cached_property
    def strengths(self) -> np.ndarray:
        """How well each candidate fits the spectrum."""
        return strengths(self.samples, self.rate)

    @property
    def strongest(self) -> float:
        """The candidate that fits the spectrum best."""
        return float(CANDIDATES[np.argmax(self.strengths)])

    @cached_property
    def _similarities(self) -> tuple[np.ndarray, float]:
        return _similarity(self.samples, self.rate, 2.0)

    def similarity(self, hertz: float) -> float:
        """Similarity of the sound to itself after one period of a pitch, to within half a semitone; at most 1."""
        similarity, rate = self._similarities
        lag = rate / hertz
        return float(similarity[int(0.97 * lag) : int(1.03 * lag) + 2].max(initial=0.0))

    def period(self, power: float) -> float | None:
        """Pitch of the period of powers (2) or of magnitudes (1); None if it is not clear."""
        similarity, rate = self._similarities if power == 2.0 else _similarity(self.samples, self.rate, power)
        inner = similarity[1:-1]
        peaks = np.flatnonzero((inner > similarity[:-2]) & (inner >= similarity[2:])) + 1
        negative = np.flatnonzero(similarity < 0)
        peaks = peaks[peaks > max(negative[0] if negative.size else similarity.size, rate / HIGHEST)]
        if peaks.size == 0:
            return None
        before, here, after = similarity[peaks - 1], similarity[peaks], similarity[peaks + 1]
        shift = 0.5 * (before - after) / (before - 2.0 * here + after)  # of the vertex of the parabola through them
        height = here - 0.25 * (before - after) * shift
        first = int(np.argmax(height >= _TALLEST * height.max()))
        return None if power == 2.0 and height[first] < _CLEAR else rate / float(peaks[first] + shift[first])

    def partial(self, low: float, high: float) -> float | None:
        """Frequency of the strongest partial between two frequencies; None if there is none, or a weak one only."""
        size = 1 << int(np.ceil(np.log2(8 * self.samples.size)))
        power = np.square(np.abs(np.fft.rfft(self.samples * np.hanning(self.samples.size), size)))
        begin, end = int(low * size / self.rate), int(high * size / self.rate) + 1
        part = power[begin:end]
        best = int(np.argmax(part)) if part.size else 0
        is_peak = 0 < best < part.size - 1 and part[best] > _LOUD * power.max()
        return (begin + best) * self.rate / size if is_peak else None


def _similarity(samples: np.ndarray, rate: int, power: float) -> tuple[np.ndarray, float]:
    """Similarity (at most 1) of a sound to itself after lags from 0 on, and the rate of the lags (Hz)."""
    size = 1 << int(np.ceil(np.log2(samples.size + rate / LOWEST + 2)))
    spectrum = np.abs(np.fft.rfft(samples, size)) ** power
    low, high = (int(hz * size / rate) for hz in _BAND)
    spectrum[:low] = 0.0
    finer = 1 << max(0, int(np.ceil(np.log2(_LAG_RATE / rate))))  # lags between samples, for short periods
    count = int(min(rate / LOWEST, 0.7 * samples.size) * finer)
    correlation = np.fft.irfft(spectrum[:high], size * finer)[:count]
    lags = np.arange(count) / finer
    overlap = _overlap(samples, lags) if power == 2.0 else 1.0 - lags / samples.size
    return correlation / np.maximum(correlation[0] * overlap, 1e-30), float(rate * finer)


def _overlap(samples: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Mean energy of the two parts of a sound that overlap when it is shifted by `lags`, as a share of all energy."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples))]) / np.sum(np.square(samples))
    times = np.arange(energy.size)
    return 0.5 * (np.interp(samples.size - lags, times, energy) + 1.0 - np.interp(lags, times, energy))
