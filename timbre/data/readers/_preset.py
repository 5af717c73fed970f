"""Labels in the names of samplers' presets, of their groups and of their key switches."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from timbre.data.names import ARTICULATIONS, DYNAMICS, family_folder, family_of, plain

_BUILD = {"ks", "keyswitch", "legacy"}  # how a preset is built, not how notes are played
_RELEASES = {"rel", "release", "releases"}
_MANNERS = ARTICULATIONS | _BUILD | _RELEASES | {"nv", "vb", "rolls", "sustains", "quiet", "loud"}
_GENERAL = {"programs", "presets", "instruments", "sfz", "samples", "data", "mappings"}
_MOST_WORDS = 12
_SHOWN = 120


@dataclass(frozen=True)
class PresetLabels:
    """The labels in the name of a preset."""

    file: str
    """The preset, relative to the library's folder or to the archive that contains it."""
    instrument: str
    family: str | None
    articulation: str | None
    dynamics: str | None
    releases: bool
    """Whether it plays the releases of notes, by its name."""


def preset_of(file: str, root: str) -> PresetLabels:
    """The labels in the name of a preset, or in the names of its folders; `root` is the name of the library's folder.

    CelloEnsPizz is a cello_ens played pizz; in names such as "Saxello - Staccato" the second part is the articulation.
    """
    path = PurePosixPath(file)
    head, _, tail = path.stem.partition(" - ")
    words = words_of(head)
    manners = words_of(tail) or [word for word in words if word in _MANNERS]
    instrument = words if tail else [word for word in words if word not in _MANNERS]
    instrument = instrument[:1] + [word for word in instrument[1:] if not _is_mark(word)]
    while len(instrument) > 1 and instrument[0].isdigit():  # presets are often numbered
        instrument.pop(0)
    folders = [root, *path.parts[:-1]]
    while not instrument and folders:
        above = words_of(folders.pop())
        instrument = [] if set(above) <= _MANNERS | _GENERAL else above
    known = known_in(" ".join(instrument))
    return PresetLabels(
        file=file,
        instrument="_".join(instrument) or plain(shown(path.stem)) or "unknown",
        family=known[1] if known else None,
        articulation="-".join(word for word in manners if word not in _BUILD and not _is_mark(word)) or None,
        dynamics=next(filter(_is_mark, words[1:] + words_of(tail)), None),
        releases=not _RELEASES.isdisjoint(manners),
    )


def words_of(text: str) -> list[str]:
    """The words of a name in lower case; CelloEnsPizz has three, FHorn two."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text.encode("utf-8", "replace").decode("utf-8"))
    return [word for word in re.split(r"[\W_]+", text.lower()) if word]


def mark_in(label: str) -> str | None:
    """The dynamic mark that a label is or contains."""
    return label.lower() if label.lower() in DYNAMICS else next(filter(_is_mark, words_of(label)), None)


def manner_in(label: str, certain: bool = False) -> str | None:
    """The articulation in a label: sustain-non-vibrato in "C2 Sustain Non-Vibrato".

    None if the label contains no known articulation, unless it is `certain` to be one.
    """
    words = [word for word in re.split(r"[^\w#]+", label.lower()) if word and not _is_mark(word)]
    words = words[1:] if words and re.fullmatch(r"[a-g][#b]?-?\d", words[0]) else words
    return "-".join(words) or None if certain or not ARTICULATIONS.isdisjoint(words) else None


@lru_cache(maxsize=4096)
def known_in(name: str) -> tuple[str, str] | None:
    """The longest known instrument in a name, or the last of several, and its family."""
    words = words_of(name)[:_MOST_WORDS]
    for length in range(len(words), 0, -1):
        for start in range(len(words) - length, -1, -1):
            known = "_".join(words[start : start + length])
            family = family_of(known) or family_of(known.removesuffix("s"))
            if family and known not in ARTICULATIONS:
                return known, family
    return None


@lru_cache(maxsize=4096)
def family_around(folders: str) -> str | None:
    """The family of the innermost folder of a path whose name has one."""
    for folder in reversed(PurePosixPath(folders).parts):
        if family := family_folder(folder):
            return family
        if known := known_in(folder):
            return known[1]
    return None


def shown(text: str) -> str:
    """A text from a library for a report: shortened and without control characters."""
    text = "".join(letter if letter.isprintable() else "?" for letter in text[: _SHOWN + 1])
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _is_mark(word: str) -> bool:
    """Whether a word is a dynamic mark of two or more letters; single letters may mean anything."""
    return len(word) > 1 and word in DYNAMICS
