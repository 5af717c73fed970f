"""The last step to sound: gain, a fade at the end, and the limiter; on whole sounds or in blocks."""

import numpy as np

from timbre.audio.limiter import Limiter
from timbre.space.controls import Line

_FADE = 0.02  # s


class Finish:
    """Applies gain, fade and limiter to the waveform of an inverter, `length` samples at `sample_rate` (Hz).

    The gain is an amplitude, one value or a line of any number of values that is stretched over the sound.
    """

    def __init__(self, length: int, gain: Line, sample_rate: int) -> None:
        self.length, self.gain = length, np.asarray(gain, dtype=np.float64)
        self._fade, self._done = min(round(_FADE * sample_rate), length), 0
        self._limiter = Limiter(sample_rate)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """The next samples, float32; fewer than were pushed at the beginning, as the limiter looks ahead."""
        done, self._done = self._done, self._done + len(samples)
        late = min(max(self._limiter.latency - done, 0), len(samples))
        gain = self.gain
        if gain.ndim:
            index = np.arange(done, self._done) / max(self.length - 1, 1)
            gain = np.interp(index, np.linspace(0, 1, len(gain)), gain)
        scaled = samples * gain
        first = max(self.length - self._fade, done)
        faded = np.arange(first, self._done) - (self.length - self._fade) + 1
        scaled[first - done :] *= 0.5 + 0.5 * np.cos(np.pi * np.minimum(faded / self._fade, 1.0))
        return self._limiter.push(scaled)[late:].astype(np.float32)

    def flush(self) -> np.ndarray:
        """The last samples; together with those before, as many as were pushed."""
        return self._limiter.flush()[-self._done :].astype(np.float32) if self._done else np.zeros(0, np.float32)
