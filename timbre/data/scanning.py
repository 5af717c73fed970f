"""`scan`: from a folder to a library, with an account of everything in it."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from timbre.audio.files import probe
from timbre.data.folders import read_folders
from timbre.data.library import Library, Note
from timbre.data.report import Dropped, Report
from timbre.data.table import find_table, read_table
from timbre.errors import AudioError, LibraryError

SOUND = {
    ".wav",
    ".wave",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".aif",
    ".aiff",
    ".aifc",
    ".au",
    ".snd",
    ".caf",
    ".w64",
    ".rf64",
}
"""Suffixes of sound files."""
_FOREIGN = {".m4a", ".aac", ".mp4", ".wma", ".alac", ".ape", ".wv"}  # sound that libsndfile does not read
_SHORTEST = 0.02  # seconds: less is a click, not a note
_SILENCE = 1e-4  # peak; -80 dB, below the noise of a 16-bit recording's preamplifier


def scan(folder: str | os.PathLike[str], progress: bool = False) -> Library:
    """Read a folder of notes into a library.

    Labels come from a CSV table in the folder that has a column of files, else from the names of folders and files.
    Every sound file is decoded once. Those that are damaged, silent, shorter than 20 ms or missing from the table are
    left out, and `library.report` says which and why. The same folder always gives the same order.

    Args:
        folder: where the notes are, in any depth.
        progress: show a progress bar.

    Raises:
        LibraryError: if there is no such folder, or no usable sound in it.
    """
    root = _folder(folder)
    files, ignored = _walk(root)
    table = find_table(root)
    if not files and table is None:
        raise LibraryError(f"{root} holds no sound files; a folder with WAV, FLAC, OGG, MP3 or AIFF files is wanted.")
    labelled, dropped = read_table(table, files) if table else read_folders(root, files)
    notes, unusable = _usable(root, labelled, progress)
    report = Report(root, table.name if table else "folder and file names", (), (*dropped, *unusable), ignored)
    if not notes:
        raise LibraryError(_nothing_left(report))
    library = Library(notes, root)
    library.report = replace(report, notes=library.notes)
    return library


def _folder(folder: str | os.PathLike[str]) -> Path:
    path = Path(folder).expanduser()
    if not path.exists():
        raise LibraryError(f"There is no folder {path}; the folder of a library of notes is wanted.")
    if not path.is_dir():
        raise LibraryError(f"{path} is a file; the folder of a library of notes is wanted.")
    return path.resolve()


def _walk(root: Path) -> tuple[list[str], int]:
    """Sound files below `root` as sorted relative paths, and the number of other files.

    Linked folders are followed, each real folder once, so that a loop of links ends.
    """
    files, ignored, seen = [], 0, set()
    for place, folders, names in os.walk(root, followlinks=True):
        seen.add(os.path.realpath(place))
        folders[:] = sorted(f for f in folders if f[0] != "." and os.path.realpath(os.path.join(place, f)) not in seen)
        sounds = [name for name in names if name[0] != "." and Path(name).suffix.lower() in SOUND | _FOREIGN]
        files += [Path(place, name).relative_to(root).as_posix() for name in sounds]
        ignored += len(names) - len(sounds)
    return sorted(files), ignored


def _usable(root: Path, notes: list[Note], progress: bool) -> tuple[list[Note], list[Dropped]]:
    """The notes whose files hold sound, with their durations, and the others."""
    kept, dropped = [], []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for note, outcome in zip(notes, _bar(pool.map(_examine, notes), len(notes), progress), strict=True):
            if isinstance(outcome, float):
                kept.append(replace(note, duration=outcome))
            else:
                dropped.append(Dropped(note.file.relative_to(root).as_posix(), outcome))
    return kept, dropped


def _examine(note: Note) -> float | str:
    """Seconds of a note's file, or why it cannot be used."""
    if note.file.suffix.lower() in _FOREIGN:
        return f"{note.file.suffix} files cannot be read; convert it to WAV or FLAC"
    try:
        found = probe(note.file)
    except AudioError as error:
        return str(error).removeprefix(f"{note.file} ").rstrip(".")
    if found.duration < _SHORTEST:
        return f"too short ({1000 * found.duration:.0f} ms; at least {1000 * _SHORTEST:.0f} ms are wanted)"
    return found.duration if found.peak >= _SILENCE else "silent"


def _bar(outcomes: Iterable[float | str], total: int, progress: bool) -> Iterable[float | str]:
    if not progress:
        return outcomes
    from tqdm import tqdm

    return tqdm(outcomes, "scanning", total, unit="file", leave=False)


def _nothing_left(report: Report) -> str:
    examples = "; ".join(f"{file}: {reason}" for file, reason in report.dropped[:3])
    more = f" (and {report.found - 3} more)" if report.found > 3 else ""
    return f"None of the {report.found} sounds in {report.root} can be used: {examples}{more}."
