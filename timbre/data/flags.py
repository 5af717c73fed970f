"""Checks of a library's labels against its sounds: the octave convention of note names, flags, and remarks.

A flag never drops a note and never changes a label. Only the octave convention is corrected, for the whole library.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from timbre.audio.pitch import midi_to_hz
from timbre.data.names import note_name
from timbre.data.note import Measured, Note, is_harmonic

FLAGS = ("pitch", "octave", "clipping", "silence", "duplicate", "rate", "level", "quality")
"""Kinds of flags; a flag begins with its kind."""
CONVENTIONS = {"C3": 12, "C4": 0, "C5": -12}
"""Semitones to add to labels that were read with C4 = 60, by the true name of MIDI note 60."""
_WITHIN = 0.5  # semitones by which a pitch may differ from its label
_VOTERS, _MAJORITY = 8, 0.6  # fewest notes, and share of them, that decide on the octave convention
_FEW = 5  # fewest notes of an instrument that show how it is tuned
_MISTUNED = 0.2  # semitones; less is usual between orchestras
_LONG_SILENCE = 0.5  # s before the onset
_SOFT = -50.0  # dB, peak: 16 bits leave 40 dB of such a sound
_USUAL = 0.9  # share of a library's notes that makes their sample rate the usual one
_SAME_LEVEL = 1.5  # dB between the medians of dynamics: less is no difference
_NORMALISED = 0.2  # dB between the quartiles of peaks: less means that they were normalised
Flags = Iterator[tuple[int, str]]
Measurements = dict[int, Measured]  # by the indices of the notes


class Vote(NamedTuple):
    """Result of a vote of the measured pitches on the octaves of note names."""

    shift: int  # semitones to add to the labels: 12, -12 or 0
    agreeing: int  # number of notes that sound at their shifted labels
    voting: int  # number of notes that sound at their labels up to whole octaves

    def __str__(self) -> str:
        convention = next(name for name, shift in CONVENTIONS.items() if shift == self.shift)
        if self.voting >= _VOTERS:
            return f"octaves: {convention} = 60, voted by {self.agreeing} of {self.voting} notes"
        few = {0: "no note", 1: "only 1 note"}.get(self.voting, f"only {self.voting} notes")
        return f"octaves: C4 = 60 is assumed, since {few} could vote"


def vote(notes: Iterable[Note]) -> Vote:
    """The octave convention of note names that most measured pitches agree with.

    Inharmonic and unpitched instruments do not vote. A convention other than C4 = 60 needs 60 % of at least 8 votes.
    """
    octaves = Counter(round(off / 12) for note in notes if (off := _off(note)) is not None and _same_class(off))
    voting = octaves.total()
    for shift in (12, -12):
        if voting >= _VOTERS and octaves[shift // 12] >= _MAJORITY * voting:
            return Vote(shift, octaves[shift // 12], voting)
    return Vote(0, octaves[0], voting)


def settle_octaves(notes: list[Note], convention: str | None = None) -> tuple[list[Note], list[str]]:
    """The notes with labels in the given octave convention (C3, C4, C5; default: the result of a vote), and remarks."""
    if all(note.pitch is None for note in notes):
        return notes, []
    if convention is None:
        result = vote(notes)
        shift, remark = result.shift, str(result)
    else:
        shift, remark = CONVENTIONS[convention], f"octaves: {convention} = 60, as given"
    return [_shifted(note, shift) for note in notes], [remark]


def add_flags(notes: Sequence[Note]) -> tuple[list[Note], list[str]]:
    """The notes with flags for all doubts about them, and remarks on whole instruments. Unmeasured notes get none."""
    flags: dict[int, list[str]] = defaultdict(list)
    measured = {index: note.measured for index, note in enumerate(notes) if note.measured}
    pitch_flags, remarks = _pitches(notes)
    for index, flag in (*pitch_flags, *_sounds(measured), *_rates(measured), *_duplicates(measured, notes)):
        flags[index].append(flag)
    flagged = [replace(note, flags=(*note.flags, *flags[i])) if i in flags else note for i, note in enumerate(notes)]
    return flagged, remarks + _levels(notes)


def _shifted(note: Note, shift: int) -> Note:
    if note.pitch is None or shift == 0:
        return note
    default_name = replace(note, name="").name == note.name
    return replace(note, pitch=note.pitch + shift, name="" if default_name else note.name)


def _off(note: Note) -> float | None:
    """Semitones from a note's label to its sound; None if one of them is unknown or the sound is inharmonic."""
    if note.pitch is None or note.measured is None or note.measured.pitch is None or not is_harmonic(note):
        return None
    return note.measured.pitch - note.pitch


def _pitches(notes: Sequence[Note]) -> tuple[list[tuple[int, str]], list[str]]:
    """Flags for notes that do not sound at their labels, and remarks on whole instruments that do not."""
    flags: list[tuple[int, str]] = []
    remarks: dict[str, list[str]] = {"tuning": [], "transposed": [], "labels": []}
    for name, members in _by_instrument(notes).items():
        offs = {i: off for i in members if (off := _off(notes[i])) is not None}
        centre, agreeing = _densest(list(offs.values()))
        count = f"({agreeing} of {len(offs)} notes)"
        if len(offs) > _FEW and agreeing < len(offs) / 3:
            remarks["labels"].append(f"{name} does not sound at the pitches of its labels and was taken as unpitched")
            continue
        known = len(offs) >= _FEW and agreeing >= _MAJORITY * len(offs)
        whole = round(centre) if known and abs(centre) > 0.75 else 0
        tuning = centre - whole if known and abs(centre - whole) > _MISTUNED else 0.0
        if tuning:
            remarks["tuning"].append(f"{name} is {_cents(tuning)} {count}")
        if whole:
            remarks["transposed"].append(f"{name} sounds {_interval(whole)} its labels {count}")
        flags += [(i, _pitch_flag(notes[i], off)) for i, off in offs.items() if abs(off - tuning) > _WITHIN]
    return flags, [f"{kind}: {_listed(texts)}" for kind, texts in remarks.items() if texts]


