"""Splits of a library into notes for training, for the choice of the best checkpoint, and for tests."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from timbre.data.note import Note
from timbre.data.parts import Excerpt, SoundFontVoice
from timbre.data.sketches import same_recordings
from timbre.errors import LibraryError

FEWEST = 8  # notes of a library to train on
By = Literal["file", "pitch", "instrument", "source"]
"""Unit that is held out as a whole: a recording, a pitch of an instrument, an instrument, or a source."""


@dataclass(frozen=True)
class Division:
    """Settings of a split, as in :func:`split`; the notes contain its result."""

    by: By = "file"
    valid: float = 0.1
    test: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.by not in get_args(By):
            raise LibraryError(f"A split must be by {', '.join(get_args(By))}, got {self.by!r}.")
        for name in ("valid", "test"):
            share = getattr(self, name)
            if not (isinstance(share, int | float) and 0 <= share < 0.5):
                raise LibraryError(f"The {name} share must be a number from 0 to below 0.5, got {share!r}.")
        if not (isinstance(self.seed, int) and self.seed >= 0):
            raise LibraryError(f"The seed of the split must be a whole number from 0, got {self.seed!r}.")

    def __str__(self) -> str:
        return f"by {self.by}, {self.valid:.0%} valid, {self.test:.0%} test, seed {self.seed}"


def split(notes: Sequence[Note], valid: float, test: float, seed: int, by: By = "file") -> np.ndarray:
    """Assign every note to "train", "valid" or "test", holding out whole units.

    Units are ordered by stratum (the instrument; its family when instruments are held out) and shuffled within it, and
    every 1/share-th one is taken (systematic sampling). Shares are therefore right for the library and, up to whole
    units, for each stratum. Notes with the same sound, those of one performance, and copies of one recording from two
    sources (:mod:`timbre.data.sketches`), always stay together.

    Args:
        notes: the library's notes.
        valid, test: shares of the units held out to choose the best checkpoint and for tests, from 0 to below 0.5; a
            share above 0 gets at least one unit.
        seed: random seed.
        by: the unit. "file" is a recording: a sound file with all notes in it, or a SoundFont's sample with all its
            transposed copies; "pitch" is a semitone of an instrument, with all its dynamics and takes; "instrument";
            "source" is the origin of a recording.

    Returns:
        Array of strings, (notes,).

    Raises:
        LibraryError: if there are fewer than 8 notes, too few units, or notes without a source to split by.
    """
    Division(by, valid, test, seed)
    if len(notes) < FEWEST:
        count = "1 note" if len(notes) == 1 else f"{len(notes)} notes"
        raise LibraryError(f"The library must have {FEWEST} notes or more, each in a file of its own, got {count}.")
    units = _units(notes, by)
    ordered = sorted({(_stratum(note, by), unit) for note, unit in zip(notes, units, strict=True)})
    firsts = list({unit: stratum for stratum, unit in reversed(ordered)}.items())[::-1]
    shares = {"test": test, "valid": valid}
    if len(firsts) <= sum(share > 0 for share in shares.values()):
        number = f"{len(firsts)} {by}{'s' * (len(firsts) != 1)} to split by"
        reason = "too few to train on some and hold out others. Split it by something else."
        raise LibraryError(f"The library has {number}, {reason}")
    random = np.random.default_rng(seed)
    order = random.permutation(len(firsts))
    ranked = sorted(range(len(firsts)), key=lambda i: (firsts[i][1], order[i]))
    parts = dict.fromkeys((unit for unit, _ in firsts), "train")
    for rank, part in _held_out(len(firsts), shares, random):
        parts[firsts[ranked[rank]][0]] = part
    return np.array([parts[unit] for unit in units])


def _units(notes: Sequence[Note], by: By) -> list[str]:
    """The unit of each note; units with the same sound, recording or performance are merged (union-find)."""
    units = [_unit(note, by) for note in notes]
    leader: dict[str, str] = {}

    def find(unit: str) -> str:
        while (above := leader.setdefault(unit, unit)) != unit:
            leader[unit] = unit = leader[above]
        return unit

    def merge(one: str, other: str) -> None:
        first, second = find(one), find(other)
        leader[max(first, second)] = min(first, second)

    owners: dict[Hashable, str] = {}
    for note, unit in zip(notes, units, strict=True):
        for mark in (note.measured and note.measured.digest, note.recording and (note.recording,)):
            if mark:
                merge(owners.setdefault(mark, unit), unit)
    for one, other in same_recordings(notes):
        merge(units[one], units[other])
    return [find(unit) for unit in units]


def _unit(note: Note, by: By) -> str:
    if by == "instrument":
        return note.instrument
    if by == "source":
        if note.source is None:
            raise LibraryError(f"{note.name} has no source; to split by source, all notes need one.")
        return note.source
    if by == "pitch" and note.pitch is not None:
        return f"{note.instrument} {round(note.pitch)}"
    if isinstance(note.part, SoundFontVoice):
        return f"{note.file} {note.part.sample or note.part}"
    member = note.part.member if isinstance(note.part, Excerpt) else None
    return str(note.file) if member is None else f"{note.file} {member}"


def _stratum(note: Note, by: By) -> str:
    return {"instrument": note.family or "", "source": ""}.get(by, note.instrument)


def _held_out(count: int, shares: dict[str, float], random: np.random.Generator) -> list[tuple[int, str]]:
    """Ranks of the units held out, each with its part."""
    free, taken = list(range(count)), []
    for part, share in shares.items():
        wanted = max(1, round(share * count)) if share > 0 else 0
        chosen: set[int] = set()
        for k in range(wanted):  # one from each of equal stretches; if two meet at a border, the next one
            index = int((k + random.uniform()) * len(free) / wanted)
            while index in chosen:
                index = (index + 1) % len(free)
            chosen.add(index)
        taken += [(free[index], part) for index in chosen]
        free = [rank for index, rank in enumerate(free) if index not in chosen]
    return taken
