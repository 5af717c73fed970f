"""Reader of the University of Iowa's Musical Instrument Samples: Horn.ff.Bb1B1.aiff, Piano.ff.Eb4.aiff and the like.

A file named after two notes holds the chromatic run between them, with silences in between. It is decoded here to find
its notes; all other files are read by their names alone.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from timbre.audio import Audio, read
from timbre.data.names import family_of, parse_dynamics, parse_note, plain, velocity_of
from timbre.data.note import Note
from timbre.data.parts import Excerpt
from timbre.data.readers._reader import Options, Reader, Reading
from timbre.data.report import Dropped
from timbre.data.tree import Tree
from timbre.errors import AudioError

_NOTES = re.compile("([A-G]b?[0-8])([A-G]b?[0-8])?")
_CHANNELS = ("mono", "stereo", "ster")
_INSTRUMENTS = {
    "bass": "double_bass",
    "bb_clar": "clarinet",
    "bb_clarinet": "clarinet",
    "eb_clar": "eb_clarinet",
    "horn": "french_horn",
    "sop_sax": "soprano_sax",
}
_LOOK = 200  # files that are looked at to recognise the library
_HOP = 0.01  # seconds between levels
_LEVELS = (-50.0, -42.0, -34.0, -26.0, -20.0)  # dB below the loudest 10 ms that may be a note's threshold; rooms differ
_HYSTERESIS = 6.0  # dB that the level falls below the threshold before the note is over
_ROOM = 10.0  # dB that the threshold stands above the quietest 100 ms: noise varies by some
_GAP = 0.15  # seconds; a shorter silence is part of a note
_SHORTEST = 0.08  # seconds; a shorter sound is no note


@dataclass(frozen=True)
class _Name:
    """What a file name says."""

    instrument: str
    notes: str
    lowest: float
    count: int
    dynamics: str | None
    articulation: str | None


def find_notes(audio: Audio, count: int) -> list[tuple[float, float]]:
    """Beginning and end (seconds) of the notes of a run that silences separate.

    The level of the sound in steps of 10 ms is compared, with hysteresis, with thresholds above the noise of the room,
    from low to high; the first threshold at which there are `count` notes is taken. If there is none, the notes at the
    first one are given; where the room is never quieter, all is one sound.
    """
    hop = max(1, round(_HOP * audio.sample_rate))
    samples = audio.mono().samples[0]
    frames = samples[: samples.size // hop * hop].reshape(-1, hop).astype(np.float64)
    power = np.mean(frames**2, axis=1) + 1e-12
    if power.size < 10:
        return []
    level = 10 * np.log10(power)
    room = 10 * np.log10(np.min(np.convolve(power, np.full(10, 0.1), "valid")))
    thresholds = np.max(level) + np.array(_LEVELS)
    tries = [_stretches(level, threshold) for threshold in thresholds if threshold > room + _ROOM]
    chosen = next((found for found in tries if len(found) == count), tries[0] if tries else [(0, len(level))])
    seconds = hop / audio.sample_rate
    return [(max(0, first - 1) * seconds, min(len(level), last + 1) * seconds) for first, last in chosen]


def _stretches(level: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """First and last frame (exclusive) of the stretches that rise above the threshold."""
    sounding = np.flatnonzero(level > threshold - _HYSTERESIS)
    if sounding.size == 0:
        return []
    breaks = np.flatnonzero(np.diff(sounding) > _GAP / _HOP)
    firsts, lasts = sounding[np.r_[0, breaks + 1]], sounding[np.r_[breaks, sounding.size - 1]] + 1
    return [
        (int(first), int(last))
        for first, last in zip(firsts, lasts, strict=True)
        if last - first >= _SHORTEST / _HOP and np.max(level[first:last]) > threshold
    ]


def _parse(file: str) -> _Name | None:
    """What the words between the dots say; their order varies, the instrument comes first."""
    first, *words = [word.strip() for word in os.path.splitext(os.path.basename(file))[0].split(".")]
    named = [found for word in words if (found := _NOTES.fullmatch(word))]
    if not named or not first:
        return None
    low, high = parse_note(named[-1][1]), parse_note(named[-1][2] or named[-1][1])
    marks = [word for word in words if parse_dynamics(word)]
    manner = [w.lower() for w in words if w not in marks and w.lower() not in _CHANNELS and not _NOTES.fullmatch(w)]
    instrument = _INSTRUMENTS.get(plain(first), plain(first))
    articulation = "-".join(word for word in manner if word) or None
    dynamics = parse_dynamics(marks[-1]) if marks else None
    return _Name(instrument, named[-1][0], low, round(high - low) + 1, dynamics, articulation)


def _suits(tree: Tree) -> bool:
    """Most names are words between dots, a note and a dynamic mark among them."""
    sounds = [] if tree.chosen else tree.sounds
    some = [_parse(file) for file in sounds[:: max(1, len(sounds) // _LOOK)]]
    return bool(some) and 2 * sum(name is not None and name.dynamics is not None for name in some) > len(some)


def _note(path: Path, name: _Name, number: int = 0, part: Excerpt | None = None) -> Note:
    return Note(
        file=path,
        instrument=name.instrument,
        family=family_of(name.instrument),
        pitch=name.lowest + number,
        velocity=velocity_of(name.dynamics),
        dynamics=name.dynamics,
        articulation=name.articulation,
        source="University of Iowa MIS",
        part=part,
    )


def _read_run(path: Path, name: _Name) -> list[Note] | str:
    """The notes of a run, or why it cannot be split."""
    try:
        found = find_notes(read(path), name.count)
    except AudioError as error:
        return str(error).removeprefix(f"{path} ").rstrip(".")
    if len(found) != name.count:
        return f"a run of {name.count} notes ({name.notes}) in which {len(found)} separate sounds were found"
    return [_note(path, name, number, Excerpt(*place)) for number, place in enumerate(found)]


def _read(tree: Tree, options: Options) -> Reading:
    notes: list[Note] = []
    dropped: list[Dropped] = []
    for file in tree.sounds:
        name = _parse(file)
        if name is None:
            outcome: list[Note] | str = "its name tells no note"
        elif name.count < 1:
            outcome = f"its name tells a run that goes down ({name.notes})"
        elif name.count == 1:
            outcome = [_note(tree.root / file, name)]
        else:
            outcome = _read_run(tree.root / file, name)
        if isinstance(outcome, str):
            dropped.append(Dropped(file, outcome))
        else:
            notes += outcome
    return Reading(notes, dropped, "file names (Iowa)")


READER = Reader("iowa", "the University of Iowa's samples, by their names; runs are split at silences", _suits, _read)
