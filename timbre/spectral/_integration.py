"""The compiled loop of PGHI; imported when it is first used, for numba takes a while to load."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` as machine code, kept on disk where there is a place to keep it; it lets go of the GIL."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return njit(nogil=True)(function)


@compiled
def _queue(place: int, top: int, rank: np.ndarray, first: np.ndarray, following: np.ndarray) -> int:
    """Let a bin wait in the list of its rank; the highest rank in which any waits, `top` before."""
    level = int(rank[place])
    following[place] = first[level]
    first[level] = place
    rank[place] = -1
    return max(top, level)


@compiled
def integrate(
    rank: np.ndarray, starts: np.ndarray, width: int, along_time: np.ndarray, along_bins: np.ndarray, phase: np.ndarray
) -> None:
    """Fill in `phase` wherever `rank` is 0 or more, spreading from the bins in `starts`, highest rank first.

    The bins wait in one linked list per rank, so that taking the next one costs the same however many wait. All arrays
    are flat pictures (frames, width) with a border of one bin, where rank is -1.

    Args:
        rank: level class of each bin, int16; -1 where the phase stays as it is. All are -1 afterwards.
        starts: bins to start from, int64, loudest first; those already reached are passed over.
        width: bins per frame, border included.
        along_time: phase step to the next frame, float32 radians; the mean of two neighbours is taken.
        along_bins: phase step to the next bin, likewise.
        phase: float32 radians, changed in place.
    """
    first = np.full(rank.max() + 1, -1, np.int32)
    following = np.empty(rank.size, np.int32)
    half = np.float32(0.5)
    for start in starts:
        if rank[start] < 0:
            continue
        phase[start] = 0.0
        top = _queue(start, -1, rank, first, following)
        while top >= 0:
            here = first[top]
            if here < 0:
                top -= 1
                continue
            first[top] = following[here]
            # Written out: a loop over the four neighbours runs at a seventh of the speed.
            after, before = here + 1, here - 1
            if rank[after] >= 0:
                phase[after] = phase[here] + half * (along_bins[here] + along_bins[after])
                top = _queue(after, top, rank, first, following)
            if rank[before] >= 0:
                phase[before] = phase[here] - half * (along_bins[here] + along_bins[before])
                top = _queue(before, top, rank, first, following)
            after, before = here + width, here - width
            if rank[after] >= 0:
                phase[after] = phase[here] + half * (along_time[here] + along_time[after])
                top = _queue(after, top, rank, first, following)
            if rank[before] >= 0:
                phase[before] = phase[here] - half * (along_time[here] + along_time[before])
                top = _queue(before, top, rank, first, following)
