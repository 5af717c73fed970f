"""The cache folder; writing files that appear complete or not at all; reading files within limits."""

import errno
import hashlib
import json
import os
import platform
import re
import reprlib
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import platformdirs

from timbre.errors import ConfigError, TimbreError
from timbre.wording import printable

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

MOST_TEXT = 1 << 25  # bytes of a JSON, CSV or SVG file: 32 MiB
_UNUSABLE = (OSError, ValueError, RuntimeError)  # of Python; for a NUL in a name, and for "~" of an unknown user
_MOST_PARTS = 2_000_000  # objects and lists of a JSON file, each of which takes up to 250 bytes of memory
_MOST_DIGITS = 19  # of a whole number in JSON
_FULL = "make room on the disk, or choose a folder on another one"
_ADVICE = {
    errno.ENOSPC: _FULL, errno.EDQUOT: _FULL, errno.EFBIG: "raise the limit on the size of files, or use another disk",
    errno.ENAMETOOLONG: "choose a shorter name", errno.EISDIR: "give the name of a file",
}  # fmt: skip
_NO_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)  # of file systems that cannot flush
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]  # in temporary names: disks may be shared
_TEMPORARY = re.compile(rf"\.{_HOST}-([0-9]+)-[0-9a-f]{{8}}\.part(\.\w+)?")
_LOCKED_BYTE = 1 << 30  # Windows locks this byte, far behind a text that others may read
_SHORT = reprlib.Repr()
vars(_SHORT).update(maxstring=60, maxother=60, maxlong=60, maxlevel=3)


def cache_folder() -> Path:
    """The folder for what timbre can compute again: TIMBRE_CACHE, or by default timbre's folder in the user's cache."""
    return Path(os.environ.get("TIMBRE_CACHE") or platformdirs.user_cache_dir("timbre"))


def expanded(path: str | os.PathLike[str], error: type[TimbreError] = ConfigError) -> Path:
    """A path that may begin with "~"; a TimbreError of the type `error` if no file can have this name."""
    try:
        target = Path(path).expanduser()
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            os.lstat(target)
    except _UNUSABLE as problem:  # a long name; a NUL in it; no such user
        reason = getattr(problem, "strerror", None) or str(problem).rstrip(".")
        raise error(f"{path} cannot be the name of a file or folder: {reason}; give another name.") from problem
    return target


