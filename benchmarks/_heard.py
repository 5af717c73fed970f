"""What is heard in a recording: clicks, gaps, and where in it a known sound begins."""

import numpy as np
from scipy.ndimage import median_filter
from scipy.signal import correlate

_CLICK, _FAINT = 3.0, 1e-3  # times the neighbourhood; second difference that nobody hears
_GAP, _GAP_WINDOW = 0.02, 0.002  # of the level around it; s
_LIKE = 0.8


def clicks(sound: np.ndarray, rate: int) -> int:
    """Peaks of the second difference that stand out threefold from all that lies within 15 ms of them."""
    peaks = _peaks(np.diff(sound, 2), rate // 1000)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(peaks, 15), 31).copy()
    around[:, 14:17] = 0.0  # the peak itself, and those that it touches
    return int(((peaks > _CLICK * around.max(1)) & (peaks > _FAINT)).sum())


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


def _peaks(sound: np.ndarray, width: int) -> np.ndarray:
    return np.abs(sound[: len(sound) // width * width]).reshape(-1, width).max(1)
