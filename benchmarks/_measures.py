"""Measures of sounds that only the benchmarks use. Arrays or tensors in, floats out."""

from itertools import pairwise

import numpy as np

from timbre.errors import AudioError
from timbre.evaluation.metrics.arrays import Array, decibels, vector, vectors

_ATTACK = 0.1  # seconds of a note that count as its attack, from the first time within 40 dB of its peak
_LEVELS = np.arange(-40.0, -5.0, 0.5)  # dB below the peak at which two attacks are compared
_FINE = 0.004  # seconds: a Hann window that resolves 2 ms
_WINDOW = 0.093  # seconds: a Hann window whose main lobe (43 Hz wide) leaves room between the partials above C3
_STEP = 0.0058  # seconds: envelopes up to 86 Hz
_BANDS = 24
_LOWEST = 100.0  # Hz
_EDGES = (4.0, 8.0, 16.0, 32.0)  # Hz of modulation: octaves; slower ones are the note's shape, faster the window hides
_RANGE = 70.0  # dB below the mean of the loudest band, from which a band does not count
_LOBE = 2.5  # bins on each side of a partial that its main lobe takes


def click_db(samples: Array) -> float:
    """Crest of the second difference in dB: its largest value over its root mean square.

    A steady sound has 3 to 12 dB whatever its brightness, noise up to about 14; a jump or a kink in the waveform has
    far more. An attack has more too, so compare with the original.

    Args:
        samples: waveform (samples,).

    Raises:
        AudioError: fewer than 3 samples.
    """
    samples = vector(samples, least=3)
    bend = np.abs(np.diff(samples, 2))
    level = np.sqrt(np.mean(np.square(bend)))
    return decibels(bend.max() / level) if level > 0.0 else 0.0


def level_difference_db(reference: Array, estimate: Array) -> float:
    """How much louder `estimate` is than `reference` (dB of RMS); -inf for silence.

    Raises:
        AudioError: the lengths differ, there are no samples, or the reference is silent.
    """
    energy = np.square(vectors(reference, estimate, least=1)).sum(-1)
    return decibels(np.sqrt(energy[1] / energy[0]))


def onset_smear_ms(reference: Array, estimate: Array, sample_rate: int) -> float:
    """Time difference of two attacks in ms: 0 for equal ones, the delay for a delayed one.

    The attack is all up to 100 ms after the reference first comes within 40 dB of its peak. In it, each sound climbs to
    its own highest level; the times at which the two first reach each level from 40 to 6 dB below that are compared,
    and the differences averaged. Early energy counts by how early and how loud it is (20 ms of pre-echo at -30 dB give
    6 ms), a blunted attack by how much later it climbs. Gain makes no difference.

    Args:
        reference: waveform (samples,), best with some silence before the note: nothing is seen before sample 0.
        estimate: of the same length.
        sample_rate: Hz.

    Returns:
        ms, at most the length of the attack; an estimate that is silent there gets that length.

    Raises:
        AudioError: the lengths differ, fewer than 2 samples, or the reference is silent.
    """
    both = vectors(reference, estimate, least=2)
    window = np.hanning(max(1, round(_FINE * sample_rate)) + 2)
    level = [np.convolve(np.square(one), window, mode="same")[: both.shape[1]] for one in both]
    start = int(np.argmax(level[0] >= level[0].max() * 1e-4))
    first, second = (_climb(one[: start + round(_ATTACK * sample_rate)]) for one in level)
    return float(np.abs(first - second).mean() * 1000.0 / sample_rate)


def _climb(power: np.ndarray) -> np.ndarray:
    """Samples until `power` first reaches each level below its maximum; the length for silence."""
    if power.max() <= 0.0:
        return np.full(_LEVELS.size, power.size)
    return np.searchsorted(np.maximum.accumulate(power), power.max() * 10.0 ** (_LEVELS / 10.0))


