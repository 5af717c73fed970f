"""What libraries cost: scanning and features beside librosa, the index of a large library, and feeding training.

    python benchmarks/library.py [FOLDER] [--quick] [--json FILE]

Scanning and features run on one core, and so does librosa, which loads, resamples and transforms the same notes with
the same parameters in the same run; their seconds are those of the processor. The large library has the size and shape
of NSynth: a table of 300,000 notes, files that are all links to a few, and shards of features with a small front end
(16 bands, 32 frames). What a loader holds is its anonymous memory: pages of mapped files belong to the system, which
drops them when it needs room.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from _table import Row, add_arguments, finish

if TYPE_CHECKING:
    from timbre.config import Config
    from timbre.data import Library

BANDS, SECONDS = 16, 0.36  # the simulated front end: 16 bands, 32 frames
INSTRUMENTS = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("datasets/orchestra"), help="folder of notes")
    add_arguments(parser)
    args = parser.parse_args()
    count, steps = (20_000, 6) if args.quick else (300_000, 30)
    with TemporaryDirectory() as name, get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        place = Path(name)
        folder = a_few_of(args.folder, place / "notes") if args.quick else args.folder
        rows: list[Row] = pool.apply(reading_rows, (folder, place / "read", 1 if args.quick else 3))
        pool.apply(simulate, (place, count))
        rows += pool.apply(index_rows, (place / "nsynth",))
        rows += pool.apply(loader_rows, (place / "nsynth", place / "cache"))
        for threads in (2,) if args.quick else (1, 2):
            rows.append(pool.apply(share_row, (folder, place / "share", threads, steps)))
    finish(rows, args, f"{args.folder} on one core, and a library of {count:,} notes")


# --- reading, beside librosa ---


def reading_rows(folder: Path, cache: Path, repeats: int) -> list[Row]:
    """Scanning and features, on one core."""
    import timbre

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.environ["TIMBRE_CACHE"] = str(cache / "scan")
    measured = timed(lambda: timbre.scan(folder))
    again = timed(lambda: timbre.scan(folder))
    library = timbre.scan(folder, measure=False)
    plain = timed(lambda: timbre.scan(folder, measure=False))
    rows: list[Row] = [
        {
            "what": f"scan, {way}",
            "notes": len(library),
            "seconds": round(spent, 2),
            "per_s": round(len(library) / spent),
        }
        for way, spent in (("measuring", measured), ("measured before", again), ("decoding only", plain))
    ]
    return rows + feature_rows(library[: 400 // repeats], cache, repeats)


def feature_rows(library: "Library", cache: Path, repeats: int) -> list[Row]:
    from timbre.config import Config
    from timbre.data import Library
    from timbre.data.features.table import features

    config = Config()
    config = replace(config, data=replace(config.data, transpose=0))
    few = library[:: -(-len(library) // 4)]
    unlabelled = Library([replace(note, pitch=None) for note in library], library.root)
    ways: dict[str, tuple[Library, Callable[[Library], Any]]] = {
        "features": (library, lambda notes: features(notes, config)),
        "features without pitch": (unlabelled, lambda notes: features(notes, config)),
        "librosa": (library, lambda notes: by_librosa(notes, config, False)),
        "librosa with pyin": (few, lambda notes: by_librosa(notes, config, True)),
    }
    spent: dict[str, list[float]] = {what: [] for what in ways}
    for repeat in range(repeats + 1):
        for number, (what, (notes, way)) in enumerate(ways.items()):
            os.environ["TIMBRE_CACHE"] = str(cache / f"{repeat}-{number}")
            if repeat == 0:  # compiles, makes filterbanks
                way(notes[: min(8, len(notes) // 2)] if "librosa" in what else notes[:8])
            else:
                spent[what].append(timed(lambda way=way, notes=notes: way(notes)) / audio_seconds(notes))
    medians = {what: statistics.median(each) for what, each in spent.items()}
    return [
        {
            "what": what,
            "notes": len(ways[what][0]),
            "x_realtime": round(1.0 / median, 1),
            "time_of_features": round(median / medians["features"], 2),
        }
        for what, median in medians.items()
    ]


def by_librosa(library: "Library", config: "Config", pyin: bool) -> None:
    """The same work: decode, mix, resample, transform, and measure the pitch if asked to."""
    import librosa

    spectrogram, bank = config.spectrogram, None
    for note in library:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # empty filters, which 256 bands of librosa's have
            if bank is None:
                bank = librosa.filters.mel(
                    sr=spectrogram.sample_rate, n_fft=spectrogram.n_fft, n_mels=spectrogram.n_mels
                )
            sound, rate = librosa.load(note.file, sr=spectrogram.sample_rate)
            sound = sound[: round(config.data.duration * rate)]
            power = np.abs(librosa.stft(sound, n_fft=spectrogram.n_fft, hop_length=spectrogram.hop_length)) ** 2
            librosa.power_to_db(bank @ power)
            if pyin:
                librosa.pyin(sound, sr=rate, fmin=27.5, fmax=4186.0)


def audio_seconds(library: "Library") -> float:
    return sum(note.duration for note in library)


def a_few_of(folder: Path, target: Path) -> Path:
    """A small copy of a folder of notes."""
    suffixes = (".wav", ".flac", ".ogg")
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in suffixes)
    for file in files[:: max(1, len(files) // 24)]:
        (target / file.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target / file.relative_to(folder))
    return target


# --- a library of NSynth's size ---


def simulate(place: Path, count: int) -> None:
    """Files, table and features of a large library."""
    import soundfile

    folder = place / "nsynth" / "nsynth-train"
    (folder / "audio").mkdir(parents=True)
    for number in range(16):  # a file may have 65,000 links
        tone = np.sin(np.arange(1600) * 0.05 * (1 + number)).astype(np.float32)
        soundfile.write(place / f"{number}.wav", tone, 16000)
    table = {}
    for number in range(count):
        instrument = number % INSTRUMENTS
        pitch, velocity = 21 + number // INSTRUMENTS % 88, (25, 50, 75, 100, 127)[number // INSTRUMENTS // 88 % 5]
        name = f"guitar_acoustic_{instrument:03d}-{pitch:03d}-{velocity:03d}"
        os.link(place / f"{number % 16}.wav", folder / "audio" / f"{name}.wav")
        table[name] = {
            "note": number, "note_str": name, "instrument": instrument, "pitch": pitch, "velocity": velocity,
            "instrument_str": f"guitar_acoustic_{instrument:03d}", "instrument_family": 3, "sample_rate": 16000,
            "instrument_family_str": "guitar", "instrument_source": 0, "instrument_source_str": "acoustic",
            "qualities": [0] * 10, "qualities_str": [],
        }  # fmt: skip
    (folder / "examples.json").write_text(json.dumps(table), encoding="utf-8")
    simulate_features(index(place / "nsynth"), place / "cache")


def simulate_features(library: "Library", cache: Path) -> None:
    """Shards where the features of the library would be, with noise in them."""
    from timbre.data.features.shards import write_shard
    from timbre.data.features.table import Plan

    os.environ["TIMBRE_CACHE"] = str(cache)
    config = small_config()
    plan = Plan(library, config)
    plan.folder.mkdir(parents=True)
    noise = np.random.default_rng(0).uniform(-80, 0, (64, *plan.shape)).astype(np.float16)
    for shard in plan.shards:
        notes = plan.notes(shard)
        write_shard(plan.file(shard), notes[0], ([(noise[n % 64], (60.0, 0.5, 1.0, n, True))] for n in notes))


def small_config() -> "Config":
    from timbre.config import Config, DataConfig, SpectrogramConfig

    data = DataConfig(duration=SECONDS, transpose=0, valid=0.0, test=0.0)
    return Config(spectrogram=SpectrogramConfig(n_mels=BANDS), data=data)


def index(folder: Path) -> "Library":
    """A library without listening to it."""
    from timbre.data import Library
    from timbre.data.readers import Options, choose
    from timbre.data.tree import open_tree

    tree = open_tree(folder)
    return Library(choose(tree).read(tree, Options()).notes, tree.root)


def index_rows(folder: Path) -> list[Row]:
    """What knowing of a large library costs."""
    import timbre.data

    assert timbre.data
    before = memory("Anonymous")
    begun = time.perf_counter()
    library = index(folder)
    spent = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        {
            "what": "index, from table to notes",
            "notes": len(library),
            "seconds": round(spent, 2),
            "per_s": round(len(library) / spent),
            "held_mib": round(memory("Anonymous") - before, 1),
            "peak_mib": round(peak),
        }
    ]


def loader_rows(folder: Path, cache: Path) -> list[Row]:
    """Opening the features of a large library, and going once through all of them."""
    import torch

    from timbre.data.features.table import features
    from timbre.training.batches import Batches

    torch.set_num_threads(1)
    os.environ["TIMBRE_CACHE"] = str(cache)
    library, config = index(folder), small_config()
    before, begun = memory("Anonymous"), time.perf_counter()
    table = features(library, config)
    opened = time.perf_counter() - begun
    held = memory("Anonymous") - before
    begun = time.perf_counter()
    epoch = Batches(table, table.rows(), 16, 0, torch.device("cpu")).epoch(0)
    next(epoch)
    first = time.perf_counter() - begun
    started, begun = memory("Anonymous"), time.perf_counter()
    read = sum(len(found.rows) for found in epoch)
    spent = time.perf_counter() - begun
    grown, mapped = memory("Anonymous") - started, memory("Rss") - memory("Anonymous")
    notes = len(library)
    return [
        {"what": "open features", "notes": notes, "seconds": round(opened, 2), "held_mib": round(held, 1)},
        {"what": "first batch of 16", "notes": notes, "seconds": round(first, 3)},
        {
            "what": "an epoch, batches of 16, small rows",
            "notes": notes,
            "seconds": round(spent, 2),
            "per_s": round(read / spent),
            "held_mib": round(grown, 1),
            "mapped_mib": round(mapped),
        },
    ]


# --- feeding training ---


def share_row(folder: Path, cache: Path, threads: int, steps: int) -> Row:
    """How much of training's time goes into waiting for batches, with the default model and real notes."""
    import timbre
    from timbre.config import Config
    from timbre.data.features.table import features
    from timbre.training.regularization import note_labels
    from timbre.training.run import Run
    from timbre.training.vae import VAETask

    os.environ["TIMBRE_CACHE"] = str(cache)
    config = Config()
    config = replace(config, training=replace(config.training, threads=threads, device="cpu"))
    library = timbre.scan(folder, measure=False)
    names, labels = [str(note.file) for note in library], note_labels(library, library.parts(config.data))
    task = VAETask(features(library, config), names, config, None, "", labels=labels)
    run = Run(task)
    run.net.train()
    waited, worked = [], []
    while len(waited) < steps:
        epoch = task.batches(len(waited), 0)
        for _ in range(min(steps - len(waited), task.count)):
            begun = time.perf_counter()
            found = next(epoch)
            waited.append(time.perf_counter() - begun)
            worked.append(timed(lambda found=found: run.take_step(found), time.perf_counter))
    wait, work = statistics.median(waited), statistics.median(worked)
    return {
        "what": f"loader in training, {threads} thread{'s' * (threads > 1)}",
        "notes": len(library),
        "per_s": round(config.training.batch_size / wait),
        "needed_per_s": round(config.training.batch_size / work),
        "share_of_step": round(wait / (wait + work), 4),
    }


def timed(work: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:
    """Seconds of one call: of this process, whatever else the machine does, or by another clock."""
    begun = clock()
    work()
    return clock() - begun


def memory(kind: str) -> float:
    """MiB of this process: "Rss", or "Anonymous", which is what it holds itself; 0 where there is no Linux to ask."""
    if sys.platform != "linux":
        return 0.0
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) / 1024


if __name__ == "__main__":
    main()
