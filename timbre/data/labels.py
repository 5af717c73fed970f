"""Checks of pitch labels against the sounds: the octave convention of note names, flags, and remarks.

Two faults of labels are corrected, and always reported: the octave convention, for the whole library, and labels of an
instrument that fit neither its sounds nor each other, which are removed. All other labels stay as they are.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from timbre.data.names import note_name
from timbre.data.note import Note, is_harmonic, relabelled
from timbre.wording import listed

CONVENTIONS = {"C3": 12, "C4": 0, "C5": -12}
"""Semitones to add to labels that were read with C4 = 60, by the true name of MIDI note 60."""
_WITHIN = 0.5  # semitones by which a pitch may differ from its label
_VOTERS, _MAJORITY = 8, 0.6  # fewest notes, and share of them, that decide on the octave convention
_FEW = 5  # fewest notes of an instrument that show how it is tuned
_MISTUNED = 0.2  # semitones; less is usual between orchestras
_CLOSE = 0.75  # semitones; an instrument that is farther off as a whole is transposed
_TRUSTED = 1 / 3  # least share of an instrument's measured notes that agree, if its labels are to mean anything
_FARTHEST = 24.5  # semitones by which an instrument may be transposed as a whole
_SUBHARMONICS = 12.0 * np.log2(np.arange(1, 7))  # below its label, where an inharmonic sound may be measured


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
    offs = (_off(note) for note in notes if is_harmonic(note))
    octaves = Counter(round(off / 12) for off in offs if off is not None and _same_class(off))
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
    return [note if note.pitch is None else relabelled(note, note.pitch + shift) for note in notes], [remark]


@dataclass
class PitchCheck:
    """Result of a comparison of pitch labels with sounds. Notes are given by their indices."""

    flags: list[tuple[int, str]] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)  # notes whose labels mean nothing
    remarks: list[str] = field(default_factory=list)


def check_pitches(notes: Sequence[Note]) -> PitchCheck:
    """Flags for notes that do not sound at their labels, labels that mean nothing, and remarks on whole instruments.

    A note is flagged if it sounds more than half a semitone from its label, apart from the tuning of its instrument. If
    fewer than a third of an instrument's measured notes sound at their labels, the unmeasured ones are flagged too. If,
    besides, fewer than a third agree on a transposition by at most two octaves, the flagged notes lose their labels.

    Bells, bars and drums are often measured at subharmonics of their pitch. Their notes are flagged only if fewer
    than a third of at least five sound at their labels or at such subharmonics.
    """
    out, remarks = PitchCheck(), defaultdict[str, list[str]](list)
    for name, members in by_instrument(notes).items():
        labelled = [i for i in members if notes[i].pitch is not None and notes[i].measured]
        judged = _Instrument(name, labelled, {i: off for i in labelled if (off := _off(notes[i])) is not None})
        if all(is_harmonic(notes[i]) for i in members) or judged.is_nonsense_for_a_bell:
            out.flags += judged.flags(notes)
            out.rejected += judged.rejected
            for kind, remark in judged.remarks():
                remarks[kind].append(remark)
    out.remarks = [f"{kind}: {listed(remarks[kind])}" for kind in _REMARKS if kind in remarks]
    return out


_REMARKS = ("tuning", "transposed", "labels", "unchecked")  # kinds of remarks, in their order


class _Instrument:
    """How the notes of an instrument sound compared with their labels.

    Args:
        name: of the instrument.
        labelled: its notes that have a label and were measured.
        offs: semitones from the label to the sound, of those whose pitch is known.
    """

    def __init__(self, name: str, labelled: list[int], offs: dict[int, float]) -> None:
        self.name, self.labelled, self.offs = name, labelled, offs
        values = np.array(list(offs.values()))
        self.centre, self.agreeing = _densest(values)
        self.known = len(offs) >= _FEW and self.agreeing >= _MAJORITY * len(offs)
        self.tuning = self.centre if self.known and abs(self.centre) < _CLOSE else _tuning(values)
        self.wrong = [i for i, off in offs.items() if abs(off - self.tuning) > _WITHIN]
        self.doubtful = len(self.wrong) > (1 - _TRUSTED) * len(offs) > 0

    @property
    def rejected(self) -> list[int]:
        """Notes whose labels mean nothing."""
        agree = self.agreeing >= max(_TRUSTED * len(self.offs), min(2, len(self.offs))) and abs(self.centre) < _FARTHEST
        return self.suspects if self.doubtful and not agree else []

    @property
    def suspects(self) -> list[int]:
        """Notes with wrong labels; if most are wrong, those that could not be measured too."""
        return [*self.wrong, *(i for i in self.labelled if self.doubtful and i not in self.offs)]

    @property
    def is_nonsense_for_a_bell(self) -> bool:
        """Whether not even an instrument that is measured at subharmonics can sound like this."""
        away = np.abs(np.array(list(self.offs.values()))[:, None] + _SUBHARMONICS).min(axis=1, initial=np.inf)
        return len(self.offs) >= _FEW and bool(np.mean(away <= _WITHIN + _MISTUNED) < _TRUSTED)

    def flags(self, notes: Sequence[Note]) -> list[tuple[int, str]]:
        """Flags of all suspects."""
        count = f"{len(self.wrong)} of {len(self.offs)} others sound elsewhere"
        return [
            (i, _pitch_flag(notes[i], self.offs[i], self.tuning))
            if i in self.offs
            else (i, f"pitch: its label says {note_name(notes[i].pitch or 0.0)}, its pitch is not clear; {count}")
            for i in self.suspects
        ]

    def remarks(self) -> list[tuple[str, str]]:
        """Remarks on the whole instrument, each with its kind."""
        if rejected := len(self.rejected):
            wrong = f"{len(self.wrong)} of {len(self.offs)} measured notes of {self.name} do not sound at their labels"
            return [("labels", f"{wrong}, and are not all off by the same interval; {_without(rejected)}")]
        count, whole = f"({self.agreeing} of {len(self.offs)} notes)", round(self.centre - self.tuning)
        unclear = len(self.labelled) - len(self.offs)
        said = {
            "tuning": self.known and abs(self.tuning) > _MISTUNED and f"{self.name} is {_cents(self.tuning)} {count}",
            "transposed": self.known and whole and f"{self.name} sounds {_interval(whole)} its labels {count}",
            "unchecked": unclear >= _FEW
            and unclear > len(self.offs)
            and f"{unclear} of {len(self.labelled)} notes of {self.name} have no clear pitch",
        }
        return [(kind, text) for kind, text in said.items() if text]


def _off(note: Note) -> float | None:
    """Semitones from a note's label to its sound; None if one of them is unknown."""
    if note.pitch is None or note.measured is None or note.measured.pitch is None:
        return None
    return note.measured.pitch - note.pitch


