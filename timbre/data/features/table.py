"""Cached features: spectrograms and labels of a library, memory-mapped, made once for a config and a set of files."""

import hashlib
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from tqdm import tqdm

from timbre.audio import Audio
from timbre.config import Config
from timbre.data.features.example import Example, Prepared, complete, prepare, transform
from timbre.data.features.shards import Row, Rows, Shard, find_shard, sweep, write_shard
from timbre.data.library import Library
from timbre.data.note import Note
from timbre.data.split import FEWEST
from timbre.errors import AudioError, LibraryError
from timbre.files import cache_folder
from timbre.spectral import Spectrogram

FORMAT = 3  # part of the key: raise it when the features' meaning changes
_ROWS = 1024  # of a shard, at most: 90 MB at the default settings
_SHARDS = 16  # of a library, about, at least, so that several ranks can share a small one too
_AHEAD = 8  # notes that are prepared before they are written, for each thread
_BATCH = 32  # notes that a GPU transforms at a time, with their copies

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Features:
    """Spectrograms of a library's notes and of their transposed copies; row by row.

    Attributes:
        spectrograms: dB, (rows, bins, frames), float16 on the disk: memory-mapped, and read by row numbers.
        pitch, velocity, release: float32 (rows,); NaN is unknown, an infinite release is a held note.
        note: which note of the library a row comes from, (rows,).
        original: whether a row is the note itself rather than a transposed copy, (rows,).
        split: "train", "valid" or "test" for every row, (rows,).
        dropped: notes that could not be used, with the reason.
    """

    spectrograms: Rows
    pitch: np.ndarray
    velocity: np.ndarray
    release: np.ndarray
    note: np.ndarray
    original: np.ndarray
    split: np.ndarray
    dropped: dict[str, str]

    def rows(self, part: str | None = None, copies: bool = False) -> np.ndarray:
        """Row numbers of a part ("train", "valid", "test"; None is all), with or without the transposed copies."""
        chosen = self.original | copies
        return np.flatnonzero(chosen if part is None else chosen & (self.split == part))

    def damaged(self) -> list[Path]:
        """Files whose checksum is no longer what it was; reads all of them. Delete them, and they are made anew."""
        return [shard.file for shard in self.spectrograms.shards if not shard.intact()]


def features(library: Library, config: Config, progress: bool = False, rank: int = 0, world: int = 1) -> Features:
    """The features of a library, from the cache where they are there already.

    The cache lies in the user's cache folder, or in the folder that the environment variable TIMBRE_CACHE names.
    Files that cannot be used are left out and named in `dropped`. The same library and settings give the same bytes.

    They are made shard by shard, in threads. When a process was killed, the next one keeps the shards that were
    finished, after checking their checksums, and makes the others. Shards that are all there are checked for their
    size, and for their checksum if they were touched since; what is damaged is made anew.

    Where training uses a GPU and there is one, it transforms the notes, in batches, while threads prepare the next
    ones. Its results may differ from a CPU's in the last digit, so they are kept apart.

    Args:
        library: the notes.
        config: the settings.
        progress: whether to show a bar on stderr.
        rank, world: take every `world`-th shard only, from shard number `rank` on.

    Raises:
        LibraryError: if the library has fewer than 8 notes or fewer shards than ranks, or the cache cannot be written.
    """
    work = _Work(library, config, library.parts(config.data))
    numbers = work.shards[rank::world]
    if world > len(work.shards):
        raise LibraryError(
            f"{len(library)} notes make {len(work.shards)} shards, too few for {world} processes; start fewer of them."
        )
    try:
        work.folder.mkdir(parents=True, exist_ok=True)
        shards = _complete(work, numbers, progress)
    except OSError as error:
        raise LibraryError(
            f"The features cannot be cached in {work.folder.parent}: {error.strerror}. "
            "Make room there, or name another folder in the environment variable TIMBRE_CACHE."
        ) from error
    return _open(work, shards)


def require_enough(notes: int, dropped: dict[str, str]) -> None:
    """Refuse a library of which, after dropping some notes, fewer than 8 are left.

    Raises:
        LibraryError: naming some of the reasons.
    """
    if notes - len(dropped) < FEWEST:
        reasons = "; ".join(f"{name}: {why}" for name, why in list(dropped.items())[:3])
        raise LibraryError(f"Only {notes - len(dropped)} of {notes} notes can be used ({reasons}).")


