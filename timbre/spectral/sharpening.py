"""Multiplicative updates that sharpen the magnitudes of a filterbank, compiled."""

import numpy as np

from timbre.spectral.compiled import compiled

STRIDE = 1.75  # exponent of an update; its powers are square roots, which are vector instructions
_LEAST, _TINY = np.float32(1e-7), np.float32(1e-6)
_LANES = 8  # frames at a time: one vector of 256 bits


class Sharpener:
    """Sharpens magnitudes from the linear inverse of a filterbank.

    It computes what `Spectrogram.magnitude` computes with matrices. Nearly all weights of a filterbank are zero;
    skipping them is several times faster. A frame does not depend on the others, to the bit.

    Args:
        bank: weights (bands, bins), 0 or more; those of a row that are above 0 are adjacent.
        updates: number of updates, with the exponent :data:`STRIDE`.
    """

    def __init__(self, bank: np.ndarray, updates: int) -> None:
        inside = bank > 0.0
        self._rows = np.stack([inside.argmax(1), inside.sum(1)], 1).astype(np.int64)
        self._weights = bank[inside].astype(np.float32)
        self._share = (1.0 / np.maximum(bank.sum(0), _TINY)).astype(np.float32)
        self._updates = updates

    def __call__(self, bands: np.ndarray, magnitude: np.ndarray) -> None:
        """Sharpen magnitudes (frames, bins) of bands (frames, bands) in place; both are float32 and contiguous."""
        sharpen(bands, magnitude, self._rows, self._weights, self._share, self._updates)


@compiled
def sharpen(  # noqa: C901 (calls to compiled functions would take half of the speed)
    bands: np.ndarray, magnitude: np.ndarray, rows: np.ndarray, weights: np.ndarray, share: np.ndarray, updates: int
) -> None:
    """Sharpen magnitudes (frames, bins) of bands (frames, bands) in place.

    `rows` (bands, 2) are the first bin and the number of bins of each band, `weights` those of all bands, one after the
    other, and `share` one divided by their sum at each bin.
    """
    frames, bins = magnitude.shape
    now, back = np.zeros((bins, _LANES), np.float32), np.empty((bins, _LANES), np.float32)
    wanted, ratio = np.zeros((rows.shape[0], _LANES), np.float32), np.empty(_LANES, np.float32)
    for start in range(0, frames, _LANES):
        count = min(_LANES, frames - start)
        for j in range(count):
            now[:, j], wanted[:, j] = magnitude[start + j], bands[start + j]
        for _ in range(updates):
            back[:] = np.float32(0.0)
            at = 0
            for b in range(rows.shape[0]):
                first, size = rows[b, 0], rows[b, 1]
                ratio[:] = np.float32(0.0)
                for i in range(size):
                    for j in range(_LANES):
                        ratio[j] += weights[at + i] * now[first + i, j]
                for j in range(_LANES):
                    ratio[j] = np.divide(wanted[b, j], max(ratio[j], _LEAST))
                for i in range(size):
                    for j in range(_LANES):
                        back[first + i, j] += weights[at + i] * ratio[j]
                at += size
            for k in range(bins):
                for j in range(_LANES):
                    factor = back[k, j] * share[k]
                    root = np.sqrt(factor)
                    now[k, j] *= factor * root * np.sqrt(root)
        for j in range(count):
            magnitude[start + j] = now[:, j]
