"""Sources of a space's training notes: counted in the library, credited by the table below."""

from collections import defaultdict
from typing import Any, NamedTuple

from timbre.data import Library

GITHUB = "https://github.com/"
MUSESCORE = "https://packages.debian.org/musescore-general-soundfont-lossless"


class Credit(NamedTuple):
    """Author and address of the recordings of a source."""

    source: str
    """Beginning of the source's name in the library; the longest match counts."""
    author: str
    link: str
    """The publisher's page."""


CREDITS = (
    Credit("VSCO-2-CE", "Versilian Studios (Sam Gossner) and Ivy Audio (Simon Dalzell)",
           "https://versilian-studios.com/vsco-community/"),
    Credit("VSCO-2-CE (Versilian) via npm tonejs-instrument",
           "Versilian Studios and Ivy Audio; edited by N. P. Brosowsky, tonejs-instruments",
           GITHUB + "nbrosowsky/tonejs-instruments"),
    Credit("VCSL", "Versilian Studios (Sam Gossner) and contributors", GITHUB + "sgossner/VCSL"),
    Credit("VCSL folk harp (Etherealwinds)", "Versilian Studios; harp by Etherealwinds", GITHUB + "sgossner/VCSL"),
    Credit("FluidR3_GM.sf2", "Frank Wen", "https://packages.debian.org/fluid-soundfont-gm"),
    Credit("Fluid R3 GM", "Frank Wen; packaged by Toby Smithe", "https://packages.debian.org/fluid-soundfont-gm"),
    Credit("jSteelDrum", "Jack Learman", GITHUB + "sfzinstruments/jlearman.SteelDrum"),
    Credit("Karoryfer Weresax", "Karoryfer Samples", GITHUB + "sfzinstruments/karoryfer.weresax"),
    Credit("Karoryfer War Tuba", "Karoryfer Samples", GITHUB + "sfzinstruments/karoryfer.war-tuba"),
    Credit("Karoryfer x bigcat Cello", "Karoryfer Samples and bigcat instruments",
           GITHUB + "sfzinstruments/karoryfer-bigcat.cello"),
    Credit("Karoryfer Bear Sax", "Karoryfer Samples", GITHUB + "sfzinstruments/karoryfer.bear-sax"),
    Credit("Karoryfer Meatbass", "Karoryfer Samples", GITHUB + "sfzinstruments/karoryfer.meatbass"),
    Credit("FreePats Spanish classical guitar", "the FreePats project", GITHUB + "freepats/spanish-classical-guitar"),
    Credit("Splendid Grand Piano", "AKAI", GITHUB + "sfzinstruments/SplendidGrandPiano"),
    Credit("Freesound pack 21464", "pjcohen", "https://freesound.org/people/pjcohen/packs/21464/"),
    Credit("ganjo", "itsclipping", GITHUB + "sfzinstruments/ganjo"),
    Credit("Ixox Flute", "Xavier Hosxe", GITHUB + "sfzinstruments/Ixox.Flute"),
    Credit("Headroom Piano", "Bengt Nilsson; mapped by kinwie", GITHUB + "sfzinstruments/BengtNilsson.HeadroomPiano"),
    Credit("Hohner Pianet T", "Greg Sullivan; mapped by kinwie", GITHUB + "sfzinstruments/GregSullivan.E-Pianos"),
    Credit("Wurlitzer EP200", "Greg Sullivan; mapped by kinwie", GITHUB + "sfzinstruments/GregSullivan.E-Pianos"),
    Credit("Yamaha CP80", "Greg Sullivan; mapped by kinwie", GITHUB + "sfzinstruments/GregSullivan.E-Pianos"),
    Credit("Karoryfer Black and Green Guitars", "Karoryfer Samples, recorded by Brian Wood",
           GITHUB + "kmturley/karoryfer.black-and-green-guitars"),
    Credit("Karoryfer Emilyguitar", "Karoryfer Samples", GITHUB + "sfzinstruments/karoryfer.emilyguitar"),
    Credit("Karoryfer Growlybass", "Karoryfer Samples", GITHUB + "sfzinstruments/karoryfer.growlybass"),
    Credit("MuseScore_General", "Frank Wen, Michael Cowgill and S. Christian Collins", MUSESCORE),
    Credit("MDL drumline in MuseScore_General", "S. Christian Collins and Amir Oosman", MUSESCORE),
    Credit("VSCO-2-CE string sections in MuseScore_General",
           "Versilian Studios and Elan Hickler; edited by S. Christian Collins", MUSESCORE),
    Credit("D. Smolken double bass", "D. Smolken", GITHUB + "sfzinstruments/dsmolken.double-bass"),
)  # fmt: skip

