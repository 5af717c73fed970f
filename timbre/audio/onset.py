"""Where a note begins: at its rise above what precedes it."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

WINDOW = 0.01  # s over which level is measured: shorter than any attack, longer than most periods
_LOWEST = 150.0  # Hz: rumble and hum below say nothing about an onset, and no note begins without anything above
_SETTLED = 0.001  # s: the filter begins at the level of rumble, not at its mean
_BANDS, _NARROWEST = 8, 4  # number of bands, bins (of 100 Hz) of the lowest: in fewer, the power of noise varies more
_NOTHING = 1e-14  # power: what rounding leaves of a constant
_SILENT = -80.0  # dB from the loudest window: less is not heard, nor in any spectrogram
_FADE = 3  # windows over which noise may have been faded in
_FEWEST = 4  # windows of noise, at least: in 30 ms it cannot be told from an attack
_SOFTER = -16.0  # dB from the loudest window to noise, at most
_EVEN = 3.0  # dB between the first windows of noise, at most
_MANY, _STEADY = 8, 0.8  # windows after which steadiness alone tells noise from an attack; median deviation, dB
_SOON = 10  # windows in which the note rises by twice _EVEN above steady noise
_SUDDEN, _RISE = 2, 18.0  # windows, and dB by which the note rises in them above noise that is less steady
_ABOVE = 4.0  # times the power of 9 in 10 windows of noise in a band: the note has risen above it
_CLICK, _GAP = 3, 2  # windows: a shorter sound with a longer silence after it is no part of the note
_CLICK_DB = -8.0  # dB from the loudest window to a click, at most


class Onset(NamedTuple):
    """Where a note begins in a sound, in samples.

    The noise is the stretch before the note that is an example of its background; it may be silent, and is empty if
    the sound begins with the note. `loud` is where the note first comes within 20 dB of its loudest 10 ms.
    """

    start: int
    noise_start: int
    noise_end: int
    loud: int


def high_pass(samples: np.ndarray, rate: int, hz: float, settled: float = 0.1) -> np.ndarray:
    """Samples (channels, n) without what is below `hz`, float64: a causal Butterworth filter of order 4.

    A filter of zero phase would spread the attack over the time before it. The filter begins as if the mean of the
    first `settled` seconds (Hann window) had preceded, so that a constant leaves no click.
    """
    from scipy.signal import butter, sosfilt  # slow to import

    samples = samples.astype(np.float64)
    if hz >= 0.45 * rate:
        return samples - samples.mean(axis=1, keepdims=True)
    weights = np.hanning(min(samples.shape[1], max(1, round(settled * rate))) + 2)[1:-1]
    samples -= (samples[:, : weights.size] @ weights / weights.sum())[:, None]
    filtered: np.ndarray = sosfilt(butter(4, hz, "high", fs=rate, output="sos"), samples)
    return filtered


def find_onset(samples: np.ndarray, rate: int, threshold_db: float) -> Onset:
    """Where the note begins in samples (channels, n).

    The power of windows of 10 ms in eight bands from 150 Hz is compared with that of steady noise at the beginning, if
    there is any. The note begins where the sum of the bands above the noise comes within -`threshold_db` dB of its
    maximum. A click with silence after it is passed over.
    """
    size = max(1, round(WINDOW * rate))
    power = _band_powers(high_pass(samples, rate, _LOWEST, _SETTLED), size)
    total = power.sum(axis=0)
    if total.max() < _NOTHING:
        return Onset(0, 0, 0, 0)
    first, end = _steady_noise(power)
    if end:
        floor = _ABOVE * np.quantile(power[:, first:end], 0.9, axis=1, keepdims=True)
        total = np.where(power > floor, power, 0.0).sum(axis=0)
    loud = total > total.max() * 10.0 ** (threshold_db / 10.0)
    start = _first_note(loud, total)
    first, end = (min(first, start), min(end, start)) if end else (0, max(0, start - 1))
    near = start + int(np.argmax(total[start:] > 0.01 * total.max()))
    return Onset(start * size, first * size, end * size, near * size)


def _band_powers(samples: np.ndarray, size: int) -> np.ndarray:
    """Mean power of consecutive windows (the last one padded) in bands, (bands, windows)."""
    count = -(-samples.shape[1] // size)
    padded = np.pad(samples, ((0, 0), (0, count * size - samples.shape[1]))).reshape(len(samples), count, size)
    spectrum = np.square(np.abs(np.fft.rfft(padded))).mean(axis=0) * (2.0 / size**2)
    edges = np.geomspace(min(_NARROWEST, spectrum.shape[1]), spectrum.shape[1], _BANDS)
    return np.add.reduceat(spectrum, np.unique(np.r_[0, edges[:-1].astype(int)]) % spectrum.shape[1], axis=1).T


def _steady_noise(power: np.ndarray) -> tuple[int, int]:
    """First and end window of steady noise before a note; equal if what is there may be part of the note."""
    total = power.sum(axis=0)
    level = 10.0 * np.log10(np.maximum(total / total.max(), 1e-12))
    silent = int(np.argmax(level > _SILENT))
    for first in range(silent, min(silent + _FADE, level.size - _FEWEST)):
        end = first + _FEWEST
        strongest, least = power[:, first:end].max(axis=1), total[first:end].mean() / _ABOVE
        while end < level.size and total[end] > least and np.all(power[:, end] <= _ABOVE * strongest):
            strongest = np.maximum(strongest, power[:, end])
            end += 1
        if end < level.size and _is_noise(level[first:end], level[end:]):
            return first, end
    return 0, 0


def _is_noise(level: np.ndarray, following: np.ndarray) -> bool:
    """Whether levels (dB) before the `following` ones are those of noise rather than of a soft attack."""
    usual = np.median(level)
    if usual > _SOFTER or np.ptp(level[:_FEWEST]) > _EVEN:
        return False
    if len(level) >= _MANY and np.median(np.abs(level - usual)) < _STEADY:
        return bool(following[:_SOON].max() > usual + 2 * _EVEN)
    return bool(np.ptp(level) < 2 * _EVEN and following[:_SUDDEN].max() > usual + _RISE)


def _first_note(loud: np.ndarray, total: np.ndarray) -> int:
    """First loud window that is not in a click."""
    edges = np.flatnonzero(np.diff(loud.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    soft = total < total.max() * 10.0 ** (_CLICK_DB / 10.0)
    for (first, end), (following, _) in pairwise(edges):
        if end - first > _CLICK or following - end < _GAP or not soft[first:end].all():
            return int(first)
    return int(edges[-1, 0])
