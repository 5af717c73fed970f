"""The multiplicative updates of `Spectrogram.magnitude` for single frames, compiled; imported when it is first used."""

import numpy as np

from timbre.spectral.compiled import compiled

_LEAST, _TINY = np.float32(1e-7), np.float32(1e-6)


class Sharpener:
    """Sharpens magnitudes that a linear inverse has made of a filterbank's bands, frame by frame.

    It does what the updates of the front end do with matrices. A filterbank's matrix is nearly all zeros: for a few
    frames at a time, passing over them is five to ten times as fast.

    Args:
        bank: weights (bands, bins); each row's weights above 0 stand side by side.
        updates: how many.
        stride: exponent of an update.
    """

    def __init__(self, bank: np.ndarray, updates: int, stride: float) -> None:
        inside = bank > 0.0
        first = inside.argmax(1)
        counts = np.where(inside.any(1), bank.shape[1] - inside[:, ::-1].argmax(1) - first, 0)
        self._rows = np.stack([first, counts], 1).astype(np.int64)
        parts = [row[a : a + n] for row, (a, n) in zip(bank, self._rows, strict=True)]
        self._weights = np.concatenate(parts).astype(np.float32)
        self._total = np.maximum(bank.sum(0), _TINY).astype(np.float32)
        self._updates, self._stride = updates, np.float32(stride)

    def __call__(self, bands: np.ndarray, magnitude: np.ndarray) -> None:
        """Sharpen magnitudes (frames, bins) of bands (frames, bands), both float32 and contiguous, in place."""
        sharpen(bands, magnitude, self._rows, self._weights, self._total, self._updates, self._stride)


@compiled
def sharpen(
    bands: np.ndarray,
    magnitude: np.ndarray,
    rows: np.ndarray,
    weights: np.ndarray,
    total: np.ndarray,
    updates: int,
    stride: np.float32,
) -> None:
    """See :class:`Sharpener`; `rows` are first bins and counts (bands, 2), `weights` one row's after the other's."""
    back = np.empty_like(total)
    for n in range(bands.shape[0]):
        for _ in range(updates):
            back[:] = np.float32(0.0)
            at = 0
            for b in range(rows.shape[0]):
                first, count = rows[b, 0], rows[b, 1]
                mixed = np.float32(0.0)
                for i in range(count):
                    mixed += weights[at + i] * magnitude[n, first + i]
                ratio = bands[n, b] / max(mixed, _LEAST)
                for i in range(count):
                    back[first + i] += weights[at + i] * ratio
                at += count
            for k in range(total.size):
                magnitude[n, k] *= (back[k] / total[k]) ** stride
