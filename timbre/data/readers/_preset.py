"""What the names of samplers' presets, of their groups and of their key switches say."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from timbre.data.names import ARTICULATIONS, DYNAMICS, family_folder, family_of, plain

_UNTOLD = {"ks", "keyswitch", "legacy"}  # they say how a preset is built, not how notes were played
_RELEASES = {"rel", "release", "releases"}
_MANNERS = ARTICULATIONS | _UNTOLD | _RELEASES | {"nv", "vb", "rolls", "sustains", "quiet", "loud"}
_GENERAL = {"programs", "presets", "instruments", "sfz", "samples", "data", "mappings"}
_MOST_WORDS = 12
_SHOWN = 120


@dataclass(frozen=True)
class PresetLabels:
    """What the name of a preset says."""

    file: str
    """The preset, relative to the library's folder or to the archive that it is in."""
    instrument: str
    family: str | None
    articulation: str | None
    dynamics: str | None
    releases: bool
    """Whether its name says that it plays the ends of notes."""


def preset_of(file: str, root: str) -> PresetLabels:
    """What the name of a preset says, or of the folders around it; `root` is the name of the library's own.

    CelloEnsPizz is a cello_ens played pizz; of names such as "Saxello - Staccato" the second part says how it is
    played.
    """
    path = PurePosixPath(file)
    head, _, tail = path.stem.partition(" - ")
    words = words_of(head)
    manners = words_of(tail) or [word for word in words if word in _MANNERS]
    telling = words if tail else [word for word in words if word not in _MANNERS]
    telling = telling[:1] + [word for word in telling[1:] if not _is_mark(word)]
    while len(telling) > 1 and telling[0].isdigit():  # the presets of a library are often numbered
        telling.pop(0)
    folders = [root, *path.parts[:-1]]
    while not telling and folders:
        above = words_of(folders.pop())
        telling = [] if set(above) <= _MANNERS | _GENERAL else above
    known = known_in(" ".join(telling))
    return PresetLabels(
        file=file,
        instrument="_".join(telling) or plain(shown(path.stem)) or "unknown",
        family=known[1] if known else None,
        articulation="-".join(word for word in manners if word not in _UNTOLD and not _is_mark(word)) or None,
        dynamics=next(filter(_is_mark, words[1:] + words_of(tail)), None),
        releases=not _RELEASES.isdisjoint(manners),
    )


def words_of(text: str) -> list[str]:
    """Words of a name in lower case; CelloEnsPizz and FHorn are several."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text.encode("utf-8", "replace").decode("utf-8"))
    return [word for word in re.split(r"[\W_]+", text.lower()) if word]


def mark_in(label: str) -> str | None:
    """The dynamic mark that a label is, or has among its words."""
    return label.lower() if label.lower() in DYNAMICS else next(filter(_is_mark, words_of(label)), None)


def manner_in(label: str, certain: bool = False) -> str | None:
    """How the notes under a label are played: "C2 Sustain Non-Vibrato" is sustain-non-vibrato.

    It is taken for that if it is certain to say so, or has a word for it among its words.
    """
    words = [word for word in re.split(r"[^\w#]+", label.lower()) if word and not _is_mark(word)]
    words = words[1:] if words and re.fullmatch(r"[a-g][#b]?-?\d", words[0]) else words
    return "-".join(words) or None if certain or not ARTICULATIONS.isdisjoint(words) else None


@lru_cache(maxsize=4096)
def known_in(name: str) -> tuple[str, str] | None:
    """The longest known instrument in a name, the last of several, and its family: a Baroque Alto Recorder is one."""
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
    """Family that the innermost telling folder of a path names."""
    for folder in reversed(PurePosixPath(folders).parts):
        if family := family_folder(folder):
            return family
        if known := known_in(folder):
            return known[1]
    return None


def shown(text: str) -> str:
    """A text out of a library as it may stand in a report: short, and without control characters."""
    text = "".join(letter if letter.isprintable() else "?" for letter in text[: _SHOWN + 1])
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _is_mark(word: str) -> bool:
    """Whether a word of a name is a dynamic mark; single letters may be anything."""
    return len(word) > 1 and word in DYNAMICS
