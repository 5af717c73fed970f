"""Pitch: MIDI numbers, hertz, and a meter for notes whose pitch is roughly known."""

import numpy as np

from timbre.audio._audio import Audio

_PARTIALS = 12
_HARMONIC = 0.25  # of 800 recorded notes the pitched ones reach 0.3 to 1, drums and 90 samples of noise 0.12 at most


def midi_to_hz(midi: float) -> float:
    """Frequency (Hz) of a MIDI pitch (69 is 440 Hz; fractions are cents)."""
    return float(440.0 * 2.0 ** ((midi - 69.0) / 12.0))


def hz_to_midi(hz: float) -> float:
    """MIDI pitch of a frequency (Hz, above 0)."""
    return float(69.0 + 12.0 * np.log2(hz / 440.0))


def measure_pitch(audio: Audio, near: float, cents: float = 60.0) -> float | None:
    """Pitch of a note around an expected one, or None where no harmonic series stands out.

    The spectrum of the loudest second is summed over the first twelve partials of every candidate (harmonic summation,
    after Hermes 1988). Around each partial of the best one, the centre of gravity of the power is the partial's mean
    instantaneous frequency, weighted by energy; together they give the pitch, each weighing as much as its power.

    Args:
        audio: the note.
        near: expected pitch, MIDI.
        cents: how far from it to look, both ways.

    Returns:
        MIDI pitch: within 0.1 cent on steady notes, the middle of a vibrato. None for noise, drums, silence, sounds of
        fewer than 256 samples and notes of another pitch: where the partials do not hold the better part of the power.
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
    lobe = 3.0 * size / samples.size  # the window's main lobe, and half as much again, on either side
    for _ in range(2):
        fundamental, harmonicity = _centre(power, fundamental, lobe)
    return hz_to_midi(fundamental * audio.sample_rate / size) if harmonicity > _HARMONIC else None


def _loudest(samples: np.ndarray, rate: int) -> np.ndarray:
    """The second of sound after the note's onset, where pitch has settled; all of it when it is shorter."""
    start = min(int(np.argmax(np.abs(samples))), max(0, samples.size - rate))
    return samples[start : start + rate]


def _harmonic_sum(level: np.ndarray, fundamentals: np.ndarray) -> np.ndarray:
    """Weighted sum of `level` at the partials of each candidate; `fundamentals` in (fractional) bins."""
    bins = np.arange(level.size)
    total = np.zeros(len(fundamentals))
    for number in range(1, _PARTIALS + 1):
        place = fundamentals * number
        if place[-1] >= level.size - 1:
            break
        total += 0.85 ** (number - 1) * np.interp(place, bins, level)
    return total


def _centre(power: np.ndarray, fundamental: float, lobe: float) -> tuple[float, float]:
    """Fundamental (bins) from the power around its partials, and their share of the power beyond chance (at most 1)."""
    moment = energy = width = 0.0
    number = 0
    while number < _PARTIALS and (number + 1.5) * fundamental < power.size:
        number += 1
        place = number * fundamental
        half = min(max(0.025 * place, lobe), 0.45 * fundamental)  # 40 cents, for vibrato
        low, high = int(np.ceil(place - half)), int(place + half) + 1
        moment += float(power[low:high] @ np.arange(low, high)) / number
        energy += float(power[low:high].sum())
        width += high - low
    everything = power[int(0.5 * fundamental) : int((number + 0.5) * fundamental)]
    if energy == 0.0:
        return fundamental, 0.0
    chance = width / everything.size
    return moment / energy, (energy / float(everything.sum()) - chance) / (1.0 - chance)
