"""Fetching of public libraries: downloads that go on where they broke off, are checked, and then unpacked.

pooch checks the sums. Its downloaders begin again after a break, and `pooch.retrieve` deletes what it has when it is
stopped while it checks, so the transfer itself is done here, with the library that pooch does it with (requests).
"""

import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from timbre.data.download.recipes import Download, Recipe
from timbre.data.download.unpacking import unpack
from timbre.errors import ConfigError, LibraryError
from timbre.files import write_text

if TYPE_CHECKING:
    import requests

RECORD = ".timbre-fetch.json"
"""File in a fetched library's folder that says what it is, under which licence, and which files were fetched."""

_TIMEOUT = (20.0, 60.0)  # s to connect, and without a byte
_CHUNK = 1 << 15  # bytes; what came of a chunk before a break is lost


@dataclass(frozen=True)
class Fetched:
    """What came of fetching a library."""

    folder: Path
    """Where it is."""
    downloads: int
    """Files downloaded this time; 0 if the library was already there."""
    unchecked: dict[str, str]
    """SHA-256 of the files whose checksum nobody has published, by name."""


def fetch(recipe: Recipe, folder: Path, progress: bool = False) -> Fetched:
    """Download, check and unpack a public library.

    A download that breaks off or is stopped leaves a .part file, from which the same call goes on. A file whose
    checksum is wrong is removed, and nothing of it is unpacked. Archives are removed when they have been unpacked.

    Args:
        recipe: the library.
        folder: where it goes; it must be missing, empty, or hold the beginning of the same library.
        progress: show progress bars.

    Raises:
        ConfigError: if the folder holds something else, or the library cannot be fetched by a program.
        LibraryError: if the network, the server, a checksum, an archive or the disk fails.
    """
    if recipe.manual:
        raise ConfigError(f"{recipe.title}: this library cannot be fetched by a program; {recipe.homepage} tells how.")
    record = _open_record(recipe, folder)
    missing = [source for source in recipe.files if not record["files"].get(source.url, {}).get("done")]
    try:
        for source in missing:
            _fetch_file(source, folder, record, progress)
    except OSError as error:
        raise LibraryError(f"{folder} cannot be written: {error.strerror or error}.") from error
    files = {source.name: record["files"][source.url] for source in recipe.files}
    unchecked = {name: entry["sha256"] for name, entry in files.items() if "sha256" in entry}
    return Fetched(folder, len(missing), unchecked)


def _fetch_file(source: Download, folder: Path, record: dict[str, Any], progress: bool) -> None:
    """Bring one file of a library to its place, and write that down."""
    place, part = folder / source.into, folder / f"{source.name}.part"
    entry = record["files"].setdefault(source.url, {})
    answer = _answer(source, part, entry)
    if answer is not None:
        with answer:
            _check_size(source, part, entry)
            _write_record(folder, record)
            _transfer(answer, source, part, entry, progress)
    _check_sum(source, part, entry)
    place.mkdir(parents=True, exist_ok=True)
    if source.unpack:
        unpack(part, place, source.name, progress)
        part.unlink()
    else:
        os.replace(part, place / source.name)
    entry["done"] = True
    _write_record(folder, record)


def _answer(source: Download, part: Path, entry: dict[str, Any]) -> "requests.Response | None":
    """The server's answer with what is missing of a file; None if nothing is missing.

    `entry` tells the size and the entity tag of the file that the part belongs to. If the server knows no ranges, or
    has another file by now, the part is thrown away and the answer is the whole file (RFC 9110, section 14).
    """
    have = _size(part)
    if have and have == entry.get("bytes"):
        return None
    answer = _request(source, have)
    if have and _continues(answer, have, entry):
        return answer
    part.unlink(missing_ok=True)
    if answer.status_code != 200:
        answer.close()
        answer = _request(source, 0)
    plain = answer.headers.get("Content-Encoding", "identity") == "identity"
    length = answer.headers.get("Content-Length", "") if plain else ""
    entry.update(bytes=int(length) if length.isdecimal() else None, etag=answer.headers.get("ETag"))
    return answer


