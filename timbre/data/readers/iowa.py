"""Reader of the University of Iowa's Musical Instrument Samples, such as Horn.ff.Bb1B1.aiff and Piano.ff.Eb4.aiff.

A file named after two notes contains the chromatic run between them, with silences between the notes. It is decoded
here to find them; all other files are read by their names alone.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from timbre.audio import Audio, read
from timbre.data.names import parse_dynamics, parse_note, plain
from timbre.data.note import Note
from timbre.data.parts import Excerpt
from timbre.data.readers._reader import Options, Reader, Reading, attempt, labelled, most_names_fit, separate
from timbre.data.report import Dropped
from timbre.data.tree import Tree

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
_HOP = 0.01  # seconds between levels
_LEVELS = (-50.0, -42.0, -34.0, -26.0, -20.0)  # thresholds of a note, dB below the loudest 10 ms; rooms differ
_HYSTERESIS = 6.0  # dB below the threshold at which a note ends
_ROOM = 10.0  # dB from the quietest 100 ms to the lowest threshold, since the level of noise varies
_GAP = 0.15  # seconds; a shorter silence is part of a note
_SHORTEST = 0.08  # seconds; a shorter sound is not a note


def find_notes(audio: Audio, count: int) -> list[tuple[float, float]]:
    """Start and end (seconds) of the notes of a run, which silences separate.

    The level in steps of 10 ms is compared, with hysteresis, with thresholds above the noise of the room, from low to
    high. The first threshold that gives `count` notes counts, else the first one. If no threshold lies above the noise,
    the whole sound is one note.
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
    splits = [_stretches(level, threshold) for threshold in thresholds if threshold > room + _ROOM]
    default = splits[0] if splits else [(0, len(level))]
    chosen = next((split for split in splits if len(split) == count), default)
    seconds = hop / audio.sample_rate
    return [(max(0, first - 1) * seconds, min(len(level), last + 1) * seconds) for first, last in chosen]


def _stretches(level: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """First frame and end frame (exclusive) of each stretch that rises above the threshold."""
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


def _parse(file: Path) -> tuple[Note, str, list[float]] | None:
    """The first note of a file, the word for its pitches and the pitches (none of a descending run).

    The instrument is the first word between dots; the others have any order.
    """
    first, *words = [word.strip() for word in file.stem.split(".")]
    pitches = [match for word in words if (match := _NOTES.fullmatch(word))]
    if not pitches or not first:
        return None
    low, high = parse_note(pitches[-1][1]), parse_note(pitches[-1][2] or pitches[-1][1])
    marks = [word for word in words if parse_dynamics(word)]
    manner = [w.lower() for w in words if w not in marks and w.lower() not in _CHANNELS and not _NOTES.fullmatch(w)]
    note = labelled(
        file,
        _INSTRUMENTS.get(plain(first), plain(first)),
        parse_dynamics(marks[-1]) if marks else None,
        pitch=low,
        articulation="-".join(filter(None, manner)) or None,
        source="University of Iowa MIS",
    )
    return note, pitches[-1][0], [low + step for step in range(round(high - low) + 1)]


def _suits(tree: Tree) -> bool:
    """Whether most names are words between dots, including a note and a dynamic mark."""
    return most_names_fit(tree, lambda file: (name := _parse(Path(file))) is not None and name[0].dynamics is not None)


def _read_file(tree: Tree, file: str) -> Iterator[Note | Dropped]:
    """The notes of a file; a whole run is dropped if it cannot be split."""
    name = _parse(tree.root / file)
    if name is None:
        yield Dropped(file, "its name contains no note")
        return
    note, run, pitches = name
    count = len(pitches)
    stretches = find_notes(read(note.file), count) if count > 1 else []
    if count == 1:
        yield note
    elif count == 0:
        yield Dropped(file, f"its name gives a descending run ({run})")
    elif len(stretches) != count:
        yield Dropped(file, f"a run of {count} notes ({run}) in which {len(stretches)} separate sounds were found")
    else:
        for pitch, stretch in zip(pitches, stretches, strict=True):
            yield replace(note, pitch=pitch, part=Excerpt(*stretch), name="")


def _read(tree: Tree, options: Options) -> Reading:
    outcomes = (one for file in tree.sounds for one in attempt(file, tree.root / file, _read_file, tree, file))
    return Reading(*separate(outcomes), "file names (Iowa)")


READER = Reader("iowa", _suits, _read)
