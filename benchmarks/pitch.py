"""Pitch meters beside each other on real notes: how often they find the labelled pitch, and would see a wrong label.

    python benchmarks/pitch.py [FOLDER] [--notes N] [--quick] [--json FILE]

The notes are those of harmonic instruments, evenly chosen; their labels are taken to be right. A label that is wrong by
some semitones is caught if a pitch is found and lies more than 50 cents from it. librosa's meter, and swift-f0 where it
is installed, get the second after the loudest moment, timbre's own the whole note; all run on one thread.
"""

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _table import Row, add_arguments, finish

import timbre
from timbre.audio import Audio
from timbre.audio.pitch import estimate_pitch, hz_to_midi
from timbre.data.note import is_harmonic

Meter = Callable[[Audio], float | None]
OCTAVES = (-24, -12, 12, 24)
OTHERS = (-19, -7, -2, -1, 1, 2, 7, 19)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("datasets/orchestra"), help="folder of notes")
    parser.add_argument("--notes", type=int, default=150, help="how many notes, evenly chosen")
    add_arguments(parser)
    args = parser.parse_args()
    pitched = [n for n in timbre.scan(args.folder, measure=False) if n.pitch is not None and is_harmonic(n)]
    chosen = pitched[:: max(1, len(pitched) // (12 if args.quick else args.notes))]
    labels = np.array([note.pitch for note in chosen], float)
    sounds = [note.audio().mono() for note in chosen]
    rows = [row(name, meter, sounds, labels) for name, meter in meters().items()]
    finish(rows, args, f"{len(chosen)} notes of {args.folder}")


def meters() -> dict[str, Meter]:
    found: dict[str, Meter] = {"timbre": estimate_pitch, "librosa pyin": pyin}
    if importlib.util.find_spec("swift_f0"):
        found["swift-f0"] = swift()
    return found


def row(name: str, meter: Meter, sounds: list[Audio], labels: np.ndarray) -> Row:
    meter(sounds[0])
    found, milliseconds = [], []
    for sound in sounds:
        begun = time.process_time()
        found.append(meter(sound))
        milliseconds.append(1000 * (time.process_time() - begun))
    off = np.array([np.nan if pitch is None else pitch for pitch in found]) - labels
    octave = np.abs(off - 12 * np.round(off / 12)) <= 0.5
    right = np.abs(off) <= 0.5

    def caught(shifts: tuple[int, ...]) -> float:
        return float(np.mean([np.mean(np.abs(off - shift) > 0.5) for shift in shifts]))

    return {
        "meter": name,
        "notes": len(sounds),
        "within_50_cents": round(float(right.mean()), 4),
        "other_octave": round(float((octave & ~right).mean()), 4),
        "elsewhere": round(float((~octave & ~np.isnan(off)).mean()), 4),
        "no_pitch": round(float(np.isnan(off).mean()), 4),
        "median_cents": round(float(np.median(np.abs(100 * off[right]))), 2),
        "wrong_octaves_caught": round(caught(OCTAVES), 4),
        "other_wrong_labels_caught": round(caught(OTHERS), 4),
        "cpu_ms_per_note": round(statistics.mean(milliseconds), 2),
    }


def second(audio: Audio) -> Audio:
    """The second after the loudest moment."""
    start = min(int(np.argmax(np.abs(audio.samples[0]))), max(0, audio.samples.shape[1] - audio.sample_rate))
    return Audio(audio.samples[:, start : start + audio.sample_rate], audio.sample_rate)


def middle(hertz: np.ndarray, voiced: np.ndarray) -> float | None:
    return hz_to_midi(float(np.median(hertz[voiced]))) if np.count_nonzero(voiced) > 2 else None


def pyin(audio: Audio) -> float | None:
    import librosa

    part = second(audio).resample(22050)
    hertz, voiced, _ = librosa.pyin(part.samples[0], fmin=26.0, fmax=4700.0, sr=22050, frame_length=4096)
    return middle(hertz, voiced)


def swift() -> Meter:
    from swift_f0 import SwiftF0

    detector = SwiftF0(threads=1)

    def meter(audio: Audio) -> float | None:
        found = detector.detect(second(audio).resample(16000).samples[0], 16000)
        return middle(found.pitch_hz, found.confidence >= 0.5)

    return meter


if __name__ == "__main__":
    main()
