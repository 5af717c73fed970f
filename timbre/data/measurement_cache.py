"""Cache of measurements, so that a second scan of a library is fast."""

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import astuple
from typing import Any

from timbre.data import parts
from timbre.data.note import Measured, Note
from timbre.files import cache_folder
from timbre.version import __version__

VERSION = 5  # part of every key: increase it when the measurements change
_DIGITS = 16  # of the checksum of a row
_BATCH = 500  # most measurements that are lost when a scan is killed
_TABLE = "create table if not exists facts (note blob primary key, measured text) without rowid"
_FIND = "select measured from facts where note = ?"
_ADD = "insert or replace into facts values (?, ?)"


class MeasurementCache:
    """Measurements by the path, size, times of change and part of a file, in an SQLite file of the cache folder.

    If the file cannot be used, nothing is cached; a damaged one is deleted. Only the thread that made the object may
    use it.
    """

    def __init__(self) -> None:
        self._file = cache_folder() / "facts.sqlite"
        self._new: dict[bytes, str] = {}
        self._base: sqlite3.Connection | None = None
        for _ in range(2):  # the first attempt deletes a damaged file
            if self._base is None:
                self._connect()

    def find(self, notes: Iterable[Note]) -> list[Measured] | None:
        """The measurements of some notes; None unless all of them are cached."""
        try:
            return [_measured(self._run(_FIND, [(_key(note),)])[0][0]) for note in notes]
        except (LookupError, ValueError, TypeError, AttributeError):
            return None

    def add(self, note: Note, measured: Measured) -> None:
        """Cache the measurements of a note."""
        if self._base is not None and (key := _key(note)):
            text = json.dumps(astuple(measured))
            self._new[key] = _sum(text) + text
            if len(self._new) >= _BATCH:
                self._save()

    def close(self) -> None:
        """Write what is new."""
        self._save()
        if self._base is not None:
            self._base.close()
        self._base = None

    def _connect(self) -> None:
        with contextlib.suppress(OSError, sqlite3.OperationalError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(self._file)
            self._run(_TABLE)

    def _save(self) -> None:
        new, self._new = self._new, {}
        self._run(_ADD, new.items())

    def _run(self, statement: str, rows: Iterable[tuple[Any, ...]] = ((),)) -> list[tuple[Any, ...]]:
        """Results of a statement for each row of values; none if it fails."""
        if self._base is None:
            return []
        try:
            with self._base:
                return [result for row in rows for result in self._base.execute(statement, row)]
        except sqlite3.OperationalError:  # another scan is writing, or the disk is full: nothing is cached this time
            pass
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            self._base.close()
            self._base = None
            with contextlib.suppress(OSError):
                self._file.unlink()
        return []


def _measured(row: str) -> Measured:
    """The measurements that a row of the cache contains; a ValueError if it is damaged."""
    text = row[_DIGITS:]
    if row[:_DIGITS] != _sum(text):
        raise ValueError("the row is damaged")
    return Measured(*json.loads(text))


def _sum(text: str) -> str:
    """The checksum before the text of a row."""
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=_DIGITS // 2).hexdigest()


def _key(note: Note) -> bytes | None:
    """A hash of all that a measurement depends on; None if the file is missing."""
    try:
        status = note.file.stat()
    except OSError:
        return None
    times = status.st_mtime_ns, status.st_ctime_ns  # the second changes even if a copy brings its own first one
    content = [VERSION, __version__, str(note.file), status.st_size, *times, parts.to_dict(note.part)]
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).digest()
