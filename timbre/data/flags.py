"""What the sounds of a whole library say of its labels: the octave convention, and what is doubtful about each note.

Flags never drop a note and never change a label; only the octave convention of names is settled here, once for all.
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
_FEW = 5  # notes of an instrument, at least, that show how it is tuned
_MISTUNED = 0.2  # semitones: less is a matter of taste
_LONG_SILENCE = 0.5  # s before the onset
_SOFT = -50.0  # dB, peak: 16 bits leave 40 dB of such a sound
_USUAL = 0.9  # share of a library's notes whose sample rate is the usual one
_SAME_LEVEL = 1.5  # dB between the medians of dynamics that make no difference
_NORMALISED = 0.2  # dB between the quartiles of peaks that were made equal
Flags = Iterator[tuple[int, str]]


class Vote(NamedTuple):
    """What the measured pitches say of the octaves of note names."""

    shift: int
    """Semitones to add to the labels: 12, -12 or 0."""
    agreeing: int
    """Notes that sound where the shifted labels say."""
    voting: int
    """Notes that sound where their labels say, but for whole octaves."""

    def __str__(self) -> str:
        convention = next(name for name, shift in CONVENTIONS.items() if shift == self.shift)
        if self.voting < _VOTERS:
            return f"octaves: C4 = 60 is assumed, since {_few(self.voting)} could vote"
        return f"octaves: {convention} = 60, voted by {self.agreeing} of {self.voting} notes"


def _few(count: int) -> str:
    return "no note" if count == 0 else "only 1 note" if count == 1 else f"only {count} notes"


def vote(notes: Iterable[Note]) -> Vote:
    """Let the measured pitches decide which octave the names of notes mean.

    Inharmonic and unpitched instruments have no vote. An octave other than C4 = 60 needs 60 % of at least 8 votes.
    """
    octaves = Counter(round(off / 12) for note in notes if (off := _off(note)) is not None and _same_class(off))
    voting = octaves.total()
    for shift in (12, -12):
        if voting >= _VOTERS and octaves[shift // 12] >= _MAJORITY * voting:
            return Vote(shift, octaves[shift // 12], voting)
    return Vote(0, octaves[0], voting)


def settle_octaves(notes: list[Note], told: str | None = None) -> tuple[list[Note], list[str]]:
    """The notes with their labels in the octaves that were told (C3, C4, C5) or, if none were, voted; and remarks."""
    if all(note.pitch is None for note in notes):
        return notes, []
    voted = vote(notes)
    shift, remark = (voted.shift, str(voted)) if told is None else (CONVENTIONS[told], f"octaves: {told} = 60, as told")
    return [_shifted(note, shift) for note in notes], [remark]


def judge(notes: Sequence[Note]) -> tuple[list[Note], list[str]]:
    """The notes with flags for all that is doubtful about them, and remarks on whole instruments.

    Args:
        notes: with what was measured of them; those that were not measured get no flags.
    """
    flags: dict[int, list[str]] = defaultdict(list)
    found, remarks = _pitches(notes)
    for index, flag in (*found, *_sounds(notes), *_rates(notes), *_duplicates(notes)):
        flags[index].append(flag)
    judged = [replace(note, flags=(*note.flags, *flags[i])) if i in flags else note for i, note in enumerate(notes)]
    return judged, remarks + _levels(notes)


def _shifted(note: Note, shift: int) -> Note:
    if note.pitch is None or shift == 0:
        return note
    own_name = replace(note, name="").name == note.name
    return replace(note, pitch=note.pitch + shift, name="" if own_name else note.name)


def _off(note: Note) -> float | None:
    """Semitones from a note's label to its sound; None where one of them is unknown or the sound is inharmonic."""
    if note.pitch is None or note.measured is None or note.measured.pitch is None or not is_harmonic(note):
        return None
    return note.measured.pitch - note.pitch


def _pitches(notes: Sequence[Note]) -> tuple[list[tuple[int, str]], list[str]]:
    """Flags for notes that do not sound as labelled, and remarks where a whole instrument does not."""
    flags: list[tuple[int, str]] = []
    remarks: dict[str, list[str]] = {"tuning": [], "transposed": [], "labels": []}
    for name, members in _by_instrument(notes).items():
        offs = {i: off for i in members if (off := _off(notes[i])) is not None}
        centre, agreeing = _densest(list(offs.values()))
        count = f"({agreeing} of {len(offs)} notes)"
        if len(offs) > _FEW and agreeing < len(offs) / 3:
            remarks["labels"].append(f"{name} sounds nowhere near what its labels say, so it was taken as unpitched")
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
    """Middle and number of the values in the best filled stretch of 0.6."""
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
    if _same_class(off) and round(off / 12):
        return f"octave: {sounds}"
    return f"pitch: {sounds} ({off:+.2f} semitones)"


