"""Compiled loops of RTPGHI, for one frame at a time.

Rows of bins are float32 and belong to the caller: nothing here allocates.
"""

import math

import numpy as np

from timbre.spectral.compiled import compiled

RANKS = 320  # level classes: 16 per octave, 20 octaves
RANKS_PER_NEPER = 16.0 / math.log(2.0)
_CLASS_BITS = 19  # bits of a float32 below its level class: the exponent and 4 bits of the mantissa remain
_FROM_LAST, _FROM_BELOW, _FROM_ABOVE, _FROM_NOTHING = 0, 1, 2, 3
FLOOR = np.float32(1e-6)
_SHRINK = 0.6
_TINY = np.float32(1e-30)
_DECAY = 2.0 ** (-1.0 / 128.0)
_PI, _TWO, _THREE, _EIGHT, _NINE = np.float32(np.pi), np.float32(2.0), np.float32(3.0), np.float32(8.0), np.float32(9.0)
_INFINITE = np.float32(np.inf)
_ZERO, _HALF, _ONE, _TURN = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(2.0 * np.pi)
_ARCTAN = tuple(np.float32(term) for term in (0.999866, -0.3302995, 0.180141, -0.085133, 0.0208351))
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(40))


@compiled
def acceptable(magnitude: np.ndarray) -> bool:
    """Whether all magnitudes are finite and 0 or more."""
    wrong = 0
    for value in magnitude:
        wrong += not _ZERO <= value < _INFINITE
    return wrong == 0


@compiled
def _mixed(value: np.uint64) -> np.uint64:
    """SplitMix64 (Steele, Lea and Flood 2014): neighbouring numbers give unrelated ones."""
    value = (value ^ (value >> _SHIFTS[0])) * _MIX[0]
    value = (value ^ (value >> _SHIFTS[1])) * _MIX[1]
    return value ^ (value >> _SHIFTS[2])


@compiled
def hashed_phase(seed: np.uint64, frame: int, bin_: int) -> float:
    """A pseudo-random phase (radians) that depends on the three numbers only, not on phases drawn before."""
    key = _mixed(seed + _STEP * np.uint64(frame + 1))
    return float(_mixed(key + _STEP * np.uint64(bin_ + 1)) >> _SHIFTS[3]) * (2.0 * math.pi / 16777216.0)


@compiled
def steady_row(magnitude: np.ndarray, floor: np.float32, whole: np.ndarray, turn: np.float32, out: np.ndarray) -> None:
    """Write `slopes.steady_steps` of a row: `whole` (bins,) at the bins' centres, `turn` / 4 more one bin above."""
    last = magnitude.size - 1
    out[0], out[last] = whole[0], whole[last]
    for k in range(1, last):
        above, below = max(magnitude[k + 1], floor), max(magnitude[k - 1], floor)
        t = np.divide(above - below, above + below)  # unlike /, it can become vector instructions
        out[k] = np.divide(t, _THREE + np.sqrt(_NINE - _EIGHT * t * t)) * turn + whole[k]


@compiled
def arctan(x: np.float32) -> np.float32:
    """Arc tangent to 1e-5 (Abramowitz and Stegun 1964, 4.4.49); unlike math.atan it can become vector instructions."""
    size = abs(x)
    low = min(size, np.divide(_ONE, max(size, _TINY)))
    q = low * low
    angle = low * (_ARCTAN[0] + q * (_ARCTAN[1] + q * (_ARCTAN[2] + q * (_ARCTAN[3] + q * _ARCTAN[4]))))
    angle = angle if size <= _ONE else _HALF * _PI - angle
    return angle if x >= _ZERO else -angle


@compiled
def click_row(rows: np.ndarray, floor: np.float32, hop_angle: float, alone: bool, out: np.ndarray) -> None:
    """Write `pghi.click_steps` of the third of the rows (3 or 4, bins); the fourth is the next frame, if it is known.

    Otherwise a parabola extrapolates its square roots from the three others, and the result is scaled by the factor
    that fits recorded notes best. `hop_angle` is pi hop / n_fft; `alone` means that only the next frame is known.
    """
    if alone:
        cosine, sine = np.float32(math.cos(hop_angle)), np.float32(1.0 / math.sin(hop_angle))
        for k in range(out.size):
            ratio = np.sqrt(np.divide(max(rows[3, k], floor), max(rows[2, k], floor)))
            out[k] = _PI - _TWO * arctan((ratio - cosine) * sine)
        return
    known = rows.shape[0] == 4
    scale = np.float32((1.0 if known else _SHRINK) / math.tan(hop_angle))
    for k in range(out.size):
        before, now = np.sqrt(max(rows[1, k], floor)), np.sqrt(max(rows[2, k], floor))
        guess = max(_THREE * (now - before) + np.sqrt(max(rows[0, k], floor)), _ZERO)
        after = np.sqrt(max(rows[3, k], floor)) if known else guess
        out[k] = _PI - _TWO * arctan(np.divide(after - before, after + before) * scale)


@compiled
def _offer(
    k: int, origin: int, level: int, count: int, waiting: np.ndarray, first: np.ndarray, offered: np.ndarray
) -> int:
    """Queue bin k to be reached from `origin`, unless it waits as high already; return the number of entries."""
    if level <= offered[k]:
        return count
    offered[k] = level
    waiting[count, 0], waiting[count, 1] = 4 * k + origin, first[level]
    first[level] = count
    return count + 1


