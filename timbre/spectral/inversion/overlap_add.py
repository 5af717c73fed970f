"""Streaming overlap-add: a hop of samples for every frame."""

import numpy as np

from timbre.spectral.compiled import compiled
from timbre.spectral.stft import STFT

_ZERO, _LEAST = np.float32(0.0), np.float32(1e-8)


class OverlapAdd:
    """Sum of windowed frames, divided by the energy of the windows (Griffin and Lim 1984), given out hop by hop.

    Attributes:
        latency: samples by which the output is late, ``n_fft // 2 + look_ahead * hop_length``.
        window: (n_fft,), float32.
        settled: sum of the windowed frames, and sum of the squares of their windows, from the next sample to give on:
            (2, n_fft + look_ahead * hop_length), float32.
        arrays: `settled`, and the number of samples given so far (1,), by name.
    """

    def __init__(self, stft: STFT, look_ahead: int) -> None:
        self._hop, self._look_ahead = stft.hop_length, look_ahead
        self.latency = stft.n_fft // 2 + look_ahead * stft.hop_length
        self.window = stft.window.cpu().numpy().copy()
        self.settled = np.zeros((2, stft.n_fft + look_ahead * stft.hop_length), np.float32)
        self._given = np.zeros(1, np.int64)
        self.arrays: dict[str, np.ndarray] = {"given": self._given, "settled": self.settled}
        self._samples: np.ndarray = np.zeros(stft.n_fft, np.float32)

    @property
    def given(self) -> int:
        """Number of samples given so far."""
        return int(self._given[0])

    @property
    def frame(self) -> int:
        """Index of the next frame to add; below 0 while the look-ahead fills."""
        return self.given // self._hop - self._look_ahead

    def add(self, spectrum: np.ndarray) -> None:
        """Add a frame, given by its spectrum (n_fft // 2 + 1,), complex64."""
        np.fft.irfft(spectrum, self._samples.size, out=self._samples)
        overlap(self._samples, self.window, self.settled)

    def take(self, out: np.ndarray) -> None:
        """Write the next samples to `out`, float32; those before the sound begins are 0."""
        shift(self.settled, out)
        early = self.latency - self.given
        if early > 0:
            out[:early] = 0.0
        self._given += out.size


@compiled
def overlap(frame: np.ndarray, window: np.ndarray, settled: np.ndarray) -> None:
    """Add a windowed frame to the start of the first row, and the square of its window to the second."""
    for i in range(frame.size):
        settled[0, i] += frame[i] * window[i]
        settled[1, i] += window[i] * window[i]


@compiled
def shift(settled: np.ndarray, out: np.ndarray) -> None:
    """Write the first samples, divided by the energy of the windows, to `out`; move the others to the start."""
    rest = settled.shape[1] - out.size
    for i in range(out.size):
        out[i] = np.divide(settled[0, i], max(settled[1, i], _LEAST))
    for row in range(2):
        for i in range(rest):
            settled[row, i] = settled[row, i + out.size]
        for i in range(rest, rest + out.size):
            settled[row, i] = _ZERO
