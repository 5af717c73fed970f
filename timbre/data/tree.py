"""What lies in a library's folder, walked once, and how references to it are kept inside."""

import codecs
import os
import posixpath
import re
import stat
import unicodedata
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from timbre.errors import LibraryError

SOUND = frozenset(
    (
        ".wav",
        ".wave",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".aif",
        ".aiff",
        ".aifc",
        ".au",
        ".snd",
        ".caf",
        ".w64",
        ".rf64",
    )
)
"""Suffixes of sound files."""
FOREIGN = frozenset((".m4a", ".aac", ".mp4", ".wma", ".alac", ".ape", ".wv"))
"""Suffixes of sound files that libsndfile does not read; they are dropped by name."""
DESCRIPTIONS = frozenset((".sfz", ".dspreset", ".dslibrary", ".sf2", ".sf3", ".json", ".csv", ".tsv", ".sqlite"))
"""Suffixes of files that may describe, or hold, a library by themselves."""
_LARGEST_TEXT = 1 << 30  # bytes; NSynth's largest table has 150 MB


class Listing:
    """Names of files, found as people write them: other slashes, capitals or Unicode forms than they really have."""

    outside = "lies outside the library's folder and is refused"

    def __init__(self, files: Iterable[str]) -> None:
        exact = {file.replace("\\", "/"): file for file in files}
        self._names = {_folded(name): file for name, file in reversed(exact.items())} | exact

    def find(self, reference: str, base: str = "") -> str | None:
        """The file that a reference means, or None if there is none or it lies outside the folder.

        Args:
            reference: a path as people write it: slashes or backslashes, `..`, other capitals than on the disk.
            base: the folder, relative to the root, from which it starts.
        """
        path = _inside(reference, base)
        return None if path is None else self._names.get(path) or self._names.get(_folded(path))

    def missing(self, reference: str, base: str = "") -> str:
        """Why :meth:`find` finds nothing, as the end of a sentence about the reference."""
        if not reference.strip():
            return "has no name"
        return "is not there" if _inside(reference, base) else self.outside


class Tree(Listing):
    """The files of a library's folder.

    Attributes:
        root: the folder, absolute.
        files: all files below it that are not hidden, as sorted relative paths with slashes.
        special: those of them that must not be opened: pipes, sockets, devices, links to nothing.
        chosen: the one description file to read, relative to `root`, where a file was given instead of a folder.
        closed: folders below it that could not be listed, each with the system's reason.
        hidden: how many hidden files there are.

    Raises:
        LibraryError: if the folder itself cannot be listed.
    """

    def __init__(self, root: Path, chosen: str | None = None) -> None:
        self.root, self.chosen = root, chosen
        if chosen is not None:
            self.outside = f"lies outside the folder of {chosen} and is refused; scan a folder that holds both"
        found = _walk(str(root))
        if "" in found.closed:
            raise LibraryError(f"{root} cannot be listed: {found.closed['']}.")
        self.files, self.special = sorted(found.files), frozenset(found.special)
        self.closed, self.hidden = found.closed, found.hidden
        super().__init__(file for file in self.files if file not in self.special)

    def missing(self, reference: str, base: str = "") -> str:
        """Why :meth:`find` finds nothing, as the end of a sentence about the reference."""
        special = _inside(reference, base) in self.special
        return "is a pipe, a socket, a device or a link to nothing" if special else super().missing(reference, base)

    @property
    def sounds(self) -> list[str]:
        """The sound files, readable or not."""
        return [file for file in self.files if os.path.splitext(file)[1].lower() in SOUND | FOREIGN]

    def named(self, *suffixes: str) -> list[str]:
        """Files with one of the (lower-case) suffixes; only the chosen file, where one was chosen."""
        files = self.files if self.chosen is None else [self.chosen]
        return [file for file in files if file.lower().endswith(suffixes) and file not in self.special]

    def text(self, file: str, largest: int = _LARGEST_TEXT) -> str:
        """The text of a file of up to `largest` bytes, in UTF-8, in UTF-16 with its mark, or else as Windows writes it.

        Raises:
            LibraryError: if it cannot be read, or is larger than any description.
        """
        path = self.root / file
        try:
            content = _content(path, largest)
        except (OSError, ValueError) as error:
            raise LibraryError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
        return decoded(content)


def decoded(content: bytes) -> str:
    """Text in UTF-8, in UTF-16 with its mark, or else as Windows writes it."""
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _content(path: Path, largest: int) -> bytes:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise LibraryError(f"{path} is no regular file; a text that describes a library is wanted.")
    if status.st_size > largest:
        raise LibraryError(f"{path} has {status.st_size} bytes; a text that describes a library has at most {largest}.")
    return path.read_bytes()


def _inside(reference: str, base: str) -> str | None:
    """A reference as a normalised path below the root, or None if it leads out of it."""
    path = reference.strip().replace("\\", "/")
    if not path or path.startswith("/") or re.match("[A-Za-z]:", path) or "\0" in path:
        return None
    path = posixpath.normpath(posixpath.join(base, path))
    return None if path == ".." or path.startswith("../") else path


def _folded(path: str) -> str:
    """A name by which those count as equal that Windows and macOS hold for equal."""
    return unicodedata.normalize("NFC", path).casefold()


def open_tree(path: str | os.PathLike[str]) -> Tree:
    """The tree of a folder, or of the folder around a file that describes a library.

    Raises:
        LibraryError: if there is nothing there, or only a sound file.
    """
    try:
        place = Path(os.path.abspath(Path(path).expanduser()))
        kind = place.stat().st_mode
    except (OSError, RuntimeError, ValueError) as error:
        raise LibraryError(f"There is no folder {path}; the folder of a library of notes is wanted.") from error
    if stat.S_ISDIR(kind):
        return Tree(place.resolve())
    if not stat.S_ISREG(kind) or place.suffix.lower() not in DESCRIPTIONS:
        raise LibraryError(f"{place} is a file; the folder of a library of notes is wanted.")
    return Tree(place.parent, place.name)


@dataclass
class _Found:
    """What a walk came across."""

    files: list[str] = field(default_factory=list)
    special: list[str] = field(default_factory=list)
    closed: dict[str, str] = field(default_factory=dict)
    hidden: int = 0


def _walk(root: str) -> _Found:
    """All files below `root`. Links to folders are followed after real folders, each folder once, and never upwards."""
    found = _Found()
    real = os.path.realpath(root)
    seen = set(map(str, Path(real).parents))
    folders, links = [("", real)], deque[tuple[str, str]]()
    while folders or links:
        inside, place = folders.pop() if folders else links.popleft()
        if place in seen:
            continue
        seen.add(place)
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            found.closed[inside] = str(error.strerror)
            continue
        below = [entry for entry in entries if _keep(entry, inside, found)]
        folders += [(f"{inside}{entry.name}/", entry.path) for entry in reversed(below) if not entry.is_symlink()]
        links += [(f"{inside}{entry.name}/", os.path.realpath(entry.path)) for entry in below if entry.is_symlink()]
    return found


def _keep(entry: os.DirEntry[str], inside: str, found: _Found) -> bool:
    """Whether an entry is a folder to walk; everything else is noted."""
    try:
        folder, regular = entry.is_dir(), entry.is_file()
    except OSError:  # a link that leads back to itself
        folder, regular = False, False
    if entry.name.startswith("."):
        found.hidden += not folder
        return False
    if not folder:
        found.files.append(inside + entry.name)
        found.special += [] if regular else [inside + entry.name]
    return folder
