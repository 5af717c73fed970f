"""`Library`: a collection of notes, selected by index, name or label."""

import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, overload

import numpy as np

from timbre.config import DataConfig
from timbre.data.digests import file_digests
from timbre.data.flags import FLAGS
from timbre.data.names import note_name, parse_note, plain
from timbre.data.note import Note
from timbre.data.parts import to_dict
from timbre.data.report import Dropped, Report, file_and_part
from timbre.data.split import FEWEST, By, Division, split
from timbre.errors import LibraryError, TimbreError
from timbre.notebook import card, player, ranges
from timbre.wording import counted, listed


class Library(Sequence[Note]):
    """Notes in a fixed order, selected by index, slice or name.

    Args:
        notes: the notes; those with the same name get the articulation, if it distinguishes them, and a number.
        root: the library's folder.
        report: report of the scan; one without notes gets those of the library. Default: a report of the notes alone.
        division: how the notes were split into train, valid and test, if they were split here.
    """

    def __init__(
        self, notes: Iterable[Note], root: str | Path, report: Report | None = None, division: Division | None = None
    ) -> None:
        self.notes = _distinctly_named(list(notes))
        self.root, self.division = Path(root), division
        report = report or Report(self.root, "the caller")
        self.report = report if report.notes else replace(report, notes=self.notes)
        self._by_name = {note.name: note for note in self.notes}

    def __len__(self) -> int:
        return len(self.notes)

    def __repr__(self) -> str:
        size = f"{counted(len(self), 'note')}, {counted(len(self.instruments), 'instrument')}"
        return f"Library({size}, {self.root})"

    def _repr_html_(self) -> str:
        pitches: dict[str, list[float]] = {name: [] for name in self.instruments}
        for note in self.notes:
            pitches[note.instrument] += [] if note.pitch is None else [note.pitch]
        known = sorted(pitch for own in pitches.values() for pitch in own) or [60.0]
        minutes = sum(note.duration for note in self.notes) / 60
        facts = {
            "folder": self.root, "notes": len(self), "instruments": listed(self.instruments, 8),
            "length": f"{minutes:.1f} minutes", "pitches": f"{note_name(known[0])} to {note_name(known[-1])}",
            "dropped": len(self.report.dropped), "flagged": sum(bool(note.flags) for note in self.notes),
        }  # fmt: skip
        picture = ranges(pitches, known[0], known[-1], "Pitches of the instruments, low to high")
        return card("Library", facts, picture, *self._players())

    def _players(self) -> Iterator[str]:
        """The first, middle and last note that can be read."""
        for note in dict.fromkeys(self.notes[at] for at in (0, len(self) // 2, -1) if len(self)):
            try:
                sound = note.audio().mono()
            except TimbreError:
                continue
            yield player(sound.samples, sound.sample_rate, note.name)

    @overload
    def __getitem__(self, key: int | str) -> Note: ...
    @overload
    def __getitem__(self, key: slice) -> "Library": ...
    def __getitem__(self, key: int | str | slice) -> "Note | Library":
        if isinstance(key, slice):
            return Library(self.notes[key], self.root, self.report, self.division)
        if isinstance(key, str):
            return self._named(key)
        return self.notes[key]

    @property
    def instruments(self) -> tuple[str, ...]:
        """The instruments, sorted."""
        return tuple(sorted({note.instrument for note in self.notes}))

    @property
    def families(self) -> tuple[str, ...]:
        """The families, sorted."""
        return tuple(sorted({note.family for note in self.notes if note.family}))

    def filter(self, **equals: Any) -> "Library":
        """The notes whose fields equal the given values: family="strings", pitch="A4", instrument=["oboe", "flute"].

        Each value is one value or a list of them; None matches unknown labels. Words match in upper and lower case,
        pitches (MIDI numbers or note names) to the nearest semitone. The report remains that of the whole scan.

        Raises:
            LibraryError: if there is no such field, or no note with such a value; it lists the existing ones.
        """
        names = [field.name for field in fields(Note)]
        kept = self.notes
        for name, wanted in equals.items():
            if name not in names:
                raise LibraryError(f"The field must be one of {', '.join(names)}, got {name!r}.")
            values = wanted if isinstance(wanted, list | tuple | set | frozenset) else (wanted,)
            allowed = {self._existing_value(name, value) for value in values}
            kept = tuple(note for note in kept if _comparable(name, getattr(note, name)) in allowed)
        if equals and not kept:
            raise LibraryError(f"No note has {' and '.join(f'{k}={v!r}' for k, v in equals.items())} together.")
        return Library(kept, self.root, self.report, self.division)

    def leave_out(self, *kinds: str) -> "Library":
        """The library without the notes that have a flag of one of these kinds; its report lists them as dropped.

        Raises:
            LibraryError: if there is no such kind, or no note is left.
        """
        for kind in kinds:
            if kind not in FLAGS:
                raise LibraryError(f"The kind of a flag must be one of {', '.join(FLAGS)}, got {kind!r}.")
        why = {note: [flag for flag in note.flags if flag.partition(":")[0] in kinds] for note in self.notes}
        kept = [note for note in self.notes if not why[note]]
        if not kept:
            raise LibraryError(
                f"The library must have notes without the flags {', '.join(kinds)}, but all of its {len(self)} have "
                "one of them; leave out fewer kinds."
            )
        out = (Dropped(file_and_part(note, self.root), f"left out: {flags[0]}") for note, flags in why.items() if flags)
        report = replace(self.report, notes=(), dropped=(*self.report.dropped, *out))
        return Library(kept, self.root, report, self.division)

    def divided(self, by: By = "file", valid: float = 0.1, test: float = 0.1, seed: int = 0) -> "Library":
        """The library with every note assigned to train, valid or test by :func:`timbre.data.split.split`.

        Raises:
            LibraryError: if it cannot be split this way.
        """
        parts = split(self.notes, valid, test, seed, by)
        notes = [replace(note, split=str(part)) for note, part in zip(self.notes, parts, strict=True)]
        return Library(notes, self.root, self.report, Division(by, valid, test, seed))

    def parts(self, data: DataConfig) -> np.ndarray:
        """ "train", "valid" or "test" for each note: the library's own split if it has one, else that of the settings.

        In a library with a split, the notes without a part are for training. A LibraryError is raised if it cannot be
        split this way, or its own split leaves fewer than 8 notes for training.
        """
        own = [note.split for note in self.notes]
        if not any(own):
            return split(self.notes, data.valid, data.test, data.split_seed, data.split_by)
        parts = np.array([part or "train" for part in own])
        if (count := np.count_nonzero(parts == "train")) < FEWEST:
            rule = f"The library's split must leave {FEWEST} notes or more for training, got {count}"
            raise LibraryError(f"{rule}; split it again with .divided().")
        return parts

    def held_out(self, data: DataConfig) -> str:
        """Description of what :meth:`parts` holds out, such as "by file, 10% valid, 10% test, seed 0".

        A split by source names the sources of the test notes.
        """
        if self.division is None and any(note.split for note in self.notes):
            return f"as {self.report.labels} says"
        division = self.division or Division(data.split_by, data.valid, data.test, data.split_seed)
        if division.by != "source":
            return str(division)
        tested = {note.source for note, part in zip(self.notes, self.parts(data), strict=True) if part == "test"}
        return f"{division}; tested on {listed(sorted(map(str, tested))) or 'none'}"

    def _named(self, name: str) -> Note:
        if name not in self._by_name:
            close = difflib.get_close_matches(name, self._by_name, n=3) or list(self._by_name)[:3]
            raise LibraryError(f"There is no note {name!r} in this library; there are {', '.join(close) or 'none'}.")
        return self._by_name[name]

    def _existing_value(self, field: str, value: Any) -> Any:
        """The value in comparable form, after checking that some note has it."""
        wanted = _comparable(field, value)
        present = {_comparable(field, getattr(note, field)): getattr(note, field) for note in self.notes}
        if wanted not in present:
            is_pitch = field == "pitch"
            shown = sorted(str(note_name(v) if is_pitch and v is not None else v) for v in present.values())
            raise LibraryError(f"No note has {field}={value!r}; there are {listed(shown)}.")
        return wanted


def _comparable(field: str, value: Any) -> Any:
    if value is None:
        return None
    if field == "pitch":
        return round(parse_note(value))
    return plain(str(value)) if field in ("instrument", "family", "dynamics", "articulation") else value


def fingerprint(library: Library, *further_inputs: str) -> str:
    """Hashes of the notes (names of files, labels, the library's own split) and of their sounds: "notes:sounds".

    By it a run recognises its library, see :func:`same_inputs`. `further_inputs`, such as a hash of the ratings, follow
    the first hash after hyphens. A LibraryError is raised if a file cannot be read.
    """

    def further(note: Note) -> list[Any]:  # empty for most notes, as in fingerprints of version 0.1
        return [] if note.part is None and note.split is None else [to_dict(note.part), note.split]

    notes = [
        [note.name, note.instrument, note.pitch, note.velocity, note.file.name, *further(note)] for note in library
    ]
    digests = file_digests(note.file for note in library)
    sounds = "".join(digests[note.file] for note in library)
    hashes = (hashlib.sha256(text.encode()).hexdigest()[:16] for text in (json.dumps(notes), sounds))
    return ":".join(("-".join((next(hashes), *further_inputs)), next(hashes)))


def same_inputs(before: object, now: str) -> bool:
    """Whether two fingerprints are of the same notes and sounds; those of version 0.1 are of the notes alone."""
    return before in (now, now.rpartition(":")[0])


def _distinctly_named(notes: list[Note]) -> tuple[Note, ...]:
    articulations: dict[str, set[str | None]] = {}
    for note in notes:
        articulations.setdefault(note.name, set()).add(note.articulation)
    taken: Counter[str] = Counter()
    return tuple(_renamed(note, len(articulations[note.name]) > 1, taken) for note in notes)


def _renamed(note: Note, add_articulation: bool, taken: Counter[str]) -> Note:
    """The note with the first free name; `taken` counts the uses of each name, so that the search is short."""
    stem = f"{note.name}-{plain(note.articulation)}" if add_articulation and note.articulation else note.name
    name, number = stem, taken[stem]
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    taken[stem] = max(number, 1)
    taken.setdefault(name, 1)
    return note if name == note.name else replace(note, name=name)