@compiled
def line_up(
    last: np.ndarray, now: np.ndarray, floor: int, doubt: np.ndarray, lists: tuple[np.ndarray, ...]
) -> tuple[int, int]:
    """Rank a frame's bins, and queue those that continue from the last frame; return highest rank and queue length.

    Levels are given as the bits of floats, which sort as well as logarithms.
    """
    rank, first, waiting, offered = lists
    top, loudest, count = -1, 0, 0
    first[:] = -1
    offered[:] = -1
    for k in range(now.size):
        rank[k] = min((now[k] - floor) >> _CLASS_BITS, RANKS - 1) if now[k] > floor else -1
        if rank[k] > rank[loudest]:
            loudest = k
        if rank[k] >= 0 and last[k] > floor:
            level = max(0, min((last[k] - floor) >> _CLASS_BITS, RANKS - 1) - doubt[k])
            count = _offer(k, _FROM_LAST, level, count, waiting, first, offered)
            top = max(top, level)
    if top < 0 <= rank[loudest]:  # no bin continues: the loudest one starts, with phase 0
        top = rank[loudest]
        count = _offer(loudest, _FROM_NOTHING, top, count, waiting, first, offered)
    return top, count


@compiled
def propagate(
    top: int,
    count: int,
    steps: np.ndarray,
    doubt: np.ndarray,
    last: np.ndarray,
    phase: np.ndarray,
    lists: tuple[np.ndarray, ...],
) -> None:
    """Integrate phases from the queued bins, from the loudest bins over the most certain steps."""
    rank, first, waiting, offered = lists
    to_frame, to_bin = steps[0], steps[1]
    bins = phase.size
    while top >= 0:
        entry = first[top]
        if entry < 0:
            top -= 1
            continue
        first[top] = waiting[entry, 1]
        k, origin = waiting[entry, 0] >> 2, waiting[entry, 0] & 3
        if rank[k] < 0:
            continue
        here, rank[k] = rank[k], -1
        if origin == _FROM_LAST:
            phase[k] = last[k] + to_frame[k]
        elif origin == _FROM_BELOW:
            phase[k] = phase[k - 1] + to_bin[k - 1]
        elif origin == _FROM_ABOVE:
            phase[k] = phase[k + 1] - to_bin[k]
        if k + 1 < bins and rank[k + 1] >= 0:
            level = max(0, here - doubt[1, k])
            count = _offer(k + 1, _FROM_BELOW, level, count, waiting, first, offered)
            top = max(top, level)
        if k > 0 and rank[k - 1] >= 0:
            level = max(0, here - doubt[1, k - 1])
            count = _offer(k - 1, _FROM_ABOVE, level, count, waiting, first, offered)
            top = max(top, level)


@compiled
def take(magnitude: np.ndarray, rows: np.ndarray, peak: np.ndarray) -> None:
    """Move rows of magnitudes up by one, write `magnitude` to the last, and update the running peak."""
    for row in range(rows.shape[0] - 1):
        rows[row] = rows[row + 1]
    rows[-1] = magnitude
    peak[0] = max(peak[0] * _DECAY, magnitude.max())


@compiled
def find_steps(
    rows: np.ndarray,
    steady: np.ndarray,
    peak: np.ndarray,
    whole: np.ndarray,
    hop_ratio: float,
    ends: tuple[bool, bool],
    formula: bool,
    steps: np.ndarray,
) -> None:
    """Write a frame's phase steps (2, bins) by formula: from the last frame, and from each bin to the next.

    `steady` are the steady steps of the last frame, replaced by those of this one; `whole` those of partials at the
    bins' centres; `hop_ratio` is hop / n_fft. Magnitudes more than 120 dB below the peak are raised to that level.
    `ends` says whether the frame after this one, the fourth row, is known, and whether this is the first frame. Without
    `formula`, the steps to the next bin are half a turn instead of those of clicks.
    """
    level = max(np.float32(peak[0]) * FLOOR, _TINY)
    to_frame, to_bin = steps[0], steps[1]
    steady_row(rows[2], level, whole, np.float32(8.0 * math.pi * hop_ratio), to_frame)
    for k in range(to_frame.size):
        before, steady[k] = steady[k], to_frame[k]
        to_frame[k] = _HALF * (before + to_frame[k])
        to_bin[k] = _PI
    if formula:
        click_row(rows if ends[0] else rows[:3], level, math.pi * hop_ratio, ends[0] and ends[1], to_bin)
        for k in range(to_bin.size - 1):
            to_bin[k] = _HALF * (to_bin[k] + to_bin[k + 1])


@compiled
def find_spectrum(
    rows: np.ndarray,
    phase: np.ndarray,
    peak: np.ndarray,
    key: tuple[np.uint64, int],
    steps: np.ndarray,
    doubt: np.ndarray,
    work: np.ndarray,
    lists: tuple[np.ndarray, ...],
    spectrum: np.ndarray,
) -> None:
    """Find the phases of the third row by RTPGHI, and write its complex spectrum.

    `phase` contains those of the last frame, replaced by those of this one, within half a turn of 0. Bins 120 dB or
    more below the peak get random phases, by the `key`: seed and number of the frame. `doubt` (2, bins) are the ranks
    subtracted from each step. Working memory: two rows of bins, and rank (bins,), first (RANKS,), waiting (3 bins, 2)
    and offered (bins,), int32.
    """
    now, last = rows[2], work[0]
    level = max(np.float32(peak[0]) * FLOOR, _TINY)
    work[1, 0] = level
    for k in range(now.size):
        last[k] = phase[k]
        phase[k] = hashed_phase(key[0], key[1], k) if now[k] <= level else 0.0
    bits = rows.view(np.int32)
    top, count = line_up(bits[1], bits[2], work[1].view(np.int32)[0], doubt[0], lists)
    propagate(top, count, steps, doubt, last, phase, lists)
    for k in range(now.size):  # keeps phases exact in long streams
        phase[k] -= _TURN * np.rint(phase[k] / _TURN)
        spectrum[k] = now[k] * complex(math.cos(phase[k]), math.sin(phase[k]))
