"""Matching of rated items with the instruments or notes of a library: by name and aliases, never by position."""

import difflib
import re
from collections.abc import Iterable, Sequence

from timbre.data.names import plain
from timbre.data.ratings.studies import Ratings
from timbre.errors import LibraryError
from timbre.wording import listed

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
"""Names of each instrument in libraries. Sections and muted instruments are instruments of their own."""


_SHOWN = 12  # instruments in an error


def match_instruments(
    items: Iterable[str], instruments: Iterable[str], drop: bool = False
) -> dict[str, tuple[str, ...]]:
    """The library's instruments for each rated item.

    Names are compared in timbre's spelling (FrenchHorn, french-horn and French Horn are french_horn), and all names in
    one entry of :data:`ALIASES` are equal.

    Args:
        items: rated instruments.
        instruments: instruments of the library.
        drop: leave out items that the library does not have.

    Raises:
        LibraryError: if the library has none of the items, or not all of them and `drop` is false.
    """
    own = {plain(name): name for name in instruments}
    matched = {item: _matching(own, _names(item)) for item in items}
    missing = [item for item, names in matched.items() if not names]
    if (missing and not drop) or len(missing) == len(matched):
        some = listed([item + (_near(item, own) if at < _SHOWN else "") for at, item in enumerate(missing)], _SHOWN)
        raise LibraryError(f"The library has no {some}. Rename its instruments, or leave out these ratings.")
    return {item: names for item, names in matched.items() if names}


def match_sounds(ratings: Ratings, stems: Sequence[str]) -> list[int]:
    """The rated sound of each note of a library, by the stem of the note's file: an index, -1 for none.

    Args:
        ratings: rated sounds; indices count the sounds of all studies.
        stems: stems of the library's files, (notes,).

    Raises:
        LibraryError: if the library has fewer than three sounds of a study, or two sounds share a stem.
    """
    names: dict[str, str] = {}
    present = set(stems)
    for study in ratings.parts:
        for item, stem in zip(study.items, study.stems, strict=True):
            if stem in names:
                raise LibraryError(f"{study.name}/{item} and {names[stem]} must not both be files named {stem}.")
            names[stem] = f"{study.name}/{item}"
        if (shared := sum(stem in present for stem in study.stems)) < 3:
            raise LibraryError(
                f"The library must have three or more sounds of {study.name}, got {shared} of {len(study.items)}; add "
                "their files, or use ratings of instruments."
            )
    index = {stem: number for number, stem in enumerate(names)}
    return [index.get(stem, -1) for stem in stems]


def _matching(own: dict[str, str], names: set[str]) -> tuple[str, ...]:
    return tuple(name for key, name in own.items() if key in names)


def _names(item: str) -> set[str]:
    name = plain(re.sub(r"\(.*?\)", "", item))
    return {name}.union(*(aliases for key, aliases in ALIASES.items() if name == key or name in aliases))


def _near(item: str, own: dict[str, str]) -> str:
    name = plain(item)
    close = [other for other in own if name in other] or difflib.get_close_matches(name, own, n=2)
    return f" (it has {', '.join(own[name] for name in close)})" if close else ""
