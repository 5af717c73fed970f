"""Features: spectrograms and labels of a library, memory-mapped and cached for its files and the settings."""

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from timbre.audio import Audio
from timbre.config import Config
from timbre.data.digests import file_digests
from timbre.data.features.example import Example, Prepared, examples, prepare
from timbre.data.features.shards import Row, Rows, Shard, find_shard, swept, write_shard
from timbre.data.library import Library
from timbre.data.note import Note
from timbre.data.split import FEWEST
from timbre.data.threads import in_order
from timbre.errors import AudioError, LibraryError
from timbre.files import cache_folder
from timbre.spectral import Spectrogram

FORMAT = 6  # part of the key: increase it when the features' meaning changes
_ROWS = 1024  # most rows of a shard: 90 MB at the default settings
_SHARDS = 16  # about the fewest shards of a library, so that several ranks can share a small one
_AHEAD = 8  # notes prepared ahead of the writing, for each thread
_BATCH = 32  # notes, with their copies, that a GPU transforms together


@dataclass(frozen=True)
class Features:
    """Spectrograms of a library's notes and of their transposed copies, row by row; all arrays are (rows,)."""

    spectrograms: Rows  # dB, (rows, bins, frames), float16 in memory-mapped files, indexed by row
    pitch: np.ndarray  # float32, MIDI; NaN is unknown
    velocity: np.ndarray  # float32, 0..1; NaN is unknown
    release: np.ndarray  # float32, s; infinite for a note that still sounds
    note: np.ndarray  # index of the row's note in the library
    original: np.ndarray  # whether the row is the note itself rather than a transposed copy
    split: np.ndarray  # "train", "valid" or "test"
    dropped: dict[str, str]  # reasons of notes that cannot be used, by name

    def rows(self, part: str | None = None, copies: bool = False) -> np.ndarray:
        """Indices of the rows of a part ("train", "valid", "test"; None is all), without or with transposed copies."""
        chosen = self.original | copies
        return np.flatnonzero(chosen if part is None else chosen & (self.split == part))


def features(library: Library, config: Config, progress: bool = False, rank: int = 0, world: int = 1) -> Features:
    """The features of a library, from the cache if possible.

    The cache is in the user's cache folder, or in the folder that the environment variable TIMBRE_CACHE names. Notes
    that cannot be used are left out and listed in `dropped`. The same library and settings give the same bytes.

    Features are computed shard by shard, in threads. After a process was killed, the next one keeps the complete shards
    with correct checksums. If all shards are complete, their sizes are checked, and the checksums of those that were
    modified since the last check. Damaged shards are computed again.

    If training uses a GPU and there is one, it transforms the notes in batches while threads prepare the next ones. The
    results may differ from a CPU's in the last digit and are cached separately.

    Args:
        library, config: the notes and the settings.
        progress: whether to show a progress bar on stderr.
        rank, world: take every `world`-th shard only, beginning with shard `rank`.

    Raises:
        LibraryError: if the library has fewer than 8 notes or fewer shards than ranks, or the cache cannot be written.
    """
    plan = Plan(library, config)
    numbers = plan.shards[rank::world]
    if world > len(plan.shards):
        raise LibraryError(
            f"{len(library)} notes make {len(plan.shards)} shards, too few for {world} processes; start fewer of them."
        )
    try:
        with swept(plan.folder):
            shards = _complete(plan, numbers, progress)
    except OSError as error:
        raise LibraryError(
            f"The features cannot be cached in {plan.folder.parent}: {error.strerror}. "
            "Make room there, or name another folder in the environment variable TIMBRE_CACHE."
        ) from error
    return _open(plan, shards)


def require_enough(notes: int, dropped: dict[str, str]) -> None:
    """Refuse a library with fewer than 8 usable notes by a LibraryError with some of the reasons."""
    if notes - len(dropped) < FEWEST:
        reasons = "; ".join(f"{name}: {why}" for name, why in list(dropped.items())[:3])
        raise LibraryError(f"Only {notes - len(dropped)} of {notes} notes can be used ({reasons}).")


