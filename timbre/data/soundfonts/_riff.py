"""The chunks of a SoundFont file (RIFF), with checked sizes.

The layout is that of the SoundFont Technical Specification 2.04 (E-mu Systems, 2006), also in sf3 files.
"""

import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from timbre.data.soundfonts.records import READ_TABLES
from timbre.errors import LibraryError

_TEXTS = ("INAM", "ICOP", "ICMT")
_KNOWN = {"LIST", "pmod", "imod", "sm24", "smpl", *READ_TABLES, *_TEXTS}
_KNOWN |= {"ifil", "isng", "irom", "iver", "ICRD", "IENG", "IPRD", "ISFT"}
_MOST_CHUNKS = 1000  # usually 24
_MOST_RECORDS = 1 << 16  # indices have 16 bits
_LONGEST_TEXT = 1 << 16  # bytes; a longer one is cut

Generators = dict[int, int]  # amounts of a zone's generators, by their codes


class Chunks(NamedTuple):
    """Contents of a SoundFont file."""

    texts: dict[str, str]  # INAM (name), ICOP (copyright) and ICMT (comment); empty if missing
    tables: dict[str, list[tuple[Any, ...]]]  # records of each table, including the last (terminal) one
    sound: tuple[int, int]  # first byte and size of the samples; (0, 0) if there are none


def read_chunks(path: Path) -> Chunks:
    """All of a SoundFont except its samples; a LibraryError if it is no SoundFont, truncated, or lacks a table."""
    try:
        with path.open("rb") as file:
            return _read(file, path)
    except OSError as error:
        raise LibraryError(f"{path} cannot be read: {error.strerror}.") from error


def _read(file: BinaryIO, path: Path) -> Chunks:
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise LibraryError(f"{path} must be a SoundFont: an .sf2 or .sf3 file (RIFF with sfbk).")
    chunks = {name: (start, size) for name, start, size in _walk(file, path)}
    if missing := [name for name in READ_TABLES if name not in chunks]:
        raise LibraryError(f"{path} is a damaged SoundFont: it has no table {missing[0]}.")
    texts = {}
    for name in _TEXTS:
        start, size = chunks.get(name, (0, 0))
        file.seek(start)
        texts[name] = clean_text(file.read(min(size, _LONGEST_TEXT)))
    tables = {name: _table(file, path, name, *chunks[name]) for name in READ_TABLES}
    return Chunks(texts, tables, chunks.get("smpl", (0, 0)))


def _walk(file: BinaryIO, path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, first byte and size of every chunk, including those inside lists."""
    position, end = 12, os.fstat(file.fileno()).st_size
    for _ in range(_MOST_CHUNKS):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            return
        name, size = head[:4].decode("latin-1"), int.from_bytes(head[4:], "little")
        if name == "LIST":
            position += 12
            continue
        position += 8
        if position + size > end:
            raise LibraryError(f"{path} is truncated: its chunk {name!r} must have {size} bytes, got {end - position}.")
        yield name, position, size
        if name == "shdr":  # the last in the specification; anything may follow
            return
        position += size
        position += size % 2 and _padding(file, position)
    raise LibraryError(f"{path} is a damaged SoundFont: it has more than {_MOST_CHUNKS} chunks.")


def _padding(file: BinaryIO, position: int) -> int:
    """Bytes between an odd chunk and the next: 1 in the specification, but 0 from programs that write sf3 files."""
    file.seek(position)
    ahead = file.read(5).decode("latin-1")
    return 0 if ahead[:4] in _KNOWN and ahead[1:] not in _KNOWN else 1


def _table(file: BinaryIO, path: Path, name: str, start: int, size: int) -> list[tuple[Any, ...]]:
    record = READ_TABLES[name].itemsize
    if size % record or not record <= size <= record * (_MOST_RECORDS + 1):
        raise LibraryError(f"{path} is a damaged SoundFont: its table {name} has {size} bytes, {record} a record.")
    file.seek(start)
    return np.frombuffer(file.read(size), READ_TABLES[name]).tolist()


def clean_text(content: bytes) -> str:
    """Text up to the first zero byte, in UTF-8 or else Windows-1252, with single spaces and no control bytes."""
    content = content.partition(b"\0")[0]
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()


def read_zones(
    first_bags: list[int], bags: list[tuple[Any, ...]], generators: list[tuple[Any, ...]], target: int, targets: int
) -> list[list[Generators]]:
    """The zones of each preset or instrument that have a target (instrument or sample), merged with its global zone.

    `first_bags` are the indices of its first zones (the last entry ends the list), `bags` those of the first generators
    of zones, and `target` is the code of the generator that names one of the `targets`; those after it are ignored.

    Raises:
        LibraryError: if the tables contradict each other; the message continues a sentence about the file.
    """
    starts = [bag[0] for bag in bags]
    _check_order(first_bags, len(starts))
    _check_order(starts, len(generators) + 1)
    result: list[list[Generators]] = []
    for first, last in pairwise(first_bags):
        common: Generators = {}
        zones: list[Generators] = []
        for number in range(first, last):
            zone = _generators(generators[starts[number] : starts[number + 1]], target)
            if target in zone:
                zones.append(common | zone)
            elif number == first:
                common = zone
        if any(zone[target] >= targets for zone in zones):
            raise LibraryError("it refers to an instrument or a sample that is not there.")
        result.append(zones)
    return result


def _check_order(numbers: list[int], count: int) -> None:
    if any(first > second for first, second in pairwise(numbers)) or numbers[-1] >= count:
        raise LibraryError("its tables contradict each other.")


def _generators(records: list[tuple[Any, ...]], target: int) -> Generators:
    zone: Generators = {}
    for number, amount in records:
        zone[number] = amount
        if number == target:
            break
    return zone
