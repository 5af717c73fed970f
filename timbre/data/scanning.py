"""`scan`: from a folder to a library, with an account of everything in it."""

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from timbre.audio import Audio, read
from timbre.audio.files import Probe, begin, probe
from timbre.data.flags import judge, settle_octaves
from timbre.data.library import Library
from timbre.data.measurements import Facts
from timbre.data.measuring import MEASURED_SECONDS, measure
from timbre.data.note import Measured, Note
from timbre.data.parts import Excerpt
from timbre.data.readers import Options, choose
from timbre.data.report import Dropped, Report, place_of
from timbre.data.sounds import excerpt
from timbre.data.storage import is_library_file, load_library
from timbre.data.tree import FOREIGN, open_tree
from timbre.errors import AudioError, LibraryError

_SHORTEST = 0.02  # seconds: less is a click, not a note
_SILENCE = 1e-4  # peak; -80 dB, below the noise of a 16-bit recording's preamplifier
_THREADS = 8
_AHEAD = 4  # files under way for each thread

Outcome = Measured | Probe | str
Group = tuple[Note, ...]
"""Notes that are stretches of one file, or a single note."""


def scan(
    folder: str | os.PathLike[str],
    format: str | None = None,  # noqa: A002  (the word that users know)
    options: Options = Options(),  # noqa: B008  (frozen)
    *,
    measure: bool = True,
    strict: bool = False,
    progress: bool = False,
) -> Library:
    """Read a folder of notes into a library, and find out how far its labels can be trusted.

    The labels come from a reader of the library's format. Every sound is decoded once. Those that are damaged, silent
    or shorter than 20 ms are left out, and `library.report` says which and why. The same folder always gives the same
    order. A file that was measured before and has not changed since is not decoded again.

    Measuring finds pitch, loudness, clipping, silence before the onset, and equal sounds. What does not fit a note's
    label or the rest of the library is put into the note's `flags`; its labels stay as they are. Only the octave of
    note names (is C3 or C4 MIDI 60?) is decided by what most notes sound like, where the format does not tell it.

    Args:
        folder: where the notes are, in any depth; or a file that describes or holds a library; or a library file,
            which is taken as it is.
        format: name of a reader; None chooses by looking.
        options: what to tell the reader.
        measure: whether to measure; if not, durations only are filled in.
        strict: whether to refuse a library with flags.
        progress: show a progress bar.

    Raises:
        LibraryError: if there is no such folder, or no usable sound in it; with `strict`, if any note has a flag.
    """
    library = load_library(folder) if is_library_file(folder) else _scan(folder, format, options, measure, progress)
    if strict:
        library.report.require_no_flags()
    return library


def _scan(folder: str | os.PathLike[str], name: str | None, options: Options, measure: bool, bar: bool) -> Library:
    tree = open_tree(folder)
    reader = choose(tree, name, options)
    reading = reader.read(tree, options)
    kept, unusable = _examined(tree.root, reading.notes, measure, bar)
    remarks = list(reading.remarks)
    if reading.octaves_vary:
        kept, said = settle_octaves(kept, options.octave)
        remarks += said
    elif options.octave:
        remarks.append(f"octaves: this format tells them, so that {options.octave} = 60 was not applied")
    library = Library(kept, tree.root)
    judged, said = judge(library.notes)
    ignored = len(tree.files) - len(tree.sounds) + tree.hidden
    closed = (Dropped(folder, f"the folder cannot be listed: {why}") for folder, why in tree.closed.items())
    dropped = (*reading.dropped, *unusable, *closed)
    report = Report(tree.root, reading.labels, (), dropped, ignored, (*remarks, *said), reader.name)
    if not kept:
        raise LibraryError(_nothing_left(report))
    library = Library(judged, tree.root)
    library.report = replace(report, notes=library.notes)
    return library


def _examined(root: Path, notes: list[Note], measured: bool, bar: bool) -> tuple[list[Note], list[Dropped]]:
    """The notes whose files hold sound, with what was found out about them, and the others."""
    kept, dropped = [], []
    with closing(_outcomes(notes, measured)) as outcomes:
        for note, outcome in _bar(outcomes, len(notes), bar):
            if isinstance(outcome, str):
                dropped.append(Dropped(place_of(note, root), outcome))
            else:
                found = outcome if isinstance(outcome, Measured) else None
                kept.append(replace(note, duration=outcome.duration, measured=found))
    return kept, dropped


