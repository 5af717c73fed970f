"""Report of a library as a page: the notes that were found, kept, dropped and flagged, with pictures."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from timbre.data.library import Library
from timbre.data.names import DYNAMICS, note_name
from timbre.data.note import Note
from timbre.data.report import Dropped, file_and_part
from timbre.report import library_pictures as pictures
from timbre.report import pages
from timbre.report.pages import Picture, picture
from timbre.report.pictures import can_draw

_ROWS = 60  # instruments in one picture
_MOST_DROPPED = 200  # dropped files; more are grouped by reason
_MOST_FLAGGED = 2000  # flagged notes that are listed; a library file has all


def write_page(library: Library, file: str | os.PathLike[str]) -> Path:
    """Write the report of a library as an HTML page, with pictures if matplotlib is installed.

    Args:
        library: its notes are described, and the dropped files of its report.
        file: a name that ends in .html.

    Returns:
        The path of the page.

    Raises:
        ConfigError: if the name ends in anything else, or the page cannot be written.
    """
    notes, report = list(library), library.report
    by_instrument = _grouped(sorted(notes, key=lambda note: (note.family or "~", note.instrument)), "instrument")
    flagged = [note for note in notes if note.flags]
    kinds = Counter(kind for note in flagged for kind in {_kind(flag) for flag in note.flags})
    many = len(report.dropped) > _MOST_DROPPED
    return pages.write_page(
        file,
        "library.html.jinja",
        title=f"Library {library.root.name or library.root}",
        facts=_facts(library),
        remarks=[[remark] for remark in report.remarks],
        instruments=[_instrument(name, group) for name, group in by_instrument.items()],
        pictures=list(_pictures(by_instrument, notes)) if can_draw() else None,
        division=f"Split {library.division}" if library.division else "Split as labelled in the library",
        split=_split(notes),
        flags=[[kind, str(count)] for kind, count in kinds.most_common()],
        flagged=[[file_and_part(n, library.root), n.name, "; ".join(n.flags)] for n in flagged[:_MOST_FLAGGED]],
        flagged_count=len(flagged),
        dropped=report.dropped,
        dropped_count=len(report.dropped),
        reasons=_reasons(report.dropped) if many else None,
    )


def _facts(library: Library) -> dict[str, str]:
    report, notes = library.report, list(library)
    return {
        "folder": str(report.root),
        "reader": report.reader or "unknown",
        "labels from": report.labels,
        "found": f"{report.found} sounds, {report.ignored} other files ignored",
        "kept": f"{report.kept} notes" + (f", {len(notes)} of them shown here" if len(notes) != report.kept else ""),
        "dropped": str(len(report.dropped)),
        "flagged": f"{sum(bool(note.flags) for note in notes)} notes",
        "length": f"{_minutes(notes)} minutes",
        "instruments": str(len(library.instruments)),
    }


def _instrument(name: str, notes: list[Note]) -> list[str]:
    pitches = [note.pitch for note in notes if note.pitch is not None]
    span = f"{note_name(min(pitches))}\N{EN DASH}{note_name(max(pitches))}" if pitches else "unpitched"
    marks = Counter(note.dynamics for note in notes if note.dynamics)
    kinds = Counter(_kind(flag) for note in notes for flag in note.flags)
    dynamics = {mark: marks[mark] for mark in sorted(marks, key=_velocity)}
    return [name, notes[0].family or "", str(len(notes)), span, _counts(dynamics), _minutes(notes), _counts(kinds)]


def _pictures(by_instrument: dict[str, list[Note]], notes: list[Note]) -> Iterator[Picture]:
    pitched = [name for name, group in by_instrument.items() if any(note.pitch is not None for note in group)]
    for number, start in enumerate(range(0, len(pitched), _ROWS), start=1):
        names = pitched[start : start + _ROWS]
        counts, lowest = _coverage([by_instrument[name] for name in names])
        span = f"{note_name(lowest)} to {note_name(lowest + counts.shape[1] - 1)}"
        alt = f"Number of notes of {len(names)} instruments at each semitone from {span}; the table gives the ranges."
        caption = f"Notes by instrument and semitone: {names[0]} to {names[-1]}"
        yield picture(pictures.draw_coverage(names, counts, lowest), f"coverage-{number}", alt, caption)
    yield from _measurements(notes)
    lengths = np.array([note.duration for note in notes if note.duration > 0])
    if lengths.size:
        quartiles = np.quantile(lengths, [0, 0.25, 0.5, 0.75, 1])
        alt = "Histogram of lengths: minimum {:.2f}, quartiles {:.2f}, {:.2f}, {:.2f}, maximum {:.2f} s."
        yield picture(pictures.draw_lengths(lengths), "lengths", alt.format(*quartiles), "Lengths of the notes")


def _measurements(notes: list[Note]) -> Iterator[Picture]:
    """Pictures of measured pitch and loudness, if any was measured."""
    pairs = [(note.measured.pitch, note.pitch) for note in notes if note.measured]
    cents = np.array([100 * (own - label) for own, label in pairs if own is not None and label is not None])
    if cents.size:
        near = f"{np.mean(np.abs(cents) < 50):.1%} of {cents.size} notes are within 50 cents of their labels"
        median = f"the median is {np.median(cents):+.1f} cents"
        alt = f"Histogram of measured pitch minus label: {near}; {median}."
        yield picture(pictures.draw_deviations(cents), "pitch", alt, f"Pitch: {near}; {median}")
    levels: dict[str, list[float]] = defaultdict(list)
    for note in notes:
        if note.measured and note.dynamics:
            levels[note.dynamics].append(note.measured.loudness_db)
    if levels:
        marks = {mark: levels[mark] for mark in sorted(levels, key=_velocity)}
        medians = ", ".join(f"{mark} {np.median(values):.1f} dB" for mark, values in marks.items())
        alt = f"Loudness by dynamic mark, medians: {medians}."
        yield picture(pictures.draw_loudness(marks), "loudness", alt, "Loudness by dynamic mark: median and quartiles")


def _coverage(groups: list[list[Note]]) -> tuple[np.ndarray, int]:
    """Number of notes at each semitone, (instruments, semitones), and the MIDI pitch of the first."""
    pitches = [[round(note.pitch) for note in group if note.pitch is not None] for group in groups]
    lowest, highest = min(map(min, pitches)), max(map(max, pitches))
    counts = [np.bincount(np.array(row) - lowest, minlength=highest - lowest + 1) for row in pitches]
    return np.array(counts), lowest


def _split(notes: list[Note]) -> list[list[str]]:
    """A row for each part of the split; none if no note has a part."""
    parts = _grouped(notes, "split")
    if set(parts) <= {None}:
        return []
    order = {"train": 0, "valid": 1, "test": 2}
    rows = []
    for part in sorted(parts, key=lambda part: (order.get(part, 3), part or "none")):
        group = parts[part]
        files, instruments = (len({getattr(note, name) for note in group}) for name in ("file", "instrument"))
        share = f"{len(group) / len(notes):.1%}"
        rows.append([part or "none", str(len(group)), share, _minutes(group), str(files), str(instruments)])
    return rows


def _reasons(dropped: tuple[Dropped, ...]) -> list[list[str]]:
    """A row for each reason, whatever the numbers in it, the most frequent first."""
    groups: dict[str, list[Dropped]] = defaultdict(list)
    for item in dropped:
        groups[re.sub(r"\d+", "0", item.reason)].append(item)
    ordered = sorted(groups.values(), key=len, reverse=True)
    return [[group[0].reason, str(len(group)), ", ".join(item.file for item in group[:3])] for group in ordered]


def _grouped(notes: Iterable[Note], attribute: str) -> dict[Any, list[Note]]:
    groups: dict[Any, list[Note]] = defaultdict(list)
    for note in notes:
        groups[getattr(note, attribute)].append(note)
    return groups


def _kind(flag: str) -> str:
    return flag.partition(":")[0]


def _velocity(mark: str) -> int:
    return DYNAMICS.get(mark, 128)


def _minutes(notes: Iterable[Note]) -> str:
    return f"{sum(note.duration for note in notes) / 60:.1f}"


def _counts(counter: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.items())
