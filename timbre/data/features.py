"""Cached features: spectrograms and labels of a library, memory-mapped, made once for a config and a set of files."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import platformdirs
from tqdm import tqdm

from timbre.audio import read
from timbre.config import Config
from timbre.data.example import Example, example
from timbre.data.library import Library, Note
from timbre.data.split import FEWEST, split
from timbre.errors import AudioError, LibraryError
from timbre.spectral import Spectrogram

FORMAT = 2  # part of the key: raise it when the features' meaning changes


@dataclass(frozen=True)
class Features:
    """Spectrograms of a library's notes and of their transposed copies; row by row.

    Attributes:
        spectrograms: dB, float16 (rows, bins, frames), memory-mapped.
        pitch, velocity, release: float32 (rows,); NaN is unknown, an infinite release is a held note.
        note: which note of the library a row comes from, (rows,).
        original: whether a row is the note itself rather than a transposed copy, (rows,).
        split: "train", "valid" or "test" for every row, (rows,).
        dropped: notes that could not be used, with the reason.
    """

    spectrograms: np.ndarray
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


def features(library: Library, config: Config, progress: bool = False) -> Features:
    """The features of a library, from the cache where they are there already.

    The cache lies in the user's cache folder, or in the folder that the environment variable TIMBRE_CACHE names.
    Files that cannot be used are left out and named in `dropped`.

    Raises:
        LibraryError: if fewer than 8 notes can be used.
    """
    parts = split(library, config.data.valid, config.data.test, config.data.split_seed)
    folder = cache_folder() / "features" / _key(library, config)
    if not (folder / "done.json").exists():
        _make(library, config, parts, folder, progress)
    return _open(folder, parts)


def cache_folder() -> Path:
    """Where features are kept."""
    return Path(os.environ.get("TIMBRE_CACHE") or platformdirs.user_cache_dir("timbre"))


def _key(library: Library, config: Config) -> str:
    """A hash of all that the features depend on: settings, labels, and each file's size and time of change."""

    def identity(note: Note) -> list[Any]:
        status = note.file.stat()
        return [
            str(note.file),
            status.st_size,
            status.st_mtime_ns,
            note.name,
            note.instrument,
            note.pitch,
            note.velocity,
        ]

    try:
        files = [identity(note) for note in library]
    except OSError as error:
        raise LibraryError(f"A file of the library is gone: {error}. Scan the folder again.") from error
    content = [FORMAT, asdict(config.spectrogram), asdict(config.data), files]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


def _make(library: Library, config: Config, parts: np.ndarray, folder: Path, progress: bool) -> None:
    work = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(mkdtemp(dir=folder.parent, prefix=".making-"))
        dropped = _write(library, config, parts, work, progress)
        (work / "done.json").write_text(json.dumps({"dropped": dropped}), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(work, folder)
    except OSError as error:
        raise LibraryError(
            f"The features cannot be cached in {folder.parent}: {error.strerror}. "
            "Make room there, or name another folder in the environment variable TIMBRE_CACHE."
        ) from error
    finally:
        if work:
            shutil.rmtree(work, ignore_errors=True)


def _write(library: Library, config: Config, parts: np.ndarray, work: Path, progress: bool) -> dict[str, str]:
    """Compute all rows, in threads, and write them as they come; returns what was left out and why."""
    shape = (config.spectrogram.bins, config.note_frames)
    labels: list[tuple[float, float, float, int, bool]] = []
    dropped: dict[str, str] = {}
    with open(work / "spectrograms.f16", "wb") as out:
        bar = tqdm(total=len(library), desc="features", unit="note", disable=not progress)
        for index, result in enumerate(_computed(library, config, parts)):
            bar.update()
            if isinstance(result, str):
                dropped[library[index].name] = result
                continue
            for copy, row in enumerate(result):
                out.write(row.spectrogram.astype(np.float16).tobytes())
                labels.append((row.pitch, row.velocity, row.release, index, copy == 0))
        bar.close()
    if len(library) - len(dropped) < FEWEST:
        reasons = "; ".join(f"{name}: {why}" for name, why in list(dropped.items())[:3])
        raise LibraryError(f"Only {len(library) - len(dropped)} of {len(library)} notes can be used ({reasons}).")
    pitch, velocity, release, note, original = (np.array(column) for column in zip(*labels, strict=True))
    np.savez(
        work / "labels.npz", shape=np.array((len(labels), *shape)),
        pitch=pitch, velocity=velocity, release=release, note=note, original=original,
    )  # fmt: skip
    return dropped


_LABELS = ("pitch", "velocity", "release", "note", "original")


def _computed(library: Library, config: Config, parts: np.ndarray) -> Iterator[list[Example] | str]:
    front = Spectrogram(config.spectrogram)

    def compute(index: int) -> list[Example] | str:
        copies = config.data.transpose if parts[index] == "train" else 0
        try:
            return _examples(library[index], index, front, config, copies)
        except AudioError as error:
            return str(error)

    with ThreadPoolExecutor(max(1, os.cpu_count() or 1)) as pool:
        yield from pool.map(compute, range(len(library)))


def _examples(note: Note, index: int, front: Spectrogram, config: Config, copies: int) -> list[Example]:
    """The note and its copies, each transposed by a random amount that depends on the note alone."""
    audio = read(note.file)
    shifts = np.random.default_rng([config.data.split_seed, index]).uniform(-1, 1, copies) * config.data.transpose_range
    return [example(audio, front, config, note.pitch, note.velocity, shift) for shift in (0.0, *shifts)]


def _open(folder: Path, parts: np.ndarray) -> Features:
    with np.load(folder / "labels.npz", allow_pickle=False) as file:
        shape = tuple(file["shape"])
        labels = {name: file[name] for name in _LABELS}
    dropped = json.loads((folder / "done.json").read_text(encoding="utf-8"))["dropped"]
    spectrograms = np.memmap(folder / "spectrograms.f16", dtype=np.float16, mode="r", shape=shape)
    numbers = {name: labels[name].astype(np.float32) for name in _LABELS[:3]}
    return Features(
        spectrograms, **numbers, note=labels["note"], original=labels["original"].astype(bool),
        split=parts[labels["note"]], dropped=dropped,
    )  # fmt: skip
