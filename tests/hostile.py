"""What the tests of hostile libraries share: scans that are checked, and an ear on all files that are opened."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import timbre
from timbre.data import Library
from timbre.data.tree import open_tree
from timbre.errors import LibraryError

_OPENED: list[str] = []
_LISTENING = False


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if (
        _LISTENING
        and event in ("open", "sqlite3.connect", "os.scandir")
        and isinstance(arguments[0], str | bytes | os.PathLike)
    ):
        _OPENED.append(os.path.realpath(os.fsdecode(arguments[0])))


sys.addaudithook(_hear)


@contextmanager
def opened() -> Iterator[list[str]]:
    """The real paths of all files and folders that Python opens."""
    global _LISTENING
    _OPENED.clear()
    _LISTENING = True
    try:
        yield _OPENED
    finally:
        _LISTENING = False


def scan(place: Path, name: str | None = None, measure: bool = False) -> Library | None:
    """The library of a folder, fully accounted for; None if it was refused, in one sentence."""
    try:
        library = timbre.scan(place, name, measure=measure)
    except LibraryError as error:
        refusal = str(error)
        assert refusal.endswith(".")
        return None
    report = library.report
    root = library.root
    assert report.kept == len(library) > 0
    assert all(reason.strip() and "\n" not in reason for _, reason in report.dropped)
    if place.is_dir():
        told = {found.file.relative_to(root).as_posix() for found in library} | {file for file, _ in report.dropped}
        lost = set(open_tree(place).sounds) - told
        assert all(any(dropped.startswith(file) for dropped in told) for file in lost)  # a stretch of it
    report.table().encode()
    assert all(found.duration > 0 and found.file.is_relative_to(root) for found in library)
    return library


def reasons(place: Path) -> dict[str, str]:
    """What was left out of a library that has a good note besides."""
    library = scan(place)
    assert library is not None
    return dict(library.report.dropped)
