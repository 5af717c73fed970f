"""Pitch: MIDI numbers, hertz, and a meter for notes whose pitch is roughly known."""

import numpy as np

from timbre.audio._audio import Audio


def midi_to_hz(midi: float) -> float:
    """Frequency (Hz) of a MIDI pitch (69 is 440 Hz; fractions are cents)."""
    return float(440.0 * 2.0 ** ((midi - 69.0) / 12.0))


def hz_to_midi(hz: float) -> float:
    """MIDI pitch of a frequency (Hz, above 0)."""
    return float(69.0 + 12.0 * np.log2(hz / 440.0))


def measure_pitch(audio: Audio, near: float, cents: float = 60.0) -> float | None:
    """Pitch of a note around an expected one, or None where no harmonic series stands out.

    The whole note's spectrum is summed over the first partials of every candidate (harmonic summation in log
    magnitude, after Hermes 1988), each partial weighted down with its number; the best candidate is refined by a parabola.

    Args:
        audio: the note; the loudest second after the onset decides.
        near: expected pitch, MIDI.
        cents: how far from it to look, both ways.

    Returns:
        MIDI pitch, good to a few cents on steady notes.
    """
    samples = _loudest(audio.mono().samples[0], audio.sample_rate)
    if samples.size < 256 or not np.any(samples):
        return None
    size = 1 << int(np.ceil(np.log2(max(4 * samples.size, 1 << 16))))
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size), size))
    step = 1.0
    grid = near + np.arange(-cents, cents + step, step) / 100.0
    scores = _harmonic_sum(spectrum, 440.0 * 2.0 ** ((grid - 69.0) / 12.0) * size / audio.sample_rate)
    best = int(np.argmax(scores))
    if best in (0, len(grid) - 1) or scores[best] - np.median(scores) < 0.05 * scores[best]:
        return None
    left, middle, right = scores[best - 1 : best + 2]
    shift = 0.5 * (left - right) / (left - 2.0 * middle + right - 1e-12)
    return float(grid[best] + shift * step / 100.0)


def _loudest(samples: np.ndarray, rate: int) -> np.ndarray:
    """The second of sound after the note's onset, where pitch has settled; all of it when it is shorter."""
    start = min(int(np.argmax(np.abs(samples))), max(0, samples.size - rate))
    return samples[start : start + rate]


def _harmonic_sum(spectrum: np.ndarray, fundamentals: np.ndarray, partials: int = 12) -> np.ndarray:
    """Weighted sum of sqrt magnitudes at the partials of each candidate; `fundamentals` in (fractional) bins."""
    level = np.sqrt(spectrum / (spectrum.max() + 1e-12))
    bins = np.arange(level.size)
    total = np.zeros(len(fundamentals))
    for number in range(1, partials + 1):
        place = fundamentals * number
        if place[-1] >= level.size - 1:
            break
        total += 0.85 ** (number - 1) * np.interp(place, bins, level)
    return total
