"""Which rated item is which instrument or note of a library: by name, through a table of aliases, never by place."""

import difflib
import re
from collections.abc import Iterable, Sequence

from timbre.data.names import plain
from timbre.data.ratings.studies import Ratings
from timbre.errors import LibraryError

ALIASES: dict[str, tuple[str, ...]] = {
    "bassoon": ("bassoon", "fagott"),
    "cello": ("cello", "violoncello"),
    "clarinet": ("clarinet", "bb_clarinet", "clarinet_bb"),
    "double_bass": ("double_bass", "contrabass", "upright_bass"),
    "english_horn": ("english_horn", "cor_anglais"),
    "flute": ("flute", "concert_flute"),
    "french_horn": ("french_horn", "horn", "f_horn"),
    "guitar": ("guitar", "acoustic_guitar", "guitar_nylon", "nylon_guitar"),
    "harp": ("harp", "concert_harp", "orchestral_harp"),
    "piano": ("piano", "grand_piano", "acoustic_grand_piano", "upright_piano"),
    "saxophone": ("saxophone", "sax", "alto_sax", "alto_saxophone", "tenor_sax", "tenor_saxophone", "soprano_sax",
                  "soprano_saxophone", "baritone_sax", "baritone_saxophone"),
    "trombone": ("trombone", "tenor_trombone"),
    "trumpet": ("trumpet", "bb_trumpet", "trumpet_bb"),
    "tubular_bells": ("tubular_bells", "chimes"),
    "violin": ("violin", "solo_violin"),
}  # fmt: skip
"""Names of a library's instruments that count as a rated one. Sections and muted ones are instruments of their own."""


def match_instruments(
    items: Iterable[str], instruments: Iterable[str], drop: bool = False
) -> dict[str, tuple[str, ...]]:
    """The library's instruments that each rated item is.

    Names are compared as timbre writes them (FrenchHorn, french-horn and French Horn are french_horn), then through
    :data:`ALIASES`, from either side.

    Args:
        items: rated instruments.
        instruments: those of the library.
        drop: leave out items that the library does not have, instead of refusing them.

    Raises:
        LibraryError: naming every item that is not in the library, with names near to it; or if none is.
    """
    own = {plain(name): name for name in instruments}
    found, missing = {}, []
    for item in items:
        names = _names(item)
        matched = tuple(own[name] for name in own if name in names)
        if matched:
            found[item] = matched
        else:
            missing.append(item)
    if (missing and not drop) or not found:
        hints = [f"{item}{_near(item, own)}" for item in missing]
        raise LibraryError(
            f"The library has no {', '.join(hints)}. "
            "Name its instruments as the ratings do, or leave those ratings out."
        )
    return found


def match_sounds(ratings: Ratings, stems: Sequence[str]) -> tuple[list[str], list[int]]:
    """Which rated sound each note of a library is, by the stem of its file.

    Args:
        ratings: rated sounds; a sound is known by the stem of its file in sounds.csv, or else by its name.
        stems: of the library's files, (notes,).

    Returns:
        Names of all rated sounds as "study/sound", and for each note the number of its sound, -1 for none.

    Raises:
        LibraryError: if a study has fewer than three of its sounds in the library, or two sounds share a stem.
    """
    names, known = list[str](), dict[str, int]()
    for study in ratings.parts:
        there = 0
        for item in study.items:
            stem = study.files[item].stem if item in study.files else item
            if stem in known:
                raise LibraryError(f"{study.name}/{item} and {names[known[stem]]} are both files named {stem}.")
            known[stem] = len(names)
            there += stem in stems
            names.append(f"{study.name}/{item}")
        if there < 3:
            raise LibraryError(
                f"The library has {there} of the {len(study.items)} sounds of {study.name}; three or more are wanted. "
                "Add their files to it, or take ratings of instruments."
            )
    return names, [known.get(stem, -1) for stem in stems]


def _names(item: str) -> set[str]:
    """All plain names of an item: its own, and those of the instrument that it is an alias of."""
    name = plain(re.sub(r"\(.*?\)", "", item))
    return {name}.union(*(aliases for key, aliases in ALIASES.items() if name == key or name in aliases))


def _near(item: str, own: dict[str, str]) -> str:
    name = plain(item)
    close = [other for other in own if name in other] or difflib.get_close_matches(name, own, n=2)
    return f" (it has {', '.join(own[name] for name in close)})" if close else ""
