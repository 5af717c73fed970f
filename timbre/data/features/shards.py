"""Rows of features in files that are mapped into memory: each shard appears whole or not at all, with its checksum.

A shard is two files. `00012.rows` holds the spectrograms of its rows, float16 (rows, bins, frames), and behind them
their labels, as :data:`LABEL` says; both little-endian. `00012.json` says how many rows these are, the SHA-256 of the
other file, when that file was last known to have it, and which notes were left out. It is written last.
"""

import hashlib
import json
import mmap
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np

from timbre.errors import LibraryError
from timbre.files import replacing

LABEL = np.dtype([("pitch", "<f4"), ("velocity", "<f4"), ("release", "<f4"), ("note", "<i4"), ("original", "?")])
"""Labels of a row: MIDI, 0..1, s, number of the note in its library, whether it is the note itself."""

Row = tuple[np.ndarray, tuple[float, float, float, int, bool]]
"""A spectrogram, (bins, frames) in dB, and its labels."""

_OPEN = 64  # shards mapped at a time: a map holds a file open, and some systems allow 256 of those
_STALE = 3600.0  # s without a write, after which a temporary file is that of a process that was killed


@dataclass(frozen=True)
class Shard:
    """A finished shard.

    Attributes:
        file: the file of its rows.
        rows: how many there are.
        sha256: of that file.
        changed: when the file was last changed as far as is known, ns; another time makes it be read through again.
        dropped: numbers of the notes that were left out, with the reason.
    """

    file: Path
    rows: int
    sha256: str
    changed: int
    dropped: dict[int, str]

    def intact(self) -> bool:
        """Whether the file still has its checksum; reads it through."""
        try:
            with open(self.file, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except OSError:
            return False


def write_shard(file: Path, first: int, notes: Iterable[list[Row] | str]) -> Shard:
    """Write a shard as its rows come: what is held in memory is one note.

    Args:
        file: where to; the same notes give the same bytes, so that two processes may write it at once.
        first: number of the first note.
        notes: for each note in turn its rows, or why it was left out.

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
            out.flush()
            os.fsync(out.fileno())  # or a power cut could leave a file of the right size without its content
        changed = partial.stat().st_mtime_ns
    return _noted(Shard(file, len(labels), digest.hexdigest(), changed, dropped))


def find_shard(file: Path, row_bytes: int) -> Shard | None:
    """The finished shard at `file`; None if there is none or it is damaged.

    Its size must be right, and its checksum too where the file has another time of change than was noted: it is
    looked at once, and noted again.

    Args:
        file: as given to :func:`write_shard`.
        row_bytes: size of one row's spectrogram, bytes.
    """
    try:
        noted = json.loads(_note_of(file).read_text(encoding="utf-8"))
        dropped = {int(number): str(reason) for number, reason in noted["dropped"].items()}
        shard = Shard(file, int(noted["rows"]), str(noted["sha256"]), int(noted["changed"]), dropped)
        status = file.stat()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if status.st_size != shard.rows * (row_bytes + LABEL.itemsize):
        return None
    if status.st_mtime_ns == shard.changed:
        return shard
    return _noted(replace(shard, changed=status.st_mtime_ns)) if shard.intact() else None


def sweep(folder: Path) -> None:
    """Remove what killed processes left half-written; files that are being written stay."""
    for file in folder.glob(".*.part"):
        try:
            if time.time() - file.stat().st_mtime > _STALE:
                file.unlink()
        except FileNotFoundError:  # another process was faster
            pass


class Rows:
    """The spectrograms of some shards as one array (rows, bins, frames); none of it is held in memory.

    Args:
        shards: one after the other.
        shape: (bins, frames).
    """

    def __init__(self, shards: Sequence[Shard], shape: tuple[int, int]) -> None:
        self.shards = tuple(shards)
        self.ends = np.cumsum([shard.rows for shard in self.shards], dtype=np.int64)
        self.shape = (int(self.ends[-1]) if len(self.ends) else 0, *shape)
        self._map = lru_cache(_OPEN)(self._mapped)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Some rows, by their numbers (n,): float16 (n, bins, frames)."""
        out = np.empty((len(rows), *self.shape[1:]), np.float16)
        for place, (shard, row) in enumerate(self._places(rows)):
            out[place] = self._map(shard)[1][row]
        return out

    def expect(self, rows: np.ndarray) -> None:
        """Have the system read some rows, by number, from the disk while something else is done."""
        if not hasattr(mmap, "MADV_WILLNEED"):
            return
        size = 2 * self.shape[1] * self.shape[2]
        for shard, row in self._places(rows):
            start = row * size // mmap.PAGESIZE * mmap.PAGESIZE
            self._map(shard)[0].madvise(mmap.MADV_WILLNEED, start, (row + 1) * size - start)

    def labels(self) -> np.ndarray:
        """The labels of all rows, (rows,) of :data:`LABEL`."""
        size = 2 * self.shape[1] * self.shape[2]
        read = [np.fromfile(shard.file, LABEL, shard.rows, offset=shard.rows * size) for shard in self.shards]
        return np.concatenate(read) if read else np.zeros(0, LABEL)

    def _places(self, rows: np.ndarray) -> Iterable[tuple[int, int]]:
        """Shard, and row in it, of each row."""
        shards = np.searchsorted(self.ends, rows, "right")
        within = rows - np.concatenate([[0], self.ends])[shards]
        return zip(shards.tolist(), within.tolist(), strict=True)

    def _mapped(self, number: int) -> tuple[mmap.mmap, np.ndarray]:
        shard = self.shards[number]
        try:
            with open(shard.file, "rb") as file:
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise LibraryError(f"The cached features {shard.file} are gone; start again to make them anew.") from error
        shape = (shard.rows, *self.shape[1:])
        return content, np.frombuffer(content, "<f2", shard.rows * shape[1] * shape[2]).reshape(shape)


def _put(out: BinaryIO, digest: "hashlib._Hash", array: np.ndarray) -> None:
    data = array.tobytes()
    digest.update(data)
    out.write(data)


def _note_of(file: Path) -> Path:
    return file.with_suffix(".json")


def _noted(shard: Shard) -> Shard:
    """The shard, after writing down what is known of it."""
    facts = {"rows": shard.rows, "sha256": shard.sha256, "changed": shard.changed, "dropped": shard.dropped}
    with replacing(_note_of(shard.file)) as partial:
        partial.write_text(json.dumps(facts), encoding="utf-8")
    return shard
