"""How two waveforms differ over time: clicks and attacks. Exported by :mod:`timbre.evaluation.metrics.sounds`."""

import numpy as np

from timbre.evaluation.metrics._arrays import Array, decibels, vector, vectors

_ENVELOPE = 0.005  # seconds: shorter than any attack, longer than the periods of all but the lowest notes
_ATTACK = 0.1  # seconds of a note that count as its attack, from the first time within 40 dB of its peak
_LEVELS = np.arange(-40.0, -5.0, 0.5)  # dB below the peak at which two attacks are compared
_FINE = 0.004  # seconds: a Hann window that resolves 2 ms
_CLICK = 0.05  # seconds of a window that is searched for clicks
_LOCAL = 0.01  # seconds over which the local level in such a window is taken
_FAINT = 50.0  # dB below the loudest window, from which windows are ignored


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


def click_excess_db(reference: Array, estimate: Array, sample_rate: int) -> float:
    """How much more the estimate clicks than the reference, dB: the difference of their highest :func:`crests_db`.

    Different phases alone change it by about 5 dB in either direction. A note that ends within 0.1 s has no clicks.

    Args:
        reference: waveform (samples,).
        estimate: another, of any length.
        sample_rate: Hz.

    Raises:
        AudioError: fewer than 3 samples.
    """
    highest = [max(crests_db(one, sample_rate), default=0.0) for one in (reference, estimate)]
    return float(highest[1] - highest[0])


def crests_db(samples: Array, sample_rate: int) -> np.ndarray:
    """Crests of the second difference in windows of 50 ms, 25 ms apart, from 0.1 s after the onset.

    The onset is where the level first comes within 40 dB of its maximum. A crest is the largest value over the root
    mean square of the loudest 10 ms that end in the window: with that of the whole window, the end of a note would
    count as a click. Windows whose second difference is 50 dB below the strongest are left out.

    Args:
        samples: waveform (samples,).
        sample_rate: Hz.

    Returns:
        dB, (windows,).

    Raises:
        AudioError: fewer than 3 samples.
    """
    samples = vector(samples, least=3)
    after = samples[round((onset_time(samples, sample_rate, _LEVELS[0]) + _ATTACK) * sample_rate) :]
    width = round(_CLICK * sample_rate)
    if after.size < width:
        return np.zeros(0)
    bend, step = np.square(np.diff(after, 2)), width // 2
    power = np.lib.stride_tricks.sliding_window_view(bend, width - 2)[::step]
    strength = power.mean(1)
    audible = strength > strength.max() * 10.0 ** (-_FAINT / 10.0)
    short = round(_LOCAL * sample_rate)
    local = np.convolve(bend, np.ones(short) / short)[: bend.size]  # of the 10 ms that end there
    loudest = np.lib.stride_tricks.sliding_window_view(local, width - 2)[::step].max(1)
    return np.asarray(10.0 * np.log10(power.max(1)[audible] / loudest[audible]))


def onset_time(samples: Array, sample_rate: int, threshold_db: float = -20.0) -> float:
    """Seconds until the level over 5 ms first comes within `threshold_db` of its maximum; 0 for silence.

    Args:
        samples: waveform (samples,).
        sample_rate: Hz.
        threshold_db: below 0.

    Raises:
        AudioError: no samples.
    """
    samples = vector(samples, least=1)
    width = max(1, round(_ENVELOPE * sample_rate))
    power = np.convolve(np.square(samples), np.ones(width), mode="full")[: samples.size]
    return float(np.argmax(power >= power.max() * 10.0 ** (threshold_db / 10.0)) / sample_rate)


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
