"""Unpacking of archives that strangers made: all of one, inside its folder, or nothing."""

import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, NamedTuple

from timbre.errors import LibraryError, TimbreError

_SPOILED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError)
# What the standard library raises on spoiled archives, and on names that a disk refuses.
_DAMAGED = (*_SPOILED, OSError, RuntimeError, ValueError, LookupError, OverflowError)
_ZIP = (b"PK\3\4", b"PK\5\6")  # how zip files begin: with a file, or empty
_PLACE = ".timbre-unpacking"  # hidden, so that no scan sees what is half unpacked
_DEEPEST = 64  # folders inside one another; the standard library removes trees by recursion


class _Member(NamedTuple):
    """A file or folder of an archive."""

    path: str
    size: int  # bytes when unpacked, as declared
    kind: str  # "file", "folder", or what else it is
    open: Callable[[], IO[bytes]]  # valid until the next member is asked for


def unpack(archive: Path, folder: Path, name: str, progress: bool = False) -> int:
    """Unpack a tar (plain, gz, bz2, xz) or zip archive into a folder.

    All names, kinds and sizes are checked before anything is written. The contents appear in the folder only when
    all of them have been unpacked; files that are there under the same names are replaced. Permissions and owners in
    the archive are ignored.

    Args:
        archive: the file, whatever its name.
        folder: where the contents go; it is made if it is missing.
        name: what to call the archive in messages.
        progress: show a progress bar.

    Returns:
        The number of files.

    Raises:
        LibraryError: if the archive is damaged, holds a link, a device or a name that leads out of the folder, or
            needs more room than the disk has.
    """
    place = folder / _PLACE
    try:
        total = _check(archive, name, progress)
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if total > free:
            raise LibraryError(f"{name} unpacks to {_size(total)}, but there are {_size(free)} free in {folder}.")
        shutil.rmtree(place, ignore_errors=True)
        count = _write(archive, place, total, progress)
        _move(place, folder)
    except TimbreError:
        raise
    except _DAMAGED as error:
        raise LibraryError(f"{name} cannot be unpacked: {_reason(error)}.") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return count


def _check(archive: Path, name: str, progress: bool) -> int:
    """Bytes that an archive unpacks to, by its own account; refuses what must not be unpacked."""
    from tqdm import tqdm

    total = 0
    for member in tqdm(_members(archive), "checking", unit="file", leave=False, disable=not progress):
        if member.kind not in ("file", "folder") or not _inside(member.path):
            what = "a path that leads out of the folder" if member.kind in ("file", "folder") else member.kind
            raise LibraryError(f"{name} holds {what} ({_shown(member.path)}); nothing of it was unpacked.")
        total += member.size
    return total


def _inside(path: str) -> bool:
    """Whether a path stays in the folder, on this system and on Windows, and can be the name of a file."""
    for kind in (PurePosixPath(path), PureWindowsPath(path)):
        if kind.anchor or ".." in kind.parts or len(kind.parts) > _DEEPEST:
            return False
    return "\0" not in path


def _write(archive: Path, place: Path, total: int, progress: bool) -> int:
    from tqdm import tqdm

    place.mkdir()
    count = 0
    with tqdm(desc="unpacking", total=total, unit="B", unit_scale=True, leave=False, disable=not progress) as bar:
        for member in _members(archive):
            target = place / member.path
            if member.kind == "folder":
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
            count += 1
            bar.update(member.size)
    return count


def _move(place: Path, folder: Path) -> None:
    """Move what lies in one folder into another, folder by folder where both have one of that name."""
    for entry in list(os.scandir(place)):
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
    with zipfile.ZipFile(path) as archive:
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


def _tar_members(path: Path) -> Iterator[_Member]:
    with tarfile.open(path, "r:*") as archive:
        while (info := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # or the headers of all files would pile up
            yield _Member(info.name, info.size, _tar_kind(info), lambda info=info: archive.extractfile(info))  # type: ignore


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.isfile():
        return "file"
    if info.isdir():
        return "folder"
    return "a link" if info.issym() or info.islnk() else "a device"


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return f"it is damaged ({str(error).rstrip('.')})" if str(error) else "it is damaged"


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB"


def _shown(path: str) -> str:
    return path.encode("utf-8", "replace").decode("utf-8")[:200]
