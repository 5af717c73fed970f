"""`Study` and `Ratings`: how unlike listeners found sounds or instruments, always found by name."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from timbre.errors import LibraryError


@dataclass(frozen=True, eq=False)
class Study:
    """Dissimilarities of one study.

    Attributes:
        name: of the study.
        items: names of what was rated, sounds or instruments, (n,).
        dissimilarities: (n, n), symmetric, 0 on the diagonal; NaN where a pair was not rated.
        weights: reliability of each, (n, n); 1 unless something is known.
        instruments: the instrument that each item is, (n,); empty where it has none that others share.
        files: sound files of items by name, where they are known.
        pitches: MIDI pitches of items by name, likewise.
    """

    name: str
    items: tuple[str, ...]
    dissimilarities: np.ndarray
    weights: np.ndarray
    instruments: tuple[str, ...]
    files: dict[str, Path] = field(default_factory=dict)
    pitches: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        size = (len(self.items),) * 2
        if self.dissimilarities.shape != size or self.weights.shape != size or len(self.instruments) != len(self.items):
            raise LibraryError(
                f"The study {self.name} has {len(self.items)} items and a matrix of {self.dissimilarities.shape}."
            )
        if len(set(self.items)) < len(self.items):
            twice = next(item for item in self.items if self.items.count(item) > 1)
            raise LibraryError(f"The study {self.name} names {twice} twice.")

    def pick(self, items: Iterable[str]) -> "Study":
        """The study of these items only, in its own order."""
        wanted = set(items)
        kept = [number for number, item in enumerate(self.items) if item in wanted]
        grid = np.ix_(kept, kept)
        return replace(
            self,
            items=tuple(self.items[number] for number in kept),
            dissimilarities=self.dissimilarities[grid],
            weights=self.weights[grid],
            instruments=tuple(self.instruments[number] for number in kept),
        )

    def pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rated pairs: first and second item's number, first < second, and the dissimilarity."""
        first, second = np.triu_indices(len(self.items), 1)
        values = self.dissimilarities[first, second]
        rated = np.isfinite(values)
        return first[rated], second[rated], values[rated]


@dataclass(frozen=True, eq=False)
class Ratings:
    """Several studies.

    Attributes:
        parts: the studies, of different names.
        notes: sentences on what was left out or taken twice.
    """

    parts: tuple[Study, ...]
    notes: tuple[str, ...] = ()

    @property
    def studies(self) -> tuple[str, ...]:
        """Names of the studies."""
        return tuple(study.name for study in self.parts)

    def study(self, name: str) -> Study:
        """The study of that name.

        Raises:
            LibraryError: if there is none.
        """
        for study in self.parts:
            if study.name == name:
                return study
        raise LibraryError(f"There is no study {name}; there are {', '.join(self.studies)}.")

    def matrix(self, study: str) -> tuple[tuple[str, ...], np.ndarray]:
        """Items (n,) of a study and their dissimilarities (n, n), NaN where unrated."""
        found = self.study(study)
        return found.items, found.dissimilarities

    def instruments(self, study: str) -> tuple[str, ...]:
        """The instrument of each item of a study; empty where it has none that others share."""
        return self.study(study).instruments

    def has_sounds(self, study: str) -> bool:
        """Whether the sound files of all items of a study are known."""
        found = self.study(study)
        return set(found.items) <= set(found.files)

    def file(self, study: str, item: str) -> Path:
        """The sound file of an item."""
        return self.study(study).files[item]

    def pitch(self, study: str, item: str) -> float | None:
        """MIDI pitch of an item, if it is told."""
        return self.study(study).pitches.get(item)

    def without(self, studies: Iterable[str] = (), instruments: Iterable[str] = ()) -> "Ratings":
        """The ratings without some studies, and without the items that are certain instruments."""
        studies, instruments = set(studies), set(instruments)
        for name in studies:
            self.study(name)
        kept = (study for study in self.parts if study.name not in studies)
        parts = tuple(
            study.pick(i for i, own in zip(study.items, study.instruments, strict=True) if own not in instruments)
            for study in kept
        )
        return replace(self, parts=tuple(study for study in parts if len(study.items) > 1))

    @property
    def digest(self) -> str:
        """A hash of all names and numbers."""
        return hashlib.sha256(json.dumps(self.to_dict()).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Names, numbers and weights as JSON values."""
        return {
            study.name: {
                "items": list(study.items),
                "instruments": list(study.instruments),
                "pairs": [
                    [int(a), int(b), round(float(value), 6), round(float(study.weights[a, b]), 6)]
                    for a, b, value in zip(*study.pairs(), strict=True)
                ],
            }
            for study in self.parts
        }
