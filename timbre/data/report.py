"""Report of a scan: the sounds it kept, dropped and flagged, and the reasons."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from timbre.data.names import DYNAMICS, note_name
from timbre.data.note import Note
from timbre.errors import LibraryError
from timbre.wording import counted, printable

_MOST_LINES = 40  # for flagged or dropped notes in the table
_EXAMPLES = 3  # files without a pitch that are named for each instrument


class Dropped(NamedTuple):
    """A file (relative to the library's folder), or a row of a table, that is not a note of the library."""

    file: str
    reason: str


@dataclass(frozen=True)
class Report:
    """Report of a scan. Every file is either kept or dropped: `found` is their sum."""

    root: Path  # the library's folder
    labels: str  # source of instrument, pitch and dynamics: the name of a table, or "folder and file names"
    notes: tuple[Note, ...] = field(default=(), repr=False)  # those that are kept
    dropped: tuple[Dropped, ...] = ()
    ignored: int = 0  # number of files that are not sounds (texts, images, hidden files)
    remarks: tuple[str, ...] = ()  # on the library or an instrument as a whole, each as "kind: description"
    reader: str = ""  # name of the reader that read the library

    @property
    def found(self) -> int:
        """Number of sound files, and of table rows without a file of their own."""
        return self.kept + len(self.dropped)

    @property
    def kept(self) -> int:
        """Number of notes kept."""
        return len(self.notes)

    @property
    def flagged(self) -> tuple[Note, ...]:
        """The kept notes that have flags."""
        return tuple(note for note in self.notes if note.flags)

    @property
    def unpitched(self) -> tuple[Note, ...]:
        """The kept notes whose pitch is unknown, without those of percussion, which need none."""
        return tuple(note for note in self.notes if note.pitch is None and note.family != "percussion")

    @property
    def minutes(self) -> float:
        """Total duration of the kept notes, minutes."""
        return sum(note.duration for note in self.notes) / 60

    def require_no_flags(self) -> None:
        """Raise a LibraryError that lists the first three flags, if any note has one."""
        if flagged := self.flagged:
            first = "; ".join(f"{note.name}: {note.flags[0]}" for note in flagged[:3])
            more = f"; and {len(flagged) - 3} more" if len(flagged) > 3 else ""
            raise LibraryError(f"{len(flagged)} of {self.kept} notes in {self.root} have flags ({first}{more}).")

    def table(self) -> str:
        """The report as text: totals, a line for each instrument, flagged notes, dropped files, remarks."""
        remarks = ["", "remarks:", *(f"  {remark}" for remark in self.remarks)] if self.remarks else []
        parts = (
            self._totals(),
            [""],
            self._instruments(),
            self._unpitched(),
            self._flagged(),
            self._dropped(),
            remarks,
        )
        return "\n".join(printable(line) for lines in parts for line in lines)

    def _totals(self) -> list[str]:
        counts = [f"{self.found} found", f"{self.kept} kept", f"{len(self.dropped)} dropped"]
        counts += [f"{len(self.flagged)} flagged"] if self.flagged else []
        counts += [f"{len(self.unpitched)} without pitch"] if self.unpitched else []
        counts += [f"{counted(self.ignored, 'other file')} ignored"] if self.ignored else []
        source = f"{self.root} ({self.reader}{': ' * bool(self.reader)}labels from {self.labels})"
        return [source, f"{', '.join(counts)}; {self.minutes:.1f} minutes"]

    def _instruments(self) -> list[str]:
        groups = grouped(self.notes, "instrument")
        rows = [["instrument", "family", "notes", "pitches", "dynamics", "minutes", "flags"]]
        rows += [summary(name, groups[name]) for name in sorted(groups)]
        shown = rows if self.flagged else [row[:-1] for row in rows]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown]

    def _unpitched(self) -> list[str]:
        lines = [f"  {name}: {text}" for name, text in without_pitch(self.notes, self.root).items()]
        more = [f"  and {counted(len(lines) - _MOST_LINES, 'more instrument')}"] if len(lines) > _MOST_LINES else []
        return ["", "without pitch:", *lines[:_MOST_LINES], *more] if lines else []

    def _flagged(self) -> list[str]:
        lines = [f"  {note.name} ({file_and_part(note, self.root)}): {'; '.join(note.flags)}" for note in self.flagged]
        more = [f"  and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
        return ["", "flagged:", *lines[:_MOST_LINES], *more] if lines else []

    def _dropped(self) -> list[str]:
        lines = [f"  {file}: {reason}" for file, reason in self.dropped]
        if len(lines) > _MOST_LINES:
            groups = by_reason(self.dropped)
            lines = [f"  {len(g)} x {g[0].reason} ({g[0].file}{' ...' if g[1:] else ''})" for g in groups[:_MOST_LINES]]
            if rest := groups[_MOST_LINES:]:
                lines.append(f"  and {sum(map(len, rest))} more")
        return ["", "dropped:", *lines] if lines else []


def file_and_part(note: Note, root: Path) -> str:
    """The file of a note, relative to the library's folder if it lies inside, and the part of the file."""
    file = note.file.relative_to(root) if note.file.is_relative_to(root) else note.file
    return file.as_posix() + (f", {note.part}" if note.part else "")


def without_pitch(notes: Iterable[Note], root: Path) -> dict[str, str]:
    """For each instrument, except percussion, with notes of unknown pitch: "4 of 10", with the first of their files."""
    texts: dict[str, str] = {}
    for name, members in sorted(grouped(notes, "instrument").items()):
        files = [file_and_part(note, root) for note in members if note.pitch is None and note.family != "percussion"]
        if files:
            more = " ..." if len(files) > _EXAMPLES else ""
            texts[name] = f"{len(files)} of {len(members)} ({', '.join(files[:_EXAMPLES])}{more})"
    return texts


def grouped(notes: Iterable[Note], label: str) -> dict[Any, list[Note]]:
    """Notes by one of their labels."""
    groups: dict[Any, list[Note]] = defaultdict(list)
    for note in notes:
        groups[getattr(note, label)].append(note)
    return groups


def minutes(notes: Iterable[Note]) -> str:
    """Total duration of notes, minutes."""
    return f"{sum(note.duration for note in notes) / 60:.1f}"


def summary(name: str, notes: list[Note]) -> list[str]:
    """Cells of an instrument's line: name, family, notes, pitch range, dynamics, minutes, flags."""
    pitches = [note.pitch for note in notes if note.pitch is not None]
    span = f"{note_name(min(pitches))}-{note_name(max(pitches))}" if pitches else "unpitched"
    if pitches and len(pitches) < len(notes):
        span += f", {len(notes) - len(pitches)} of {len(notes)} without pitch"
    dynamics = Counter(note.dynamics for note in notes if note.dynamics)
    marks = {mark: dynamics[mark] for mark in sorted(dynamics, key=lambda mark: DYNAMICS.get(mark, 128))}
    kinds = Counter(kind for note in notes for kind in note.flag_kinds)
    return [name, notes[0].family or "-", str(len(notes)), span, _counts(marks), minutes(notes), _counts(kinds)]


def by_reason(dropped: Iterable[Dropped]) -> list[list[Dropped]]:
    """Dropped files with the same reason (regardless of the numbers in it), the most frequent first."""
    groups: dict[str, list[Dropped]] = defaultdict(list)
    for item in dropped:
        groups[re.sub(r"\d+", "0", item.reason)].append(item)
    return sorted(groups.values(), key=len, reverse=True)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "-"
