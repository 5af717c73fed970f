"""A peak limiter with a short look-ahead, for streams and whole sounds."""

import numpy as np

CEILING = 0.99  # of full scale
_LOOK_AHEAD, _RELEASE = 0.005, 0.1  # s
_INAUDIBLE = 1e-7  # gain reduction below which the gain has recovered
_CHUNK = 1 << 12  # samples: the scale of the release stays within float64


class Limiter:
    """Keeps every sample within the ceiling; a sound that never comes near it passes unchanged.

    The gain falls linearly over the 5 ms (or the given look-ahead) before a peak, reaches the value that the peak needs
    in time, and recovers exponentially with a time constant of 0.1 s. The output is `latency` samples late; it does not
    depend on the sizes of the blocks.
    """

    def __init__(self, sample_rate: int, look_ahead: float = _LOOK_AHEAD) -> None:
        self.latency = max(1, round(look_ahead * sample_rate))
        self._leak = np.exp(-1.0 / (_RELEASE * sample_rate))
        self._reset()

    def push(self, samples: np.ndarray) -> np.ndarray:
        """The limited samples (n,), float64, `latency` samples behind the given ones (n,)."""
        parts = [self._limit(samples[start : start + _CHUNK]) for start in range(0, len(samples), _CHUNK)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def flush(self) -> np.ndarray:
        """The last `latency` samples; resets the limiter."""
        rest = self.push(np.zeros(self.latency))
        self._reset()
        return rest

    def _reset(self) -> None:
        self._waiting, self._needed, self._cut = (np.zeros(self.latency) for _ in range(3))

    def _limit(self, samples: np.ndarray) -> np.ndarray:
        """The next samples; each gain in the mean for a sample is low enough for it, and so is the mean."""
        late, self._waiting = self._after(self._waiting, samples.astype(np.float64))
        if not self._cut.any() and not self._needed.any() and np.abs(samples).max(initial=0.0) <= CEILING:
            return late[: len(samples)]  # the same result, faster
        needed = 1.0 - CEILING / np.maximum(np.abs(samples.astype(np.float64)), CEILING)
        seen, self._needed = self._after(self._needed, needed)
        cut, self._cut = self._after(self._cut, self._recovering(_windows(seen, self.latency).max(-1)))
        return late[: len(samples)] * (1.0 - _windows(cut, self.latency).mean(-1))

    def _after(self, before: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        joined = np.concatenate([before, new])
        return joined, joined[-self.latency :]

    def _recovering(self, cut: np.ndarray) -> np.ndarray:
        """max(cut[n], leak * result[n - 1]), vectorised."""
        scale = self._leak ** np.arange(len(cut) + 1)
        peaks = np.maximum.accumulate(np.concatenate([self._cut[-1:], cut]) / scale)
        recovering = (peaks * scale)[1:]
        return np.where(recovering < _INAUDIBLE, 0.0, recovering)


def _windows(values: np.ndarray, latency: int) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(values, latency + 1)