def _usable(found: Outcome) -> Outcome:
    """What was found, or why the sound is no note."""
    if isinstance(found, str):
        return found
    if found.duration < _SHORTEST:
        return f"too short ({1000 * found.duration:.0f} ms; at least {1000 * _SHORTEST:.0f} ms are wanted)"
    peak = found.peak if isinstance(found, Probe) else 10.0 ** (found.peak_db / 20.0)
    return found if peak >= _SILENCE else "silent"


def _outcomes(notes: list[Note], measured: bool) -> Generator[tuple[Note, Outcome], None, None]:
    """Each note with what was found, in order; worked out in threads, some files ahead, so that memory stays flat."""
    threads = min(_THREADS, os.cpu_count() or 1)
    facts = Facts()
    pool = ThreadPoolExecutor(threads)
    waiting: deque[tuple[Group, Future[list[Outcome]] | list[Measured]]] = deque()
    try:
        for group in _groups(notes):
            known = facts.find(group) if measured else None
            waiting.append((group, known or pool.submit(_examine, group, measured)))
            if len(waiting) > _AHEAD * threads:
                yield from _finish(*waiting.popleft(), facts)
        while waiting:
            yield from _finish(*waiting.popleft(), facts)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        facts.close()


def _finish(
    group: Group, work: "Future[list[Outcome]] | list[Measured]", facts: Facts
) -> Iterator[tuple[Note, Outcome]]:
    if isinstance(work, list):
        yield from zip(group, map(_usable, work), strict=True)
        return
    for note, outcome in zip(group, work.result(), strict=True):
        if isinstance(outcome, Measured):
            facts.add(note, outcome)
        yield note, _usable(outcome)


def _groups(notes: Iterable[Note]) -> Iterator[Group]:
    """Successive notes that are stretches of the same file, together; each other note by itself."""
    numbered = enumerate(notes)
    for _, members in groupby(numbered, lambda item: str(item[1].file) if _is_stretch(item[1]) else item[0]):
        yield tuple(note for _, note in members)


def _is_stretch(note: Note) -> bool:
    return isinstance(note.part, Excerpt) and note.part.member is None


def _examine(group: Group, measured: bool) -> list[Outcome]:
    """What is found out about each note, or why it cannot be used."""
    file = group[0].file
    try:
        if group[0].part is None:
            return [_whole(file, measured)]
        whole = read(file) if _is_stretch(group[0]) else None
    except AudioError as error:
        return [_reason(error, file)] * len(group)
    return [_part(note, whole, measured) for note in group]


def _whole(file: Path, measured: bool) -> Outcome:
    if file.suffix.lower() in FOREIGN:
        return f"{file.suffix} files cannot be read; convert it to WAV or FLAC"
    return measure(*begin(file, MEASURED_SECONDS)) if measured else probe(file)


def _part(note: Note, whole: Audio | None, measured: bool) -> Outcome:
    try:
        part = note.part
        audio = excerpt(whole, part, note.file) if whole and isinstance(part, Excerpt) else note.audio()
    except AudioError as error:
        return _reason(error, note.file)
    return measure(audio) if measured else Probe(audio.duration, audio.peak)


def _reason(error: AudioError, file: Path) -> str:
    return str(error).removeprefix(f"{file}").lstrip(": ").rstrip(".")


def _bar(outcomes: Iterator[tuple[Note, Outcome]], total: int, progress: bool) -> Iterable[tuple[Note, Outcome]]:
    if not progress:
        return outcomes
    from tqdm import tqdm

    return tqdm(outcomes, "scanning", total, unit="note", leave=False)


def _nothing_left(report: Report) -> str:
    examples = "; ".join(f"{file}: {reason}" for file, reason in report.dropped[:3])
    more = f" (and {report.found - 3} more)" if report.found > 3 else ""
    return f"None of the {report.found} sounds in {report.root} can be used: {examples}{more}."
