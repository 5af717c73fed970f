"""Compiled loops of PGHI."""

import numpy as np

from timbre.spectral.compiled import compiled


@compiled
def integrate(  # noqa: C901 (calls to smaller functions cost a quarter of the speed)
    rank: np.ndarray,
    width: int,
    to_frame: np.ndarray,
    to_bin: np.ndarray,
    doubt_frame: np.ndarray,
    doubt_bin: np.ndarray,
    phase: np.ndarray,
) -> None:
    """Fill in `phase` wherever `rank` is 0 or more, spreading from the loudest bins over the surest steps.

    What waits is one list per rank, first come, first served, so that taking the next costs the same however many wait,
    and of two ways to a bin that are as good, the one from the louder neighbour counts. All arrays are flat pictures
    (frames, width) with a border of one bin or more, where rank is -1.

    Args:
        rank: level class of each bin, int16; -1 where the phase stays as it is. All are -1 afterwards.
        width: bins per frame, border included.
        to_frame: phase step to each bin from the one in the last frame, float32 radians.
        to_bin: phase step from each bin to the next, likewise.
        doubt_frame: by how many ranks the first kind of step is put back, int16, 0 or more.
        doubt_bin: likewise the second.
        phase: float32 radians, changed in place.
    """
    levels = rank.max() + 1
    starts, later = np.full(levels, -1, np.int32), np.empty(rank.size, np.int32)
    for place in range(rank.size - 1, -1, -1):
        level = rank[place]
        if level >= 0:
            later[place] = starts[level]
            starts[level] = place
    first = np.full(levels, -1, np.int32)
    waiting = np.empty((3 * rank.size, 2), np.int32)  # a bin, with where it is reached from, and what waits behind it
    offered = np.full(rank.size, -1, np.int16)  # the highest level at which a bin waits
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
                here, way = waiting[entry, 0] >> 3, waiting[entry, 0] & 7
                if rank[here] < 0:
                    continue
                rank[here] = -1
                if way == 0:
                    phase[here] = 0.0
                elif way == 1:
                    phase[here] = phase[here - 1] + to_bin[here - 1]
                elif way == 2:
                    phase[here] = phase[here + 1] - to_bin[here]
                elif way == 3:
                    phase[here] = phase[here - width] + to_frame[here]
                else:
                    phase[here] = phase[here + width] - to_frame[here + width]
                # Written out four times: calls or a loop over the neighbours run at a quarter of the speed.
                there = here + 1
                level = max(0, rank[there] - doubt_bin[here])
                if rank[there] >= 0 and level > offered[there]:
                    offered[there] = level
                    waiting[count, 0], waiting[count, 1] = 8 * there + 1, first[level]
                    first[level] = count
                    count += 1
                    top = max(top, level)
                there = here - 1
                level = max(0, rank[there] - doubt_bin[there])
                if rank[there] >= 0 and level > offered[there]:
                    offered[there] = level
                    waiting[count, 0], waiting[count, 1] = 8 * there + 2, first[level]
                    first[level] = count
                    count += 1
                    top = max(top, level)
                there = here + width
                level = max(0, rank[there] - doubt_frame[there])
                if rank[there] >= 0 and level > offered[there]:
                    offered[there] = level
                    waiting[count, 0], waiting[count, 1] = 8 * there + 3, first[level]
                    first[level] = count
                    count += 1
                    top = max(top, level)
                there = here - width
                level = max(0, rank[there] - doubt_frame[here])
                if rank[there] >= 0 and level > offered[there]:
                    offered[there] = level
                    waiting[count, 0], waiting[count, 1] = 8 * there + 4, first[level]
                    first[level] = count
                    count += 1
                    top = max(top, level)
            start = later[start]


@compiled
def patches(
    level: np.ndarray, width: int, places: np.ndarray, shape: tuple[int, int, int, int], out: np.ndarray
) -> None:
    """Write the surroundings of some bins, less the largest of the four at the centre, clipped and halved.

    Args:
        level: log magnitudes, a flat picture (frames, width) with a border as wide as the patches reach, float32.
        width: bins per frame, border included.
        places: flat places of the bins, int64.
        shape: frames before and after the bin, bins below and above it.
        out: (places, frames * bins) float32, changed.
    """
    before, after, below, above = shape
    for row in range(places.size):
        place = places[row]
        past = place - width
        centre = max(max(level[place], level[place + 1]), max(level[past], level[past + 1]))
        column = 0
        for frame in range(-before, after + 1):
            start = place + frame * width - below
            for bin_ in range(start, start + below + above + 1):
                value = level[bin_] - centre
                out[row, column] = np.float32(0.5) * min(max(value, np.float32(-6.0)), np.float32(3.0))
                column += 1
