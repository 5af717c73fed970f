"""Pitch meters compared on real notes: how often they find the labelled pitch, and how often they detect a wrong label.

    python benchmarks/pitch.py [FOLDER] [--notes N] [--quick] [--json FILE]

The notes are evenly spaced among those of harmonic instruments; their labels are assumed to be right. A wrong label is
caught if the measured pitch is more than 50 cents from it. librosa's meter and swift-f0 (if installed) get the second
after the loudest sample, timbre's meter gets the whole note; all run on one thread.
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
    parser.add_argument("--notes", type=int, default=150, help="number of notes, evenly spaced in the library")
    add_arguments(parser)
    args = parser.parse_args()
    pitched = [n for n in timbre.scan(args.folder, measure=False) if n.pitch is not None and is_harmonic(n)]
    chosen = pitched[:: max(1, len(pitched) // (12 if args.quick else args.notes))]
    labels = np.array([note.pitch for note in chosen], float)
    sounds = [note.audio().mono() for note in chosen]
    rows = [row(name, meter, sounds, labels) for name, meter in meters().items()]
    finish(rows, args, f"{len(chosen)} notes of {args.folder}")


def meters() -> dict[str, Meter]:
    """The meters by name."""
    swift_f0 = {"swift-f0": swift()} if importlib.util.find_spec("swift_f0") else {}
    return {"timbre": estimate_pitch, "librosa pyin": pyin, **swift_f0}


def row(name: str, meter: Meter, sounds: list[Audio], labels: np.ndarray) -> Row:
    """One row of the table."""
    meter(sounds[0])
    pitches, milliseconds = [], []
    for sound in sounds:
        begun = time.process_time()
        pitches.append(meter(sound))
        milliseconds.append(1000 * (time.process_time() - begun))
    off = np.array([np.nan if pitch is None else pitch for pitch in pitches]) - labels
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
    """The second after the loudest sample."""
    start = min(int(np.argmax(np.abs(audio.samples[0]))), max(0, audio.samples.shape[1] - audio.sample_rate))
    return Audio(audio.samples[:, start : start + audio.sample_rate], audio.sample_rate)


def median_pitch(hertz: np.ndarray, voiced: np.ndarray) -> float | None:
    """The median pitch of the voiced frames, or None if there are fewer than three."""
    return hz_to_midi(float(np.median(hertz[voiced]))) if np.count_nonzero(voiced) > 2 else None


def pyin(audio: Audio) -> float | None:
    import librosa

    part = second(audio).resample(22050)
    hertz, voiced, _ = librosa.pyin(part.samples[0], fmin=26.0, fmax=4700.0, sr=22050, frame_length=4096)
    return median_pitch(hertz, voiced)


def swift() -> Meter:
    from swift_f0 import SwiftF0

    detector = SwiftF0(threads=1)

    def meter(audio: Audio) -> float | None:
        result = detector.detect(second(audio).resample(16000).samples[0], 16000)
        return median_pitch(result.pitch_hz, result.confidence >= 0.5)

    return meter


if __name__ == "__main__":
    main()