LEFT_OUT = (
    "Headroom Piano", "Wurlitzer EP200", "Karoryfer Emilyguitar", "Karoryfer War Tuba", "VCSL folk harp", "Ixox Flute",
)  # fmt: skip
"""Beginnings of the sources that are not trained on: the figures of sources left out are measured on them."""
UNVERIFIED = (
    "Freesound 11573", "Freesound 12408", "Freesound 330410", "tonejs-instruments bass-electric", "University of Iowa",
)  # fmt: skip
"""Beginnings of sources whose original licence nobody has seen: they are not trained on either, only measured."""

# Obligations of licences, by the beginnings of their names.
TERMS = {
    "CC0": "[CC0 1.0](https://creativecommons.org/publicdomain/zero/1.0/): no obligation; credit was requested and is"
    " given above.",
    "CC-BY-3.0": "[CC BY 3.0](https://creativecommons.org/licenses/by/3.0/): attribution. The notes were cut at their"
    " onset, brought to one level and resampled.",
    "CC-BY-4.0": "[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/): attribution. The notes were cut at their"
    " onset, brought to one level and resampled.",
    "MIT": "the MIT licence, whose notice is at the end of this page.",
    "Licensed under the MIT": "the MIT licence, whose notice is at the end of this page.",
    "Public-Domain": "public domain: no obligation.",
    "Unlicense": "[The Unlicense](https://unlicense.org/): public domain, no obligation.",
}

MIT_NOTICE = """Copyright (c) 2000-2002, 2008 Frank Wen
Copyright (c) 2008 Toby Smithe
Copyright (c) 2014-2017 Michael Cowgill
Copyright (c) 2018-2021 S. Christian Collins

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software
is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE,
ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""  # noqa: E501


def sources(library: Library) -> list[dict[str, Any]]:
    """Sources of the notes, the largest first: source, licence, author, link, notes, instruments.

    Raises:
        SystemExit: if a note has no source or licence, or its source has no credit.
    """
    by_source: dict[tuple[str, str], list[str]] = defaultdict(list)
    for note in library:
        if note.source is None or note.licence is None:
            raise SystemExit(f"{note.name} has no source or no licence; a shipped note must have both.")
        terms(note.licence)
        by_source[note.source, note.licence].append(note.instrument)
    rows = [
        {
            "source": source,
            "licence": licence,
            **_credited(source),
            "notes": len(names),
            "instruments": sorted({*names}),
        }
        for (source, licence), names in by_source.items()
    ]
    return sorted(rows, key=lambda row: (-row["notes"], row["source"]))


def terms(licence: str) -> str:
    """Obligations of a licence.

    Raises:
        SystemExit: if it is not in the table.
    """
    matches = [words for start, words in TERMS.items() if licence.startswith(start)]
    if not matches:
        raise SystemExit(f"The licence {licence!r} is not among those in pretrained/_sources.py; add its terms.")
    return matches[0]


def _credited(source: str) -> dict[str, str]:
    matches = [credit for credit in CREDITS if source.startswith(credit.source)]
    if not matches:
        raise SystemExit(f"Nobody is credited for {source!r}; add a line to pretrained/_sources.py.")
    credit = max(matches, key=lambda one: len(one.source))
    return {"author": credit.author, "link": credit.link}
