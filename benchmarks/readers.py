"""What the readers keep and drop: in given libraries, and in small synthetic trees of every format.

    python benchmarks/readers.py [FOLDER...] [--quick] [--json FILE]

One row for each library, whose format is recognised: sound files (or keys of SoundFonts) found, notes kept, entries
dropped with their reasons, notes with a pitch, the share of them whose measured pitch (the meter does not use the
label) is within 50 cents of it, notes that the scan flags for their pitch (inharmonic instruments and uncertain
measurements are exempt), and sounds scanned per second, each decoded and measured once. Without --quick, the shipped
library and, if installed, Debian's SoundFonts (five keys of every preset) are scanned too.
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
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TIMBRE_CACHE"] = str(Path(folder) / "cache")  # an empty cache, so that every sound is measured
        rows = [measure(folder, "real") for folder in args.folders] + ([] if args.quick else real_libraries())
        rows += exact_trees(Path(folder))
    finish(rows, args, f"Readers; pitches measured in {len(rows)} libraries")


def real_libraries() -> list[dict[str, Any]]:
    """Rows of the shipped library and the installed SoundFonts."""
    fonts = [Path("/usr/share/sounds") / name for name in SOUNDFONTS]
    rows = [measure(ROOT / "datasets" / "orchestra", "real")]
    return rows + [measure(font, "real", KEYS) for font in fonts if font.exists()]


def exact_trees(folder: Path) -> list[dict[str, Any]]:
    """Rows of the trees in the contract test."""
    sys.path.insert(0, str(ROOT / "tests"))
    import trees_named
    import trees_sampler
    import trees_soundfont

    rows = []
    for name, build in {**trees_named.TREES, **trees_sampler.TREES, **trees_soundfont.TREES}.items():
        root = folder / name
        root.mkdir()
        tree = build(root)
        rows.append(measure(root, "exact", tree.options, "pattern" if tree.options.pattern else None))
    return rows


def measure(path: Path, kind: str, options: Options | None = None, reader: str | None = None) -> dict[str, Any]:
    """One row of the table."""
    start = time.perf_counter()
    library = timbre.scan(path, reader, options or Options())
    seconds = time.perf_counter() - start
    report = library.report
    return {
        "reader": report.reader,
        "library": f"{path.name} ({kind})",
        "found": report.found,
        "kept": report.kept,
        "dropped": len(report.dropped),
        **agreement(library),
        "per_second": round(report.found / seconds, 1),
        "reasons": reasons(library),
    }


def agreement(library: Library) -> dict[str, Any]:
    """The number of notes with a pitch, and the share of them that sound at it."""
    labelled = [(note.pitch, note.measured) for note in library if note.pitch is not None]
    flagged = sum(any(flag.startswith(("pitch:", "octave:")) for flag in note.flags) for note in library)
    near = [m for pitch, m in labelled if m and m.pitch is not None and 100 * abs(m.pitch - pitch) <= CENTS]
    return {
        "pitched": len(labelled),
        f"within_{CENTS}_cents": round(len(near) / len(labelled), 3) if labelled else None,
        "flagged": flagged,
    }


def reasons(library: Library) -> str:
    """The reasons for dropped entries, without the numbers of rows, the most frequent first."""
    counts = Counter(re.sub(r"\b(row|entry|take|sample) \d+", r"\1", reason) for _, reason in library.report.dropped)
    return "; ".join(f"{number} {reason}" for reason, number in counts.most_common()) or "-"


if __name__ == "__main__":
    main()
