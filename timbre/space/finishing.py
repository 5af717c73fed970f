"""The last step to sound: the gain of velocity and of loudness, a soft end, and the limiter; whole or in blocks."""

import numpy as np

from timbre.audio.limiter import Limiter

_FADE = 0.02  # s


class Finish:
    """Turns what an inverter gives into what is heard.

    Args:
        length: samples of the whole sound.
        gain: amplitude, one for all or a line of any number of values that is stretched over the sound.
        sample_rate: Hz.
    """

    def __init__(self, length: int, gain: "float | np.ndarray", sample_rate: int) -> None:
        self.length, self.gain = length, np.asarray(gain, dtype=np.float64)
        self._fade, self._place = min(round(_FADE * sample_rate), length), 0
        self._limiter = Limiter(sample_rate)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """The next samples, float32; fewer than came at the beginning, as the limiter looks ahead."""
        place = np.arange(self._place, self._place + len(samples))
        late = min(max(self._limiter.latency - self._place, 0), len(samples))
        self._place += len(samples)
        return self._limiter.push(samples * self._gain(place) * self._end(place))[late:].astype(np.float32)

    def flush(self) -> np.ndarray:
        """The last samples; with those before, as many as were pushed."""
        return self._limiter.flush()[-self._place :].astype(np.float32) if self._place else np.zeros(0, np.float32)

    def _gain(self, place: np.ndarray) -> np.ndarray:
        if self.gain.ndim == 0:
            return np.broadcast_to(self.gain, place.shape)
        return np.interp(place / max(self.length - 1, 1), np.linspace(0, 1, len(self.gain)), self.gain)

    def _end(self, place: np.ndarray) -> np.ndarray:
        done = np.clip((place - (self.length - self._fade) + 1) / self._fade, 0.0, 1.0)
        return 0.5 + 0.5 * np.cos(np.pi * done)
