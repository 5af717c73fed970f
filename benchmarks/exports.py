"""Exports of twelve places, read back and played, against `Space.decode`.

    python benchmarks/exports.py orchestra --quick --json exports.json --pictures docs

- cents, level_db, log_mel_l1_db: of the export minus the decoded note, at a key and velocity
- seam_db: of its loop; bytes: of the export; seconds: to write it
- sfz, sf2, decent: notes as samplers play them; cents and level_db are of their first 1.5 s, log_mel_l1_db is the mean
  difference of the spectrograms above -60 dB, seam_db that of the last 10 ms of a loop from those before its start
- wavetable: the frames of a note are mixed as a synthesizer does, at their decoded levels; partials_db is the largest
  difference of a partial's level from the decoder's, of those within 80 dB of the strongest of their frame
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _export_pictures import draw
from _sampler_rows import PLAYERS, sampler_rows, summary
from _table import add_arguments, finish
from _wavetable_rows import wavetable_rows

import timbre
from timbre.exporting.wavetables.plan import Unpitched
from timbre.space import Space

PLACES = (
    "flute", "violin", "trumpet", "organ",
    "piano", "marimba", "harp", "guitar_nylon",
    "shakuhachi", "recorder", "snare_drum", "tambourine",
)  # fmt: skip
"""Instruments of the library: sustained, struck, noisy."""
_FORMATS = (*PLAYERS, "wavetable", "wt")


def main() -> None:
    args = parse()
    space = timbre.load(args.space)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for form in args.formats:
            for place in PLACES:
                if place in space.atlas.instruments:
                    rows += _rows(form, space, place, Path(folder), args.quick)
    finish(rows, args, f"exports of {args.space}")
    for form in args.formats:
        print(summary(form, rows))
    if args.pictures:
        draw(args.pictures, space)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", nargs="?", default="orchestra", help="folder or name of a space")
    parser.add_argument("--formats", nargs="+", choices=_FORMATS, default=_FORMATS)
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="also draw the pictures of docs/exporting.md")
    add_arguments(parser)
    return parser.parse_args()


def _rows(form: str, space: Space, place: str, folder: Path, quick: bool) -> list[dict[str, Any]]:
    point, pitch = middle_note(space, place)
    if form in PLAYERS:
        return list(sampler_rows(space, form, place, point, pitch, folder, quick))
    try:
        return wavetable_rows(space, form, place, point, folder)
    except Unpitched:  # as it must be for drums
        return []


def middle_note(space: Space, instrument: str) -> tuple[np.ndarray, float]:
    """The point (dim,) and the pitch, MIDI or NaN, of the instrument's note that is nearest to C4."""
    notes = [number for number, name in enumerate(space.atlas.instruments) if name == instrument]
    away = np.abs(np.nan_to_num(space.atlas.pitches[notes], nan=0.0) - 60.0)
    nearest = notes[int(away.argmin())]
    return np.asarray(space.atlas.points[nearest]), float(space.atlas.pitches[nearest])


if __name__ == "__main__":
    main()
