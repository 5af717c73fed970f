"""The folder of a run: what it may contain, and the lock that keeps a second process from training into it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from timbre.errors import CheckpointError
from timbre.files import check_writable, take_lock, unwritable

_LOCK = "lock"


def check_run_folder(folder: Path, *marks: str) -> None:
    """Refuse a folder before the work for it: it must be missing, empty, or one that contains one of these names.

    Hidden files do not count. Nothing is made.

    Raises:
        CheckpointError: if the folder contains other things, or cannot be written.
    """
    check_writable(folder, CheckpointError)
    names = sorted(os.listdir(folder)) if folder.exists() else []
    foreign = [name for name in names if not name.startswith(".") and name not in ("desktop.ini", "Thumbs.db")]
    if foreign and not set(marks) & set(foreign):
        raise CheckpointError(
            f"The folder {folder} must be missing, empty, or that of an earlier run, but contains other files (such as "
            f"{foreign[0]}); choose another."
        )


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep other processes out of the folder of a run's state; the system ends the lock when the process ends.

    The folder and its parents are made; at the end, they are removed if nothing was written next to the lock. On a
    disk that knows no locks nothing is locked.

    Raises:
        CheckpointError: if another process has the lock, which the message names, or the folder cannot be written.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    beside = _names(folder.parent)
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = _acquired(folder)
        except OSError as error:
            raise CheckpointError(unwritable(folder, error)) from error
        try:
            yield
        finally:
            _release(folder / _LOCK, lock)
    finally:
        for path in made if _names(folder.parent) - beside <= {folder.name} else ():
            with contextlib.suppress(OSError):  # it is not empty, or another process was faster
                path.rmdir()


def _names(folder: Path) -> set[str]:
    with contextlib.suppress(OSError):
        return set(os.listdir(folder))
    return set()


def _acquired(folder: Path) -> BinaryIO:
    """The open lock file, with the number of this process."""
    while True:
        file = open(folder / _LOCK, "a+b")  # noqa: SIM115  (it is closed at the end of the run)
        file.seek(0)
        if take_lock(file) is False:
            with file:
                owner = file.read(20).decode("ascii", "replace").strip() or "of unknown number"
            raise CheckpointError(
                f"The folder {folder.parent} is being trained into by process {owner}; wait for it, stop it, or "
                "choose another folder."
            )
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(folder / _LOCK)):  # else its owner has removed it
                file.truncate()
                file.write(str(os.getpid()).encode())
                file.flush()
                return file
        file.close()


def _release(path: Path, lock: BinaryIO) -> None:
    """Remove the lock file while it is still locked; Windows does not remove open files."""
    with contextlib.suppress(OSError):
        path.unlink()
    lock.close()
    if os.name == "nt":
        with contextlib.suppress(OSError):
            path.unlink()
