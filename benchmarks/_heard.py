"""Audible faults in a recording, clicks and gaps, and the position at which a given sound begins."""

import numpy as np
from scipy.linalg import solve_toeplitz
from scipy.ndimage import median_filter, rank_filter
from scipy.signal import correlate

_ORDER, _FRAME = 32, 2048  # of linear prediction; samples
_CLICK, _FAINT, _AROUND = 3.0, 1e-4, 31  # times the neighbourhood; an inaudible residual; ms
_GAP, _GAP_WINDOW = 0.02, 0.002  # of the level around it; s
_LIKE = 0.5


def clicks(sound: np.ndarray, rate: int) -> int:
    """Places where a sound does not follow from what came before it.

    The residual of linear prediction is taken (Vaseghi and Rayner 1990), its peak in each millisecond, and those peaks
    counted that stand out threefold from the fourth highest within 15 ms of them; so the ends of a hole do not hide
    each other. Neighbouring ones are one click.
    """
    peaks = _peaks(_residual(sound), rate // 1000)
    around = rank_filter(peaks, -4, _AROUND, mode="nearest")
    stand_out = peaks > _CLICK * np.maximum(around, _FAINT)
    return int((np.diff(stand_out.astype(int), prepend=0) == 1).sum())


def gaps(sound: np.ndarray, rate: int) -> int:
    """Silences of 2 ms and more in a sound that goes on: below a fiftieth of the median level within 50 ms."""
    level = _peaks(sound, round(_GAP_WINDOW * rate))
    silent = level < _GAP * median_filter(level, 51, mode="nearest")
    return int((np.diff(silent.astype(int), prepend=0) == 1).sum())


def find(sound: np.ndarray, known: np.ndarray) -> int | None:
    """Place at which a sound begins that is part of another, by the normalised cross-correlation; None if it is not."""
    products = correlate(sound, known, "valid", method="fft")
    energy = np.cumsum(np.concatenate([[0.0], np.square(sound, dtype=float)]))
    energy = np.maximum(energy[len(known) :] - energy[: -len(known)], 1e-9)
    likeness = products / np.sqrt(energy * np.square(known, dtype=float).sum())
    best = int(likeness.argmax())
    return best if likeness[best] > _LIKE else None


def _residual(sound: np.ndarray) -> np.ndarray:
    """What linear prediction leaves of a sound, from its first samples on."""
    before = np.concatenate([np.zeros(_ORDER), np.asarray(sound, float)])
    out = np.zeros(len(sound))
    for begin in range(0, len(sound), _FRAME):
        frame = np.asarray(sound[max(0, begin - _FRAME // 2) : begin + _FRAME * 3 // 2], float)
        powers = np.square(np.abs(np.fft.rfft(frame * np.hanning(len(frame)), 4 * _FRAME)))
        products = np.fft.irfft(powers)[: _ORDER + 1] + 1e-9
        products[0] *= 1.0 + 1e-6
        weights = solve_toeplitz(products[:-1], products[1:])
        part = before[begin : begin + _FRAME + _ORDER]
        out[begin : begin + _FRAME] = np.convolve(part, np.concatenate([[1.0], -weights]), "valid")
    return out


def _peaks(sound: np.ndarray, width: int) -> np.ndarray:
    return np.abs(sound[: len(sound) // width * width]).reshape(-1, width).max(1)
