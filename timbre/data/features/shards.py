"""Shards: memory-mapped files of features, each with its checksum, that appear complete or not at all.

A shard is two files. `00012.rows` contains the spectrograms of its rows, float16 (rows, bins, frames), followed by
their labels, :data:`LABEL`; both are little-endian. `00012.json` contains the number of rows, the SHA-256 of the other
file, the modification time at which that was last checked, and the notes left out. It is written last.
"""

import contextlib
import hashlib
import json
import mmap
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np

from timbre.errors import LibraryError
from timbre.files import read_json, remove_left, replacing

LABEL = np.dtype([("pitch", "<f4"), ("velocity", "<f4"), ("release", "<f4"), ("note", "<i4"), ("original", "?")])
"""Labels of a row: MIDI, 0..1, s, index of the note in its library, whether it is not a transposed copy."""
Row = tuple[np.ndarray, tuple[float, float, float, int, bool]]  # a spectrogram, (bins, frames) in dB, and its labels
_OPEN = 64  # most shards mapped at a time: a map keeps a file open, and some systems allow 256 of those
_STALE = 3600.0  # s without a write, after which a temporary file belongs to a process that was killed


@dataclass(frozen=True)
class Shard:
    """A complete shard."""

    file: Path
    rows: int
    sha256: str
    changed: int  # modification time of the file at the last check, ns; another time leads to a new check
    dropped: dict[int, str]  # indices of the notes that were left out, with the reasons

    def intact(self) -> bool:
        """Whether the file has its checksum; reads all of it."""
        try:
            with open(self.file, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except OSError:
            return False


def write_shard(file: Path, first: int, notes: Iterable[list[Row] | str]) -> Shard:
    """Write a shard of the notes from index `first` on, of each its rows or the reason why it is left out.

    Only one note is in memory at a time. The same notes give the same bytes, so that two processes may write at once.

    Raises:
        OSError: if it cannot be written.
    """
    digest, dropped = hashlib.sha256(), {}
    labels: list[tuple[float, float, float, int, bool]] = []
    with replacing(file) as partial:
        with open(partial, "wb") as out:
            for number, rows in enumerate(notes, first):
                if isinstance(rows, str):
                    dropped[number] = rows
                    continue
                for spectrogram, label in rows:
                    _put(out, digest, np.ascontiguousarray(spectrogram, "<f2"))
                    labels.append(label)
            _put(out, digest, np.array(labels, LABEL))
        changed = partial.stat().st_mtime_ns
    return _noted(Shard(file, len(labels), digest.hexdigest(), changed, dropped))


def find_shard(file: Path, row_bytes: int) -> Shard | None:
    """The complete shard at `file`, with spectrograms of `row_bytes`; None if there is none or it is damaged.

    Its size must be right. Its checksum is compared if the modification time is not that of the last check.
    """
    try:
        noted = read_json(file.with_suffix(".json"), LibraryError)
        dropped = {int(number): str(reason) for number, reason in noted["dropped"].items()}
        shard = Shard(file, int(noted["rows"]), str(noted["sha256"]), int(noted["changed"]), dropped)
        status = file.stat()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # a LibraryError is a ValueError
        return None
    if status.st_size != shard.rows * (row_bytes + LABEL.itemsize):
        return None
    if status.st_mtime_ns == shard.changed:
        return shard
    return _noted(replace(shard, changed=status.st_mtime_ns)) if shard.intact() else None


@contextlib.contextmanager
def swept(folder: Path) -> Iterator[None]:
    """Remove unfinished files of processes that were killed, before and after the work in a folder of shards.

    Of other machines, and of timbre 0.1, files without a write for an hour are removed. The folder is made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    try:
        yield
    finally:
        _sweep(folder)


def _sweep(folder: Path) -> None:
    remove_left(folder)
    for file in chain(folder.glob(".*.part"), folder.glob(".*.tmp")):
        with contextlib.suppress(OSError):  # another process was faster; or the cache of another user is only read
            if time.time() - file.stat().st_mtime > _STALE:
                file.unlink()


class Rows:
    """The spectrograms of some shards as one memory-mapped array (rows, bins, frames)."""

    def __init__(self, shards: Sequence[Shard], shape: tuple[int, int]) -> None:
        self.shards = tuple(shards)
        self.ends = np.cumsum([shard.rows for shard in self.shards], dtype=np.int64)
        self.shape = (int(self.ends[-1]) if len(self.ends) else 0, *shape)
        self._row_bytes = 2 * shape[0] * shape[1]
        self._map = lru_cache(_OPEN)(self._mapped)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Rows by their indices (n,): float16 (n, bins, frames)."""
        out = np.empty((len(rows), *self.shape[1:]), np.float16)
        for index, (shard, row) in enumerate(self._locations(rows)):
            out[index] = self._map(shard)[1][row]
        return out

    def expect(self, rows: np.ndarray) -> None:
        """Let the system read some rows, by index, in the background."""
        if not hasattr(mmap, "MADV_WILLNEED"):
            return
        for shard, row in self._locations(rows):
            start = row * self._row_bytes // mmap.PAGESIZE * mmap.PAGESIZE
            self._map(shard)[0].madvise(mmap.MADV_WILLNEED, start, (row + 1) * self._row_bytes - start)

    def labels(self) -> np.ndarray:
        """The labels of all rows, (rows,) of :data:`LABEL`."""
        read = [np.fromfile(s.file, LABEL, s.rows, offset=s.rows * self._row_bytes) for s in self.shards]
        return np.concatenate(read) if read else np.zeros(0, LABEL)

    def _locations(self, rows: np.ndarray) -> Iterable[tuple[int, int]]:
        """Index of the shard, and of the row in it, for each row."""
        shards = np.searchsorted(self.ends, rows, "right")
        return zip(shards.tolist(), (rows - np.append(0, self.ends)[shards]).tolist(), strict=True)

    def _mapped(self, number: int) -> tuple[mmap.mmap, np.ndarray]:
        shard = self.shards[number]
        try:
            with open(shard.file, "rb") as file:
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise LibraryError(f"The cached features {shard.file} are missing; start again to compute them.") from error
        shape = (shard.rows, *self.shape[1:])
        return content, np.frombuffer(content, "<f2", shard.rows * shape[1] * shape[2]).reshape(shape)


def _put(out: BinaryIO, digest: "hashlib._Hash", array: np.ndarray) -> None:
    data = array.tobytes()
    digest.update(data)
    out.write(data)


def _noted(shard: Shard) -> Shard:
    """The shard, after writing its JSON file."""
    values = {"rows": shard.rows, "sha256": shard.sha256, "changed": shard.changed, "dropped": shard.dropped}
    with replacing(shard.file.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(values), encoding="utf-8")
    return shard
