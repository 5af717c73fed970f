"""Pitch meters compared on synthetic tones, on real notes, and on sounds of known pitch.

    python benchmarks/pitch.py [FOLDER] [--notes N] [--tones N] [--seed N] [--sounds FOLDER HZ] [--quick] [--json FILE]

The first table has a row for each meter and kind of tone: the share of tones that it reads within 50 cents, in another
octave, elsewhere, or not at all. For noise and drums, the share that gets a pitch is in the column `false`. FOLDER adds
its notes: those of harmonic instruments, of bars and bells, and those without a label: noises (shakers, cymbals,
snares), and other drums, blocks and bells, many of which ring at a pitch that nobody named. `--sounds` adds a folder of
sounds that all have the same pitch, such as the stimuli of a listening study.

The second table has the notes of harmonic instruments alone: how often a meter finds the labelled pitch, and how often
it detects a wrong label. Labels are assumed to be right.

"before" is the meter of version 0.1. librosa's meter, swift-f0 and PESTO (the last two if installed) get the second
after the loudest sample, timbre's meters get the whole sound; all run on one thread.
"""

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from _period_meter import period_pitch
from _pitched import PITCHED, UNPITCHED, tones
from _table import Row, add_arguments, format_table, write_json

import timbre
from timbre.audio import Audio
from timbre.audio.pitch import estimate_pitch, hz_to_midi
from timbre.data import Note
from timbre.data.note import is_harmonic

Meter = Callable[[Audio], float | None]
Sounds = list[tuple[Audio, float | None]]
OCTAVES = (-24, -12, 12, 24)
OTHERS = (-19, -7, -2, -1, 1, 2, 7, 19)
SORTS = ("notes, harmonic", "notes, bars and bells", "notes of drums and bells without a label", "notes of noises")
NOISES = ("cabasa", "clap", "cymbal", "guiro", "ratchet", "shaker", "slapstick", "snare", "tambourine", "vibraslap")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("datasets/orchestra"), help="folder of notes")
    parser.add_argument("--notes", type=int, default=150, help="most notes of each sort, evenly spaced in the library")
    parser.add_argument("--tones", type=int, default=60, help="number of synthetic tones of each kind")
    parser.add_argument("--seed", type=int, default=0, help="of the synthetic tones")
    parser.add_argument("--sounds", nargs=2, action="append", default=[], metavar=("FOLDER", "HZ"), help="more sounds")
    add_arguments(parser)
    args = parser.parse_args()
    count, most = (4, 8) if args.quick else (args.tones, args.notes)
    groups = {name: tones(kind, count, args.seed) for name, kind in {**PITCHED, **UNPITCHED}.items()}
    notes = sorts(timbre.scan(args.folder, measure=False), most)
    groups |= {name: [(note.audio().mono(), note.pitch) for note in some] for name, some in notes.items()}
    for folder, hertz in args.sounds:
        groups[Path(folder).name] = [(timbre.read(f).mono(), hz_to_midi(float(hertz))) for f in files(Path(folder))]
    kinds = [kind_row(name, kind, meter, groups[kind]) for kind in groups for name, meter in meters().items()]
    print(f"\nseed {args.seed}\n{format_table(kinds)}", flush=True)
    harmonic = groups["notes, harmonic"]
    labels = np.array([pitch for _, pitch in harmonic], float)
    rows = [row(name, meter, [sound for sound, _ in harmonic], labels) for name, meter in meters().items()]
    print(f"\n{len(harmonic)} notes of {args.folder}\n{format_table(rows)}")
    if args.json:
        write_json(args.json, [*kinds, *rows])


def files(folder: Path) -> list[Path]:
    """The sound files of a folder."""
    return sorted(file for file in folder.iterdir() if file.suffix in (".wav", ".flac", ".ogg", ".aif"))


def sorts(library: Iterable[Note], most: int) -> dict[str, list[Note]]:
    """Notes of harmonic instruments, of bars and bells, and without a label; at most `most` of each."""
    every: dict[str, list[Note]] = {name: [] for name in SORTS}
    for note in library:
        noise = any(word in note.instrument for word in NOISES)
        every[SORTS[2 + noise] if note.pitch is None else SORTS[not is_harmonic(note)]].append(note)
    return {name: some[:: -(-len(some) // most)] for name, some in every.items() if some}


def meters() -> dict[str, Meter]:
    """The meters by name."""
    swift_f0 = {"swift-f0": swift()} if importlib.util.find_spec("swift_f0") else {}
    pesto = {"pesto": pesto_meter()} if importlib.util.find_spec("pesto") else {}
    return {"before": period_pitch, "timbre": estimate_pitch, "librosa pyin": pyin, **swift_f0, **pesto}


def kind_row(name: str, kind: str, meter: Meter, sounds: Sounds) -> Row:
    """One row of the table of kinds."""
    pitches = [meter(sound) for sound, _ in sounds]
    head: Row = {"kind": kind, "meter": name, "sounds": len(sounds)}
    if sounds[0][1] is None:
        return head | {"false": round(float(np.mean([pitch is not None for pitch in pitches])), 4)}
    off = np.array([np.nan if p is None else p for p in pitches]) - np.array([true for _, true in sounds], float)
    return head | shares(off)


def shares(off: np.ndarray) -> Row:
    """Shares of right and wrong readings, from their distances in semitones."""
    octave = np.abs(off - 12 * np.round(off / 12)) <= 0.5
    right = np.abs(off) <= 0.5
    return {
        "within_50_cents": round(float(right.mean()), 4),
        "other_octave": round(float((octave & ~right).mean()), 4),
        "elsewhere": round(float((~octave & ~np.isnan(off)).mean()), 4),
        "no_pitch": round(float(np.isnan(off).mean()), 4),
    }


def row(name: str, meter: Meter, sounds: list[Audio], labels: np.ndarray) -> Row:
    """One row of the table of notes."""
    meter(sounds[0])
    pitches, milliseconds = [], []
    for sound in sounds:
        begun = time.process_time()
        pitches.append(meter(sound))
        milliseconds.append(1000 * (time.process_time() - begun))
    off = np.array([np.nan if pitch is None else pitch for pitch in pitches]) - labels
    right = np.abs(off) <= 0.5

    def caught(shifts: tuple[int, ...]) -> float:
        return float(np.mean([np.mean(np.abs(off - shift) > 0.5) for shift in shifts]))

    return {
        "meter": name,
        "notes": len(sounds),
        **shares(off),
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


def pesto_meter() -> Meter:
    import torch
    from pesto import load_model

    model = load_model("mir-1k_g7", step_size=10.0, sampling_rate=22050)

    def meter(audio: Audio) -> float | None:
        samples = second(audio).resample(22050).samples[0]
        padded = np.pad(samples, (0, max(0, 11025 - samples.size)))  # it refuses shorter sounds
        with torch.inference_mode():
            hertz, confidence, *_ = model(torch.from_numpy(padded), sr=22050, convert_to_freq=True)
        return median_pitch(hertz.numpy().ravel(), confidence.numpy().ravel() >= 0.5)

    return meter


if __name__ == "__main__":
    main()
