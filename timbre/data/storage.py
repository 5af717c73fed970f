"""Library files: notes, measurements, dropped files and the split, in readable JSON."""

import json
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path, PurePosixPath
from typing import Any

from timbre.data.library import Library
from timbre.data.note import Measured, Note
from timbre.data.parts import Excerpt, SoundFontVoice, to_dict
from timbre.data.report import Dropped, Report
from timbre.data.split import Division
from timbre.errors import LibraryError
from timbre.files import expanded, parse_json, read_bytes, write_text

FORMAT = "timbre library"
VERSION = 1
_LARGEST = 1 << 30  # bytes; a library of 300,000 notes has about 200 MB
_HEAD = f'{{"format": "{FORMAT}"'
_ALWAYS = ("file", "instrument", "pitch", "velocity", "dynamics", "articulation", "flags")
_TEXTS = ("instrument", "family", "dynamics", "articulation", "licence", "source", "name", "split", "recording")
_NUMBERS = ("pitch", "velocity", "duration", "take")


def save_library(library: Library, file: str | os.PathLike[str]) -> Path:
    """Write a library to a JSON file, one note a line; it appears complete or not at all.

    The keys are format, version, root, reader, labels, remarks, found, kept, ignored, split, notes, dropped. Files are
    relative to `root`, which is relative to the library file if one of the two folders contains the other.

    Raises:
        ConfigError: if the file cannot be written.
    """
    file = Path(os.path.abspath(expanded(file)))
    report = library.report
    head = {
        "format": FORMAT, "version": VERSION, "root": _root(library.root, file.parent),
        "reader": report.reader, "labels": report.labels, "remarks": list(report.remarks),
        "found": len(library) + len(report.dropped), "kept": len(library), "ignored": report.ignored,
        "split": library.division and asdict(library.division),
    }  # fmt: skip
    notes = _one_per_line(_to_dict(note, library.root) for note in library)
    dropped = _one_per_line(item._asdict() for item in report.dropped)
    write_text(file, f'{json.dumps(head)[:-1]}\n, "notes": {notes}\n, "dropped": {dropped}\n}}\n')
    return file


def _one_per_line(items: Iterable[Any]) -> str:
    return "[" + ",".join(f"\n{json.dumps(item)}" for item in items) + "\n]"


def load_library(file: str | os.PathLike[str]) -> Library:
    """Read a library that :func:`save_library` wrote.

    Raises:
        LibraryError: if the file is damaged or of another version, or files of its notes are missing.
    """
    path = Path(os.path.abspath(expanded(file, LibraryError)))
    values = parse_json(read_bytes(path, _LARGEST, LibraryError), path, LibraryError)
    try:
        library = _parse(values, path)
    except LibraryError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise LibraryError(f"The library file {path} is damaged ({error!r}); scan the folder again.") from error
    missing = [file for file in dict.fromkeys(note.file for note in library) if not os.path.isfile(file)]
    if missing:
        count = "A file" if len(missing) == 1 else f"{len(missing)} files"
        raise LibraryError(f"{count} of the library {path} cannot be found (such as {missing[0]}); scan it again.")
    return library


def is_library_file(file: str | os.PathLike[str]) -> bool:
    """Whether a file begins like those of :func:`save_library`."""
    try:
        path = expanded(file)
        if not path.is_file():
            return False
        with path.open(encoding="utf-8") as text:
            return text.read(len(_HEAD)) == _HEAD
    except (OSError, ValueError):  # not text, or no name of a file
        return False


def _parse(values: dict[str, Any], path: Path) -> Library:
    if values["version"] != VERSION:
        raise LibraryError(
            f"The library file {path} must be of version {VERSION}, got {values['version']}; scan the folder again."
        )
    root = Path(os.path.normpath(path.parent / values["root"]))
    report = Report(
        root, str(values["labels"]), dropped=tuple(Dropped(**item) for item in values["dropped"]),
        ignored=int(values["ignored"]), remarks=tuple(values["remarks"]), reader=str(values["reader"]),
    )  # fmt: skip
    notes = [_from_dict(note, root) for note in values["notes"]]
    return Library(notes, root, report, Division(**values["split"]) if values["split"] else None)


def _root(root: Path, base: Path) -> str:
    """The library's folder relative to the library file's; absolute if neither contains the other."""
    if root.is_relative_to(base) or base.is_relative_to(root):
        return Path(os.path.relpath(root, base)).as_posix()
    return root.as_posix()


def _to_dict(note: Note, root: Path) -> dict[str, Any]:
    """A note's values, without those that are unknown except for the seven in _ALWAYS."""
    values: dict[str, Any] = {name: getattr(note, name) for name in (*_ALWAYS, *_TEXTS, *_NUMBERS)}
    values["file"] = note.file.relative_to(root).as_posix() if note.file.is_relative_to(root) else str(note.file)
    values["flags"] = list(note.flags)
    values["part"] = to_dict(note.part)
    values["measured"] = note.measured and _without_defaults(note.measured)
    return {name: value for name, value in values.items() if name in _ALWAYS or value is not None}


def _without_defaults(measured: Measured) -> dict[str, Any]:
    """Measurements as plain values, without those that version 0.1 did not know if they say nothing."""
    usual = {field.name: field.default for field in fields(Measured)}
    return {name: value for name, value in asdict(measured).items() if value != usual[name]}


def _from_dict(values: dict[str, Any], root: Path) -> Note:
    file = PurePosixPath(values["file"])
    if ".." in file.parts:
        raise LibraryError(f"The library file names {file}, which lies outside of its folder {root}.")
    kinds: dict[str, tuple[type, ...]] = dict.fromkeys(_TEXTS, (str,)) | dict.fromkeys(_NUMBERS, (int, float))
    labels: dict[str, Any] = {name: values[name] for name in kinds if values.get(name) is not None}
    for name, value in labels.items():
        if type(value) not in kinds[name] or (name in _NUMBERS and not math.isfinite(value)):
            raise TypeError(f"{name} is {value!r}")
    if (part := values.get("part")) is not None:
        labels["part"] = SoundFontVoice(**part) if "program" in part else Excerpt(**part)
    measured = Measured(**values["measured"]) if values.get("measured") else None
    if not all(isinstance(flag, str) for flag in values["flags"]):
        raise TypeError(f"flags are {values['flags']!r}")
    return Note(root / file, **labels, flags=tuple(values["flags"]), measured=measured)
