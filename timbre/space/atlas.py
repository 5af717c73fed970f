"""The atlas: the points of a library's notes in a space."""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as parse_safetensors
from safetensors.numpy import save as safetensors_bytes

from timbre.data.names import note_name, parse_note, plain
from timbre.errors import CheckpointError, ConfigError
from timbre.files import parse_json
from timbre.models.checkpoint import FRESH
from timbre.paths.path import LARGEST
from timbre.space.aggregate import AggregatePosterior
from timbre.wording import printable

_TEXTS = ("names", "instruments", "families", "files", "splits")
_NUMBERS = ("points", "pitches", "velocities", "stds", "errors")
_OPTIONAL = ("stds", "errors")  # not measured by earlier versions
_FORMER = {"spreads": "stds"}  # names in files of timbre 0.1
_RANGES = {  # lowest, highest, and whether some may be unknown
    "points": (-LARGEST, LARGEST, False), "pitches": (-1000.0, 1000.0, True), "velocities": (0.0, 1.0, True),
    "stds": (0.0, LARGEST, False), "errors": (0.0, LARGEST, True),
}  # fmt: skip
_LONGEST = 4096  # characters of a text, as of the path of a file
_PERCENTILES, _NORMAL, _FLAT = (2.0, 98.0), (-2.0, 2.0), 0.01  # of usual values; a range that is too small
_SPLITS = ("train", "valid", "test")


