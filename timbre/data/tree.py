"""The files in a library's folder, listed once, and references to them, which never lead outside."""

import codecs
import os
import posixpath
import re
import stat
import unicodedata
from collections import defaultdict, deque
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from timbre.errors import LibraryError
from timbre.files import expanded

SOUND = frozenset((
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64",
    ".rf64", ".wt",
))  # fmt: skip
"""Suffixes of sound files."""
FOREIGN = frozenset((".m4a", ".aac", ".mp4", ".wma", ".alac", ".ape", ".wv"))
"""Suffixes of sound files that libsndfile cannot read; they are dropped with a reason."""
DESCRIPTIONS = frozenset((
    ".sfz", ".dspreset", ".dslibrary", ".sf2", ".sf3", ".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".tab", ".txt",
    ".sqlite",
))  # fmt: skip
"""Suffixes of files that may describe or contain a library."""
_LARGEST_TEXT = 1 << 30  # bytes; NSynth's largest table has 150 MB


class Listing:
    """Names of files, found despite other slashes, capitals or Unicode forms in the references to them."""

    outside = "lies outside the library's folder and is refused"

    def __init__(self, files: Iterable[str]) -> None:
        exact = {file.replace("\\", "/"): file for file in files}
        self._names = {folded(name): file for name, file in reversed(exact.items())} | exact

    def find(self, reference: str, base: str = "") -> str | None:
        """The file that a reference means; None if there is none or it lies outside the folder.

        A reference has slashes or backslashes, `..`, and any capitals; it starts from `base`, relative to the root.
        """
        path = _inside(reference, base)
        return None if path is None else self._names.get(path) or self._names.get(folded(path))

    def missing(self, reference: str, base: str = "") -> str:
        """The reason why :meth:`find` finds no file, to be appended to the reference."""
        if not reference.strip():
            return "has no name"
        return "is not there" if _inside(reference, base) else self.outside


