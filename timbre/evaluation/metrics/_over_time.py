"""Onsets and clicks of waveforms. Exported by :mod:`timbre.evaluation.metrics.sounds`."""

import numpy as np

from timbre.evaluation.metrics.arrays import Array, vector

_ENVELOPE = 0.005  # seconds: shorter than any attack, longer than the periods of all but the lowest notes
_ATTACK = 0.1  # seconds of a note that count as its attack, from the first time within 40 dB of its peak
_ONSET = -40.0  # dB of the maximum
_CLICK = 0.05  # seconds of a window that is searched for clicks
_LOCAL = 0.01  # seconds over which the local level in such a window is taken
_FAINT = 50.0  # dB below the loudest window, from which windows are ignored


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
    after = samples[round((onset_time(samples, sample_rate, _ONSET) + _ATTACK) * sample_rate) :]
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
