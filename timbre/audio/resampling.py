"""Conversion of the sample rate of streams, with a delay of about a millisecond."""

from math import gcd

import numpy as np

_REACH = 24  # samples of the slower rate on either side of an output sample
_BETA = 7.0  # of the Kaiser window: 70 dB
_MARGIN = 0.93  # passband, as a fraction of the slower rate's Nyquist frequency


class Resampler:
    """Converts the sample rate of a mono stream by a polyphase windowed sinc (Crochiere and Rabiner 1983).

    Its impulse response is 48 samples of the slower rate long; streaming resamplers of libraries delay by 20 to 40 ms.
    The output is `delay` seconds late and does not depend on the sizes of the blocks.
    """

    def __init__(self, source: int, target: int) -> None:
        shared = gcd(source, target)
        self._up, self._down = target // shared, source // shared
        stretch = max(1.0, source / target)
        reach = int(np.ceil(_REACH * stretch))
        # Tap k of phase p weights the input sample k - reach + p / up before the time of the output sample.
        time = np.arange(2 * reach)[None, :] - reach + np.arange(self._up)[:, None] / self._up
        cutoff = _MARGIN / stretch
        window = np.i0(_BETA * np.sqrt(np.clip(1.0 - np.square(time / reach), 0.0, 1.0))) / np.i0(_BETA)
        taps = cutoff * np.sinc(cutoff * time) * window
        self._taps = np.ascontiguousarray((taps / taps.sum(1, keepdims=True))[:, ::-1])
        self._waiting = np.zeros(2 * reach - 1)
        self._next = 0  # time of the next output sample, in units of 1 / up input samples
        self.delay = reach / source

    def push(self, samples: np.ndarray) -> np.ndarray:
        """The output for the next samples (n,): about n * target / source samples, float64."""
        if not len(samples):
            return np.zeros(0)
        joined = np.concatenate([self._waiting, samples])
        width = self._taps.shape[1]
        self._waiting = joined[len(joined) - width + 1 :]
        windows = np.lib.stride_tricks.sliding_window_view(joined, width)
        if self._down == 1:  # every input sample gives one output sample of each phase: a plain product
            return (windows @ self._taps.T).reshape(-1)
        times = np.arange(self._next, len(samples) * self._up, self._down)
        self._next += len(times) * self._down - len(samples) * self._up
        return np.einsum("ij,ij->i", windows[times // self._up], self._taps[times % self._up])