class Plan:
    """The notes, settings and files of features, and the assignment of notes to shards."""

    def __init__(self, library: Library, config: Config) -> None:
        self.library, self.config, self.parts = library, config, library.parts(config.data)
        self.device, self.gpu = _device(config)
        self.shape = (config.spectrogram.bins, config.note_frames)
        self.row_bytes = 2 * self.shape[0] * self.shape[1]
        self.size = max(1, min(_ROWS // (1 + config.data.transpose), -(-len(library) // _SHARDS)))
        self.shards = range(-(-len(library) // self.size))
        self.folder = cache_folder() / "features" / _key(library, config, self.parts, self.gpu)

    def file(self, shard: int) -> Path:
        """The file of a shard's rows."""
        return self.folder / f"{shard:05d}.rows"

    def notes(self, shard: int) -> range:
        """Indices of a shard's notes."""
        return range(len(self.library))[shard * self.size : (shard + 1) * self.size]


def _device(config: Config) -> tuple[torch.device, str]:
    """Device that transforms the notes, and the name of the GPU if it is one."""
    if config.training.device in ("auto", "cuda") and torch.cuda.is_available():
        return torch.device("cuda"), torch.cuda.get_device_name()
    return torch.device("cpu"), ""


def _key(library: Library, config: Config, parts: np.ndarray, gpu: str) -> str:
    """A hash of all that the features depend on: settings, labels, and the bytes of each file, wherever it lies."""
    data = config.data
    cut, copies = (data.duration, data.dense, data.trim_db), (data.transpose, data.transpose_range)
    settings = (asdict(config.spectrogram), *cut, *copies)
    made_by = (gpu,) if gpu else ()
    digest = hashlib.sha256(repr((FORMAT, settings, data.split_seed, *made_by)).encode())
    files = file_digests(note.file for note in library)
    for note, part in zip(library.notes, parts.tolist(), strict=True):
        values = (files[note.file], note.part, note.pitch, note.velocity, part == "train")
        digest.update(repr(values).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:24]


def _complete(plan: Plan, numbers: range, progress: bool) -> list[Shard]:
    """The shards of these indices, after computing the missing ones."""
    shards = {number: shard for number in numbers if (shard := find_shard(plan.file(number), plan.row_bytes))}
    if len(shards) < len(numbers):
        total = sum(len(plan.notes(number)) for number in numbers)
        interval = 0.5 if sys.stderr.isatty() else 20.0
        with tqdm(total=total, desc="features", unit="note", mininterval=interval, disable=not progress) as bar:
            shards = _checked(plan, shards, bar)
            shards |= _make(plan, [number for number in numbers if number not in shards], bar)
    return [shards[number] for number in numbers]


def _checked(plan: Plan, shards: dict[int, Shard], bar: tqdm) -> dict[int, Shard]:
    """The shards with correct checksums."""
    kept = {}
    with ThreadPoolExecutor(_threads()) as pool:
        for (number, shard), right in zip(shards.items(), pool.map(Shard.intact, shards.values()), strict=True):
            if right:
                kept[number] = shard
                bar.update(len(plan.notes(number)))
    return kept


def _make(plan: Plan, numbers: list[int], bar: tqdm) -> dict[int, Shard]:
    """Compute shards in threads: decoding, resampling and transforms release Python's lock."""
    torch_threads, threads = torch.get_num_threads(), _threads()
    # Torch uses one thread in each: the bytes do not depend on the number of threads, and none waits for another.
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        indices = chain.from_iterable(plan.notes(number) for number in numbers)
        results = _counted(_Maker(plan).results(pool, indices, _AHEAD * threads), bar)
        return {
            number: write_shard(plan.file(number), plan.notes(number)[0], islice(results, len(plan.notes(number))))
            for number in numbers
        }
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(torch_threads)


def _threads() -> int:
    """Threads of this process: all cores, shared with the other processes that torchrun started on this machine."""
    return max(1, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


def _counted(results: Iterator[list[Row] | str], bar: tqdm) -> Iterator[list[Row] | str]:
    for result in results:
        bar.update()
        yield result


class _Maker:
    """Computes the rows of notes."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.config = plan, plan.config
        self.spectrogram = Spectrogram(plan.config.spectrogram).to(plan.device)

    def results(self, pool: ThreadPoolExecutor, indices: Iterable[int], ahead: int) -> Iterator[list[Row] | str]:
        """The rows of each note, in order, or the reason why it is left out."""
        if not self.plan.gpu:
            yield from in_order((pool.submit(self.one, index) for index in indices), ahead)
            return
        # Batches end with shards, so that a shard's bytes do not depend on which other shards are computed.
        notes = in_order((pool.submit(self.prepared, index) for index in indices), ahead)
        for _, batch in groupby(notes, self.batch):
            yield from self.together(list(batch))

    def one(self, index: int) -> list[Row] | str:
        """A note's rows, transformed one by one so that the bytes of each depend on nothing else."""
        _, notes = self.prepared(index)
        if isinstance(notes, str):
            return notes
        return _rows(index, [examples([note], self.spectrogram, self.config)[0] for note in notes])

    def together(self, batch: list[tuple[int, list[Prepared] | str]]) -> Iterator[list[Row] | str]:
        """The rows of notes that are transformed together."""
        flat = [note for _, notes in batch if not isinstance(notes, str) for note in notes]
        done = iter(examples(flat, self.spectrogram, self.config))
        for index, notes in batch:
            yield notes if isinstance(notes, str) else _rows(index, list(islice(done, len(notes))))

    def prepared(self, index: int) -> tuple[int, list[Prepared] | str]:
        """A note's index, and the note and its copies, or the reason why it is left out."""
        try:
            return index, prepared(self.plan.library[index], self.config, self.shifts(index))
        except AudioError as error:
            return index, str(error)

    def batch(self, item: tuple[int, Any]) -> tuple[int, int]:
        """The shard of a note, and the index of its batch in it."""
        return item[0] // self.plan.size, item[0] % self.plan.size // _BATCH

    def shifts(self, index: int) -> np.ndarray:
        """Semitones by which a note's copies are transposed; they depend on the note alone."""
        data = self.config.data
        copies = data.transpose if self.plan.parts[index] == "train" else 0
        return np.random.default_rng([data.split_seed, index]).uniform(-1, 1, copies) * data.transpose_range


def _rows(index: int, notes: list[Example]) -> list[Row]:
    return [
        (row.spectrogram.astype(np.float16), (row.pitch, row.velocity, row.release, index, copy == 0))
        for copy, row in enumerate(notes)
    ]


def prepared(note: Note, config: Config, shifts: Iterable[float]) -> list[Prepared]:
    """The note, and a copy for each shift (semitones), resampled like a tape, so that its pitch is exactly known."""
    audio = note.audio()
    own = prepare(audio, config, note.pitch, note.velocity)
    rows = [own]
    for shift in shifts:
        rate = round(audio.sample_rate * 2.0 ** (shift / 12.0))
        copy = prepare(Audio(audio.samples, rate), config, None, note.velocity)
        rows.append(replace(copy, pitch=own.pitch + 12.0 * float(np.log2(rate / audio.sample_rate))))
    return rows


def _open(plan: Plan, shards: list[Shard]) -> Features:
    rows = Rows(shards, plan.shape)
    labels = rows.labels()
    dropped = {plan.library[note].name: reason for shard in shards for note, reason in shard.dropped.items()}
    pitch, velocity, release = (labels[name].copy() for name in ("pitch", "velocity", "release"))
    note, original = labels["note"].astype(np.int64), labels["original"].copy()
    return Features(rows, pitch, velocity, release, note, original, plan.parts[note], dropped)