def _cents(tuning: float) -> str:
    return f"{abs(round(100 * tuning))} cents {'sharp' if tuning > 0 else 'flat'}"


def _interval(semitones: int) -> str:
    size = {1: "a semitone", 12: "an octave"}.get(abs(semitones), f"{abs(semitones)} semitones")
    return f"{size} {'above' if semitones > 0 else 'below'}"


def _sounds(notes: Sequence[Note]) -> Flags:
    for index, note in enumerate(notes):
        if (found := note.measured) is None:
            continue
        if found.clipped > _roundest_top(found):
            where = "full scale" if found.peak_db > -0.1 else f"its peak of {found.peak_db:.1f} dB"
            yield index, f"clipping: {found.clipped} samples at {where}"
        if found.silence > _LONG_SILENCE:
            yield index, f"silence: {found.silence:.1f} s before the onset"
        if found.peak_db < _SOFT:
            yield index, f"level: peaks at {found.peak_db:.0f} dB"


def _roundest_top(found: Measured) -> float:
    """Most samples that a sine as low as the note can leave within two 16-bit steps of its own peak."""
    hz = 20.0 if found.pitch is None else max(20.0, midi_to_hz(found.pitch))
    angle = np.sqrt(2.0 * 2.0**-14 * 10.0 ** (-found.peak_db / 20.0))
    return 4.0 + float(angle / (np.pi * hz)) * found.sample_rate


def _rates(notes: Sequence[Note]) -> Flags:
    """Flags for the few notes of another sample rate than nearly all others."""
    rates = Counter(note.measured.sample_rate for note in notes if note.measured)
    usual, count = rates.most_common(1)[0] if rates else (0, 0)
    if count < _USUAL * rates.total():
        return
    for index, note in enumerate(notes):
        if note.measured and note.measured.sample_rate != usual:
            yield index, f"rate: {note.measured.sample_rate} Hz, others have {usual}"


def _duplicates(notes: Sequence[Note]) -> Flags:
    first: dict[str, Note] = {}
    for index, note in enumerate(notes):
        if note.measured is None:
            continue
        other = first.setdefault(note.measured.digest, note)
        if other is not note:
            yield index, f"duplicate: same sound as {other.name}"


def _levels(notes: Sequence[Note]) -> list[str]:
    """Remarks on instruments whose levels tell nothing of dynamics."""
    instruments = {
        name: [(notes[i], found) for i in members if (found := notes[i].measured)]
        for name, members in _by_instrument(notes).items()
    }
    remarks = []
    if unheard := [name for name, group in instruments.items() if not _dynamics_differ(group)]:
        remarks.append(f"dynamics: no difference of level between them in {_listed(unheard)}")
    if equal := [name for name, group in instruments.items() if _peaks_are_equal([found for _, found in group])]:
        remarks.append(f"levels: all notes have the same peak, and so tell nothing of dynamics, in {_listed(equal)}")
    return remarks


def _dynamics_differ(group: Iterable[tuple[Note, Measured]]) -> bool:
    """Whether an instrument's dynamics (or velocities) differ in level; so they do where there is only one."""
    levels: dict[object, list[float]] = defaultdict(list)
    for note, found in group:
        levels[note.dynamics or note.velocity].append(found.loudness_db)
    medians = [float(np.median(values)) for mark, values in levels.items() if mark is not None and len(values) > 2]
    return len(medians) < 2 or max(medians) - min(medians) >= _SAME_LEVEL


def _peaks_are_equal(group: list[Measured]) -> bool:
    if len(group) <= _FEW:
        return False
    low, high = np.percentile([found.peak_db for found in group], [25, 75])
    return bool(high - low < _NORMALISED)


def _by_instrument(notes: Sequence[Note]) -> dict[str, list[int]]:
    members: dict[str, list[int]] = defaultdict(list)
    for index, note in enumerate(notes):
        members[note.instrument].append(index)
    return members


def _listed(texts: list[str]) -> str:
    more = f" and {len(texts) - 12} more" if len(texts) > 12 else ""
    return ", ".join(texts[:12]) + more