class _Work:
    """What features are made from, and how notes are dealt to shards."""

    def __init__(self, library: Library, config: Config, parts: np.ndarray) -> None:
        self.library, self.config, self.parts = library, config, parts
        self.device, self.gpu = _place(config)
        self.shape = (config.spectrogram.bins, config.note_frames)
        self.row_bytes = 2 * self.shape[0] * self.shape[1]
        self.size = max(1, min(_ROWS // (1 + config.data.transpose), -(-len(library) // _SHARDS)))
        self.shards = range(-(-len(library) // self.size))
        self.folder = cache_folder() / "features" / _key(library, config, parts, self.gpu)

    def file(self, shard: int) -> Path:
        return self.folder / f"{shard:05d}.rows"

    def notes(self, shard: int) -> range:
        return range(len(self.library))[shard * self.size : (shard + 1) * self.size]

    def find(self, shard: int) -> Shard | None:
        return find_shard(self.file(shard), self.row_bytes)


def _place(config: Config) -> tuple[torch.device, str]:
    """Where notes are transformed, and the name of the GPU if that is one."""
    if config.training.device in ("auto", "cuda") and torch.cuda.is_available():
        return torch.device("cuda"), torch.cuda.get_device_name()
    return torch.device("cpu"), ""


def _key(library: Library, config: Config, parts: np.ndarray, gpu: str) -> str:
    """A hash of all that the features depend on: settings, labels, and each file's size and time of change."""
    data = config.data
    settings = (asdict(config.spectrogram), data.duration, data.trim_db, data.transpose, data.transpose_range)
    made_by = (gpu,) if gpu else ()
    digest = hashlib.sha256(repr((FORMAT, settings, data.split_seed, *made_by)).encode())

    @lru_cache(256)  # a SoundFont is the file of a thousand notes
    def identity(file: Path) -> tuple[str, int, int]:
        status = os.stat(path := str(file))
        return path, status.st_size, status.st_mtime_ns

    try:
        for note, part in zip(library.notes, parts.tolist(), strict=True):
            facts = (*identity(note.file), note.part, note.pitch, note.velocity, part == "train")
            digest.update(repr(facts).encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise LibraryError(f"A file of the library is gone: {error}. Scan the folder again.") from error
    return digest.hexdigest()[:24]


def _complete(work: _Work, numbers: range, progress: bool) -> list[Shard]:
    """The shards of these numbers, after making those that are not there."""
    found = {number: shard for number in numbers if (shard := work.find(number))}
    if len(found) < len(numbers):
        sweep(work.folder)
        total = sum(len(work.notes(number)) for number in numbers)
        interval = 0.5 if sys.stderr.isatty() else 20.0
        with tqdm(total=total, desc="features", unit="note", mininterval=interval, disable=not progress) as bar:
            found = _checked(work, found, bar)
            found |= _make(work, [number for number in numbers if number not in found], bar)
    return [found[number] for number in numbers]


def _checked(work: _Work, found: dict[int, Shard], bar: tqdm) -> dict[int, Shard]:
    """Those shards whose checksums are right."""
    kept = {}
    with ThreadPoolExecutor(_threads()) as pool:
        for (number, shard), right in zip(found.items(), pool.map(Shard.intact, found.values()), strict=True):
            if right:
                kept[number] = shard
                bar.update(len(work.notes(number)))
    return kept


def _make(work: _Work, numbers: list[int], bar: tqdm) -> dict[int, Shard]:
    """Make shards: in threads, as decoding, resampling and transforms leave Python's lock alone."""
    torch_threads, threads = torch.get_num_threads(), _threads()
    # One thread of torch in each: the same bytes come out whatever the number of threads, and none waits for another.
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        indices = chain.from_iterable(work.notes(number) for number in numbers)
        results = _counted(_Maker(work).results(pool, indices, _AHEAD * threads), bar)
        return {
            number: write_shard(work.file(number), work.notes(number)[0], islice(results, len(work.notes(number))))
            for number in numbers
        }
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(torch_threads)


def _threads() -> int:
    """Threads of this process: all cores, shared with the other processes that torchrun started on this machine."""
    return max(1, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


def _in_order(pool: ThreadPoolExecutor, function: Callable[[T], U], items: Iterable[T], ahead: int) -> Iterator[U]:
    """Results in the order of the items; no more than `ahead` of them wait."""
    waiting: deque[Future[U]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _counted(results: Iterator[U], bar: tqdm) -> Iterator[U]:
    for result in results:
        bar.update()
        yield result


class _Maker:
    """From notes to rows."""

    def __init__(self, work: _Work) -> None:
        self.work, self.config = work, work.config
        self.spectrogram = Spectrogram(work.config.spectrogram).to(work.device)

    def results(self, pool: ThreadPoolExecutor, indices: Iterable[int], ahead: int) -> Iterator[list[Row] | str]:
        """The rows of each note, in order, or why it was left out."""
        if not self.work.gpu:
            yield from _in_order(pool, self.whole, indices, ahead)
            return
        # Batches end with shards, so that which ones are made together, and their bytes, do not depend on the others.
        for _, batch in groupby(_in_order(pool, self.prepared, indices, ahead), self.batch):
            yield from self.together(list(batch))

    def whole(self, index: int) -> list[Row] | str:
        """A note's rows, all in one thread."""
        try:
            return _rows(index, _examples(self.work.library[index], self.spectrogram, self.config, self.shifts(index)))
        except AudioError as error:
            return str(error)

    def prepared(self, index: int) -> tuple[int, list[Prepared] | str]:
        """A note's number, and it and its copies, or why it is left out."""
        try:
            return index, _prepared(self.work.library[index], self.config, self.shifts(index))
        except AudioError as error:
            return index, str(error)

    def together(self, notes: list[tuple[int, list[Prepared] | str]]) -> Iterator[list[Row] | str]:
        """The rows of notes that are transformed at once."""
        flat = [note for _, found in notes if not isinstance(found, str) for note in found]
        spectrograms = iter(transform(flat, self.spectrogram, self.config) if flat else ())
        for index, found in notes:
            if isinstance(found, str):
                yield found
            else:
                yield _rows(index, [complete(note, next(spectrograms), self.config) for note in found])

    def batch(self, found: tuple[int, Any]) -> tuple[int, int]:
        """The shard of a note, and which of its batches it is in."""
        return found[0] // self.work.size, found[0] % self.work.size // _BATCH

    def shifts(self, index: int) -> np.ndarray:
        """Semitones by which a note's copies are transposed; they depend on the note alone."""
        data = self.config.data
        copies = data.transpose if self.work.parts[index] == "train" else 0
        return np.random.default_rng([data.split_seed, index]).uniform(-1, 1, copies) * data.transpose_range


def _rows(index: int, examples: list[Example]) -> list[Row]:
    return [
        (row.spectrogram.astype(np.float16), (row.pitch, row.velocity, row.release, index, copy == 0))
        for copy, row in enumerate(examples)
    ]


def _examples(note: Note, spectrogram: Spectrogram, config: Config, shifts: Iterable[float]) -> list[Example]:
    """The note and its copies, transformed one by one: their bytes depend on nothing else."""
    prepared = _prepared(note, config, shifts)
    return [complete(one, transform([one], spectrogram, config)[0], config) for one in prepared]


def _prepared(note: Note, config: Config, shifts: Iterable[float]) -> list[Prepared]:
    """The note, and a copy of it for each shift (semitones), resampled as a tape would be: its pitch is known then."""
    audio = note.audio()
    own = prepare(audio, config, note.pitch, note.velocity)
    rows = [own]
    for shift in shifts:
        rate = round(audio.sample_rate * 2.0 ** (shift / 12.0))
        copy = prepare(Audio(audio.samples, rate), config, None, note.velocity)
        rows.append(replace(copy, pitch=own.pitch + 12.0 * float(np.log2(rate / audio.sample_rate))))
    return rows


def _open(work: _Work, shards: list[Shard]) -> Features:
    rows = Rows(shards, work.shape)
    labels = rows.labels()
    dropped = {work.library[note].name: reason for shard in shards for note, reason in shard.dropped.items()}
    pitch, velocity, release = (labels[name].copy() for name in ("pitch", "velocity", "release"))
    note, original = labels["note"].astype(np.int64), labels["original"].copy()
    return Features(rows, pitch, velocity, release, note, original, work.parts[note], dropped)
