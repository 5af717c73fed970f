"""Pitch of a note, from an approximate pitch or from nothing; conversion of MIDI numbers and hertz."""

import numpy as np

from timbre.audio._audio import Audio

_PARTIALS = 12
_HARMONIC = 0.25  # of 800 recorded notes, the pitched ones have 0.3 to 1, drums and 90 samples of noise at most 0.12
_LOWEST, _HIGHEST = 26.0, 4700.0  # Hz, range of `estimate_pitch`: MIDI 20 to 110
_BAND = 20.0, 8000.0  # Hz: rumble below and breath noise above blur the period
_LAG_RATE = 80000  # Hz, at least: about 17 lags in the shortest period
_TALLEST = 0.95  # share of the tallest peak from which the first peak is the period, later ones its multiples
_CLEAR = 0.7  # 1 % of 1,500 notes of melodic instruments lie below, half of drums, shakers and cymbals
_SILENCE = 1e-4  # peak; lower is the noise of a recording


def midi_to_hz(midi: float) -> float:
    """Frequency (Hz) of a MIDI pitch (69 is 440 Hz; fractions are cents)."""
    return float(440.0 * 2.0 ** ((midi - 69.0) / 12.0))


def hz_to_midi(hz: float) -> float:
    """MIDI pitch of a frequency (Hz, above 0)."""
    return float(69.0 + 12.0 * np.log2(hz / 440.0))


def measure_pitch(audio: Audio, near: float, cents: float = 60.0) -> float | None:
    """Pitch of a note near an expected one, or None if no harmonic series stands out.

    The spectrum of the loudest second is summed over the first twelve partials of every candidate (harmonic summation,
    after Hermes 1988). Around each partial of the best candidate, the centre of gravity of the power is the partial's
    mean instantaneous frequency, weighted by energy. The pitch is the mean of the partials, weighted by their power.

    Pitches are MIDI; the result is at most `cents` from `near`, within 0.1 cent of the true pitch on steady notes, and
    the middle of a vibrato. It is None if the partials have too small a part of the power: for noise, drums, silence,
    notes of another pitch, and sounds of fewer than 256 samples or six periods.
    """
    samples = _loudest(audio.mono().samples[0], audio.sample_rate)
    if samples.size < 256 or not np.any(samples):
        return None
    size = 1 << int(np.ceil(np.log2(max(4 * samples.size, 1 << 16))))
    power = np.square(np.abs(np.fft.rfft(samples * np.hanning(samples.size), size)))
    grid = near + np.arange(-cents, cents + 1.0) / 100.0
    scores = _harmonic_sum(power**0.25, 440.0 * 2.0 ** ((grid - 69.0) / 12.0) * size / audio.sample_rate)
    best = int(np.argmax(scores))
    if best in (0, len(grid) - 1):
        return None
    fundamental = midi_to_hz(float(grid[best])) * size / audio.sample_rate
    lobe = 3.0 * size / samples.size  # 1.5 times half the width of the window's main lobe
    # In few periods, partials and the gaps between them hardly differ.
    least = max(_HARMONIC, 2.0 * lobe / fundamental)
    for _ in range(2):
        fundamental, harmonicity = _centre(power, fundamental, lobe)
    return hz_to_midi(fundamental * audio.sample_rate / size) if harmonicity > least else None


def estimate_pitch(audio: Audio) -> float | None:
    """Pitch of a note, MIDI 20 to 110, or None if no pitch stands out.

    The period is the first of the tallest peaks of the normalised square difference function (McLeod and Wyvill 2005),
    in the band from 20 to 8000 Hz. There are four readings: of two stretches of up to half a second after the loudest
    moment, each from powers and from magnitudes (the generalised autocorrelation of Tolonen and Karjalainen 2000, less
    sensitive to a strong partial). Three of them must agree.

    Only the first ten seconds are used. The result is right within a few cents on steady notes, and None for noise,
    most drums, silence and very short sounds.
    """
    rate = audio.sample_rate
    early, late = _steady(audio.mono().samples[0], rate)
    readings: list[float] = []
    for stretch, power in ((early, 2.0), (late, 2.0), (early, 1.0), (late, 1.0)):
        reading = _period_pitch(stretch, rate, power)
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


def _period_pitch(samples: np.ndarray, rate: int, power: float) -> float | None:
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


def _loudest(samples: np.ndarray, rate: int) -> np.ndarray:
    """The second after the loudest sample, where the pitch is steady; the whole of a shorter sound."""
    start = min(int(np.argmax(np.abs(samples))), max(0, samples.size - rate))
    return samples[start : start + rate]


def _harmonic_sum(level: np.ndarray, fundamentals: np.ndarray) -> np.ndarray:
    """Weighted sum of `level` at the partials of each candidate; `fundamentals` in (fractional) bins."""
    bins = np.arange(level.size)
    total = np.zeros(len(fundamentals))
    for number in range(1, _PARTIALS + 1):
        partials = fundamentals * number
        if partials[-1] >= level.size - 1:
            break
        total += 0.85 ** (number - 1) * np.interp(partials, bins, level)
    return total


def _centre(power: np.ndarray, fundamental: float, lobe: float) -> tuple[float, float]:
    """Fundamental (bins) from the power around its partials, and their share of the power above chance (at most 1)."""
    moment = energy = width = 0.0
    number = 0
    while number < _PARTIALS and (number + 1.5) * fundamental < power.size:
        number += 1
        partial = number * fundamental
        half = min(max(0.025 * partial, lobe), 0.45 * fundamental)  # 40 cents, for vibrato
        low, high = int(np.ceil(partial - half)), int(partial + half) + 1
        moment += float(power[low:high] @ np.arange(low, high)) / number
        energy += float(power[low:high].sum())
        width += high - low
    everything = power[int(0.5 * fundamental) : int((number + 0.5) * fundamental)]
    if energy == 0.0:
        return fundamental, 0.0
    chance = width / everything.size
    return moment / energy, (energy / float(everything.sum()) - chance) / (1.0 - chance)
