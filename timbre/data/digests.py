"""Digests of the files of a library: those of the same sounds are equal, whatever their names and times."""

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from timbre.errors import LibraryError


def file_digests(files: Iterable[Path]) -> dict[Path, str]:
    """The SHA-256 of each file's bytes, in hexadecimal digits.

    Size and modification time would not do: a copy that keeps the times replaces a sound by one of the same length. All
    files are read once in a process; again only those that have changed since.

    Raises:
        LibraryError: if a file is missing or cannot be read.
    """
    different = list(dict.fromkeys(files))
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing and reading release Python's lock
        return dict(zip(different, pool.map(_digest, different), strict=True))


def _digest(file: Path) -> str:
    try:
        status = os.stat(file)
        return _read(file, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    except OSError as error:
        reason = error.strerror or error
        raise LibraryError(
            f"{file}, a file of the library, cannot be read: {reason}. Scan the folder again."
        ) from error


@lru_cache(1 << 20)
def _read(file: Path, *_status: int) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
