"""The compiled loop of PGHI."""

import numpy as np

from timbre.spectral.compiled import compiled


@compiled
def integrate(  # noqa: C901 (calls to compiled functions would take three quarters of the speed)
    rank: np.ndarray,
    width: int,
    to_frame: np.ndarray,
    to_bin: np.ndarray,
    doubt_frame: np.ndarray,
    doubt_bin: np.ndarray,
    phase: np.ndarray,
) -> None:
    """Fill in `phase` wherever `rank` is 0 or more, from the loudest bins over the most certain steps.

    Bins wait in one list per rank, first in, first out, so that taking the next costs the same however many wait. Of
    two equally good steps to a bin, the one from the louder neighbour counts. All arrays are flattened (frames, width)
    with a border of one bin or more, in which rank is -1.

    Args:
        rank: level class of each bin, int16; -1 where the phase is not changed. All are -1 afterwards.
        width: bins per frame, border included.
        to_frame, to_bin: phase steps to each bin from the same bin of the last frame, and from each bin to the next,
            float32 radians.
        doubt_frame, doubt_bin: ranks subtracted from these steps, int16, 0 or more.
        phase: float32 radians, changed in place.
    """
    levels = rank.max() + 1
    starts, later = np.full(levels, -1, np.int32), np.empty(rank.size, np.int32)
    for index in range(rank.size - 1, -1, -1):
        level = rank[index]
        if level >= 0:
            later[index] = starts[level]
            starts[level] = index
    first = np.full(levels, -1, np.int32)
    waiting = np.empty((3 * rank.size, 2), np.int32)  # 8 * bin + direction that it is reached from, and the next entry
    offered = np.full(rank.size, -1, np.int16)  # the highest level at which a bin waits

    def offer(there: int, doubt: int, direction: int, count: int, top: int) -> tuple[int, int]:
        """Queue a neighbour, unless it waits as high already; numba writes this out at each call."""
        level = max(0, rank[there] - doubt)
        if rank[there] >= 0 and level > offered[there]:
            offered[there] = level
            waiting[count, 0], waiting[count, 1] = 8 * there + direction, first[level]
            first[level] = count
            count, top = count + 1, max(top, level)
        return count, top

    count = 0
    for start_level in range(levels - 1, -1, -1):
        start = starts[start_level]
        while start >= 0:
            top = -1
            if rank[start] >= 0:
                waiting[count, 0], waiting[count, 1] = 8 * start, -1
                first[start_level] = count
                count, top = count + 1, start_level
            while top >= 0:
                entry = first[top]
                if entry < 0:
                    top -= 1
                    continue
                first[top] = waiting[entry, 1]
                here, direction = waiting[entry, 0] >> 3, waiting[entry, 0] & 7
                if rank[here] < 0:
                    continue
                rank[here] = -1
                if direction == 0:
                    phase[here] = 0.0
                elif direction == 1:
                    phase[here] = phase[here - 1] + to_bin[here - 1]
                elif direction == 2:
                    phase[here] = phase[here + 1] - to_bin[here]
                elif direction == 3:
                    phase[here] = phase[here - width] + to_frame[here]
                else:
                    phase[here] = phase[here + width] - to_frame[here + width]
                count, top = offer(here + 1, doubt_bin[here], 1, count, top)
                count, top = offer(here - 1, doubt_bin[here - 1], 2, count, top)
                count, top = offer(here + width, doubt_frame[here + width], 3, count, top)
                count, top = offer(here - width, doubt_frame[here], 4, count, top)
            start = later[start]
