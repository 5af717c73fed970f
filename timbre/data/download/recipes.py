"""Recipes: where the public libraries are, what they are called, and what their makers ask for."""

import difflib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from timbre.errors import ConfigError

# An installed timbre has the recipes beside this module; a checkout has them where people look for them.
_PLACES = (Path(__file__).parent / "datasets", Path(__file__).parents[3] / "datasets")
_TEXTS = ("title", "homepage", "licence", "citation", "format", "size", "checked")
_FILE_KEYS = {"url": str, "name": str, "sha256": str, "md5": str, "bytes": int, "unpack": bool, "into": str}
_DIGITS = {"sha256": 64, "md5": 32}


@dataclass(frozen=True)
class Download:
    """One file to download."""

    url: str
    """http or https."""
    name: str
    """Name to save it under."""
    checksum: str | None = None
    """Such as "md5:36030a7f..."; None if none is known."""
    bytes: int | None = None
    """Size; None if it is not known."""
    unpack: bool = False
    """Whether it is a tar or zip archive, to be unpacked and then removed."""
    into: str = ""
    """Folder, relative to the library's, where it or its contents go."""


@dataclass(frozen=True)
class Recipe:
    """A public library: what it is and how to get it."""

    name: str
    """The name to fetch it by: that of its file."""
    title: str
    homepage: str
    licence: str
    citation: str
    format: str
    """Name of the reader that understands it."""
    size: str
    """How much there is to download, in words."""
    checked: str
    """What of all this was confirmed, and what is not known."""
    files: tuple[Download, ...] = ()
    """None where `manual` says what to do."""
    manual: str | None = None
    """What to do by hand, where the library is given out to members only."""


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ConfigError: if it cannot be read, a key is missing, unknown or of the wrong type, or a value cannot be.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not a TOML file: {error}.") from error
    _check_keys(table, dict.fromkeys(_TEXTS, str), {"manual": str, "files": list}, str(path))
    if ("manual" in table) == bool(table.get("files")):
        raise ConfigError(f"{path} wants either a list of files or the key manual, which says what to do by hand.")
    files = tuple(_source(file, f"{path}, file {n}") for n, file in enumerate(table.pop("files", ()), start=1))
    names = [file.name for file in files]
    if len(set(names)) < len(names):
        raise ConfigError(f"{path}: two files are called {max(names, key=names.count)!r}; give one of them a name.")
    return Recipe(path.stem, **table, files=files)


def all_recipes() -> dict[str, Recipe]:
    """The recipes that timbre brings along, by name.

    Raises:
        ConfigError: if this installation has lost them.
    """
    for place in _PLACES:
        if found := sorted(place.glob("*.toml")):
            return {path.stem: load_recipe(path) for path in found}
    raise ConfigError("This installation of timbre has no recipes of libraries; install it again.")


def find_recipe(name: str) -> Recipe:
    """The recipe called `name`, or that of a TOML file of one's own.

    Raises:
        ConfigError: if there is none; it names those that are close.
    """
    if name.endswith(".toml"):
        return load_recipe(Path(name).expanduser())
    known = all_recipes()
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.4)
    hint = f"close to it: {', '.join(close)}" if close else f"there are {', '.join(known)}"
    raise ConfigError(
        f"There is no recipe for a library called {name!r}; {hint} "
        "(folders and SoundFonts that are on the disk already need none: timbre scan FOLDER)."
    )


def _source(table: Any, where: str) -> Download:
    _check_keys(table, {"url": str}, _FILE_KEYS, where)
    sums = [f"{kind}:{table.pop(kind).lower()}" for kind in _DIGITS if kind in table]
    for text in sums:
        kind, _, digits = text.partition(":")
        if not re.fullmatch(f"[0-9a-f]{{{_DIGITS[kind]}}}", digits):
            raise ConfigError(f"{where}: {kind} is {digits!r}; {_DIGITS[kind]} hexadecimal digits are wanted.")
    if len(sums) > 1:
        raise ConfigError(f"{where} has both sha256 and md5; one checksum is wanted.")
    source = Download(**{"name": _last_part(table["url"]), **table}, checksum=sums[0] if sums else None)
    _check_source(source, where)
    return source


def _check_source(source: Download, where: str) -> None:
    if not re.match("https?://[^/]", source.url):
        raise ConfigError(f"{where}: {source.url!r} is not an address; one with http:// or https:// is wanted.")
    if source.name in ("", ".", "..") or re.search(r"[/\\\0]", source.name) or source.name.startswith("."):
        raise ConfigError(f"{where}: {source.name!r} is not the name of a file.")
    into = PurePosixPath(source.into)
    if into.is_absolute() or ".." in into.parts or "\\" in source.into:
        raise ConfigError(f"{where}: into is {source.into!r}; a folder inside that of the library is wanted.")
    if source.bytes is not None and source.bytes < 1:
        raise ConfigError(f"{where}: bytes is {source.bytes}; 1 or more are wanted.")


def _check_keys(table: Any, required: dict[str, type], allowed: dict[str, type], where: str) -> None:
    """Refuse a table that lacks a key, has one too many or one of another type; texts must not be empty."""
    if not isinstance(table, dict):
        raise ConfigError(f"{where} is {table!r}; a table is wanted.")
    known = required | allowed
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"{where} has the unknown key {key!r}; known: {', '.join(known)}.")
        if type(value) is not known[key] or value == "":
            raise ConfigError(f"{where}: {key} is {value!r}; a {known[key].__name__} is wanted that is not empty.")
    for key in required:
        if key not in table:
            raise ConfigError(f"{where} lacks the key {key!r}.")


def _last_part(url: str) -> str:
    """The file's name in an address."""
    return unquote(urlsplit(url).path).rpartition("/")[2]
