"""Unpacking of archives from untrusted sources: completely and inside a folder, or not at all."""

import bz2
import gzip
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any, NamedTuple

from tqdm.auto import tqdm

from timbre.data.sounds import UNPACKING
from timbre.errors import LibraryError, TimbreError

_ZIP = (b"PK\3\4", b"PK\5\6")  # beginning of a zip file with files, and of an empty one
_TEMPORARY = ".timbre-unpacking"  # hidden, so that a scan ignores it
_COMPRESSED: dict[bytes, Callable[[Path], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zX": lzma.open}
_MOST_FILES = 500_000  # files and folders; the largest library that timbre knows has 300,000
_MOST_NAMES = 1 << 25  # bytes of the list of files in a zip archive, which is read into memory as a whole
_MOST_READ = 1 << 22  # bytes that are read at once: more is no header of a tar archive
_SMALL, _RATIO = 10**9, 100  # bytes that every archive may unpack to, and times its own size; sounds reach 10 times
_DEEPEST = 64  # nested folders; the standard library removes trees by recursion


class _Member(NamedTuple):
    """A file or folder of an archive."""

    path: str
    size: int  # bytes when unpacked, as declared
    kind: str  # "file", "folder", or a description
    open: Callable[[], IO[bytes]]  # valid until the next member


def unpack(archive: Path, folder: Path, name: str, progress: bool = False) -> None:
    """Unpack a tar (plain, gz, bz2, xz) or zip archive into a folder.

    All names, kinds and sizes are checked before anything is written. The contents appear in the folder after all of
    them have been unpacked; existing files of the same names are replaced. Permissions and owners are ignored.

    The folder is created if missing; `name` is that of the archive in messages.

    Raises:
        LibraryError: if the archive is damaged, contains a link, a device, a path out of the folder or more than
            500,000 files, or unpacks to more than the disk holds, or to 1 GB and more than 100 times its size.
    """
    temporary = folder / _TEMPORARY
    try:
        total = _check(archive, name, progress)
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if total > free:
            raise LibraryError(f"{name} unpacks to {_size(total)}, but {folder} has {_size(free)} free.")
        if total > max(_SMALL, _RATIO * archive.stat().st_size):
            raise LibraryError(f"{name} must unpack to {_RATIO} times its size or less, got {_size(total)}.")
        shutil.rmtree(temporary, ignore_errors=True)
        _write(archive, temporary, total, progress)
        _move(temporary, folder)
    except TimbreError:
        raise
    except (tarfile.TarError, MemoryError, RecursionError, *UNPACKING) as error:
        raise LibraryError(f"{name} cannot be unpacked: {_reason(error)}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check(archive: Path, name: str, progress: bool) -> int:
    """Declared size of an archive's contents; refuses what must not be unpacked."""
    total = 0
    members = enumerate(_members(archive), 1)
    for count, member in tqdm(members, "checking", unit="file", leave=False, disable=not progress):
        if count > _MOST_FILES:
            raise LibraryError(f"{name} must have {_MOST_FILES:,} files or fewer, got more; nothing was unpacked.")
        if member.kind not in ("file", "folder") or not _inside(member.path):
            what = "a path out of the folder" if member.kind in ("file", "folder") else member.kind
            raise LibraryError(f"{name} contains {what} ({member.path[:200]}); nothing was unpacked.")
        total += member.size
    return total


def _inside(path: str) -> bool:
    """Whether a path is valid and inside the folder, on this system and on Windows."""
    kinds = PurePosixPath(path), PureWindowsPath(path)
    outside = any(kind.anchor or ".." in kind.parts or len(kind.parts) > _DEEPEST for kind in kinds)
    return not outside and "\0" not in path


def _write(archive: Path, temporary: Path, total: int, progress: bool) -> None:
    temporary.mkdir()
    with tqdm(desc="unpacking", total=total, unit="B", unit_scale=True, leave=False, disable=not progress) as bar:
        for member in _members(archive):
            target = temporary / member.path
            if member.kind == "folder":
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
            bar.update(member.size)


def _move(temporary: Path, folder: Path) -> None:
    """Move the contents of one folder into another; folders of the same name are merged."""
    for entry in list(os.scandir(temporary)):
        there = folder / entry.name
        if entry.is_dir(follow_symlinks=False) and there.is_dir():
            _move(Path(entry.path), there)
        else:
            os.replace(entry.path, there)


def _members(archive: Path) -> Iterator[_Member]:
    with archive.open("rb") as file:
        start = file.read(4)
    return _zip_members(archive) if start in _ZIP else _tar_members(archive)


def _zip_members(path: Path) -> Iterator[_Member]:
    if (size := _names_size(path)) > _MOST_NAMES:
        raise LibraryError(f"A zip archive must have {_MOST_NAMES:,} bytes of names or fewer, got {size:,}.")
    with zipfile.ZipFile(path) as archive:
        for before, after in pairwise(sorted(archive.infolist(), key=lambda info: info.header_offset)):
            if before.header_offset + before.compress_size > after.header_offset:
                raise zipfile.BadZipFile(f"{before.filename} and {after.filename} overlap")
        for info in archive.infolist():
            kind = "folder" if info.is_dir() else _zip_kind(info)
            yield _Member(info.filename, info.file_size, kind, lambda info=info: archive.open(info))  # type: ignore[misc]


def _zip_kind(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & 1:
        return "an encrypted file"
    mode = info.external_attr >> 16 if info.create_system == 3 else 0  # 3 is Unix
    if stat.S_ISLNK(mode):
        return "a link"
    return "file" if stat.S_IFMT(mode) in (0, stat.S_IFREG) else "a device"


def _names_size(path: Path) -> int:
    """Bytes of the list of files in a zip archive, as its last record says; 0 if there is none."""
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - (1 << 17)))
        end = file.read()
    small, large = end.rfind(b"PK\5\6"), end.rfind(b"PK\6\6")  # the second is of archives above 4 GB
    sizes = [struct.unpack_from("<I", end, small + 12)[0]] if small >= 0 and len(end) >= small + 16 else [0]
    sizes += [struct.unpack_from("<Q", end, large + 40)[0]] if large >= 0 and len(end) >= large + 48 else []
    return int(sizes[-1] if sizes[0] == 0xFFFFFFFF else sizes[0])


class _BoundedReads:
    """A file that reads little at once: tarfile reads a header of any declared size into memory."""

    def __init__(self, file: Any) -> None:
        self._file, self.seek, self.tell, self.close = file, file.seek, file.tell, file.close

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MOST_READ:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return bytes(self._file.read(size))


def _tar_members(path: Path) -> Iterator[_Member]:
    with path.open("rb") as file:
        start = file.read(4)
    opened: Callable[..., Any] = next(
        (function for magic, function in _COMPRESSED.items() if start.startswith(magic)), open
    )
    content: Any = _BoundedReads(opened(path, "rb"))
    with closing(content), tarfile.open(fileobj=content, mode="r:") as archive:
        while (info := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # or the headers of all files would stay in memory
            if info.size < 0:
                raise tarfile.ReadError(f"a size of {info.size} bytes")
            yield _Member(info.name, info.size, _tar_kind(info), lambda info=info: archive.extractfile(info))  # type: ignore


def _tar_kind(info: tarfile.TarInfo) -> str:
    kinds = {"file": info.isfile(), "folder": info.isdir(), "a link": info.issym() or info.islnk(), "a device": True}
    return next(kind for kind, applies in kinds.items() if applies)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return f"it is damaged, or no tar or zip archive ({str(error).rstrip('.')})" if str(error) else "it is damaged"


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
