"""Recipes of public libraries: addresses, checksums, licences and citations."""

import difflib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from timbre.errors import ConfigError

# An installed timbre has the recipes next to this module, a checkout in its root.
_FOLDERS = (Path(__file__).parent / "datasets", Path(__file__).parents[3] / "datasets")
_TEXTS = ("title", "homepage", "licence", "citation", "format", "size", "checked")
_FILE_KEYS = {"url": str, "name": str, "sha256": str, "md5": str, "bytes": int, "unpack": bool, "into": str}
_DIGITS = {"sha256": 64, "md5": 32}


@dataclass(frozen=True)
class Download:
    """One file to download."""

    url: str
    """http or https."""
    name: str
    """Name of the saved file."""
    checksum: str | None = None
    """Such as "md5:36030a7f..."; None if unknown."""
    bytes: int | None = None
    """Size; None if unknown."""
    unpack: bool = False
    """Whether it is a tar or zip archive to unpack and remove."""
    into: str = ""
    """Folder for the file or its contents, relative to the library's."""


@dataclass(frozen=True)
class Recipe:
    """A public library: description and downloads."""

    name: str
    """Name for `timbre fetch`, that of the recipe's file."""
    title: str
    homepage: str
    licence: str
    citation: str
    format: str
    """Name of its reader."""
    size: str
    """Description of the amount to download."""
    checked: str
    """What was confirmed, and what is unknown."""
    files: tuple[Download, ...] = ()
    """Empty if `manual` is given."""
    manual: str | None = None
    """Instructions, for a library that is available to members only."""


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ConfigError: if it cannot be read, a key is missing or unknown, or a value is invalid.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not a TOML file: {error}.") from error
    _check_keys(table, dict.fromkeys(_TEXTS, str), {"manual": str, "files": list}, str(path))
    if ("manual" in table) == bool(table.get("files")):
        raise ConfigError(f"{path} must have either a list of files or the key manual, with instructions.")
    files = tuple(_source(file, f"{path}, file {n}") for n, file in enumerate(table.pop("files", ()), start=1))
    names = [file.name for file in files]
    if len(set(names)) < len(names):
        raise ConfigError(f"{path}: two files are called {max(names, key=names.count)!r}; give one another name.")
    return Recipe(path.stem, **table, files=files)


def all_recipes() -> dict[str, Recipe]:
    """The recipes included in timbre, by name.

    Raises:
        ConfigError: if they are missing.
    """
    for folder in _FOLDERS:
        if files := sorted(folder.glob("*.toml")):
            return {path.stem: load_recipe(path) for path in files}
    raise ConfigError("This installation of timbre has no recipes of libraries; install it again.")


def find_recipe(name: str) -> Recipe:
    """The recipe called `name`, or the one in a TOML file.

    Raises:
        ConfigError: if there is none; it lists similar names.
    """
    if name.endswith(".toml"):
        return load_recipe(Path(name).expanduser())
    known = all_recipes()
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.4)
    hint = f"similar: {', '.join(close)}" if close else f"there are {', '.join(known)}"
    raise ConfigError(
        f"There is no recipe for a library called {name!r}; {hint} "
        "(folders and SoundFonts on your disk need none: timbre scan FOLDER)."
    )


def _source(table: Any, where: str) -> Download:
    _check_keys(table, {"url": str}, _FILE_KEYS, where)
    sums = [f"{kind}:{table.pop(kind).lower()}" for kind in _DIGITS if kind in table]
    for text in sums:
        kind, _, digits = text.partition(":")
        if not re.fullmatch(f"[0-9a-f]{{{_DIGITS[kind]}}}", digits):
            raise ConfigError(f"{where}: {kind} must have {_DIGITS[kind]} hexadecimal digits, got {digits!r}.")
    if len(sums) > 1:
        raise ConfigError(f"{where} must have one checksum, got both sha256 and md5.")
    name = unquote(urlsplit(table["url"]).path).rpartition("/")[2]
    source = Download(**{"name": name, **table}, checksum=sums[0] if sums else None)
    _check_source(source, where)
    return source


def _check_source(source: Download, where: str) -> None:
    if not re.match("https?://[^/]", source.url):
        raise ConfigError(f"{where}: url must begin with http:// or https://, got {source.url!r}.")
    if source.name in ("", ".", "..") or re.search(r"[/\\\0]", source.name) or source.name.startswith("."):
        raise ConfigError(f"{where}: name must be the name of a file, got {source.name!r}.")
    into = PurePosixPath(source.into)
    if into.is_absolute() or ".." in into.parts or "\\" in source.into:
        raise ConfigError(f"{where}: into must be a folder inside that of the library, got {source.into!r}.")
    if source.bytes is not None and source.bytes < 1:
        raise ConfigError(f"{where}: bytes must be 1 or more, got {source.bytes}.")


def _check_keys(table: Any, required: dict[str, type], allowed: dict[str, type], where: str) -> None:
    """Refuse a table with a missing or unknown key, a value of another type, or an empty text."""
    if not isinstance(table, dict):
        raise ConfigError(f"{where} must be a table, got {table!r}.")
    known = required | allowed
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"{where} has the unknown key {key!r}; known: {', '.join(known)}.")
        if type(value) is not known[key] or value == "":
            raise ConfigError(f"{where}: {key} must be a {known[key].__name__} and not empty, got {value!r}.")
    for key in required:
        if key not in table:
            raise ConfigError(f"{where} lacks the key {key!r}.")
