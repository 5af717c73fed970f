"""Report of a scan: the sounds it kept, dropped and flagged, and the reasons."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from timbre.data.names import note_name, printable
from timbre.data.note import Note
from timbre.errors import LibraryError

_MOST_LINES = 40  # for flagged or dropped notes in the table


class Dropped(NamedTuple):
    """A file, or a row of a table, that is not a note of the library."""

    file: str
    """Path relative to the library's folder."""
    reason: str


@dataclass(frozen=True)
class Report:
    """Report of a scan. Every file is either kept or dropped: `found` is their sum."""

    root: Path
    """The library's folder."""
    labels: str
    """Source of instrument, pitch and dynamics: the name of a table, or "folder and file names"."""
    notes: tuple[Note, ...] = field(default=(), repr=False)
    """The notes kept."""
    dropped: tuple[Dropped, ...] = ()
    ignored: int = 0
    """Number of files that are not sounds (texts, images, hidden files)."""
    remarks: tuple[str, ...] = ()
    """Remarks on the library or an instrument as a whole, each as "kind: description"."""
    reader: str = ""
    """Name of the reader that read the library."""

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
    def minutes(self) -> float:
        """Total duration of the kept notes, minutes."""
        return sum(note.duration for note in self.notes) / 60

    def require_no_flags(self) -> None:
        """Refuse a library with flags.

        Raises:
            LibraryError: if any note has a flag; it lists the first three.
        """
        if flagged := self.flagged:
            first = "; ".join(f"{note.name}: {note.flags[0]}" for note in flagged[:3])
            more = f"; and {len(flagged) - 3} more" if len(flagged) > 3 else ""
            raise LibraryError(f"{len(flagged)} of {self.kept} notes in {self.root} have flags ({first}{more}).")

    def table(self) -> str:
        """The report as text: totals, a line for each instrument, flagged notes, dropped files, remarks."""
        remarks = ["", "remarks:", *(f"  {remark}" for remark in self.remarks)] if self.remarks else []
        parts = (self._totals(), [""], self._instruments(), self._flagged(), self._dropped(), remarks)
        return printable("\n".join(line for lines in parts for line in lines))

    def _totals(self) -> list[str]:
        flagged = f", {len(self.flagged)} flagged" if self.flagged else ""
        ignored = f", {self.ignored} other files ignored" if self.ignored else ""
        reader = f"{self.reader}: " if self.reader else ""
        return [
            f"{self.root} ({reader}labels from {self.labels})",
            f"{self.found} found, {self.kept} kept, {len(self.dropped)} dropped{flagged}{ignored}; "
            f"{self.minutes:.1f} minutes",
        ]

    def _instruments(self) -> list[str]:
        groups: dict[str, list[Note]] = defaultdict(list)
        for note in self.notes:
            groups[note.instrument].append(note)
        rows = [("instrument", "family", "notes", "pitches", "dynamics", "minutes", "flags")]
        rows += [_summary(name, groups[name]) for name in sorted(groups)]
        shown = rows if self.flagged else [row[:-1] for row in rows]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown]

    def _flagged(self) -> list[str]:
        lines = [f"  {note.name} ({file_and_part(note, self.root)}): {'; '.join(note.flags)}" for note in self.flagged]
        more = [f"  and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
        return ["", "flagged:", *lines[:_MOST_LINES], *more] if lines else []

    def _dropped(self) -> list[str]:
        lines = [f"  {file}: {reason}" for file, reason in self.dropped]
        if len(lines) > _MOST_LINES:
            lines = [f"  {line}" for line in _by_reason(self.dropped)]
        return ["", "dropped:", *lines] if lines else []


def file_and_part(note: Note, root: Path) -> str:
    """The file of a note, relative to the library's folder if it lies inside, and the part of the file."""
    file = note.file.relative_to(root) if note.file.is_relative_to(root) else note.file
    return file.as_posix() + (f", {note.part}" if note.part else "")


def _by_reason(dropped: Iterable[Dropped]) -> list[str]:
    """A line for each reason (regardless of the numbers in it), the most frequent first."""
    groups: dict[str, list[Dropped]] = defaultdict(list)
    for item in dropped:
        groups[re.sub(r"\d+", "0", item.reason)].append(item)
    ordered = sorted(groups.values(), key=len, reverse=True)
    lines = [f"{len(group)} x {group[0].reason} ({group[0].file}{' ...' if group[1:] else ''})" for group in ordered]
    more = [f"and {sum(map(len, ordered[_MOST_LINES:]))} more"] if len(lines) > _MOST_LINES else []
    return lines[:_MOST_LINES] + more


def _summary(name: str, notes: list[Note]) -> tuple[str, str, str, str, str, str, str]:
    """Cells of an instrument's line: name, family, notes, pitch range, dynamics, minutes, flags."""
    pitches = [note.pitch for note in notes if note.pitch is not None]
    span = f"{note_name(min(pitches))}-{note_name(max(pitches))}" if pitches else "unpitched"
    dynamics = Counter(note.dynamics for note in notes if note.dynamics)
    kinds = Counter(flag.partition(":")[0] for note in notes for flag in note.flags)
    minutes = f"{sum(note.duration for note in notes) / 60:.1f}"
    return name, notes[0].family or "-", str(len(notes)), span, _counts(dynamics), minutes, _counts(kinds)


def _counts(counter: Counter[str]) -> str:
    return " ".join(f"{name} {count}" for name, count in counter.items()) or "-"
