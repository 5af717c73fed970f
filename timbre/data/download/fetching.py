"""Downloads of public libraries: resumed after an interruption, verified and unpacked."""

import hashlib
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from tqdm.auto import tqdm

from timbre.data.download.recipes import Download, Recipe
from timbre.data.download.unpacking import unpack
from timbre.errors import ConfigError, LibraryError, TimbreError
from timbre.files import read_json, remove_left, unwritable, write_text

RECORD = ".timbre-fetch.json"  # file in a library's folder with its name, licence and citation, and the files fetched
_TIMEOUT = (20.0, 60.0)  # s to connect, and between bytes
_CHUNK = 1 << 15  # bytes; an incomplete chunk is lost
_PATIENCE, _SLOWEST = 300.0, 1000.0  # s, and bytes per second on average from then on
_REDIRECTS = 10
_DIGITS = 18  # of a size
_NETWORK_ERRORS: dict[type, str] = {
    socket.gaierror: "cannot be found; check the connection to the network",
    ConnectionRefusedError: "refuses connections; try again later",
    requests.Timeout: "does not answer; try again later",
}


@dataclass(frozen=True)
class Fetched:
    """Result of :func:`fetch`."""

    folder: Path
    downloads: int  # number of files downloaded; 0 if the library was complete
    unchecked: dict[str, str]  # SHA-256 of the files without a published checksum, by name


def fetch(recipe: Recipe, folder: Path, progress: bool = False, allow_http: bool = False) -> Fetched:
    """Download, verify and unpack a public library.

    An interrupted download leaves a .part file, from which the same call resumes. A file with a wrong checksum is
    removed and not unpacked. Archives are removed after they have been unpacked. The folder must be missing, empty, or
    contain a part of the same library. No more is downloaded of a file than the recipe says (by default 2 GB).

    Args:
        recipe, folder: the library, and where it goes.
        progress: whether to show progress on stderr.
        allow_http: whether files without a checksum may come over http, where anybody on the way can change them.

    Raises:
        ConfigError: if the folder contains something else, the library cannot be fetched by a program, or a file
            without a checksum would come over http.
        LibraryError: if the network, the server, a checksum, an archive or the disk fails.
    """
    if recipe.manual:
        raise ConfigError(f"{recipe.title} cannot be fetched by a program; see {recipe.homepage}.")
    for source in recipe.files:
        _check_address(source, source.url, allow_http)
    record = _open_record(recipe, folder)
    missing = [source for source in recipe.files if not record["files"].get(source.url, {}).get("done")]
    try:
        for source in missing:
            _fetch_file(source, folder, record, progress, allow_http)
    except OSError as error:
        raise LibraryError(unwritable(folder, error)) from error
    files = {source.name: record["files"][source.url] for source in recipe.files}
    unchecked = {name: entry["sha256"] for name, entry in files.items() if "sha256" in entry}
    return Fetched(folder, len(missing), unchecked)


def _check_address(source: Download, url: str, allow_http: bool) -> None:
    """Refuse an address that is not of the web, and one over http for a file without a checksum."""
    scheme = url.partition(":")[0].lower()
    if scheme not in ("http", "https"):
        raise LibraryError(f"{source.url} leads to {url}, which is no address of the web.")
    if scheme == "http" and not (source.checksum or allow_http):
        raise ConfigError(
            f"{source.name} would come over http without a checksum, so that anybody on the way could change it "
            f"({url}); give its sha256 in the recipe, or --allow-http to download it nevertheless."
        )


def _fetch_file(source: Download, folder: Path, record: dict[str, Any], progress: bool, allow_http: bool) -> None:
    """Fetch one file of a library and record it."""
    target, part = folder / source.into, folder / f"{source.name}.part"
    entry = record["files"].setdefault(source.url, {})
    answer = _answer(source, part, entry, allow_http)
    if answer is not None:
        with answer:
            _check_size(source, part, entry)
            _write_record(folder, record)
            _transfer(answer, source, part, entry, progress)
    _check_sum(source, part, entry)
    target.mkdir(parents=True, exist_ok=True)
    if source.unpack:
        unpack(part, target, source.name, progress)
        part.unlink()
    else:
        os.replace(part, target / source.name)
    entry["done"] = True
    _write_record(folder, record)


def _answer(source: Download, part: Path, entry: dict[str, Any], allow_http: bool) -> requests.Response | None:
    """The server's answer with the missing bytes of a file; None if none are missing.

    `entry` contains the size and the entity tag of the file to which the part belongs. If the server does not support
    ranges or the file has changed, the part is removed and the answer is the whole file (RFC 9110, section 14).
    """
    have = _size(part)
    if have and have == entry.get("bytes"):
        return None
    answer = _request(source, have, allow_http)
    if have and _continues(answer, have, entry):
        return answer
    part.unlink(missing_ok=True)
    if answer.status_code != 200:
        answer.close()
        answer = _request(source, 0, allow_http)
    plain = answer.headers.get("Content-Encoding", "identity") == "identity"
    length = answer.headers.get("Content-Length", "") if plain else ""
    known = length.isdecimal() and len(length) <= _DIGITS
    entry.update(bytes=int(length) if known else None, etag=answer.headers.get("ETag"))
    return answer


def _request(source: Download, have: int, allow_http: bool) -> requests.Response:
    """Request a file from byte `have` on; the status is 200 (the whole file), 206 (a part) or 416 (no such part)."""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        answer = _followed(source, headers, allow_http)
    except (requests.RequestException, ValueError) as error:
        if isinstance(error, TimbreError):
            raise
        raise LibraryError(network_error(error, source.url)) from error
    if answer.status_code not in ((200, 206, 416) if have else (200,)):
        answer.close()
        gone = " (the address may be out of date)" if answer.status_code in (404, 410) else ""
        raise LibraryError(f"{source.url} is refused: {answer.status_code} {answer.reason}{gone}.")
    return answer