class Centroids(NamedTuple):
    """Mean points, float32 (instruments, dim), of instruments sorted by name, and their numbers of notes."""

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
        names, instruments, families, files: a text for each note; names are unique, files relative to the library.
        splits: "train", "valid" or "test" for each note.
        stds: standard deviation of each note's posterior in each dimension, float32 (notes, dim), after the flow and
            without pitch; None in a space saved by a version that did not measure it.
        errors: mean absolute error, dB, of each held-out note decoded from its point, float32 (notes,), NaN for
            training notes; None in a space saved by a version that did not measure it.
    """

    points: np.ndarray
    pitches: np.ndarray
    velocities: np.ndarray
    names: tuple[str, ...]
    instruments: tuple[str, ...]
    families: tuple[str, ...]
    files: tuple[str, ...]
    splits: tuple[str, ...]
    stds: np.ndarray | None = None
    errors: np.ndarray | None = None

    def __getitem__(self, name: str) -> np.ndarray:
        return np.array(self.points[self.index(name)])

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._indices

    def index(self, name: str) -> int:
        """The index of the note of that name.

        Raises:
            ConfigError: if there is none; it lists the closest names.
        """
        if name not in self._indices:
            close = difflib.get_close_matches(name, self.names, n=3)
            hint = "similar names" if close else "names are, for example"
            raise ConfigError(f"The atlas has no note {name!r}; {hint}: {', '.join(close or self.names[:3])}.")
        return self._indices[name]

    def filter(self, instrument: Any = None, family: Any = None, split: Any = None, pitch: Any = None) -> "Atlas":
        """The atlas of the notes that have one of the given values in every given field.

        Args:
            instrument, family: a name, in any case, or a list of names.
            split: "train", "valid" or "test", or a list of them.
            pitch: a MIDI number or note name, to the semitone, or a pair (lowest, highest), both included.

        Raises:
            ConfigError: if no note has one of the values, or none has all of them together; it lists what there is.
        """
        kept = np.ones(len(self), bool)
        texts = {"instrument": self.instruments, "family": self.families, "split": self.splits}
        for (field, own), values in zip(texts.items(), (instrument, family, split), strict=True):
            if values is not None:
                kept &= _among(field, values, own)
        if pitch is not None:
            low, high = pitch if isinstance(pitch, tuple | list) and len(pitch) == 2 else (pitch, pitch)
            notes = np.round(self.pitches)
            kept &= (notes >= round(parse_note(low))) & (notes <= round(parse_note(high)))
        if not kept.any():
            known = self.pitches[~np.isnan(self.pitches)]
            compass = f"; its pitches are {note_name(known.min())} to {note_name(known.max())}" if known.size else ""
            raise ConfigError(f"The atlas has no note with all of these values{compass}.")
        return self.take(np.flatnonzero(kept))

    def take(self, indices: np.ndarray) -> "Atlas":
        """The atlas of the notes at these indices, in their order."""
        texts: dict[str, Any] = {field: tuple(getattr(self, field)[int(n)] for n in indices) for field in _TEXTS}
        return replace(self, **texts, **{name: values[indices] for name, values in self._arrays().items()})

    @cached_property
    def centroids(self) -> Centroids:
        """The mean point of each instrument."""
        names, own, counts = np.unique(np.array(self.instruments, dtype=str), return_inverse=True, return_counts=True)
        sums = np.zeros((len(names), self.points.shape[1]))
        np.add.at(sums, own, self.points.astype(np.float64))
        return Centroids(tuple(names.tolist()), (sums / counts[:, None]).astype(np.float32), counts)

    @cached_property
    def ranges(self) -> np.ndarray:
        """Usual values of each dimension, (dim, 2): the 2nd and 98th percentile of the notes, to 3 digits; -2 and 2
        without notes."""
        if not len(self):
            return np.tile(_NORMAL, (self.points.shape[1], 1))
        low, high = np.percentile(self.points.astype(np.float64), _PERCENTILES, axis=0).round(3)
        flat = high - low <= _FLAT
        return np.stack([low - flat, high + flat], 1)

    @cached_property
    def aggregate(self) -> AggregatePosterior:
        """The likelihood of points, according to the training notes; a ConfigError if there are fewer than two."""
        train = np.array(self.splits) == "train"
        stds = None if self.stds is None else self.stds[train]
        return AggregatePosterior(self.points[train], np.array(self.instruments)[train], stds)

    @cached_property
    def _indices(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.names)}

    def to_files(self, half: bool = False) -> dict[str, bytes]:
        """The atlas as files: atlas.json with the texts, atlas.safetensors with the numbers, in which `half` rounds
        standard deviations to float16.

        Both contain the instruments' centroids too, for other programs.
        """
        names, points, counts = self.centroids
        texts = {field: getattr(self, field) for field in _TEXTS} | {"centroids": names}
        numbers = self._arrays() | {"centroids": points, "centroid_counts": counts}
        if half and self.stds is not None:
            numbers["stds"] = self.stds.clip(max=np.finfo(np.float16).max).astype(np.float16)
        packed = safetensors_bytes({name: np.ascontiguousarray(values) for name, values in numbers.items()})
        return {"atlas.json": json.dumps(texts, indent=0).encode(), "atlas.safetensors": packed}

    def _arrays(self) -> dict[str, np.ndarray]:
        return {name: getattr(self, name) for name in _NUMBERS if getattr(self, name) is not None}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "Atlas":
        """The atlas in files of this version or an earlier one.

        Raises:
            CheckpointError: if a file is missing or damaged, or the two do not belong together.

        Hidden characters in texts are shown as escapes, see :func:`~timbre.wording.printable`.
        """
        texts, numbers = _texts(files), _numbers(files)
        if numbers["points"].ndim != 2:
            raise _damaged("atlas.safetensors", "its points must have 2 axes")
        count, dim = len(texts["names"]), numbers["points"].shape[1]
        if any(len(values) != count for values in texts.values()) or len(set(texts["names"])) < count:
            raise _damaged("atlas.json", "every note must have one text of each kind and a unique name")
        for name, values in numbers.items():
            shape = (count, dim) if name in ("points", "stds") else (count,)
            if values.shape != shape or values.dtype != np.float32:
                raise _damaged("atlas.safetensors", f"its {name} are {values.dtype} {values.shape} for {count} notes")
        for name, values in numbers.items():
            low, high, unknown = _RANGES[name]
            valid = (values >= low) & (values <= high) | (np.isnan(values) & unknown)
            if not valid.all():
                raise _damaged("atlas.safetensors", f"its {name} must be finite numbers from {low:g} to {high:g}")
        if not set(texts["splits"]) <= set(_SPLITS):
            raise _damaged("atlas.json", f"the splits must be {', '.join(_SPLITS)}")
        fields: dict[str, Any] = numbers | texts
        return cls(**fields)

    @classmethod
    def empty(cls, dim: int) -> "Atlas":
        """An atlas without notes."""
        none, no_points = np.zeros(0, np.float32), np.zeros((0, dim), np.float32)
        return cls(no_points, none, none, (), (), (), (), (), no_points, none)


def _among(field: str, values: Any, own: tuple[str, ...]) -> np.ndarray:
    """Whether each note's text is one of the values, all of which must occur."""
    values = values if isinstance(values, list | tuple | set | frozenset) else (values,)
    texts = [plain(name) for name in own]
    for value in values:
        if plain(str(value)) not in texts:
            known = sorted(set(texts))
            close = difflib.get_close_matches(plain(str(value)), known, n=3) or known[:12]
            raise ConfigError(f"The atlas has no note with {field}={value!r}; there are {', '.join(close)}.")
    return np.isin(texts, [plain(str(value)) for value in values])


def _texts(files: Mapping[str, bytes]) -> dict[str, tuple[str, ...]]:
    document = parse_json(files.get("atlas.json", b""), Path("atlas.json"), CheckpointError)
    for field in _TEXTS:
        values = document.get(field) if isinstance(document, dict) else None
        if not isinstance(values, list) or not all(isinstance(text, str) and len(text) <= _LONGEST for text in values):
            raise _damaged("atlas.json", f"it has no list of texts {field}")
    return {field: tuple(map(printable, document[field])) for field in _TEXTS}


def _numbers(files: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    try:
        arrays = parse_safetensors(files.get("atlas.safetensors", b""))
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
        raise _damaged("atlas.safetensors", f"it is not a safetensors file ({error})") from error
    arrays = {_FORMER.get(name, name): values for name, values in arrays.items()}
    missing = [name for name in _NUMBERS if name not in arrays and name not in _OPTIONAL]
    if missing:
        raise _damaged("atlas.safetensors", f"it has no {' and no '.join(missing)}")
    return {name: _full(arrays[name]) if name == "stds" else arrays[name] for name in _NUMBERS if name in arrays}


def _full(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32) if values.dtype == np.float16 else values


def _damaged(file: str, reason: str) -> CheckpointError:
    return CheckpointError(f"{file} is damaged: {reason}. {FRESH}")
