"""The report of a library as a page: what was found, kept, dropped and doubted, with pictures."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from timbre.data.library import Library
from timbre.data.names import DYNAMICS, note_name
from timbre.data.note import Note
from timbre.data.report import Dropped, file_and_part
from timbre.errors import ConfigError
from timbre.files import write_text
from timbre.report._markup import Block, Heading, Picture, Table, Text, to_html, to_markdown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROWS = 60  # instruments in one picture
_MOST_DROPPED = 200  # dropped files, above which they are grouped by reason
_MOST_FLAGGED = 2000  # flagged notes that are listed; a library file has all

Pictures = Callable[["Figure", str, str, str], Picture]


def write_page(library: Library, file: str | os.PathLike[str]) -> Path:
    """Write the report of a library, with pictures where matplotlib is installed.

    The page appears whole or not at all. An HTML page is one file; the pictures of a Markdown page are PNG files in a
    folder of its stem beside it.

    Args:
        library: the library; its notes are described, and its report's account of what was dropped.
        file: a name that ends in .html or .md.

    Returns:
        The path of the page.

    Raises:
        ConfigError: if the name ends in anything else, or the page cannot be written.
        TimbreError: if a picture cannot be written.
    """
    path = Path(file).expanduser()
    if path.suffix.lower() not in (".html", ".md"):
        raise ConfigError(f"{path} is not the name of a page; one that ends in .html or .md is wanted.")
    html = path.suffix.lower() == ".html"
    title = f"Library {library.root.name or library.root}"
    blocks = list(_blocks(library, _inline if html else _beside(path)))
    write_text(path, to_html(title, blocks) if html else to_markdown(title, blocks))
    return path


def _blocks(library: Library, picture: Pictures) -> Iterator[Block]:
    notes = list(library)
    groups: dict[str, list[Note]] = defaultdict(list)
    for note in sorted(notes, key=lambda note: (note.family or "~", note.instrument)):
        groups[note.instrument].append(note)
    yield _summary(library)
    if library.report.remarks:
        yield Heading("Remarks")
        yield Table("What was noticed of the library as a whole", ["remark"], [[r] for r in library.report.remarks])
    yield Heading("Instruments")
    headers = ["instrument", "family", "notes", "pitches", "dynamics", "minutes", "flags"]
    yield Table("By instrument", headers, [_instrument(name, group) for name, group in groups.items()])
    if not _can_draw():
        yield Text("There are no pictures: they need matplotlib (pip install 'timbre[plots]').")
    elif notes:
        yield from _pictures(groups, notes, picture)
    yield from _split(library)
    yield from _flagged(library)
    yield from _dropped(library.report.dropped)


def _summary(library: Library) -> Table:
    report, notes = library.report, list(library)
    facts = {
        "folder": str(report.root),
        "reader": report.reader or "not told",
        "labels from": report.labels,
        "found": f"{report.found} sounds, {report.ignored} other files ignored",
        "kept": f"{report.kept} notes" + (f", {len(notes)} of them shown here" if len(notes) != report.kept else ""),
        "dropped": str(len(report.dropped)),
        "flagged": f"{sum(bool(note.flags) for note in notes)} notes",
        "length": f"{_minutes(notes)} minutes",
        "instruments": str(len(library.instruments)),
    }
    return Table("Summary", ["what", "value"], [list(fact) for fact in facts.items()])


def _instrument(name: str, notes: list[Note]) -> list[str]:
    pitches = [note.pitch for note in notes if note.pitch is not None]
    span = f"{note_name(min(pitches))}\N{EN DASH}{note_name(max(pitches))}" if pitches else "unpitched"
    marks = Counter(note.dynamics for note in notes if note.dynamics)
    kinds = Counter(_kind(flag) for note in notes for flag in note.flags)
    dynamics = {mark: marks[mark] for mark in sorted(marks, key=_softness)}
    return [name, notes[0].family or "", str(len(notes)), span, _counts(dynamics), _minutes(notes), _counts(kinds)]


def _pictures(groups: dict[str, list[Note]], notes: list[Note], picture: Pictures) -> Iterator[Picture]:
    from timbre.report import library_pictures as draw

    pitched = [name for name, group in groups.items() if any(note.pitch is not None for note in group)]
    for number, start in enumerate(range(0, len(pitched), _ROWS), start=1):
        names = pitched[start : start + _ROWS]
        counts, lowest = _coverage([groups[name] for name in names])
        span = f"{note_name(lowest)} to {note_name(lowest + counts.shape[1] - 1)}"
        alt = f"Number of notes of {len(names)} instruments at each semitone from {span}; the table gives the ranges."
        caption = f"Notes by instrument and semitone: {names[0]} to {names[-1]}"
        yield picture(draw.draw_coverage(names, counts, lowest), f"coverage-{number}", alt, caption)
    yield from _measured(notes, picture)
    lengths = np.array([note.duration for note in notes if note.duration > 0])
    if lengths.size:
        quartiles = np.quantile(lengths, [0, 0.25, 0.5, 0.75, 1])
        alt = "Histogram of lengths: least {:.2f}, quartiles {:.2f}, {:.2f}, {:.2f}, most {:.2f} s.".format(*quartiles)
        yield picture(draw.draw_lengths(lengths), "lengths", alt, "Lengths of the notes")


def _measured(notes: list[Note], picture: Pictures) -> Iterator[Picture]:
    """Pictures of what was measured, where anything was."""
    from timbre.report import library_pictures as draw

    cents = _deviations(notes)
    if cents.size:
        near = f"{np.mean(np.abs(cents) < 50):.1%} of {cents.size} notes lie within 50 cents of their labels"
        middle = f"the median is {np.median(cents):+.1f} cents"
        alt = f"Histogram of measured pitch minus label: {near}; {middle}."
        yield picture(draw.draw_deviations(cents), "pitch", alt, f"Pitch: {near}; {middle}")
    levels: dict[str, list[float]] = defaultdict(list)
    for note in notes:
        if note.measured and note.dynamics:
            levels[note.dynamics].append(note.measured.loudness_db)
    if levels:
        marks = {mark: levels[mark] for mark in sorted(levels, key=_softness)}
        medians = ", ".join(f"{mark} {np.median(found):.1f} dB" for mark, found in marks.items())
        alt = f"Loudness by dynamic mark, medians: {medians}."
        yield picture(draw.draw_loudness(marks), "loudness", alt, "Loudness by dynamic mark: median and quartiles")


def _deviations(notes: list[Note]) -> np.ndarray:
    """Measured pitch minus label, cents, of the notes that have both."""
    pairs = [(n.measured.pitch, n.pitch) for n in notes if n.measured]
    return np.array([100 * (found - label) for found, label in pairs if found is not None and label is not None])


def _coverage(groups: list[list[Note]]) -> tuple[np.ndarray, int]:
    """Notes at each semitone, (instruments, semitones), and the MIDI pitch of the first."""
    pitches = [[round(note.pitch) for note in group if note.pitch is not None] for group in groups]
    lowest, highest = min(map(min, pitches)), max(map(max, pitches))
    counts = [np.bincount(np.array(row) - lowest, minlength=highest - lowest + 1) for row in pitches]
    return np.array(counts), lowest


def _split(library: Library) -> Iterator[Block]:
    parts: dict[str, list[Note]] = defaultdict(list)
    for note in library:
        parts[note.split or "none"].append(note)
    if set(parts) <= {"none"}:
        return
    yield Heading("Split")
    order = [part for part in ("train", "valid", "test", *sorted(parts)) if part in parts]
    rows = [_part(part, parts[part], len(library)) for part in dict.fromkeys(order)]
    how = f"Split {library.division}" if library.division else "Split as the library itself says"
    yield Table(how, ["part", "notes", "share", "minutes", "files", "instruments"], rows)


def _part(part: str, notes: list[Note], total: int) -> list[str]:
    files, instruments = ({getattr(note, name) for note in notes} for name in ("file", "instrument"))
    share = f"{len(notes) / total:.1%}"
    return [part, str(len(notes)), share, _minutes(notes), str(len(files)), str(len(instruments))]


def _flagged(library: Library) -> Iterator[Block]:
    flagged = [note for note in library if note.flags]
    if not flagged:
        return
    yield Heading("Flagged notes")
    yield Text("They were kept, with their labels as they are; what is doubtful about them is said here.")
    kinds = Counter(kind for note in flagged for kind in {_kind(flag) for flag in note.flags})
    yield Table("By kind of flag", ["flag", "notes"], [[kind, str(count)] for kind, count in kinds.most_common()])
    rows = [[file_and_part(note, library.root), note.name, "; ".join(note.flags)] for note in flagged[:_MOST_FLAGGED]]
    more = f"the first {_MOST_FLAGGED} of {len(flagged)}; a library file has all" if len(flagged) > len(rows) else "all"
    yield Table(f"By note: {more}", ["file", "note", "flags"], rows)


def _dropped(dropped: tuple[Dropped, ...]) -> Iterator[Block]:
    if not dropped:
        return
    yield Heading("Dropped files")
    if len(dropped) <= _MOST_DROPPED:
        yield Table(f"{len(dropped)} dropped", ["file", "reason"], [list(item) for item in dropped])
        return
    groups: dict[str, list[Dropped]] = defaultdict(list)
    for item in dropped:
        groups[re.sub(r"\d+", "0", item.reason)].append(item)
    ordered = sorted(groups.values(), key=len, reverse=True)
    rows = [[group[0].reason, str(len(group)), ", ".join(item.file for item in group[:3])] for group in ordered]
    yield Table(f"{len(dropped)} dropped, by reason", ["reason, such as", "files", "the first of them"], rows)


def _inline(figure: "Figure", name: str, alt: str, caption: str) -> Picture:
    from timbre.report.library_pictures import as_svg

    return Picture(as_svg(figure, name), alt, caption)


def _beside(page: Path) -> Pictures:
    """What writes pictures into the folder of a page's stem."""

    def write(figure: "Figure", name: str, alt: str, caption: str) -> Picture:
        from timbre.report.library_pictures import as_png

        folder = page.with_suffix("")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"The folder {folder} cannot be made: {error.strerror}; choose another name.") from error
        file = as_png(figure, folder / f"{name}.png")
        return Picture(quote(f"{folder.name}/{file.name}"), alt, caption)

    return write


def _can_draw() -> bool:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True


def _kind(flag: str) -> str:
    return flag.partition(":")[0]


def _softness(mark: str) -> int:
    return DYNAMICS.get(mark, 128)


def _minutes(notes: Iterable[Note]) -> str:
    return f"{sum(note.duration for note in notes) / 60:.1f}"


def _counts(counter: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.items())