def _densest(values: list[float]) -> tuple[float, int]:
    """Median and number of the values in the densest interval of width 0.6."""
    if not values:
        return 0.0, 0
    ordered = np.sort(values)
    counts = np.searchsorted(ordered, ordered + 0.6, "right") - np.arange(ordered.size)
    best = int(np.argmax(counts))
    return float(np.median(ordered[best : best + counts[best]])), int(counts[best])


def _same_class(off: float) -> bool:
    return abs(off - 12 * round(off / 12)) <= _WITHIN


def _pitch_flag(note: Note, off: float) -> str:
    label = note.pitch or 0.0
    sounds = f"sounds {note_name(label + off)}, its label says {note_name(label)}"
    is_octave = _same_class(off) and round(off / 12)
    return f"octave: {sounds}" if is_octave else f"pitch: {sounds} ({off:+.2f} semitones)"


def _cents(tuning: float) -> str:
    return f"{abs(round(100 * tuning))} cents {'sharp' if tuning > 0 else 'flat'}"


def _interval(semitones: int) -> str:
    size = {1: "a semitone", 12: "an octave"}.get(abs(semitones), f"{abs(semitones)} semitones")
    return f"{size} {'above' if semitones > 0 else 'below'}"


def _sounds(notes: Measurements) -> Flags:
    for index, measured in notes.items():
        if measured.clipped > _roundest_top(measured):
            level = "full scale" if measured.peak_db > -0.1 else f"its peak of {measured.peak_db:.1f} dB"
            yield index, f"clipping: {measured.clipped} samples at {level}"
        if measured.silence > _LONG_SILENCE:
            yield index, f"silence: {measured.silence:.1f} s before the onset"
        if measured.peak_db < _SOFT:
            yield index, f"level: peaks at {measured.peak_db:.0f} dB"


def _roundest_top(measured: Measured) -> float:
    """Most samples of a sine at the note's pitch that lie within two 16-bit steps of its own peak."""
    hz = 20.0 if measured.pitch is None else max(20.0, midi_to_hz(measured.pitch))
    angle = np.sqrt(2.0 * 2.0**-14 * 10.0 ** (-measured.peak_db / 20.0))
    return 4.0 + float(angle / (np.pi * hz)) * measured.sample_rate


def _rates(notes: Measurements) -> Flags:
    """Flags for notes whose sample rate differs from that of nearly all others."""
    rates = Counter(measured.sample_rate for measured in notes.values())
    for usual, count in rates.most_common(1):
        for index, measured in notes.items():
            if measured.sample_rate != usual and count >= _USUAL * rates.total():
                yield index, f"rate: {measured.sample_rate} Hz, others have {usual}"


def _duplicates(measurements: Measurements, notes: Sequence[Note]) -> Flags:
    first: dict[str, int] = {}
    for index, measured in measurements.items():
        if (other := first.setdefault(measured.digest, index)) != index:
            yield index, f"duplicate: same sound as {notes[other].name}"


def _levels(notes: Sequence[Note]) -> list[str]:
    """Remarks on instruments whose levels do not depend on the dynamics."""
    instruments = {
        name: [(notes[i], measured) for i in members if (measured := notes[i].measured)]
        for name, members in _by_instrument(notes).items()
    }
    remarks = {
        "dynamics: no difference of level between them": [n for n, g in instruments.items() if not _dynamics_differ(g)],
        "levels: all notes have the same peak, whatever their dynamics,": [
            name for name, group in instruments.items() if _peaks_are_equal([measured for _, measured in group])
        ],
    }
    return [f"{remark} in {_listed(names)}" for remark, names in remarks.items() if names]


def _dynamics_differ(group: Iterable[tuple[Note, Measured]]) -> bool:
    """Whether an instrument's dynamics (or velocities) differ in level; True if it has only one."""
    levels: dict[object, list[float]] = defaultdict(list)
    for note, measured in group:
        levels[note.dynamics or note.velocity].append(measured.loudness_db)
    medians = [float(np.median(values)) for mark, values in levels.items() if mark is not None and len(values) > 2]
    return len(medians) < 2 or max(medians) - min(medians) >= _SAME_LEVEL


def _peaks_are_equal(group: list[Measured]) -> bool:
    peaks = [measured.peak_db for measured in group]
    return len(peaks) > _FEW and bool(np.ptp(np.percentile(peaks, [25, 75])) < _NORMALISED)


def _by_instrument(notes: Sequence[Note]) -> dict[str, list[int]]:
    members: dict[str, list[int]] = defaultdict(list)
    for index, note in enumerate(notes):
        members[note.instrument].append(index)
    return members


def _listed(texts: list[str]) -> str:
    more = f" and {len(texts) - 12} more" if len(texts) > 12 else ""
    return ", ".join(texts[:12]) + more
