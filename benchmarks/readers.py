"""What the readers make of libraries: real ones where they are, small exact trees of every format elsewhere.

    python benchmarks/readers.py [FOLDER...] [--quick] [--json FILE]

A row for each library, its reader chosen by looking: sound files (or keys of SoundFonts) found, notes kept, entries
dropped with their reasons, notes that have a pitch, the share of them whose measured pitch (found without looking at
the label) lies within 50 cents of it, notes that the scan flags for their pitch (it exempts inharmonic instruments and
what its meter cannot tell), and what was scanned in a second, each sound decoded and measured once. The shipped
library and Debian's SoundFonts (five keys of every preset) are scanned where they are, and not with --quick.
"""

import argparse
import os
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from _table import add_arguments, finish

import timbre
from timbre.data import Library
from timbre.data.readers import Options

ROOT = Path(__file__).parents[1]
SOUNDFONTS = ("sf2/FluidR3_GM.sf2", "sf3/MuseScore_General_Full.sf3", "sf3/FluidR3Mono_GM.sf3")
KEYS = Options(pitches=(36, 48, 60, 72, 84), velocities=(100,))
CENTS = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="a library")
    add_arguments(parser)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["TIMBRE_CACHE"] = str(Path(place) / "cache")  # what was measured before would not be measured again
        rows = [measure(folder, "real") for folder in args.folders] + ([] if args.quick else real_libraries())
        rows += exact_trees(Path(place))
    finish(rows, args, f"Readers; pitches measured in {len(rows)} libraries")


def real_libraries() -> list[dict[str, Any]]:
    """Rows of the libraries that a machine may have."""
    fonts = [Path("/usr/share/sounds") / name for name in SOUNDFONTS]
    rows = [measure(ROOT / "datasets" / "orchestra", "real")]
    return rows + [measure(font, "real", KEYS) for font in fonts if font.exists()]


def exact_trees(place: Path) -> list[dict[str, Any]]:
    """Rows of the trees of the contract test."""
    sys.path.insert(0, str(ROOT / "tests"))
    import trees_named
    import trees_sampler
    import trees_soundfont

    rows = []
    for name, build in {**trees_named.TREES, **trees_sampler.TREES, **trees_soundfont.TREES}.items():
        root = place / name
        root.mkdir()
        tree = build(root)
        rows.append(measure(root, "exact", tree.options, "pattern" if tree.options.pattern else None))
    return rows


def measure(place: Path, kind: str, options: Options | None = None, reader: str | None = None) -> dict[str, Any]:
    """One row of the table."""
    start = time.perf_counter()
    library = timbre.scan(place, reader, options or Options())
    seconds = time.perf_counter() - start
    report = library.report
    return {
        "reader": report.reader,
        "library": f"{place.name} ({kind})",
        "found": report.found,
        "kept": report.kept,
        "dropped": len(report.dropped),
        **agreement(library),
        "per_second": round(report.found / seconds, 1),
        "reasons": reasons(library),
    }


def agreement(library: Library) -> dict[str, Any]:
    """How many notes have a pitch, and how many of those sound like it."""
    labelled = [(note.pitch, note.measured) for note in library if note.pitch is not None]
    flagged = sum(any(flag.startswith(("pitch:", "octave:")) for flag in note.flags) for note in library)
    near = [m for pitch, m in labelled if m and m.pitch is not None and 100 * abs(m.pitch - pitch) <= CENTS]
    return {
        "pitched": len(labelled),
        f"within_{CENTS}_cents": round(len(near) / len(labelled), 3) if labelled else None,
        "flagged": flagged,
    }


def reasons(library: Library) -> str:
    """The reasons for what was dropped, without numbers of rows, the commonest first."""
    told = Counter(re.sub(r"\b(row|entry|take|sample) \d+", r"\1", reason) for _, reason in library.report.dropped)
    return "; ".join(f"{number} {reason}" for reason, number in told.most_common()) or "-"


if __name__ == "__main__":
    main()