def _densest(values: np.ndarray) -> tuple[float, int]:
    """Median and number of the values in the densest interval of width 0.6."""
    if not values.size:
        return 0.0, 0
    ordered = np.sort(values)
    counts = np.searchsorted(ordered, ordered + 0.6, "right") - np.arange(ordered.size)
    best = int(np.argmax(counts))
    return float(np.median(ordered[best : best + counts[best]])), int(counts[best])


def _tuning(offs: np.ndarray) -> float:
    """Semitones (at most half of one) by which most notes are tuned off, whatever whole semitones their labels are off.

    So it stays the same, however many labels are wrong. It is 0 if fewer than 60 % of at least five notes agree.
    """
    apart = offs - np.round(offs)
    centre, agreeing = _densest(np.concatenate([apart, apart + 1.0]))  # round a circle of a semitone
    return centre - round(centre) if len(offs) >= _FEW and agreeing >= _MAJORITY * len(offs) else 0.0


def _same_class(off: float) -> bool:
    return abs(off - 12 * round(off / 12)) <= _WITHIN


def _pitch_flag(note: Note, off: float, tuning: float) -> str:
    label = note.pitch or 0.0
    sounds = f"sounds {note_name(label + off)}, its label says {note_name(label)}"
    is_octave = _same_class(off - tuning) and round(off / 12)
    return f"octave: {sounds}" if is_octave else f"pitch: {sounds} ({off:+.2f} semitones)"


def _without(count: int) -> str:
    return "1 has no pitch now" if count == 1 else f"{count} have no pitch now"


def _cents(tuning: float) -> str:
    return f"{abs(round(100 * tuning))} cents {'sharp' if tuning > 0 else 'flat'}"


def _interval(semitones: int) -> str:
    size = {1: "a semitone", 12: "an octave"}.get(abs(semitones), f"{abs(semitones)} semitones")
    return f"{size} {'above' if semitones > 0 else 'below'}"


def by_instrument(notes: Sequence[Note]) -> dict[str, list[int]]:
    """Indices of the notes of each instrument."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, note in enumerate(notes):
        members[note.instrument].append(index)
    return members