class Tree(Listing):
    """The files in a library's folder (absolute); a LibraryError if it cannot be listed.

    If a file was given instead of a folder, `chosen` is the only description file to read, relative to `root`.
    """

    def __init__(self, root: Path, chosen: str | None = None) -> None:
        self.root, self.chosen = root, chosen
        if chosen is not None:
            self.outside = f"lies outside the folder of {chosen} and is refused; scan a folder that contains both"
        self.files: list[str] = []  # all that are not hidden, at any depth, as sorted relative paths with slashes
        self.special: set[str] = set()  # files that must not be opened: pipes, sockets, devices, broken links
        self.closed: dict[str, str] = {}  # folders that cannot be listed, each with the system's reason
        self.hidden = 0  # number of hidden files
        self._walk()
        if "" in self.closed:
            raise LibraryError(f"{root} cannot be listed: {self.closed['']}.")
        self.files.sort()
        super().__init__(file for file in self.files if file not in self.special)

    def find_ending(self, reference: str) -> str | None:
        """The only file whose path ends with a reference, or is the end of the reference; None if there is none.

        So files are found whose folders are left out, and those of tables that were written for another folder or
        computer. If no file has the suffix of the reference, the suffixes of sound files do not count.
        """
        path = "/" + folded(reference).lstrip("/")
        for wanted in dict.fromkeys((path, _without_suffix(path))):
            listed = self._endings.get(posixpath.basename(wanted), ())
            if matches := {file for form, file in listed if form.endswith(wanted) or wanted.endswith(form)}:
                return matches.pop() if len(matches) == 1 else None
        return None

    @cached_property
    def _endings(self) -> dict[str, list[tuple[str, str]]]:
        """Paths with and without suffix by their last names, each with its file."""
        by_name: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for file in set(self.files) - self.special:
            path = f"/{folded(file)}"
            for form in {path, _without_suffix(path)}:
                by_name[posixpath.basename(form)].append((form, file))
        return by_name

    def missing(self, reference: str, base: str = "") -> str:
        """Why a file that is referred to cannot be used, also for files that must not be opened."""
        special = _inside(reference, base) in self.special
        return "is a pipe, a socket, a device or a broken link" if special else super().missing(reference, base)

    @property
    def sounds(self) -> list[str]:
        """The sound files, including those that cannot be read."""
        return [file for file in self.files if os.path.splitext(file)[1].lower() in SOUND | FOREIGN]

    def named(self, *suffixes: str) -> list[str]:
        """The files with one of the (lower-case) suffixes; only the chosen file, if there is one."""
        files = self.files if self.chosen is None else [self.chosen]
        return [file for file in files if file.lower().endswith(suffixes) and file not in self.special]

    def text(self, file: str, largest: int = _LARGEST_TEXT) -> str:
        """The text of a file, read by :func:`decoded`; a LibraryError if it has more than `largest` bytes."""
        return decoded(self.content(file, largest))

    def content(self, file: str, largest: int = _LARGEST_TEXT) -> bytes:
        """The bytes of a file; a LibraryError if it has more than `largest` of them."""
        path = self.root / file
        try:
            status = path.stat()
            regular = stat.S_ISREG(status.st_mode)
            if regular and status.st_size <= largest:
                return path.read_bytes()
        except (OSError, ValueError) as error:
            raise LibraryError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
        rule = f"have at most {largest} bytes, got {status.st_size}" if regular else "be a regular file"
        raise LibraryError(f"{path} must {rule}.")

    def _walk(self) -> None:
        """List all files. Links to folders are followed after real folders, each folder once, and never upwards."""
        real = os.path.realpath(self.root)
        seen = set(map(str, Path(real).parents))
        folders, links = [("", real)], deque[tuple[str, str]]()
        while folders or links:
            inside, folder = folders.pop() if folders else links.popleft()
            if folder in seen:
                continue
            seen.add(folder)
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError as error:
                self.closed[inside] = str(error.strerror)
                continue
            below = [entry for entry in entries if self._add(entry, inside)]
            folders += [(f"{inside}{entry.name}/", entry.path) for entry in reversed(below) if not entry.is_symlink()]
            links += [(f"{inside}{entry.name}/", os.path.realpath(entry.path)) for entry in below if entry.is_symlink()]

    def _add(self, entry: os.DirEntry[str], inside: str) -> bool:
        """Add an entry to the lists, unless it is a folder to walk; returns whether it is one."""
        try:
            folder, regular = entry.is_dir(), entry.is_file()
        except OSError:  # a link to itself
            folder = regular = False
        if entry.name.startswith("."):
            self.hidden += not folder
            return False
        if not folder:
            self.files.append(inside + entry.name)
            self.special |= set() if regular else {inside + entry.name}
        return folder


def decoded(content: bytes) -> str:
    """Text in UTF-16 if it begins with a byte order mark, else in UTF-8, else in Windows-1252."""
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _inside(reference: str, base: str) -> str | None:
    """A reference as a normalised path below the root; None if it leads outside."""
    path = reference.strip().replace("\\", "/")
    if not path or path.startswith("/") or re.match("[A-Za-z]:", path) or "\0" in path:
        return None
    path = posixpath.normpath(posixpath.join(base, path))
    return None if path == ".." or path.startswith("../") else path


def folded(path: str) -> str:
    """A form of a name that is the same for all names that Windows and macOS treat as equal."""
    return unicodedata.normalize("NFC", path).casefold()


def _without_suffix(path: str) -> str:
    """A path without the suffix of a sound file."""
    stem, suffix = posixpath.splitext(path)
    return stem if suffix in SOUND | FOREIGN else path


def open_tree(path: str | os.PathLike[str]) -> Tree:
    """The tree of a folder, or of the folder of a file that describes or contains a library (LibraryError: neither)."""
    try:
        given = Path(os.path.abspath(expanded(path, LibraryError)))
        kind = given.stat().st_mode
    except (OSError, RuntimeError, ValueError) as error:
        raise LibraryError(f"There is no folder {path}; give the folder of a library of notes.") from error
    if stat.S_ISDIR(kind):
        return Tree(given.resolve())
    if not stat.S_ISREG(kind) or given.suffix.lower() not in DESCRIPTIONS:
        raise LibraryError(f"{given} is not a folder; give the folder of a library of notes.")
    return Tree(given.parent, given.name)
