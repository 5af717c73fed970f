"""Where within its first window a sound begins, estimated from the power of its first two frames."""

import numpy as np

FLOOR = 0.05  # gain before the beginning, above 0 for soft attacks, which the estimate takes to begin too late
RISE = 0.008  # s from the floor to 1


class Attack:
    """Gains that silence what overlap-add spreads over the window before a note begins.

    If a sound is silent and then steady, the power of a frame is the share of the squared window after the beginning
    (Parseval), so the ratio of the first two frames' powers gives the beginning. For a sound that grows slowly the
    estimate is late, so the gain rises gradually and from more than 0. `window` and `hop_length` are the STFT's.
    """

    def __init__(self, window: np.ndarray, hop_length: int, sample_rate: float) -> None:
        half = len(window) // 2
        after = np.cumsum(np.square(window, dtype=np.float64)[::-1])[::-1]  # power of the window from each sample on
        first, second = after[half:], after[np.maximum(np.arange(half) + half - hop_length, 0)]
        self._ratio = np.minimum.accumulate(first / np.maximum(second, 1e-12))  # by the sample at which a sound begins
        self._rise = max(1, round(RISE * sample_rate))

    def start(self, first: float, second: float) -> int:
        """Samples from the centre of the first frame to the beginning of the sound, from the power of two frames."""
        if not second > 0.0:
            return 0
        return int(np.searchsorted(-self._ratio, -first / second).clip(0, len(self._ratio) - 1))

    def gains(self, first: float, second: float) -> np.ndarray:
        """Gains of the samples from the centre of the first frame on, float32 (n_fft // 2,); see :meth:`start`."""
        start = self.start(first, second)
        since = np.arange(len(self._ratio)) - (start - self._rise)
        risen = 0.5 - 0.5 * np.cos(np.pi * (since / self._rise).clip(0.0, 1.0))
        return (FLOOR + (1.0 - FLOOR) * risen).astype(np.float32) if start else np.ones(len(since), np.float32)
