"""What was measured of files that have not changed since, so that a second scan of a library is quick."""

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from typing import TypeVar

from timbre.data import parts
from timbre.data.note import Measured, Note
from timbre.files import cache_folder
from timbre.version import __version__

VERSION = 1  # part of every key: raise it when what is measured changes
_BATCH = 500  # facts, at most, that are lost when a scan is killed
_TABLE = "create table if not exists facts (note blob primary key, measured text) without rowid"

T = TypeVar("T")


class Facts:
    """Measurements by the path, size and time of change of a file, and by the part of it.

    They lie in one SQLite file in the cache folder. Where that cannot be used, nothing is remembered; a damaged file is
    taken away. Only the thread that made the object may use it.
    """

    def __init__(self) -> None:
        self._file = cache_folder() / "facts.sqlite"
        self._new: dict[bytes, str] = {}
        self._base: sqlite3.Connection | None = None
        with contextlib.suppress(OSError, sqlite3.OperationalError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._connect()
            if self._base is None:  # it was damaged, and is gone now
                self._connect()

    def find(self, notes: Iterable[Note]) -> list[Measured] | None:
        """What is known of some notes; None unless all of them are known."""
        found: list[Measured] = []
        for note in notes:
            rows = self._try(partial(_ask, _key(note)))
            if not rows:
                return None
            try:
                found.append(Measured(*json.loads(rows[0][0])))
            except (ValueError, TypeError):
                return None
        return found

    def add(self, note: Note, measured: Measured) -> None:
        """Remember what was measured of a note."""
        if self._base is not None and (key := _key(note)):
            self._new[key] = json.dumps(list(asdict(measured).values()))
            if len(self._new) >= _BATCH:
                self._save()

    def close(self) -> None:
        """Save what is new."""
        self._save()
        if self._base is not None:
            self._base.close()
        self._base = None

    def _connect(self) -> None:
        self._base = sqlite3.connect(self._file)
        self._try(lambda base: base.execute(_TABLE))

    def _save(self) -> None:
        new, self._new = self._new, {}
        if new:
            self._try(partial(_tell, new))

    def _try(self, action: Callable[[sqlite3.Connection], T]) -> T | None:
        """The outcome of an action, or None where it fails."""
        if self._base is None:
            return None
        try:
            return action(self._base)
        except sqlite3.OperationalError:  # another scan writes, or the disk is full: nothing is remembered this time
            return None
        except sqlite3.DatabaseError:
            self._base.close()
            self._base = None
            with contextlib.suppress(OSError):
                self._file.unlink()
            return None


def _ask(key: bytes | None, base: sqlite3.Connection) -> list[tuple[str]]:
    return base.execute("select measured from facts where note = ?", (key,)).fetchall()


def _tell(new: dict[bytes, str], base: sqlite3.Connection) -> None:
    with base:
        base.executemany("insert or replace into facts values (?, ?)", new.items())


def _key(note: Note) -> bytes | None:
    """A hash of what a measurement depends on; None where the file is gone."""
    try:
        status = note.file.stat()
    except OSError:
        return None
    content = [VERSION, __version__, str(note.file), status.st_size, status.st_mtime_ns, parts.to_dict(note.part)]
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).digest()
