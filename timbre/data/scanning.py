"""`scan`: reads a folder of notes into a library and reports on every file in it."""

import os
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import chain, groupby, repeat
from pathlib import Path

from tqdm.auto import tqdm

from timbre.audio import Audio, read
from timbre.audio.files import Probe, begin, probe
from timbre.data.flags import add_flags
from timbre.data.labels import settle_octaves
from timbre.data.library import Library
from timbre.data.measurement_cache import MeasurementCache
from timbre.data.measuring import MEASURED_SECONDS, measure
from timbre.data.note import Measured, Note
from timbre.data.parts import Excerpt
from timbre.data.readers import Options, choose, unread
from timbre.data.report import Dropped, Report, file_and_part
from timbre.data.settling import settle_names
from timbre.data.sounds import excerpt
from timbre.data.storage import is_library_file, load_library
from timbre.data.threads import in_order
from timbre.data.tree import FOREIGN, open_tree
from timbre.errors import AudioError, LibraryError

_SHORTEST = 0.02  # s; less is a click
_SILENCE = 1e-4  # peak; -80 dB, below the noise of a 16-bit recording's preamplifier
_THREADS = 8
_AHEAD = 4  # groups of notes in progress for each thread

Outcome = Measured | Probe | str  # for a note: its measurements, duration and peak, or why it cannot be used
Group = tuple[Note, ...]  # notes that are stretches of one file, or a single note


def scan(
    folder: str | os.PathLike[str],
    format: str | None = None,  # noqa: A002  (the word that users know)
    options: Options = Options(),  # noqa: B008  (frozen)
    *,
    measure: bool = True,
    strict: bool = False,
    progress: bool = False,
) -> Library:
    """Read a folder of notes into a library, and check its labels against its sounds.

    The labels come from a reader of the library's format. Every sound is decoded once. Sounds that are damaged, silent
    or shorter than 20 ms are left out; `library.report` lists them with the reasons. The same folder always gives the
    same order. A file that was measured before and has not changed since is not decoded again.

    Measuring finds pitch, loudness, clipping, silence before the onset, and equal sounds. Whatever contradicts a
    note's label or the rest of the library becomes one of the note's `flags`. Two kinds of labels change: a majority of
    the notes decides the octave of note names (is C3 or C4 MIDI 60?), if the format does not define it; and if the
    pitches of an instrument fit neither its sounds nor each other, its flagged notes have no pitch.

    Args:
        folder: folder with the notes, at any depth; or a file that describes or contains a library; or a library file,
            which is loaded as it is.
        format: name of a reader; default: the first that recognises the folder.
        options: options of the reader.
        measure: whether to measure; if not, only durations are filled in.
        strict: whether to refuse a library with flags.
        progress: whether to show a progress bar.

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
    said = [*reading.remarks, *unread(tree, reader, reading)]
    kept, unusable = _examined(tree.root, reading.notes, measure, bar)
    kept, chosen = settle_names(kept, reading.alternatives)
    octaves: list[str] = []
    if reading.octaves_vary:
        kept, octaves = settle_octaves(kept, options.octave)
    elif options.octave:
        octaves = [f"octaves: this format defines them; {options.octave} = 60 was not applied"]
    flagged, remarks = add_flags(Library(kept, tree.root).notes)
    ignored = len(tree.files) - len(tree.sounds) + tree.hidden
    closed = (Dropped(folder, f"the folder cannot be listed: {why}") for folder, why in tree.closed.items())
    report = Report(
        tree.root, reading.labels, dropped=(*reading.dropped, *unusable, *closed), ignored=ignored,
        remarks=(*said, *chosen, *octaves, *remarks), reader=reader.name,
    )  # fmt: skip
    if kept:
        return Library(flagged, tree.root, report)
    examples = "; ".join(f"{file}: {reason}" for file, reason in report.dropped[:3])
    more = f" (and {report.found - 3} more)" if report.found > 3 else ""
    raise LibraryError(f"None of the {report.found} sounds in {report.root} can be used: {examples}{more}.")


def _examined(root: Path, notes: list[Note], measured: bool, bar: bool) -> tuple[list[Note], list[Dropped]]:
    """The usable notes with their measurements, and the others."""
    kept, dropped = [], []
    with closing(_outcomes(notes, measured)) as outcomes:
        for note, outcome in tqdm(outcomes, "scanning", len(notes), unit="note", leave=False, disable=not bar):
            outcome = _usable(outcome)
            if isinstance(outcome, str):
                dropped.append(Dropped(file_and_part(note, root), outcome))
            else:
                measurements = outcome if isinstance(outcome, Measured) else None
                kept.append(replace(note, duration=outcome.duration, measured=measurements))
    return kept, dropped


def _usable(outcome: Outcome) -> Outcome:
    """The outcome, or a reason if the sound is not a note."""
    if isinstance(outcome, str):
        return outcome
    if outcome.duration < _SHORTEST:
        return f"too short ({1000 * outcome.duration:.0f} ms; must be {1000 * _SHORTEST:.0f} ms or more)"
    peak = outcome.peak if isinstance(outcome, Probe) else 10.0 ** (outcome.peak_db / 20.0)
    return outcome if peak >= _SILENCE else "silent"


def _outcomes(notes: list[Note], measured: bool) -> Generator[tuple[Note, Outcome], None, None]:
    """Each note with its outcome, in order; computed in threads, some files ahead."""

    def examine(group: Group) -> Future[Iterable[tuple[Note, Outcome, bool]]]:
        cached = cache.find(group) if measured else None
        if cached is None:
            return pool.submit(lambda: zip(group, _examine(group, measured), repeat(True)))
        done: Future[Iterable[tuple[Note, Outcome, bool]]] = Future()
        done.set_result(zip(group, cached, repeat(False)))
        return done

    threads = min(_THREADS, os.cpu_count() or 1)
    cache = MeasurementCache()
    pool = ThreadPoolExecutor(threads)
    try:
        for note, outcome, new in chain.from_iterable(in_order(map(examine, _groups(notes)), _AHEAD * threads)):
            if new and isinstance(outcome, Measured):
                cache.add(note, outcome)
            yield note, outcome
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        cache.close()


def _groups(notes: Iterable[Note]) -> Iterator[Group]:
    """Successive notes that are stretches of the same file, together; every other note by itself."""
    for _, members in groupby(notes, lambda note: str(note.file) if _is_stretch(note) else object()):
        yield tuple(members)


def _is_stretch(note: Note) -> bool:
    return isinstance(note.part, Excerpt) and note.part.member is None


def _examine(group: Group, measured: bool) -> list[Outcome]:
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
