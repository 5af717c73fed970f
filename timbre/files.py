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
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import platformdirs

from timbre.errors import ConfigError, TimbreError

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

UNUSABLE = (OSError, ValueError, RuntimeError)
"""What Python raises for files that cannot be opened or written; the latter two for a NUL in the name, and for the home
folder of an unknown user."""
MOST_TEXT = 1 << 25  # bytes of a JSON, CSV or SVG file: 32 MiB
_MOST_PARTS = 2_000_000  # objects and lists of a JSON file, each of which takes up to 250 bytes of memory
_MOST_DIGITS = 19  # of a whole number in JSON
_HIDDEN = ("Cc", "Cf", "Cn", "Cs", "Zl", "Zp")  # Unicode: controls, directions, no characters, surrogates, line ends
_JOINERS = "\u200c\u200d"  # are hidden too, and belong to words of some languages
_FULL = "make room on the disk, or choose a folder on another one"
_ADVICE = {
    errno.ENOSPC: _FULL, errno.EDQUOT: _FULL, errno.EFBIG: "raise the limit on the size of files, or use another disk",
    errno.ENAMETOOLONG: "choose a shorter name", errno.EISDIR: "give the name of a file",
}  # fmt: skip
_NO_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)  # of file systems that cannot flush
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]  # in temporary names: disks may be shared
_TEMPORARY = re.compile(rf"\.{_HOST}-([0-9]+)-[0-9a-f]{{8}}\.part(\.\w+)?")
_SHORT = reprlib.Repr()
vars(_SHORT).update(maxstring=60, maxother=60, maxlong=60, maxlevel=3)


def cache_folder() -> Path:
    """The folder for what timbre can compute again: TIMBRE_CACHE, or by default timbre's folder in the user's cache."""
    return Path(os.environ.get("TIMBRE_CACHE") or platformdirs.user_cache_dir("timbre"))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path, and rename it to `path` afterwards: a file is replaced, or a folder appears, in one step.

    The temporary path is in the same folder. What was written to it is on the disk before it is renamed, so that `path`
    is the old or the new one even after a power failure. After an error the temporary path is removed, and `path` does
    not change.
    """
    partial = temporary(path.parent)
    try:
        yield partial
        flush(partial)
        os.replace(partial, path)
        flush_folder(path.parent)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            with suppress(OSError):
                partial.unlink()


def temporary(folder: Path, ending: str = "") -> Path:
    """A free name for a temporary file or folder; removes those in the folder that killed processes have left."""
    _remove_left(folder)
    return folder / f".{_HOST}-{os.getpid()}-{secrets.token_hex(4)}.part{ending}"


def _remove_left(folder: Path) -> None:
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
        with replacing(path.expanduser()) as partial:
            partial.write_bytes(text.encode("utf-8", "backslashreplace"))
    except UNUSABLE as error:
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
    try:
        kind = path.expanduser().stat().st_mode
        if not stat.S_ISREG(kind):
            what = "a folder" if stat.S_ISDIR(kind) else "a device or a pipe"
            raise error(f"{path} must be a file, got {what}; give the name of a file.")
        with path.expanduser().open("rb") as file:
            content = file.read(most + 1)
    except UNUSABLE as problem:
        if isinstance(problem, TimbreError):
            raise
        reason = getattr(problem, "strerror", None) or problem
        raise error(f"{path} cannot be read: {reason}; give the name of a file.") from problem
    if len(content) > most:
        raise error(f"{path} must have {most / 2**20:g} MiB or less, got more; give another file.")
    return content


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


def printable(text: str, longest: int | None = None) -> str:
    """A text from a file as it is shown: one line of `longest` characters or fewer.

    Characters that are hidden, control a terminal, or change the direction of writing become escapes such as \\x1b.
    """
    if not text.isprintable():
        text = "".join(_escaped(char) for char in text)
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…"


def _escaped(char: str) -> str:
    hidden = unicodedata.category(char) in _HIDDEN and char not in _JOINERS
    return char.encode("unicode_escape").decode() if hidden else char


def shown(value: Any) -> str:
    """A value from a file as it is shown in an error: about 60 characters of its repr."""
    try:
        return printable(_SHORT.repr(value), 200)
    except ValueError:  # a whole number of thousands of digits
        return f"a very long {type(value).__name__}"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait until no other process or thread is in this block for the same folder. Windows does not wait."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # of file systems without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
