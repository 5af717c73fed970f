"""The atlas: where the known sounds of a space lie."""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as parse_safetensors
from safetensors.numpy import save as safetensors_bytes

from timbre.data.names import note_name, parse_note, plain
from timbre.errors import CheckpointError, ConfigError
from timbre.space.aggregate import AggregatePosterior
from timbre.space.neighbours import Nearest, Neighbours

_TEXTS = ("names", "instruments", "families", "files", "splits")
_NUMBERS = ("points", "pitches", "velocities", "spreads", "errors")
_SINCE = ("spreads", "errors")  # what earlier versions did not measure
_SPLITS = ("train", "valid", "test")


class Centroids(NamedTuple):
    """Where instruments lie.

    Attributes:
        names: of the instruments, sorted.
        points: the mean of each one's notes, float32 (instruments, dim). Every note counts once, at its place.
        counts: notes of each, (instruments,).
    """

    names: tuple[str, ...]
    points: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True, eq=False)
class Atlas(Mapping[str, np.ndarray]):
    """Points of a library's notes by name: ``atlas["oboe-A4-mf"]`` is a point (dim,).

    Attributes:
        points: (notes, dim), float32.
        pitches: MIDI, float32 (notes,); NaN where unpitched.
        velocities: 0..1, float32 (notes,); NaN where unknown.
        names, instruments, families, files: a text per note; names are unique, files relative to the library's folder.
        splits: "train", "valid" or "test" per note.
        spreads: standard deviation of each note's posterior in each dimension, float32 (notes, dim), after the flow and
            with pitch taken out; None in a space that was saved by a version that did not measure it.
        errors: mean absolute error, dB, of each held-out note decoded from its point, float32 (notes,); NaN for
            training notes. None likewise.
    """

    points: np.ndarray
    pitches: np.ndarray
    velocities: np.ndarray
    names: tuple[str, ...]
    instruments: tuple[str, ...]
    families: tuple[str, ...]
    files: tuple[str, ...]
    splits: tuple[str, ...]
    spreads: np.ndarray | None = None
    errors: np.ndarray | None = None

    def __getitem__(self, name: str) -> np.ndarray:
        return np.array(self.points[self.index(name)])

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._numbers

    def index(self, name: str) -> int:
        """The number of the note of that name.

        Raises:
            ConfigError: if there is none; it names the closest ones.
        """
        if name not in self._numbers:
            close = difflib.get_close_matches(name, self.names, n=3) or list(self.names[:3])
            raise ConfigError(f"The atlas has no note {name!r}; close to it: {', '.join(close)}.")
        return self._numbers[name]

    def filter(self, instrument: Any = None, family: Any = None, split: Any = None, pitch: Any = None) -> "Atlas":
        """The atlas of the notes that are of these instruments, families, parts of the split and pitches.

        Args:
            instrument, family: a name, in any case, or a list of names.
            split: "train", "valid" or "test", or a list of them.
            pitch: a MIDI number or note name, to the semitone, or a pair (lowest, highest), both of which belong to it.

        Raises:
            ConfigError: if no note has one of the values, or none has all of them together; it names what there is.
        """
        kept = np.ones(len(self), bool)
        for field, wanted, own in (
            ("instrument", instrument, self.instruments),
            ("family", family, self.families),
            ("split", split, self.splits),
        ):
            if wanted is not None:
                kept &= _among(field, wanted, own)
        if pitch is not None:
            low, high = pitch if isinstance(pitch, tuple | list) and len(pitch) == 2 else (pitch, pitch)
            notes = np.round(self.pitches)
            kept &= (notes >= round(parse_note(low))) & (notes <= round(parse_note(high)))
        if not kept.any():
            raise ConfigError(f"No note of the atlas has all of that together{self._compass()}.")
        return self.take(np.flatnonzero(kept))

    def take(self, numbers: np.ndarray) -> "Atlas":
        """The atlas of the notes of these numbers, in their order."""
        picked: dict[str, Any] = {field: tuple(getattr(self, field)[int(n)] for n in numbers) for field in _TEXTS}
        values = {field: getattr(self, field) for field in _NUMBERS}
        return replace(self, **picked, **{name: v[numbers] for name, v in values.items() if v is not None})

    def nearest(self, points: np.ndarray, k: int = 8) -> Nearest:
        """The k known sounds nearest to each point; :meth:`Neighbours.nearest` says more.

        Returns:
            Distances (points, k), and numbers of notes (points, k), nearest first.
        """
        return self._neighbours.nearest(points, k)

    @cached_property
    def centroids(self) -> Centroids:
        """The middle of each instrument's notes."""
        names, own, counts = np.unique(np.array(self.instruments, dtype=str), return_inverse=True, return_counts=True)
        sums = np.zeros((len(names), self.points.shape[1]))
        np.add.at(sums, own, self.points.astype(np.float64))
        return Centroids(tuple(names.tolist()), (sums / counts[:, None]).astype(np.float32), counts)

    @cached_property
    def aggregate(self) -> AggregatePosterior:
        """How likely places are, by the training notes.

        Raises:
            ConfigError: if there are fewer than two of them.
        """
        return AggregatePosterior(self)

    @cached_property
    def _neighbours(self) -> Neighbours:
        return Neighbours(self.points)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    def _compass(self) -> str:
        known = self.pitches[~np.isnan(self.pitches)]
        return f"; its pitches go from {note_name(known.min())} to {note_name(known.max())}" if known.size else ""

    def to_files(self) -> dict[str, bytes]:
        """The atlas as files: atlas.json with the texts, atlas.safetensors with the numbers.

        Both hold the instruments' centroids too, for programs that are not timbre.
        """
        texts = {field: list(getattr(self, field)) for field in _TEXTS}
        numbers = {field: getattr(self, field) for field in _NUMBERS}
        names, points, counts = self.centroids
        texts["centroids"], numbers["centroids"], numbers["centroid_counts"] = list(names), points, counts
        kept = {name: np.ascontiguousarray(values) for name, values in numbers.items() if values is not None}
        return {"atlas.json": json.dumps(texts, indent=0).encode(), "atlas.safetensors": safetensors_bytes(kept)}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "Atlas":
        """Read back what :meth:`to_files` made, or what versions without spreads and centroids did.

        Raises:
            CheckpointError: if a file is missing or damaged, or the two do not belong together.
        """
        texts, numbers = _texts(files), _numbers(files)
        count, dim = len(texts["names"]), numbers["points"].shape[-1]
        if any(len(values) != count for values in texts.values()) or len(set(texts["names"])) < count:
            raise _damaged("atlas.json", "it does not have one text of each kind, and a name of its own, for each note")
        for name, values in numbers.items():
            shape = (count, dim) if name in ("points", "spreads") else (count,)
            if values.shape != shape or values.dtype != np.float32:
                raise _damaged("atlas.safetensors", f"its {name} are {values.dtype} {values.shape} for {count} notes")
        placed = [values for name, values in numbers.items() if name in ("points", "spreads")]
        if not all(np.isfinite(values).all() for values in placed) or (numbers.get("spreads", np.zeros(1)) < 0).any():
            raise _damaged("atlas.safetensors", "some of its points or spreads are no numbers that can be")
        if not set(texts["splits"]) <= set(_SPLITS):
            raise _damaged("atlas.json", f"a note is of another part than {', '.join(_SPLITS)}")
        everything: dict[str, Any] = {**numbers, **texts}
        return cls(**everything)

    @classmethod
    def empty(cls, dim: int) -> "Atlas":
        """An atlas without notes."""
        none, nowhere = np.zeros(0, np.float32), np.zeros((0, dim), np.float32)
        return cls(nowhere, none, none, (), (), (), (), (), nowhere, none)


