"""What a scan found, kept and dropped, and why."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from timbre.data.names import note_name

if TYPE_CHECKING:
    from timbre.data.library import Note


class Dropped(NamedTuple):
    """A file, or a row of a table, that did not become a note."""

    file: str
    """Its path relative to the library's folder."""
    reason: str
    """Why, in a few words."""


@dataclass(frozen=True)
class Report:
    """The account of a scan. Every file is either kept or dropped: `found` is always their sum."""

    root: Path
    """The library's folder."""
    labels: str
    """Where instrument, pitch and dynamics come from: the name of a table, or "folder and file names"."""
    notes: tuple["Note", ...] = field(repr=False)
    """The notes kept."""
    dropped: tuple[Dropped, ...] = ()
    """What was left out."""
    ignored: int = 0
    """Files that are not sound (texts, pictures, hidden files)."""

    @property
    def found(self) -> int:
        """Sound files found, and table rows without a file of their own."""
        return self.kept + len(self.dropped)

    @property
    def kept(self) -> int:
        """Notes kept."""
        return len(self.notes)

    @property
    def minutes(self) -> float:
        """Length of the kept notes together, in minutes."""
        return sum(note.duration for note in self.notes) / 60

    def table(self) -> str:
        """The account as text: totals, a line for each instrument, and every dropped file with its reason."""
        text = "\n".join([*self._totals(), "", *self._instruments(), *self._dropped()])
        return text.encode("utf-8", "replace").decode("utf-8")  # file names may hold bytes that cannot be printed

    def _totals(self) -> list[str]:
        ignored = f", {self.ignored} other files ignored" if self.ignored else ""
        return [
            f"{self.root} (labels from {self.labels})",
            f"{self.found} found, {self.kept} kept, {len(self.dropped)} dropped{ignored}; {self.minutes:.1f} minutes",
        ]

    def _instruments(self) -> list[str]:
        groups: dict[str, list[Note]] = {}
        for note in self.notes:
            groups.setdefault(note.instrument, []).append(note)
        rows = [("instrument", "family", "notes", "pitches", "dynamics", "minutes")]
        rows += [(name, *_summary(groups[name])) for name in sorted(groups)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]

    def _dropped(self) -> list[str]:
        return ["", "dropped:", *(f"  {file}: {reason}" for file, reason in self.dropped)] if self.dropped else []


def _summary(notes: list["Note"]) -> tuple[str, str, str, str, str]:
    """Cells of an instrument's line: family, notes, pitch range, dynamics, minutes."""
    pitches = [note.pitch for note in notes if note.pitch is not None]
    span = f"{note_name(min(pitches))}-{note_name(max(pitches))}" if pitches else "unpitched"
    dynamics = Counter(note.dynamics for note in notes if note.dynamics)
    marks = " ".join(f"{mark} {count}" for mark, count in dynamics.items()) or "-"
    return notes[0].family or "-", str(len(notes)), span, marks, f"{sum(note.duration for note in notes) / 60:.1f}"
