"""SoundFonts: presets and notes, speed of rendering, and tuning.

    python benchmarks/soundfonts.py [FILE...] [--quick] [--json FILE]

Default: the files that Debian installs. Every second semitone of every preset is rendered once at three velocities
(`x_real_time`; `open_s` is the time to the first sound). Then one note of every octave is scanned at one velocity:
`pitched` notes have a pitch; `measured_percent` of them have a measured pitch; of these, `in_tune_percent` are within
50 cents of the label and `octave_percent` are off by whole octaves. Bells, bars and drums are not counted.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from _table import Row, add_arguments, finish

import timbre
from timbre.data import Note
from timbre.data.note import is_harmonic
from timbre.data.readers import Options, choose
from timbre.data.soundfonts.soundfont import read_soundfont
from timbre.data.tree import open_tree
from timbre.errors import AudioError

FILES = [
    Path("/usr/share/sounds") / name
    for name in ("sf2/FluidR3_GM.sf2", "sf3/MuseScore_General_Full.sf3", "sf3/FluidR3Mono_GM.sf3", "sf2/TimGM6mb.sf2")
]
WITHIN = 0.5  # semitones


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", help="SoundFonts")
    add_arguments(parser)
    args = parser.parse_args()
    files = args.files or [file for file in FILES if file.exists()]
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TIMBRE_CACHE"] = cache  # empty, so that every sound is rendered
        finish([measure(file, args.quick) for file in files], args, "SoundFonts, rendered")


def measure(file: Path, quick: bool) -> Row:
    """One row of the table."""
    started = time.perf_counter()
    font = read_soundfont(file)
    tree = open_tree(file)
    reading = choose(tree).read(tree, Options(pitches=(60,), velocities=(80,)) if quick else Options())
    read = time.perf_counter() - started
    started = time.perf_counter()
    reading.notes[0].audio()
    opened = time.perf_counter() - started
    started = time.perf_counter()
    seconds = [duration for note in reading.notes if (duration := rendered(note))]
    speed = sum(seconds) / (time.perf_counter() - started)
    return {
        "file": file.name,
        "presets": len(font.presets),
        "samples": len(font.samples),
        "instruments": len({note.instrument for note in reading.notes}),
        "notes": len(reading.notes),
        "kept": len(seconds),
        "dropped": len(reading.notes) - len(seconds) + len(reading.dropped),
        "minutes": round(sum(seconds) / 60, 1),
        "read_s": round(read, 2),
        "open_s": round(opened, 2),
        "x_real_time": round(speed),
        **in_tune(file, quick),
    }


def rendered(note: Note) -> float | None:
    """Duration of a note in seconds, or None if it cannot be rendered."""
    try:
        return note.audio().duration
    except AudioError:
        return None


def in_tune(file: Path, quick: bool) -> Row:
    """Measured pitches compared with the labels."""
    pitches = (60,) if quick else (24, 36, 48, 60, 72, 84, 96)
    library = timbre.scan(file, options=Options(pitches=pitches, velocities=(80,)))
    pitched = [note for note in library if note.pitch is not None and is_harmonic(note)]
    off = [
        note.measured.pitch - note.pitch
        for note in pitched
        if note.pitch is not None and note.measured is not None and note.measured.pitch is not None
    ]
    octaves = [value for value in off if abs(value) > WITHIN and abs(value - 12 * round(value / 12)) <= WITHIN]
    return {
        "pitched": len(pitched),
        "measured_percent": round(100 * len(off) / len(pitched), 1),
        "in_tune_percent": round(100 * sum(abs(value) <= WITHIN for value in off) / len(off), 1),
        "octave_percent": round(100 * len(octaves) / len(off), 1),
    }


if __name__ == "__main__":
    main()
