"""Where within its first window a sound begins, as the power of its first two frames tells."""

import numpy as np

FLOOR = 0.05  # gain before the beginning: a soft attack may have more before it than a step has
RISE = 0.008  # s that the gain takes


class Attack:
    """Keeps what overlap-add spreads over a whole window from sounding before a note has begun.

    A frame says what is in its window and not where. Of a sound that is silent at first and then steady, the share of
    the squared window that lies after the beginning is the frame's power (Parseval), so the ratio of the first two
    frames' powers says when it begins. Sounds that grow more slowly are taken to begin somewhat late, which is why the
    gain rises gradually, and not from nothing.

    Args:
        window: of the STFT, (n_fft,).
        hop_length: samples.
        sample_rate: Hz.
    """

    def __init__(self, window: np.ndarray, hop_length: int, sample_rate: float) -> None:
        half = len(window) // 2
        after = np.cumsum(np.square(window, dtype=np.float64)[::-1])[::-1]  # power from each sample of the window on
        first, second = after[half:], after[np.maximum(np.arange(half) + half - hop_length, 0)]
        self._ratio = np.minimum.accumulate(first / np.maximum(second, 1e-12))  # of a sound that begins at 0, 1, ...
        self._rise = max(1, round(RISE * sample_rate))

    def start(self, first: float, second: float) -> int:
        """Samples from the centre of the first frame until the sound begins; 0 if it is there from before.

        Args:
            first, second: power of the first two frames.
        """
        if not second > 0.0:
            return 0
        return int(np.searchsorted(-self._ratio, -first / second).clip(0, len(self._ratio) - 1))

    def gains(self, first: float, second: float) -> np.ndarray:
        """Gains (n_fft // 2,), float32, of the samples from the centre of the first frame on; see :meth:`start`."""
        start = self.start(first, second)
        place = np.arange(len(self._ratio)) - (start - self._rise)
        risen = 0.5 - 0.5 * np.cos(np.pi * (place / self._rise).clip(0.0, 1.0))
        return (FLOOR + (1.0 - FLOOR) * risen).astype(np.float32) if start else np.ones(len(place), np.float32)
