"""Whose notes a space was trained on: counted in the library, credited by the table below."""

from collections import defaultdict
from typing import Any, NamedTuple

from timbre.data import Library

GITHUB = "https://github.com/"


class Credit(NamedTuple):
    """Who made the recordings of a source, and where they are."""

    source: str
    """How the name of the source in the library begins; the longest that fits counts."""
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
    Credit("D. Smolken double bass", "D. Smolken", GITHUB + "sfzinstruments/dsmolken.double-bass"),
)  # fmt: skip

# What the licences oblige to say, by how their names begin.
TERMS = {
    "CC0": "[CC0 1.0](https://creativecommons.org/publicdomain/zero/1.0/): no obligation; credit was asked for and is"
    " given above.",
    "CC-BY-3.0": "[CC BY 3.0](https://creativecommons.org/licenses/by/3.0/): attribution. The notes were cut at their"
    " onset, brought to one level and resampled.",
    "CC-BY-4.0": "[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/): attribution. The notes were cut at their"
    " onset, brought to one level and resampled.",
    "MIT": "the MIT licence, whose notice stands at the end of this page.",
    "Licensed under the MIT": "the MIT licence, whose notice stands at the end of this page.",
    "Public-Domain": "public domain: no obligation.",
    "Unlicense": "[The Unlicense](https://unlicense.org/): public domain, no obligation.",
}

MIT_NOTICE = """Copyright (c) 2000-2002, 2008 Frank Wen
Copyright (c) 2008 Toby Smithe

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
    """What the notes come from, the source with most notes first: source, licence, author, link, notes, instruments.

    Raises:
        SystemExit: for notes without a source or licence, or ones that nobody is credited for.
    """
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for note in library:
        if note.source is None or note.licence is None:
            raise SystemExit(f"{note.name} has no source or no licence; notes of both alone can be shipped.")
        terms(note.licence)
        found[note.source, note.licence].append(note.instrument)
    rows = [
        {
            "source": source,
            "licence": licence,
            **_credited(source),
            "notes": len(names),
            "instruments": sorted({*names}),
        }
        for (source, licence), names in found.items()
    ]
    return sorted(rows, key=lambda row: (-row["notes"], row["source"]))


def terms(licence: str) -> str:
    """What a licence obliges to.

    Raises:
        SystemExit: if it is not known here.
    """
    fitting = [words for start, words in TERMS.items() if licence.startswith(start)]
    if not fitting:
        raise SystemExit(f"The licence {licence!r} is not among those known to pretrained/_sources.py; add its terms.")
    return fitting[0]


def _credited(source: str) -> dict[str, str]:
    fitting = [credit for credit in CREDITS if source.startswith(credit.source)]
    if not fitting:
        raise SystemExit(f"Nobody is credited for {source!r}; add a line to pretrained/_sources.py.")
    credit = max(fitting, key=lambda one: len(one.source))
    return {"author": credit.author, "link": credit.link}
