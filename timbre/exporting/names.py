"""Names of the files of exports, and folders as one file."""

import re
import unicodedata
import zipfile
from collections.abc import Iterable
from pathlib import Path

_STEM = 40  # letters, without the number of equal names


def stems(names: list[str]) -> list[str]:
    """Names of letters, digits, - and _ for files, each once."""
    plain = (re.sub(r"[^\w-]+", "_", ascii_letters(name)).strip("_") for name in names)
    return distinct([name[:_STEM] or "timbre" for name in plain], _STEM + 5, "_")


def ascii_letters(name: str) -> str:
    """A name without accents, and without letters that ASCII has no other form of."""
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()


def distinct(names: Iterable[str], most: int, joint: str = " ") -> list[str]:
    """Names of at most `most` letters, each once whatever their capitals: their words are shortened, and the later ones
    of equal names end in a number after `joint`."""
    found: dict[str, str] = {}  # by lower case
    for name in names:
        text, number = shortened(name, most), 2
        while text.lower() in found:
            ending = f"{joint}{number}"
            text, number = shortened(name, most - len(ending)) + ending, number + 1
        found[text.lower()] = text
    return list(found.values())


def shortened(name: str, most: int) -> str:
    """A name of at most `most` letters: the ends of its longest words are cut, and then its own."""
    words = name.split(" ")
    while sum(map(len, words)) + len(words) - 1 > most and max(map(len, words)) > 1:
        longest = max(range(len(words)), key=lambda at: len(words[at]))
        words[longest] = words[longest][:-1]
    return " ".join(words)[:most].rstrip()


def write_archive(file: Path, folder: Path, parent: Path) -> None:
    """Write a folder's files as a zip file; their names in it are relative to `parent`, the folder or one above it."""
    with zipfile.ZipFile(file, "w") as archive:  # not compressed: samples hardly become smaller
        for inside in sorted(folder.rglob("*")):
            archive.write(inside, inside.relative_to(parent))
