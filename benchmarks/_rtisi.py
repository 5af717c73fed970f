"""Real-time iterative spectrogram inversion with look-ahead (RTISI-LA): a few Griffin-Lim iterations per frame.

Zhu, Beauregard and Wyse 2007, "Real-time signal estimation from modified short-time Fourier transform magnitude
spectra". The iterations make the frames that are not settled yet consistent with each other and with the sound before
them. Two things differ from the paper: a new frame starts from the phases of RTPGHI, and with one frame of look-ahead
or more the iterations are those of fast Griffin-Lim (Perraudin, Balazs and Sondergaard 2013).
"""

import numpy as np

from timbre.spectral.compiled import compiled
from timbre.spectral.inversion.overlap_add import OverlapAdd
from timbre.spectral.inversion.rtpghi import RTPGHI
from timbre.spectral.inversion.streaming import CausalInverter
from timbre.spectral.stft import STFT

_ITERATIONS = 3
_MOMENTUM = 0.99
_TINY, _ENERGY = np.float32(1e-30), np.float32(1e-8)


def rtisi(look_ahead: int) -> CausalInverter:
    """RTISI-LA with `look_ahead` frames, 0 to 3."""
    return CausalInverter(f"rtisi-{look_ahead}", look_ahead, lambda stft, output: RTISI(stft, output, look_ahead))


class RTISI:
    """Finds phases frame by frame.

    Args:
        stft: the transform that the magnitudes belong to.
        output: overlap-add of the frames settled so far.
        look_ahead: frames that come before a phase is settled.

    Attributes:
        spectrum: complex (bins,) of the last frame that was settled.
        arrays: everything that the next phases depend on, except `output`, by name; zeros at first.
    """

    def __init__(self, stft: STFT, output: OverlapAdd, look_ahead: int) -> None:
        self._n_fft, self._hop, self._look_ahead = stft.n_fft, stft.hop_length, look_ahead
        self._settled, self._window, self._work = output.settled, output.window, np.zeros_like(output.settled)
        self._guess = RTPGHI(stft.n_fft, stft.hop_length, 0)
        count, bins = 1 + look_ahead, stft.n_fft // 2 + 1
        self._magnitudes = np.zeros((count, bins), np.float32)
        self._spectra, self._last = np.zeros((2, count, bins), np.complex64)
        self._frames = np.zeros((count, stft.n_fft), np.float32)
        self.spectrum = self._spectra[0]
        guess = {f"guess_{name}": array for name, array in self._guess.arrays.items()}
        self._missing = 0  # frames after the end of the sound
        self.arrays: dict[str, np.ndarray] = {"magnitudes": self._magnitudes, "spectra": self._spectra, **guess}

    def advance(self, magnitude: np.ndarray | None, seed: np.uint64, frame: int) -> None:
        """Take the magnitudes (bins,) of one more frame, or None after the last, and settle `frame`.

        `frame` is the index of the frame taken minus the look-ahead; below 0 there is nothing to settle yet.
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
        """Make frames `first` to `end` consistent with each other and with the settled ones."""
        rows: tuple[np.ndarray, ...] = (self._magnitudes, self._spectra, self._last, self._frames)
        magnitudes, spectra, last, frames = (row[first:end] for row in rows)
        for iteration in range(_ITERATIONS):
            np.fft.irfft(spectra, self._n_fft, out=frames)
            make_consistent(self._settled, self._window, self._hop, first, frames, self._work)
            # The scale does not matter; without `norm` numpy would compute in double precision.
            np.fft.rfft(frames, norm="forward", out=spectra)
            on = self._look_ahead > 0 and iteration > 0
            impose(magnitudes, spectra, last, np.float32(_MOMENTUM if on else 0.0))


@compiled
def make_consistent(
    settled: np.ndarray, window: np.ndarray, hop: int, first: int, frames: np.ndarray, work: np.ndarray
) -> None:
    """Make frames consistent with each other and with the settled ones, by least squares.

    Args:
        settled: sum of the settled frames, windowed, and sum of the squares of their windows (2, samples).
        window: (n_fft,).
        hop: samples from one frame to the next.
        first: hops from the start of `settled` to the first frame.
        frames: (n, n_fft), not windowed; replaced by windowed ones.
        work: working memory (2, samples).
    """
    work[:] = settled
    for j in range(frames.shape[0]):
        start = (first + j) * hop
        for i in range(window.size):
            work[0, start + i] += frames[j, i] * window[i]
            work[1, start + i] += window[i] * window[i]
    for i in range(work.shape[1]):
        work[0, i] = np.divide(work[0, i], max(work[1, i], _ENERGY))
    for j in range(frames.shape[0]):
        start = (first + j) * hop
        for i in range(window.size):
            frames[j, i] = work[0, start + i] * window[i]


@compiled
def impose(magnitudes: np.ndarray, spectra: np.ndarray, last: np.ndarray, momentum: np.float32) -> None:
    """Step from `last` to `spectra` and beyond by `momentum`, restore the magnitudes, and keep `spectra` in `last`.

    All are (frames, bins).
    """
    for n in range(spectra.shape[0]):
        for k in range(spectra.shape[1]):
            here = spectra[n, k]
            ahead = here + momentum * (here - last[n, k])
            size = np.sqrt(ahead.real * ahead.real + ahead.imag * ahead.imag)
            gain = np.divide(magnitudes[n, k], max(size, _TINY))
            spectra[n, k] = ahead * gain
            last[n, k] = here