def _request(source: Download, have: int) -> "requests.Response":
    """Ask for a file from byte `have` on: 200 is all of it, 206 a part, 416 that there is no such part.

    Raises:
        LibraryError: if the server does not answer, or with anything else.
    """
    import requests

    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        answer = requests.get(source.url, headers=headers, stream=True, timeout=_TIMEOUT)
    except requests.RequestException as error:
        raise LibraryError(network_error(error, source.url)) from error
    if answer.status_code not in ((200, 206, 416) if have else (200,)):
        answer.close()
        gone = " (the address may be out of date)" if answer.status_code in (404, 410) else ""
        raise LibraryError(f"{source.url} is refused: {answer.status_code} {answer.reason}{gone}.")
    return answer


def _continues(answer: "requests.Response", have: int, entry: dict[str, Any]) -> bool:
    """Whether an answer is the rest of the file that was begun."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
    if answer.status_code != 206 or not found:
        return False
    return (int(found[1]), int(found[2]), answer.headers.get("ETag")) == (have, entry.get("bytes"), entry.get("etag"))


def _check_size(source: Download, part: Path, entry: dict[str, Any]) -> None:
    """Refuse a file of another size than the recipe's, or that the disk has no room for."""
    total = entry["bytes"]
    if None not in (total, source.bytes) and total != source.bytes:
        raise LibraryError(
            f"{source.url} has {total} bytes, the recipe says {source.bytes}: it is another file by now."
        )
    wanted, free = (total or 0) - _size(part), shutil.disk_usage(part.parent).free
    if wanted > free:
        raise LibraryError(
            f"{source.name} needs {wanted / 1e9:.2f} GB more, but there are {free / 1e9:.2f} GB free in {part.parent}."
        )


def _transfer(answer: "requests.Response", source: Download, part: Path, entry: dict[str, Any], progress: bool) -> None:
    """Append an answer's content to the part.

    Raises:
        LibraryError: if it breaks off.
    """
    import requests
    from tqdm import tqdm

    total, cause = entry["bytes"], None
    bar = tqdm(desc=source.name, initial=_size(part), total=total, unit="B", unit_scale=True, disable=not progress)
    try:
        with part.open("ab") as file, bar:
            for chunk in answer.iter_content(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    except requests.RequestException as error:
        cause = error
    if cause is not None or _size(part) != (total or _size(part)):
        of = f" of {total}" if total else ""
        raise LibraryError(
            f"{source.url} broke off after {_size(part)}{of} bytes; the same command goes on from there."
        ) from cause


def _size(part: Path) -> int:
    """Bytes of a file, 0 if there is none."""
    return part.stat().st_size if part.exists() else 0


def _check_sum(source: Download, part: Path, entry: dict[str, Any]) -> None:
    """Compare a file's checksum with the published one; note it where none is published.

    Raises:
        LibraryError: if they differ; the file is removed.
    """
    import pooch

    if source.checksum is None:
        entry["sha256"] = pooch.file_hash(str(part), alg="sha256")
        return
    kind, _, wanted = source.checksum.partition(":")
    found = pooch.file_hash(str(part), alg=kind)
    if found != wanted:
        part.unlink()
        raise LibraryError(
            f"{source.name} has the {kind.upper()} sum {found}, but {wanted} is published; it was removed, unused."
        )


def network_error(error: Exception, url: str) -> str:
    """One sentence for what keeps a server from answering."""
    import requests

    host, causes = urlsplit(url).netloc, list(_causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return f"{host} is not known here; is this computer connected to the network?"
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return f"{host} refuses connections; try again later."
    if isinstance(error, requests.Timeout):
        return f"{host} does not answer; try again later."
    return f"{url} cannot be fetched: {causes[-1]}."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _open_record(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """The record of a library's folder, begun if the folder is missing or empty."""
    about = {key: getattr(recipe, key) for key in ("name", "title", "homepage", "licence", "citation", "format")}
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        _make_folder(folder)
        return about | {"files": {}}
    file = folder / RECORD
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        if record["name"] == recipe.name and all(isinstance(entry, dict) for entry in record["files"].values()):
            return record
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        pass
    raise ConfigError(
        f"{folder} holds something other than a library called {recipe.name!r} that was fetched; name a new folder."
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"The folder {folder} cannot be made: {error.strerror}; choose another.") from error


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    write_text(folder / RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
