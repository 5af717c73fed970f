"""The chunks of a SoundFont file (RIFF), checked and bounded, before anything is made of them.

Layout after the SoundFont Technical Specification 2.04 (E-mu Systems, 2006); sf3 files have the same one.
"""

import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from timbre.errors import LibraryError

TABLES = {
    "phdr": np.dtype("S20, <u2, <u2, <u2, <u4, <u4, <u4"),  # name, program, bank, first bag, three unused
    "pbag": np.dtype("<u2, <u2"),  # first generator, first modulator
    "pgen": np.dtype("<u2, <u2"),  # generator, amount
    "inst": np.dtype("S20, <u2"),  # name, first bag
    "ibag": np.dtype("<u2, <u2"),
    "igen": np.dtype("<u2, <u2"),
    "shdr": np.dtype("S20, <u4, <u4, <u4, <u4, <u4, u1, i1, <u2, <u2"),  # see timbre.data.soundfonts.soundfont.Sample
}
"""The tables of the presets, instruments and samples, and their records."""
_TEXTS = ("INAM", "ICOP", "ICMT")
_KNOWN = {"LIST", "pmod", "imod", "sm24", "smpl", *TABLES, *_TEXTS}
_KNOWN |= {"ifil", "isng", "irom", "iver", "ICRD", "IENG", "IPRD", "ISFT"}
_MOST_CHUNKS = 1000  # there are 24 in a usual file
_MOST_RECORDS = 1 << 16  # records are numbered with 16 bits
_LONGEST_TEXT = 1 << 16  # bytes; a longer one is cut


Generators = dict[int, int]
"""Amounts of a zone's generators, by their numbers."""


class Chunks(NamedTuple):
    """What a SoundFont file holds."""

    texts: dict[str, str]
    """INAM (name), ICOP (copyright) and ICMT (comment), as far as they are there."""
    tables: dict[str, list[tuple[Any, ...]]]
    """Records of each table, the last (terminal) one included."""
    sound: tuple[int, int]
    """First byte and size of the samples; (0, 0) where there are none."""


def read_chunks(path: Path) -> Chunks:
    """Read everything but the samples of a SoundFont.

    Raises:
        LibraryError: if it cannot be read, is no SoundFont, breaks off, or lacks a table.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path)
    except OSError as error:
        raise LibraryError(f"{path} cannot be read: {error.strerror}.") from error


def _read(file: BinaryIO, path: Path) -> Chunks:
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise LibraryError(f"{path} is no SoundFont; an .sf2 or .sf3 file (RIFF with sfbk) is wanted.")
    places = {name: (start, size) for name, start, size in _walk(file, path)}
    if missing := [name for name in TABLES if name not in places]:
        raise LibraryError(f"{path} is a damaged SoundFont: it has no table {missing[0]}.")
    texts = {name: _text(file, *places[name]) for name in _TEXTS if name in places}
    tables = {name: _table(file, path, name, *places[name]) for name in TABLES}
    return Chunks({name: text for name, text in texts.items() if text}, tables, places.get("smpl", (0, 0)))


def _walk(file: BinaryIO, path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, first byte and size of every chunk; lists are entered."""
    place, end = 12, os.fstat(file.fileno()).st_size
    for _ in range(_MOST_CHUNKS):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return
        name, size = head[:4].decode("latin-1"), int.from_bytes(head[4:], "little")
        if name == "LIST":
            place += 12
            continue
        place += 8
        if place + size > end:
            raise LibraryError(
                f"{path} breaks off: its chunk {name!r} should hold {size} bytes, {end - place} are there."
            )
        yield name, place, size
        if name == "shdr":  # the last by the rules; behind it there may be anything
            return
        place += size
        place += size % 2 and _padding(file, place)
    raise LibraryError(f"{path} is a damaged SoundFont: it has more than {_MOST_CHUNKS} chunks.")


def _padding(file: BinaryIO, place: int) -> int:
    """Bytes between an odd chunk and the next: 1 by the rules, but programs that write sf3 files leave it out."""
    file.seek(place)
    ahead = file.read(5).decode("latin-1")
    return 0 if ahead[:4] in _KNOWN and ahead[1:] not in _KNOWN else 1


def _table(file: BinaryIO, path: Path, name: str, start: int, size: int) -> list[tuple[Any, ...]]:
    record = TABLES[name].itemsize
    if size % record or not record <= size <= record * (_MOST_RECORDS + 1):
        raise LibraryError(f"{path} is a damaged SoundFont: its table {name} has {size} bytes, {record} a record.")
    file.seek(start)
    return np.frombuffer(file.read(size), TABLES[name]).tolist()


def _text(file: BinaryIO, start: int, size: int) -> str:
    file.seek(start)
    return clean_text(file.read(min(size, _LONGEST_TEXT)))


def clean_text(content: bytes) -> str:
    """Text up to the first zero byte, in UTF-8 or else as Windows writes it, its white space and control bytes gone."""
    content = content.partition(b"\0")[0]
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()


def read_zones(
    first_bags: list[int], bags: list[tuple[Any, ...]], generators: list[tuple[Any, ...]], target: int, targets: int
) -> list[list[Generators]]:
    """The zones of each preset or instrument that lead to something, with what its global zone says filled in.

    Args:
        first_bags: number of each one's first zone; the last entry ends the list.
        bags: number of each zone's first generator.
        generators: numbers and amounts.
        target: the generator that names the instrument or sample; the ones behind it do not count.
        targets: how many of those there are.

    Raises:
        LibraryError: if the tables contradict each other; the sentence goes on after the file's name.
    """
    starts = [bag[0] for bag in bags]
    _check_order(first_bags, len(starts))
    _check_order(starts, len(generators) + 1)
    found: list[list[Generators]] = []
    for first, last in pairwise(first_bags):
        everywhere: Generators = {}
        zones: list[Generators] = []
        for number in range(first, last):
            zone = _generators(generators[starts[number] : starts[number + 1]], target)
            if target in zone:
                zones.append(everywhere | zone)
            elif number == first:
                everywhere = zone
        if any(zone[target] >= targets for zone in zones):
            raise LibraryError("it refers to an instrument or a sample that is not there.")
        found.append(zones)
    return found


def _check_order(numbers: list[int], count: int) -> None:
    if any(first > second for first, second in pairwise(numbers)) or numbers[-1] >= count:
        raise LibraryError("its tables do not fit together.")


def _generators(records: list[tuple[Any, ...]], target: int) -> Generators:
    zone: Generators = {}
    for number, amount in records:
        zone[number] = amount
        if number == target:
            break
    return zone
