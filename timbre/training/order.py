"""The order in which the notes of a library are trained on: balanced, and one instrument from two sources together."""

from typing import NamedTuple

import numpy as np

MOST = 4.0  # times that a row is drawn in one epoch at most, and epochs in which it is drawn once at least
NEAR = 2.0  # semitones: notes of a pair are at most this far apart
LIKE = 0.25  # of velocity: how far they may be apart, if both are known


class Recordings(NamedTuple):
    """What is recorded in rows, each (rows,)."""

    instrument: np.ndarray  # number; -1: unknown
    source: np.ndarray  # number; -1: unknown
    pitch: np.ndarray  # MIDI; NaN: unknown or unpitched
    velocity: np.ndarray  # 0..1; NaN: unknown

    def at(self, index: np.ndarray) -> "Recordings":
        """Some of the rows."""
        return Recordings(*(column[index] for column in self))


class Order:
    """The rows of each epoch, in order. It depends on the seed and the epoch alone.

    A row is drawn in proportion to n^-balance, n being the number of rows of its instrument from its source, but 4
    times an epoch at most and once in 4 epochs at least. With balance 0, every epoch has every row once. Notes of one
    instrument from two sources, alike in pitch and dynamics, follow each other where there are some.

    Args:
        rows: their numbers, (n,).
        recordings: what is in them, (n,).
        seed: of the order.
        balance: 0, all rows count the same, to 1, all instruments of all sources do.
    """

    def __init__(self, rows: np.ndarray, recordings: Recordings, seed: int, balance: float) -> None:
        self.rows, self.recordings, self.seed = rows, recordings, seed
        group = np.unique(np.stack([recordings.instrument, recordings.source]), axis=1, return_inverse=True)[1].ravel()
        self.share = shares(group, balance)
        self.phase = _phases(group, np.random.default_rng(seed))

    def epoch(self, number: int) -> np.ndarray:
        """Row numbers of an epoch, about as many as there are rows."""
        random = np.random.default_rng([self.seed, number])
        count = np.floor((number + 1) * self.share + self.phase) - np.floor(number * self.share + self.phase)
        index = random.permutation(np.repeat(np.arange(len(self.rows)), count.astype(int)))
        partner = partners(self.recordings.at(index), random)
        place = np.arange(len(index))
        first = np.where(partner < 0, place, np.minimum(place, partner))
        return self.rows[index[np.argsort(first, kind="stable")]]


def shares(group: np.ndarray, balance: float) -> np.ndarray:
    """How often each row (n,) is drawn in an epoch on average, 1/4 to 4 and n in all; `group` are numbers of groups."""
    weight = np.bincount(group)[group] ** -balance
    low, high = 1.0 / (MOST * weight.max()), MOST / weight.min()
    for _ in range(60):  # bisection: the sum of the clipped shares rises with the factor
        middle = np.sqrt(low * high)
        few = np.clip(middle * weight, 1.0 / MOST, MOST).sum() < len(group)
        low, high = (middle, high) if few else (low, middle)
    return np.clip(high * weight, 1.0 / MOST, MOST) if balance else np.ones(len(group))


def _phases(group: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Numbers from 0 to below 1 (n,), evenly spaced within each group: so that each epoch has its part of the group."""
    order = np.lexsort((random.permutation(len(group)), group))
    size = np.bincount(group)
    rank = np.empty(len(group))
    rank[order] = np.arange(len(group)) - np.repeat(np.cumsum(size) - size, size)
    return (rank + random.uniform(0, 1, len(size))[group]) / size[group]


def partners(recordings: Recordings, random: np.random.Generator) -> np.ndarray:
    """For each note (n,) the index of one of the same instrument from another source, alike in pitch and dynamics.

    Each note is in one pair at most; -1: in none. Unknown dynamics are like any other, unpitched notes like unpitched
    ones. The notes of an instrument are cut into ranges of pitch and velocity from a random start.
    """
    instrument, source, pitch, velocity = recordings
    count, (shift, step) = len(source), random.uniform(0, 1, 2)
    height = np.nan_to_num(np.floor(pitch / NEAR + shift), nan=-1.0)
    strength = np.floor(np.where(np.isnan(velocity), random.uniform(0, 1, count), velocity) / LIKE + step)
    keys = (instrument, height, strength)
    order = np.lexsort((random.permutation(count), source, *keys))
    new = np.any([np.diff(key[order], prepend=np.nan) != 0 for key in keys], axis=0)
    block = np.cumsum(new) - 1
    size, start = np.bincount(block)[block], np.flatnonzero(new)[block]
    half = (size + 1) // 2  # in a block in order of source, this far apart are different sources, if there can be
    one = np.flatnonzero(np.arange(count) - start < size - half)
    first, second = order[one], order[one + half[one]]
    apart = (source[first] != source[second]) & (source[first] >= 0) & (source[second] >= 0) & (instrument[first] >= 0)
    found = np.full(count, -1)
    found[first[apart]], found[second[apart]] = second[apart], first[apart]
    return found