def check_writable(path: str | os.PathLike[str], error: type[TimbreError] = ConfigError) -> Path:
    """The path of a folder that may be missing, with "~" expanded, before any work is done for its files.

    Raises:
        TimbreError: of the type `error`: if it cannot be made, or files cannot be written to it.
    """
    folder = expanded(path, error)
    there = next(parent for parent in (folder, *folder.absolute().parents) if os.path.lexists(parent))
    if not there.is_dir():
        raise error(f"The folder {path} cannot be made: {there} is a file; choose another.")
    try:
        with tempfile.TemporaryFile(dir=there):
            return folder
    except OSError as problem:
        raise error(unwritable(there, problem)) from problem


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path, and rename it to `path` afterwards: a file is replaced, or a folder appears, in one step.

    The temporary path is in the same folder. What was written to it is on the disk before it is renamed, so that `path`
    is the old or the new one even after a power failure. After an error the temporary path is removed, and `path` does
    not change; a TimbreError about the temporary path names `path`.
    """
    partial = temporary(path.parent)
    try:
        yield partial
        flush(partial)
        os.replace(partial, path)
        flush_folder(path.parent)
    except TimbreError as error:
        raise type(error)(str(error).replace(str(partial), str(path))) from error
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            with suppress(OSError):
                partial.unlink()


def temporary(folder: Path, ending: str = "") -> Path:
    """A free name for a temporary file or folder; removes those in the folder that killed processes have left."""
    remove_left(folder)
    return folder / f".{_HOST}-{os.getpid()}-{secrets.token_hex(4)}.part{ending}"


def remove_left(folder: Path) -> None:
    """Remove the temporary files and folders of processes of this machine that have ended."""
    if os.name == "nt":  # where asking for a process by a signal would end it
        return
    with suppress(OSError):
        for entry in os.scandir(folder):
            if (left := _TEMPORARY.fullmatch(entry.name)) and not _is_running(int(left[1])):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it belongs to another user
        pass
    return True


def flush_folder(folder: Path) -> None:
    """Write the names in a folder to the disk, where the system can."""
    if os.name != "nt":
        with suppress(OSError):
            _flush_one(folder)


def flush(path: Path) -> None:
    """Write a file, or a folder with all that it contains, to the disk."""
    if path.is_dir():
        for inside in path.iterdir():
            if not inside.is_symlink():
                flush(inside)
        flush_folder(path)
    else:
        _flush_one(path)


def _flush_one(path: Path) -> None:
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FLUSH:
            raise
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8; it appears complete or not at all.

    Raises:
        ConfigError: if it cannot be written.
    """
    try:
        with replacing(expanded(path)) as partial:
            partial.write_bytes(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise ConfigError(unwritable(path, error)) from error


def unwritable(path: str | os.PathLike[str], error: Exception) -> str:
    """The sentence for a file or folder that cannot be written: the reason, and what to do about it."""
    number = getattr(error, "errno", None)
    advice = _ADVICE.get(number, "choose a folder you may write to") if number else "choose another name"
    return f"{path} cannot be written: {getattr(error, 'strerror', None) or error}; {advice}."


def read_bytes(path: Path, most: int = MOST_TEXT, error: type[TimbreError] = ConfigError) -> bytes:
    """The content of a file of `most` bytes or fewer.

    Raises:
        TimbreError: of the type `error`: if the file cannot be read, is larger, or is a folder, a device or a pipe,
            which is not opened.
    """
    file = expanded(path, error)
    try:
        kind = file.stat().st_mode
        if not stat.S_ISREG(kind):
            what = "a folder" if stat.S_ISDIR(kind) else "a device or a pipe"
            raise error(f"{path} must be a file, got {what}; give the name of a file.")
        with file.open("rb") as opened:
            content = opened.read(most + 1)
    except OSError as problem:
        raise error(f"{path} cannot be read: {problem.strerror or problem}; give the name of a file.") from problem
    if len(content) > most:
        raise error(f"{path} must have {most / 2**20:g} MiB or less, got more; give another file.")
    return content


def read_inside(path: Path, most: int = MOST_TEXT, error: type[TimbreError] = ConfigError) -> bytes:
    """The content of a file in a folder from elsewhere, see :func:`read_bytes`; links must not lead out of it."""
    try:
        inside = path.resolve().is_relative_to(path.parent.resolve())
    except _UNUSABLE:  # links in a circle
        inside = False
    if not inside:
        raise error(f"{path} must be a file in this folder, got a link to another; copy the file itself.")
    return read_bytes(path, most, error)


def read_text(path: Path, most: int = MOST_TEXT, error: type[TimbreError] = ConfigError) -> str:
    """The text of a file in UTF-8, with or without a byte order mark; errors as in :func:`read_bytes`."""
    return _decoded(read_bytes(path, most, error), path, error)


def read_json(path: Path, error: type[TimbreError] = ConfigError) -> Any:
    """The content of a JSON file, see :func:`parse_json`; errors as in :func:`read_bytes`."""
    return parse_json(read_bytes(path, error=error), path, error)


def parse_json(content: bytes, path: Path, error: type[TimbreError], nan: bool = False) -> Any:
    """The content of JSON bytes. Objects must not name a key twice, and numbers must be finite and of usual size.

    Args:
        content: the bytes.
        path: where they come from, for errors.
        error: the type of errors.
        nan: whether NaN and Infinity, which JSON does not have and Python writes, are accepted.
    """
    text = _decoded(content, path, error)
    if text.count("[") + text.count("{") > _MOST_PARTS:
        raise error(f"{path} must have {_MOST_PARTS:,} lists and objects or fewer, got more; give another file.")
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_int=_whole, parse_float=_number,
            parse_constant=float if nan else _no_constant,
        )  # fmt: skip
    except (ValueError, RecursionError) as problem:
        reason = "it is nested too deeply" if isinstance(problem, RecursionError) else problem
        raise error(f"{path} is damaged or not valid JSON ({reason}).") from problem


def _decoded(content: bytes, path: Path, error: type[TimbreError]) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise error(f"{path} cannot be read: it is not text in UTF-8; save it as UTF-8.") from problem


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("an object has the same key twice")
    return values


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS + 1:
        raise ValueError(f"a number has more than {_MOST_DIGITS} digits")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {shown(text)} is too large")
    return value


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number")


def shown(value: Any) -> str:
    """A value from a file as it is shown in an error: about 60 characters of its repr."""
    try:
        return printable(_SHORT.repr(value), 200)
    except ValueError:  # a whole number of thousands of digits
        return f"a very long {type(value).__name__}"


def take_lock(file: BinaryIO | int, wait: bool = False) -> bool | None:
    """Lock an open file, in place of an earlier lock: whether that succeeded; None if its disk knows no locks.

    The system ends the lock when the process ends, however it ends. Windows cannot `wait` for another lock to end.
    """
    try:
        if sys.platform == "win32":
            handle = file if isinstance(file, int) else file.fileno()
            position = os.lseek(handle, 0, os.SEEK_CUR)
            os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            os.lseek(handle, position, os.SEEK_SET)
        else:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait until no other process or thread is in this block for the same folder. Windows does not wait."""
    if sys.platform == "win32":  # where folders cannot be opened
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        take_lock(handle, wait=True)
        yield
    finally:
        os.close(handle)
