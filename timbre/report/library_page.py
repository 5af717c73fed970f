"""Report of a library as a page: the notes that were found, kept, dropped and flagged, with pictures."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from timbre.data.library import Library
from timbre.data.names import DYNAMICS, note_name
from timbre.data.note import Note
from timbre.data.report import by_reason, file_and_part, grouped, minutes, summary, without_pitch
from timbre.report import library_pictures as pictures
from timbre.report import pages
from timbre.report.pages import Picture, picture
from timbre.report.pictures import can_draw
from timbre.wording import counted

_ROWS = 60  # instruments in one picture
_MOST_DROPPED = 200  # dropped files; more are grouped by reason
_MOST_FLAGGED = 2000  # flagged notes that are listed; a library file has all


def write_page(library: Library, file: str | os.PathLike[str]) -> Path:
    """Write the report of a library as an HTML page, with pictures if matplotlib is installed.

    Raises:
        ConfigError: if the name does not end in .html, or the page cannot be written.
    """
    notes, report = list(library), library.report
    by_instrument = grouped(sorted(notes, key=lambda note: (note.family or "~", note.instrument)), "instrument")
    flagged = [note for note in notes if note.flags]
    kinds = Counter(kind for note in flagged for kind in note.flag_kinds)
    groups = by_reason(report.dropped) if len(report.dropped) > _MOST_DROPPED else None
    return pages.write_page(
        file,
        "library.html.jinja",
        title=f"Library {library.root.name or library.root}",
        facts=_facts(library),
        remarks=[[remark] for remark in report.remarks],
        instruments=[summary(name, group) for name, group in by_instrument.items()],
        unpitched=[[name, text] for name, text in without_pitch(notes, library.root).items()],
        pictures=list(_pictures(by_instrument, notes)) if can_draw() else None,
        division=f"Split {library.division}" if library.division else "Split as labelled in the library",
        split=_split(notes),
        flags=[[kind, str(count)] for kind, count in kinds.most_common()],
        flagged=[[file_and_part(n, library.root), n.name, "; ".join(n.flags)] for n in flagged[:_MOST_FLAGGED]],
        flagged_count=len(flagged),
        dropped=report.dropped,
        dropped_count=len(report.dropped),
        reasons=[[g[0].reason, str(len(g)), ", ".join(one.file for one in g[:3])] for g in groups] if groups else None,
    )


def _facts(library: Library) -> dict[str, str]:
    report, notes = library.report, list(library)
    return {
        "folder": str(report.root),
        "reader": report.reader or "unknown",
        "labels from": report.labels,
        "found": f"{counted(report.found, 'sound')}, {counted(report.ignored, 'other file')} ignored",
        "kept": counted(report.kept, "note")
        + (f", {len(notes)} of them shown here" if len(notes) != report.kept else ""),
        "dropped": str(len(report.dropped)),
        "flagged": counted(sum(bool(note.flags) for note in notes), "note"),
        "without pitch": counted(len(report.unpitched), "note"),
        "length": f"{minutes(notes)} minutes",
        "instruments": str(len(library.instruments)),
    }


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
        marks = {mark: levels[mark] for mark in sorted(levels, key=lambda mark: DYNAMICS.get(mark, 128))}
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
    parts = grouped(notes, "split")
    if set(parts) <= {None}:
        return []
    order = {"train": 0, "valid": 1, "test": 2}
    rows = []
    for part, group in sorted(parts.items(), key=lambda item: (order.get(item[0], 3), item[0] or "none")):
        files, instruments = (len({getattr(note, name) for note in group}) for name in ("file", "instrument"))
        share = f"{len(group) / len(notes):.1%}"
        rows.append([part or "none", str(len(group)), share, minutes(group), str(files), str(instruments)])
    return rows
