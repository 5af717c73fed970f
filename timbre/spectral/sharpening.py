"""The multiplicative updates of `Spectrogram.magnitude` for single frames, compiled."""

import numpy as np

from timbre.spectral.compiled import compiled

_LEAST, _TINY = np.float32(1e-7), np.float32(1e-6)


class Sharpener:
    """Sharpens magnitudes from the linear inverse of a filterbank, frame by frame.

    It computes what `Spectrogram.magnitude` computes with matrices. Nearly all weights of a filterbank are zero;
    skipping them is five to ten times faster for a few frames at a time.

    Args:
        bank: weights (bands, bins), 0 or more; those of a row that are above 0 are adjacent.
        updates: number of updates.
        stride: exponent of an update.
    """

    def __init__(self, bank: np.ndarray, updates: int, stride: float) -> None:
        inside = bank > 0.0
        self._rows = np.stack([inside.argmax(1), inside.sum(1)], 1).astype(np.int64)
        self._weights = bank[inside].astype(np.float32)
        self._total = np.maximum(bank.sum(0), _TINY).astype(np.float32)
        self._updates, self._stride = updates, np.float32(stride)

    def __call__(self, bands: np.ndarray, magnitude: np.ndarray) -> None:
        """Sharpen magnitudes (frames, bins) of bands (frames, bands) in place; both are float32 and contiguous."""
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
    """Sharpen magnitudes (frames, bins) of bands (frames, bands) in place, by updates with the exponent `stride`.

    `rows` (bands, 2) are the first bin and the number of bins of each band, `weights` those of all bands, one after the
    other, and `total` their sum at each bin.
    """
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
