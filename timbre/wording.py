"""Words in messages and reports: texts that are safe to show, numbers, long lists cut short, missing packages."""

import unicodedata
from collections.abc import Sequence

_HIDDEN = ("Cc", "Cf", "Cn", "Cs", "Zl", "Zp")  # Unicode: controls, directions, no characters, surrogates, line ends
_JOINERS = "\u200c\u200d"  # are hidden too, and belong to words of some languages


def printable(text: str, longest: int | None = None) -> str:
    """A text from a file as it is shown: one line of `longest` characters or fewer.

    Characters that are hidden, control a terminal, or change the direction of writing become escapes such as \\x1b.
    """
    if not text.isprintable():
        text = "".join(_escaped(char) for char in text)
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…"


def _escaped(char: str) -> str:
    hidden = unicodedata.category(char) in _HIDDEN and char not in _JOINERS
    return char.encode("unicode_escape").decode() if hidden else char


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 note", "2,000 notes"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def needs(what: str, *packages: str) -> str:
    """Which packages something needs, and how to install them: "Playing needs the package x: pip install x."

    The packages themselves, not an extra of timbre: the name timbre on PyPI belongs to another project.
    """
    names = f"{', '.join(packages[:-1])} and {packages[-1]}" if packages[1:] else packages[0]
    return f"{what} needs the package{'s' * (len(packages) > 1)} {names}: pip install {' '.join(packages)}."


def listed(texts: Sequence[str], most: int = 12) -> str:
    """The first texts, separated by commas, and the number of others."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more
