"""`Study` and `Ratings`: dissimilarities of sounds or instruments, as rated by listeners."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from timbre.errors import LibraryError


@dataclass(frozen=True, eq=False)
class Study:
    """Dissimilarities of one study.

    Attributes:
        name: name of the study.
        items: names of the rated sounds or instruments, (n,).
        dissimilarities: (n, n), symmetric, 0 on the diagonal; NaN for pairs that were not rated.
        weights: reliability of each pair, (n, n); default: 1.
        instruments: instrument of each item, (n,); empty if it is not an ordinary tone of one.
        files: sound files by item, where known.
        pitches: MIDI pitches by item, where known.
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
            raise LibraryError(f"The study {self.name} must have a matrix of {size}, got {self.dissimilarities.shape}.")
        if len(set(self.items)) < len(self.items):
            twice = next(item for item in self.items if self.items.count(item) > 1)
            raise LibraryError(f"The items of a study must have different names, got {twice} twice in {self.name}.")

    def pick(self, items: Iterable[str]) -> "Study":
        """The study with these items only, in the study's order."""
        names = set(items)
        kept = [index for index, item in enumerate(self.items) if item in names]
        grid = np.ix_(kept, kept)
        return replace(
            self,
            items=tuple(self.items[index] for index in kept),
            dissimilarities=self.dissimilarities[grid],
            weights=self.weights[grid],
            instruments=tuple(self.instruments[index] for index in kept),
        )

    @property
    def stems(self) -> list[str]:
        """The stem of each item's file, or else its name."""
        return [self.files[item].stem if item in self.files else item for item in self.items]

    def pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rated pairs: indices of the first and the second item (first < second) and dissimilarities, (pairs,) each."""
        first, second = np.triu_indices(len(self.items), 1)
        values = self.dissimilarities[first, second]
        rated = np.isfinite(values)
        return first[rated], second[rated], values[rated]

    def weighted_pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Rated pairs as in :meth:`pairs`, and their weights."""
        first, second, values = self.pairs()
        return first, second, values, self.weights[first, second]


@dataclass(frozen=True, eq=False)
class Ratings:
    """Several studies.

    Attributes:
        parts: the studies, with different names.
        notes: sentences on what was left out.
    """

    parts: tuple[Study, ...]
    notes: tuple[str, ...] = ()

    @property
    def studies(self) -> tuple[str, ...]:
        """Names of the studies."""
        return tuple(study.name for study in self.parts)

    def study(self, name: str) -> Study:
        """The study with this name.

        Raises:
            LibraryError: if there is none.
        """
        if name not in self.studies:
            raise LibraryError(f"The study must be one of {', '.join(self.studies)}, got {name}.")
        return self.parts[self.studies.index(name)]

    def without(self, studies: Iterable[str] = (), instruments: Iterable[str] = ()) -> "Ratings":
        """The ratings without these studies and without the items of these instruments."""
        studies, instruments = set(studies), set(instruments)
        for name in studies:
            self.study(name)
        parts = (
            study.pick(i for i, own in zip(study.items, study.instruments, strict=True) if own not in instruments)
            for study in self.parts
            if study.name not in studies
        )
        return replace(self, parts=tuple(study for study in parts if len(study.items) > 1))

    @property
    def digest(self) -> str:
        """A hash of all names, dissimilarities and weights."""
        content = {
            study.name: {
                "items": list(study.items),
                "instruments": list(study.instruments),
                "pairs": [
                    [a, b, round(value, 6), round(weight, 6)]
                    for a, b, value, weight in zip(*(column.tolist() for column in study.weighted_pairs()), strict=True)
                ],
            }
            for study in self.parts
        }
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