def _followed(source: Download, headers: dict[str, str], allow_http: bool) -> requests.Response:
    """The answer after redirects, each of which is checked before it is followed."""
    url = source.url
    for _ in range(_REDIRECTS):
        answer = requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT, allow_redirects=False)
        if not answer.is_redirect:
            return answer
        answer.close()
        url = urljoin(url, answer.headers["Location"])
        _check_address(source, url, allow_http)
    raise LibraryError(f"{source.url} leads to more than {_REDIRECTS} addresses; the server is at fault.")


def _continues(answer: requests.Response, have: int, entry: dict[str, Any]) -> bool:
    """Whether an answer is the rest of a partly downloaded file."""
    span = re.fullmatch(rf"bytes (\d{{1,{_DIGITS}}})-\d+/(\d{{1,{_DIGITS}}})", answer.headers.get("Content-Range", ""))
    if answer.status_code != 206 or not span:
        return False
    return (int(span[1]), int(span[2]), answer.headers.get("ETag")) == (have, entry.get("bytes"), entry.get("etag"))


def _check_size(source: Download, part: Path, entry: dict[str, Any]) -> None:
    """Refuse a file whose size is not that of the recipe, or for which the disk has no room."""
    total = entry["bytes"]
    if None not in (total, source.bytes) and total != source.bytes:
        raise LibraryError(f"{source.url} must have {source.bytes} bytes, got {total}: the file has changed.")
    needed, free = (total or 0) - _size(part), shutil.disk_usage(part.parent).free
    if needed > free:
        raise LibraryError(
            f"{source.name} needs {needed / 1e9:.2f} GB more, but {part.parent} has {free / 1e9:.2f} GB free."
        )
    if total and total > source.limit:
        raise LibraryError(_too_large(source, f"has {total:,}"))


def _too_large(source: Download, given: str) -> str:
    hint = "" if source.bytes or source.most else "; give `bytes` or `most` in the recipe if it is larger"
    return f"{source.name} may have {source.limit:,} bytes, but {source.url} {given}{hint}."


def _transfer(answer: requests.Response, source: Download, part: Path, entry: dict[str, Any], progress: bool) -> None:
    """Append an answer's content to the part."""
    total, cause = entry["bytes"] or source.bytes, None
    bar = tqdm(desc=source.name, initial=_size(part), total=total, unit="B", unit_scale=True, disable=not progress)
    try:
        with part.open("ab") as file, bar:
            for chunk in _chunks(answer, source):
                if file.tell() + len(chunk) > source.limit:
                    raise LibraryError(_too_large(source, "sends more"))
                file.write(chunk)
                bar.update(len(chunk))
    except urllib3.exceptions.HTTPError as error:
        cause = error
    except LibraryError:
        part.unlink()
        raise
    if cause is not None or _size(part) != (total or _size(part)):
        of = f" of {total}" if total else ""
        raise LibraryError(
            f"{source.url} was interrupted after {_size(part)}{of} bytes; run the same command again to resume."
        ) from cause


def _chunks(answer: requests.Response, source: Download) -> Iterator[bytes]:
    """The content of an answer in chunks of one size; refuses a server that sends a little now and then."""
    begun, received, chunk = time.monotonic(), 0, bytearray()
    while data := answer.raw.read1(_CHUNK, decode_content=True):
        chunk += data
        received += len(data)
        seconds = time.monotonic() - begun
        if seconds > _PATIENCE and received < seconds * _SLOWEST:
            raise urllib3.exceptions.HTTPError(f"{source.url} sends {received / seconds:.0f} bytes per second")
        while len(chunk) >= _CHUNK:
            yield bytes(chunk[:_CHUNK])
            del chunk[:_CHUNK]
    yield bytes(chunk)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _check_sum(source: Download, part: Path, entry: dict[str, Any]) -> None:
    """Compare a file's checksum with the published one, and remove the file if they differ; if none, record it."""
    kind, _, published = (source.checksum or "sha256:").partition(":")
    with part.open("rb") as file:
        checksum = hashlib.file_digest(file, kind).hexdigest()
    if not published:
        entry["sha256"] = checksum
    elif checksum != published:
        part.unlink()
        raise LibraryError(
            f"The {kind.upper()} sum of {source.name} must be {published}, got {checksum}; the file was removed."
        )


def network_error(error: Exception, url: str) -> str:
    """A sentence about the reason why a server cannot be reached."""
    causes: list[BaseException] = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    for kind, reason in _NETWORK_ERRORS.items():
        if any(isinstance(cause, kind) for cause in causes):
            return f"{urlsplit(url).netloc} {reason}."
    return f"{url} cannot be fetched: {causes[-1]}."


def _open_record(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """The record in a library's folder; a new one if the folder is missing or empty."""
    about = {key: getattr(recipe, key) for key in ("name", "title", "homepage", "licence", "citation", "format")}
    remove_left(folder)  # of a fetch that was killed while it wrote its first record
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(unwritable(folder, error)) from error
        return about | {"files": {}}
    try:
        record = read_json(folder / RECORD, LibraryError)
        if record["name"] == recipe.name and all(isinstance(entry, dict) for entry in record["files"].values()):
            return record
    except (LibraryError, TypeError, LookupError, AttributeError):
        pass
    raise ConfigError(f"{folder} must be missing, empty, or contain the fetched library {recipe.name!r}.")


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    write_text(folder / RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
