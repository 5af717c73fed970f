"""Pitch of a note, from an approximate pitch or from nothing; conversion of MIDI numbers and hertz."""

import numpy as np

from timbre.audio._audio import Audio
from timbre.audio._readings import Stretch, stretches
from timbre.audio._strength import CANDIDATES

_PARTIALS = 12
_HARMONIC = 0.25  # of 800 recorded notes, the pitched ones have 0.3 to 1, drums and 90 samples of noise at most 0.12
_NEAR = 0.5  # semitones between readings of the same pitch
_INHARMONIC = 1.25  # semitones by which partials that do not fit can shift a reading from the lowest one
# Least evidence of a pitch (0 to 2), by the readings that agree on it. Notes of instruments have 1.2 to 1.8, noise 0.7.
_FOUR, _THREE = 0.85, 0.98  # periods
_WITH_ONE, _ALONE = 1.15, 1.25  # the spectrum with one period, or alone
_LOWER = 0.15  # more evidence is needed against a lower pitch on which periods agree: its fundamental may be missing
_RIVAL = 0.15  # and against two clear periods
_RUMBLE = 24.0  # MIDI, 33 Hz: the spectrum of the rumble of a recording is strongest below


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

    Two methods vote on two stretches of up to half a second after the loudest moment. One reads the period: the first
    of the tallest peaks of the normalised square difference function (McLeod and Wyvill 2005), from powers and from
    magnitudes (the generalised autocorrelation of Tolonen and Karjalainen 2000, less sensitive to a strong partial).
    The other finds the pitch whose partials fit the spectrum best (SWIPE', Camacho and Harris 2008). Where they differ,
    the larger sum of similarity after one period and of fit decides: a tremolo repeats, but has no low partials; a tone
    without its fundamental fits badly, but repeats exactly.

    Only the first ten seconds are used. The result is right within a few cents on steady notes, and None for noise,
    most drums, silence and very short sounds.
    """
    parts = stretches(audio.mono().samples[0], audio.sample_rate)
    return _Readings(parts).vote() if parts else None


class _Readings:
    """All readings of the pitch of a note (MIDI), and their vote.

    Args:
        parts: the stretches of the note, from the first to the last.
    """

    def __init__(self, parts: list[Stretch]) -> None:
        self.parts = parts
        self.strengths = np.mean([part.strengths for part in parts], axis=0)
        whole = float(CANDIDATES[np.argmax(self.strengths)])
        found = {hz_to_midi(hertz) for hertz in (whole, *(part.strongest for part in parts))}
        self.strongest = max(found, key=self._evidence)

    def vote(self) -> float | None:
        """The pitch, or None if the readings differ or their evidence is weak."""
        clear = self._periods(2.0)
        evidence = self._evidence(self.strongest)
        if evidence > _THREE and len(clear) == len(self.parts) and all(map(self._is_strongest, clear)):
            return clear[0]
        periods = clear + self._periods(1.0)
        return self._agreed(periods, evidence) or self._spectral(clear, periods, evidence)

    def _agreed(self, periods: list[float], evidence: float) -> float | None:
        """The pitch on which three or four periods agree, unless the spectrum has more evidence for another one."""
        every, agreed = _common(periods, 4), _common(periods, 3)
        if agreed is None or (own := self._evidence(agreed)) < (_THREE if every is None else _FOUR):
            return None
        if self._is_strongest(agreed, _INHARMONIC):
            return agreed if every or self._is_strongest(agreed) else self._fundamental() or agreed
        return agreed if own + _LOWER * (agreed < self.strongest) > evidence else None

    def _spectral(self, clear: list[float], periods: list[float], evidence: float) -> float | None:
        """The pitch of the spectrum, if it is settled and the two clearest periods do not agree on another one."""
        rival = _common([pitch for pitch in clear if not self._is_strongest(pitch, _INHARMONIC)], 2)
        if rival is not None and self._evidence(rival) + _RIVAL > evidence:
            return None
        near = next(filter(self._is_strongest, periods), None)
        least = _ALONE if near is None else _WITH_ONE
        if evidence < least or self.strongest < _RUMBLE or not self._is_settled():
            return None
        return near or self._fundamental() or self.strongest

    def _periods(self, power: float) -> list[float]:
        return [hz_to_midi(hertz) for part in self.parts if (hertz := part.period(power)) is not None]

    def _evidence(self, pitch: float) -> float:
        """Similarity after one period and strength in the spectrum, together at most 2."""
        near = np.abs(CANDIDATES / midi_to_hz(pitch) - 1.0) < 0.02
        similarity = np.mean([part.similarity(midi_to_hz(pitch)) for part in self.parts])
        return float(similarity + self.strengths[near].max(initial=0.0))

    def _is_strongest(self, pitch: float, tolerance: float = _NEAR) -> bool:
        return abs(pitch - self.strongest) < tolerance

    def _is_settled(self) -> bool:
        """Whether the spectrum of a note says the same from the beginning, or becomes clearer; those of drums blur."""
        first, last = self.parts[0], self.parts[-1]
        early, late = (self._is_strongest(hz_to_midi(part.strongest)) for part in (first, last))
        return late and (early or last.strengths.max() > first.strengths.max())

    def _fundamental(self) -> float | None:
        """Pitch of the lowest partial, if the others do not fit it (bars, stiff strings) and so blur other readings."""
        low, high = (midi_to_hz(self.strongest + step) for step in (-_INHARMONIC, _INHARMONIC))
        hertz = self.parts[-1].partial(low, high)
        return None if hertz is None else hz_to_midi(hertz)


def _common(readings: list[float], least: int) -> float | None:
    """The first of `least` readings that agree."""
    counts = [sum(abs(other - reading) < _NEAR for other in readings) for reading in readings]
    return next((reading for reading, count in zip(readings, counts, strict=True) if count >= least), None)


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
