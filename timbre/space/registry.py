"""The registry: where archives of spaces are, what their checksums are, and under which licence they stand."""

import os
import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from timbre.errors import CheckpointError, ConfigError

SHIPPED = Path(__file__).with_name("registry.toml")
VARIABLE = "TIMBRE_REGISTRY"
_TIMEOUT = (20.0, 60.0)  # s to connect, and without a byte
_WORDS: dict[Any, str] = {str: "a text", int: "a whole number"}
_LONGEST = 1 << 20  # bytes of a registry


@dataclass(frozen=True)
class Entry:
    """An archive of a space."""

    url: str
    """http or https; a tar or zip archive, with the space's files at its top or in its only folder."""
    sha256: str
    """Of the archive, 64 hexadecimal digits."""
    bytes: int
    """Size of the archive."""
    licence: str
    """Of the space's weights and points."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not field.type:
                raise ConfigError(f"{field.name} is {value!r}; {_WORDS[field.type]} is wanted")
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).netloc:
            raise ConfigError(f"url is {self.url!r}; an http or https address is wanted")
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ConfigError(f"sha256 is {self.sha256!r}; 64 hexadecimal digits in small letters are wanted")
        if self.bytes <= 0 or not self.licence.strip():
            raise ConfigError("bytes and licence say nothing; the archive's size and the licence's name are wanted")


def registry() -> dict[str, Entry]:
    """The archives of spaces by name: timbre's own, then those of the registry that TIMBRE_REGISTRY names (a file, or
    an http or https address), which may replace them.

    Raises:
        ConfigError: a registry cannot be read, or an entry has a key that is missing, unknown or impossible.
    """
    own = parse_registry(SHIPPED.read_text(encoding="utf-8"), str(SHIPPED))
    place = os.environ.get(VARIABLE)
    return {**own, **parse_registry(_text(place), place)} if place else own


def parse_registry(text: str, where: str) -> dict[str, Entry]:
    """The entries of a registry's text.

    Raises:
        ConfigError: as of :func:`registry`; `where` is named.
    """
    from timbre.space.names import NAME

    try:
        tables = tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"The registry {where} is not a TOML file: {error}.") from error
    for name in tables:
        if not NAME.fullmatch(name):
            raise ConfigError(f"The registry {where} calls a space {name!r}; small letters, digits and - are wanted.")
    return {name: _entry(table, f"The registry {where}, {name}") for name, table in tables.items()}


def _entry(table: Any, where: str) -> Entry:
    wanted = [field.name for field in fields(Entry)]
    if not isinstance(table, dict) or set(table) != set(wanted):
        has = ", ".join(table) if isinstance(table, dict) and table else "nothing"
        raise ConfigError(f"{where}: {has} came; exactly {', '.join(wanted)} are wanted.")
    try:
        return Entry(**table)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}.") from error


def _text(place: str) -> str:
    """The text of a registry, from a file or an address."""
    try:
        if urlsplit(place).scheme in ("http", "https"):
            return _page(place)
        return Path(place).expanduser().read_text(encoding="utf-8")
    except OSError as error:  # requests' errors are some of these
        reason = error.strerror or why(error, place)
        raise ConfigError(
            f"The registry {place}, named by {VARIABLE}, cannot be read: {reason.rstrip('.')}."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"The registry {place}, named by {VARIABLE}, is not UTF-8 text.") from error


def _page(url: str) -> str:
    import requests

    with requests.get(url, timeout=_TIMEOUT, stream=True) as answer:
        answer.raise_for_status()
        body = b"".join(_bounded(answer.iter_content(1 << 15), url))
    return body.decode("utf-8")


def _bounded(chunks: Any, url: str) -> Any:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > _LONGEST:
            raise ConfigError(f"The registry {url} is longer than {_LONGEST} bytes; a list of spaces is wanted.")
        yield chunk


def download(name: str, entry: Entry, folder: Path) -> Path:
    """The archive of a space, fetched into a folder and checked, by pooch.

    Archives of spaces are small: a transfer that breaks off is begun again, unlike those of libraries, which go on.

    Raises:
        CheckpointError: the server cannot be reached or refuses, the transfer breaks off, or the checksum is another.
    """
    import pooch
    import requests

    logger = pooch.get_logger()
    level, file = logger.level, f"{name}.archive"
    logger.setLevel("ERROR")  # a progress line of ours is enough
    try:
        found = pooch.retrieve(
            entry.url, f"sha256:{entry.sha256}", file, folder, downloader=pooch.HTTPDownloader(timeout=_TIMEOUT)
        )
    except requests.RequestException as error:
        raise CheckpointError(f"{name} cannot be fetched: {why(error, entry.url)}") from error
    except ValueError as error:
        raise CheckpointError(
            f"{name} was not kept: the SHA-256 of {entry.url} is not {entry.sha256}, as the registry says; it was "
            "damaged on the way, or is another file by now."
        ) from error
    finally:
        logger.setLevel(level)
    return Path(found)


def why(error: Exception, url: str) -> str:
    """One sentence for what keeps a server from answering."""
    import requests

    from timbre.data.download.fetching import network_error

    answer = getattr(error, "response", None)
    if isinstance(answer, requests.Response):
        return f"{url} is refused: {answer.status_code} {answer.reason}."
    return network_error(error, url)