def _among(field: str, wanted: Any, own: tuple[str, ...]) -> np.ndarray:
    """Whether each note's value is one of those wanted, each of which must occur."""
    values = wanted if isinstance(wanted, list | tuple | set | frozenset) else (wanted,)
    known = {plain(name): name for name in own}
    for value in values:
        if plain(str(value)) not in known:
            close = difflib.get_close_matches(plain(str(value)), known, n=3) or sorted(known)[:12]
            raise ConfigError(f"No note of the atlas has {field}={value!r}; there are {', '.join(close)}.")
    allowed = {plain(str(value)) for value in values}
    return np.array([plain(name) in allowed for name in own], dtype=bool)


def _texts(files: Mapping[str, bytes]) -> dict[str, tuple[str, ...]]:
    try:
        found = json.loads(files.get("atlas.json", b""))
    except ValueError as error:
        raise _damaged("atlas.json", f"it is not valid JSON ({error})") from error
    for field in _TEXTS:
        values = found.get(field) if isinstance(found, dict) else None
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise _damaged("atlas.json", f"it has no list of texts {field}")
    return {field: tuple(found[field]) for field in _TEXTS}


def _numbers(files: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    try:
        found = parse_safetensors(files.get("atlas.safetensors", b""))
    except SafetensorError as error:
        raise _damaged("atlas.safetensors", f"it is not a safetensors file ({error})") from error
    missing = [name for name in _NUMBERS if name not in found and name not in _SINCE]
    if missing:
        raise _damaged("atlas.safetensors", f"it has no {' and no '.join(missing)}")
    return {name: found[name] for name in _NUMBERS if name in found}


def _damaged(file: str, what: str) -> CheckpointError:
    return CheckpointError(f"{file} is damaged: {what}. Get a fresh copy of the folder.")