def noise_modulation_db(
    reference: Array, estimate: Array, sample_rate: int, frequency: float | None = None
) -> float | None:
    """Distance between the temporal modulation spectra of the noise in two sounds, dB.

    The STFT's power is summed in 24 bands, equally wide on the ERB-rate scale (Glasberg and Moore 1990); with a
    `frequency`, bins within 2.5 of one of its harmonics are left out, so that the noise between the partials remains.
    Each band's power p(t) is divided by its mean, and its modulation power |FFT(p / mean p - 1)|^2 (Hann window) is
    summed from 4 to 8, 8 to 16 and 16 to 32 Hz. The distance is the mean absolute difference of those sums in dB: the
    modulation power of envelopes distinguishes sound textures of one spectrum (McDermott and Simoncelli 2011), and
    smoothing synthesis loses it (Takamichi et al. 2014). Power is used in place of level because the power of Gaussian
    noise has a known modulation, while its level in dB is dominated by the dips.

    Args:
        reference: waveform (samples,), without the silence before its onset.
        estimate: of the same length.
        sample_rate: Hz.
        frequency: fundamental in Hz; None for a sound without pitch.

    Returns:
        dB, 0 for equal sounds, whatever their gain; about 2 for two draws of one noise of 2 s, 1 for 8 s. None
        where the partials leave nothing between them (fundamentals below 55 Hz).

    Raises:
        AudioError: the lengths differ, less than 0.6 s, or one of the sounds is silent.
    """
    both = vectors(reference, estimate, least=2)
    if both.shape[1] < 0.6 * sample_rate or not both[1].any():
        raise AudioError(f"Both sounds must last 0.6 s or more and not be silent, got {both.shape[1]} samples.")
    size = 2 * round(_WINDOW * sample_rate / 2)
    bands = _noise_bands(size, sample_rate, frequency)
    if not bands.any():
        return None
    powers = [_envelopes(one, size, round(_STEP * sample_rate), bands) for one in both]
    means = powers[0].mean(-1)
    counts = (means > means.max() * 10.0 ** (-_RANGE / 10.0)) & (powers[1].mean(-1) > 0.0)
    rate = sample_rate / round(_STEP * sample_rate)
    first, second = (_modulation_levels(power[counts], rate) for power in powers)
    return float(np.abs(first - second).mean())


def _noise_bands(size: int, sample_rate: int, frequency: float | None) -> np.ndarray:
    """The bins of each band that has some, bool (bands, bins)."""
    hertz = np.fft.rfftfreq(size, 1.0 / sample_rate)
    low, high = 21.4 * np.log10(1.0 + 0.00437 * np.array([_LOWEST, 0.95 * sample_rate / 2]))
    edges = (10.0 ** (np.linspace(low, high, _BANDS + 1) / 21.4) - 1.0) / 0.00437
    bands = (hertz >= edges[:-1, None]) & (hertz < edges[1:, None])
    if frequency is not None:
        away = np.abs(hertz - frequency * np.maximum(1.0, np.round(hertz / frequency)))
        bands &= away > _LOBE * sample_rate / size
    return np.asarray(bands[bands.any(1)])


def _envelopes(samples: np.ndarray, size: int, step: int, bands: np.ndarray) -> np.ndarray:
    """Power over time (bands, frames)."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::step] * np.hanning(size)
    return np.asarray(bands.astype(float) @ np.square(np.abs(np.fft.rfft(frames))).T)


def _modulation_levels(power: np.ndarray, rate: float) -> np.ndarray:
    """Modulation power in dB (bands, modulation bands), at least -60."""
    spectrum = _spectrum(power / power.mean(-1, keepdims=True) - 1.0)
    hertz = np.fft.rfftfreq(power.shape[1], 1.0 / rate)
    sums = [spectrum[:, (hertz >= low) & (hertz < high)].sum(-1) for low, high in pairwise(_EDGES)]
    return np.asarray(10.0 * np.log10(np.stack(sums, -1) + 1e-6))


def _spectrum(envelopes: np.ndarray) -> np.ndarray:
    """Power spectrum over the last axis with a Hann window, (..., frequencies)."""
    count = envelopes.shape[-1]
    window = np.hanning(count)
    return np.square(np.abs(np.fft.rfft(envelopes * window))) * 2.0 / (count * np.square(window).sum())
