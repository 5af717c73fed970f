"""Recipes of public libraries: addresses, checksums, licences and citations."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from timbre.config import from_dict, read_toml
from timbre.config.settings import require
from timbre.errors import ConfigError
from timbre.files import expanded

# An installed timbre has the recipes next to this module, a checkout in its root.
_FOLDERS = (Path(__file__).parent / "datasets", Path(__file__).parents[3] / "datasets")
LARGEST = 2 * 10**9  # bytes of a file whose recipe says nothing of its size
_DIGITS = {"sha256": 64, "md5": 32}


@dataclass(frozen=True)
class Download:
    """One file to download; a ConfigError if a value is invalid."""

    url: str  # http or https
    name: str = ""  # of the saved file; default: the last part of the URL
    sha256: str | None = None  # one of the two checksums in hexadecimal digits; None if unknown
    md5: str | None = None
    bytes: int | None = None  # size; None if unknown
    most: int | None = None  # most bytes that are downloaded of a file of unknown size; default: LARGEST
    unpack: bool = False  # whether it is a tar or zip archive to unpack and remove
    into: str = ""  # folder for the file or its contents, relative to the library's

    def __post_init__(self) -> None:
        require(re.match("https?://[^/]", self.url), f"url must begin with http:// or https://, got {self.url!r}.")
        try:
            path = urlsplit(self.url).path
        except ValueError as error:
            raise ConfigError(f"url must be an address, got {self.url!r} ({error}).") from error
        name = self.name or unquote(path).rpartition("/")[2]
        is_name = name and not name.startswith(".") and not re.search(r"[/\\\0]", name)
        require(is_name, f"name must be the name of a file, got {name!r}.")
        object.__setattr__(self, "name", name)
        for kind, digits in _DIGITS.items():
            given = getattr(self, kind)
            is_sum = given is None or re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", given)
            require(is_sum, f"{kind} must have {digits} hexadecimal digits, got {given!r}.")
        require(None in (self.sha256, self.md5), "A file must have one checksum, got both sha256 and md5.")
        into = PurePosixPath(self.into)
        is_inside = not into.is_absolute() and ".." not in into.parts and "\\" not in self.into
        require(is_inside, f"into must be a folder inside that of the library, got {self.into!r}.")
        for key in ("bytes", "most"):
            require((size := getattr(self, key)) is None or size > 0, f"{key} must be 1 or more, got {size}.")
        require(None in (self.bytes, self.most), "A file must have its size in bytes or most, got both.")

    @property
    def checksum(self) -> str | None:
        """Such as "md5:36030a7f..."; None if unknown."""
        return next((f"{kind}:{getattr(self, kind).lower()}" for kind in _DIGITS if getattr(self, kind)), None)

    @property
    def limit(self) -> int:
        """Most bytes that are downloaded."""
        return self.bytes or self.most or LARGEST


@dataclass(frozen=True)
class Recipe:
    """A public library: description and downloads."""

    name: str  # for `timbre fetch`, that of the recipe's file
    title: str
    homepage: str
    licence: str
    citation: str
    format: str  # name of its reader
    size: str  # description of the amount to download
    checked: str  # what was confirmed, and what is unknown
    files: tuple[Download, ...] = ()  # empty if `manual` is given
    manual: str | None = None  # instructions, for a library that is available to members only


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; a ConfigError if it cannot be read, a key is missing or unknown, or a value is invalid."""
    table = read_toml(path)
    try:
        recipe = from_dict(Recipe, table, name=path.stem)
        for key, value in (pair for part in (table, *table.get("files", ())) for pair in part.items()):
            require(value != "", f"{key} must not be empty, got ''.")
        require((recipe.manual is None) == bool(recipe.files), "There must be either files or manual instructions.")
        names = [file.name for file in recipe.files]
        repeated = [name for name in names if names.count(name) > 1]
        require(not repeated, f"Each file must have a name of its own, got {', '.join(repeated)}.")
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return recipe


def all_recipes() -> dict[str, Recipe]:
    """The recipes included in timbre, by name; a ConfigError if they are missing."""
    for folder in _FOLDERS:
        if files := sorted(folder.glob("*.toml")):
            return {path.stem: load_recipe(path) for path in files}
    raise ConfigError("This installation of timbre has no recipes of libraries; install it again.")


def find_recipe(name: str) -> Recipe:
    """The recipe called `name`, or the one in a TOML file; a ConfigError that lists similar names if there is none."""
    if name.endswith(".toml"):
        return load_recipe(expanded(name))
    known = all_recipes()
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.4)
    hint = f"similar: {', '.join(close)}" if close else f"there are {', '.join(known)}"
    raise ConfigError(
        f"There is no recipe for a library called {name!r}; {hint} "
        "(folders and SoundFonts on your disk need none: timbre scan FOLDER)."
    )
