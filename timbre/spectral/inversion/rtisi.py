"""Real-time iterative spectrogram inversion with look-ahead (RTISI-LA): a few Griffin-Lim iterations per frame.

Zhu, Beauregard and Wyse 2007, "Real-time signal estimation from modified short-time Fourier transform magnitude
spectra". The frames that are not settled yet are made consistent with each other and with the sound before them. Two
things differ from the paper: a new frame's first phases are those of RTPGHI, and the iterations are those of fast
Griffin-Lim (Perraudin, Balazs and Sondergaard 2013) where there is a frame of look-ahead or more.
"""

import numpy as np

from timbre.spectral.inversion.rtpghi import RTPGHI

_ITERATIONS = 3
_MOMENTUM = 0.99


class RTISI:
    """Finds phases frame by frame.

    Args:
        n_fft: FFT size.
        hop: samples between frames.
        look_ahead: frames that are seen before a phase is settled.
        settled: (2, n_fft + hop * look_ahead), the sum of the settled frames and that of their windows' squares, from
            the first sample of the frame to settle next.
        window: (n_fft,), float32.

    Attributes:
        spectrum: complex (bins,) of the last frame that was settled.
        arrays: all that the next phases depend on, beside `settled`, by name; zeros at first.
    """

    def __init__(self, n_fft: int, hop: int, look_ahead: int, settled: np.ndarray, window: np.ndarray) -> None:
        from timbre.spectral.inversion import _causal

        self._cut, self._impose = _causal.cut, _causal.impose
        self._n_fft, self._hop, self._look_ahead = n_fft, hop, look_ahead
        self._settled, self._window, self._work = settled, window, np.zeros_like(settled)
        self._guess = RTPGHI(n_fft, hop, 0)
        count, bins = 1 + look_ahead, n_fft // 2 + 1
        self._magnitudes = np.zeros((count, bins), np.float32)
        self._spectra, self._last = np.zeros((2, count, bins), np.complex64)
        self._frames = np.zeros((count, n_fft), np.float32)
        self.spectrum = self._spectra[0]
        guess = {f"guess_{name}": array for name, array in self._guess.arrays.items()}
        self._missing = 0  # frames that will not come any more
        self.arrays: dict[str, np.ndarray] = {"magnitudes": self._magnitudes, "spectra": self._spectra, **guess}

    def advance(self, magnitude: np.ndarray | None, seed: np.uint64, frame: int) -> None:
        """Take the magnitudes (bins,) of one more frame, or None after the last, and settle `frame`.

        `frame` is the one taken less the look-ahead; below 0 there is nothing to settle yet.
        """
        for row in range(self._look_ahead):
            self._magnitudes[row], self._spectra[row] = self._magnitudes[row + 1], self._spectra[row + 1]
        if magnitude is None:
            self._missing += 1
        else:
            self._missing = 0
            self._guess.advance(magnitude, seed, frame + self._look_ahead)
            self._magnitudes[-1], self._spectra[-1] = magnitude, self._guess.spectrum
        self._refine(max(0, -frame), 1 + self._look_ahead - self._missing)

    def _refine(self, first: int, end: int) -> None:
        """Make frames `first` to `end` consistent with each other and with what is settled."""
        rows: tuple[np.ndarray, ...] = (self._magnitudes, self._spectra, self._last, self._frames)
        magnitudes, spectra, last, frames = (row[first:end] for row in rows)
        for iteration in range(_ITERATIONS):
            np.fft.irfft(spectra, self._n_fft, out=frames)
            self._cut(self._settled, self._window, self._hop, first, frames, self._work)
            # The scale does not matter; without `norm` numpy would go by way of double precision.
            np.fft.rfft(frames, norm="forward", out=spectra)
            on = self._look_ahead > 0 and iteration > 0
            self._impose(magnitudes, spectra, last, np.float32(_MOMENTUM if on else 0.0))
