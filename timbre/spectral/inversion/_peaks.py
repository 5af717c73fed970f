"""The compiled loop of SPSI; imported when it is first used, for numba takes a while to load."""

import math

import numpy as np

from timbre.spectral.inversion._integration import compiled


@compiled
def _position(below: float, above: float) -> float:
    """How many bins above a peak's bin a steady partial lies, from the magnitudes beside it through a Hann window."""
    total = below + above
    if total <= 0.0:
        return 0.0
    contrast = (above - below) / total
    return 4.0 * contrast / (3.0 + math.sqrt(9.0 - 8.0 * contrast * contrast))


@compiled
def follow_peaks(magnitude: np.ndarray, advance: float, start: np.ndarray, phase: np.ndarray) -> None:
    """Write the phases of one sound, each frame from the last.

    Args:
        magnitude: (frames, bins).
        advance: phase step of bin 1 from frame to frame, radians.
        start: phases before the first frame (bins,).
        phase: (frames, bins), radians, written.
    """
    frames, bins = magnitude.shape
    last, now = start.astype(np.float64), np.empty(bins, np.float64)  # at the centres of frames
    for frame in range(frames):
        row = magnitude[frame]
        first = 0
        while first < bins:  # from valley to valley
            peak = first
            while peak + 1 < bins and row[peak + 1] > row[peak]:
                peak += 1
            end = peak + 1
            while end < bins and row[end] <= row[end - 1]:
                end += 1
            place = float(peak)
            if 0 < peak < bins - 1:
                place += _position(row[peak - 1], row[peak + 1])
            centre = (last[peak] + advance * place) % (2.0 * math.pi)
            for bin_ in range(first, end):
                now[bin_] = centre
                # A frame counts its phase from its start, half a turn per bin; beyond the main lobe, of two bins on
                # either side, the lobes of the window change sign as well.
                turns = bin_ + max(0, int(abs(bin_ - place)) - 1)
                phase[frame, bin_] = centre + math.pi * (turns % 2)
            first = end
        last[:] = now
