"""Real-time phase gradient heap integration (RTPGHI): phases frame by frame, with at most one frame of look-ahead.

Prusa and Sondergaard 2016, "Real-time spectrogram inversion using phase gradient heap integration". The steps are those
of :mod:`.pghi`, exact for steady partials and clicks through a Hann window. Steps from bin to bin need the next frame;
without look-ahead, a parabola extrapolates the square roots of its magnitudes, since through a Hann window those of a
click are an arc of a cosine. That improves the spectral convergence of notes by 3 dB compared with taking every frame
for steady. If frames lie a quarter of a window apart, a small network that sees the last frames corrects the steps
(slopes.py).
"""

import numpy as np

from timbre.spectral.inversion import _causal, _learned, slopes

_AT_A_TIME = 64  # bins in one run of the network: products this small stay in the caller's thread


class RTPGHI:
    """A :class:`~.streaming.PhaseMethod`, with a look-ahead of 0 or 1 frame.

    Levels are relative to a running peak that halves every 128 frames: bins 120 dB below it get random phases.
    `learned` is whether a network corrects the steps where there is one.
    """

    def __init__(self, n_fft: int, hop: int, look_ahead: int, learned: bool = True) -> None:
        self._look_ahead, self._hop_ratio = look_ahead, hop / n_fft
        bins = n_fft // 2 + 1
        self._rows = np.zeros((3 + look_ahead, bins), np.float32)
        self._silence, self._steady, self._phase = np.zeros((3, bins), np.float32)
        self._peak, self.spectrum = np.zeros(1), np.zeros(bins, np.complex64)
        self.arrays: dict[str, np.ndarray] = {"rows": self._rows, "peak": self._peak}
        self.arrays |= {"steady": self._steady, "phase": self._phase}
        self._whole = (slopes.whole_turns(bins, n_fft, hop) * (2.0 * np.pi / n_fft)).astype(np.float32)
        self._steps, self._work = np.zeros((2, 2, bins), np.float32)
        self._doubt = np.zeros((2, bins), np.int32)
        self._lists = tuple(np.zeros(size, np.int32) for size in (bins, _causal.RANKS, (3 * bins, 2), bins))
        self._network = SlopeNetwork(bins, look_ahead) if learned and 4 * hop == n_fft else None
        if self._network:
            self.arrays["levels"] = self._network.levels

    def advance(self, magnitude: np.ndarray | None, seed: np.uint64, frame: int) -> None:
        """Take one more frame and settle an earlier one; see :class:`~.streaming.PhaseMethod`."""
        _causal.take(self._silence if magnitude is None else magnitude, self._rows, self._peak)
        known = self._look_ahead > 0 and magnitude is not None
        if self._network:
            self._network.take(self._rows[-1 if magnitude is not None else 2], frame + self._look_ahead == 0)
        if frame < 0:
            return
        ends, formula = (known, frame == 0), self._network is None or self._look_ahead > 0
        rows, peak, steps, doubt = self._rows, self._peak, self._steps, self._doubt
        _causal.find_steps(rows, self._steady, peak, self._whole, self._hop_ratio, ends, formula, steps)
        if self._network:
            self._network.correct(peak, steps, doubt)
        key, work, lists = (seed, frame), self._work, self._lists
        _causal.find_spectrum(rows, self._phase, peak, key, steps, doubt, work, lists, self.spectrum)


class SlopeNetwork:
    """The network that corrects the steps of the formulas, frame by frame.

    `levels` are the log magnitudes (frames, bins and a border) of the last frames.
    """

    def __init__(self, bins: int, look_ahead: int) -> None:
        ranks = 2.0 * _causal.RANKS_PER_NEPER
        self._shape = tuple(slopes.Border.of(look_ahead))
        # Without look-ahead there is no formula for clicks to prefer.
        self._settings = ranks, (slopes.TRUSTED, slopes.TRUSTED if look_ahead else 1e-6)
        self._unsure = int(-ranks * np.log(slopes.UNSURE))
        self.levels = np.zeros((slopes.FRAMES, bins + slopes.BELOW + slopes.ABOVE), np.float32)
        self._layers = slopes.layers(look_ahead)
        sizes = (slopes.FRAMES * slopes.BINS, *(bias.size for bias in self._layers[1::2]))
        self._work = tuple(np.zeros((_AT_A_TIME, size), np.float32) for size in sizes)
        self._bins = np.zeros(_AT_A_TIME, np.int64)

    def take(self, magnitude: np.ndarray, first: bool) -> None:
        """Take the magnitudes (bins,) of one more frame; after the last one, its magnitudes again."""
        _learned.remember(magnitude, np.float32(1e-30), first, slopes.BELOW, self.levels)

    def correct(self, peak: np.ndarray, steps: np.ndarray, doubt: np.ndarray) -> None:
        """Correct steps (2, bins) and set doubts (2, bins) of the frame in question; `peak` is the loudest so far."""
        doubt[:] = self._unsure
        loud = np.float32(np.log(max(peak[0] * slopes.LOUD, 1e-30)))
        _learned.correct(
            self.levels, self._shape, loud, self._layers, self._work, self._bins, self._settings, steps, doubt
        )
