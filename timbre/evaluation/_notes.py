"""The notes that an evaluation hears: of which part of the library, and as the model sees them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from timbre.data import Library, Note
from timbre.data.features.example import complete, prepare, transform
from timbre.errors import AudioError, LibraryError
from timbre.models.conditions import Conditions
from timbre.space import Atlas, Space
from timbre.training.batches import Batch

SIZE = 16  # notes at a time


class Effort(NamedTuple):
    """How much is measured."""

    held_out: int
    """Held-out notes that are encoded and reconstructed, and notes of each further folder."""
    known: int
    """Training notes, and held-out points, of which neighbours and probes know."""
    likelihood: int
    """Notes whose likelihood is bounded."""
    samples: int
    """Of each of them, for the importance-weighted bound."""
    sounds: int
    """Notes that are decoded to sound."""
    lines: int
    """Lines between notes, and notes moved along axes."""


FULL = Effort(600, 6000, 64, 128, 96, 48)
QUICK = Effort(96, 1500, 24, 16, 12, 8)


@dataclass(frozen=True)
class EvaluatedNotes:
    """Some notes as the model sees them.

    Attributes:
        notes: their labels.
        spectrogram: dB, (notes, bins, frames).
        conditions: their controls.
        samples: the sounds from the onset on, at the standard level, (notes, samples).
        dropped: why notes could not be used, by name.
    """

    notes: tuple[Note, ...]
    spectrogram: Tensor
    conditions: Conditions
    samples: np.ndarray
    dropped: dict[str, str]

    def __len__(self) -> int:
        return len(self.notes)

    def take(self, chosen: np.ndarray) -> "EvaluatedNotes":
        """Some of the notes, by number."""
        at = torch.as_tensor(chosen, dtype=torch.long)
        controls = (getattr(self.conditions, name)[at] for name in ("pitch", "velocity", "release"))
        notes = tuple(self.notes[int(number)] for number in chosen)
        return EvaluatedNotes(notes, self.spectrogram[at], Conditions(*controls), self.samples[chosen], self.dropped)

    def in_order(self) -> Iterator[Batch]:
        """The notes in small batches, as :class:`timbre.training.batches.Batches` gives them."""
        for start in range(0, len(self), SIZE):
            rows = np.arange(start, min(start + SIZE, len(self)))
            part = self.take(rows)
            yield Batch(part.spectrogram, part.conditions, rows, part.spectrogram)

    @torch.no_grad()
    def points(self, space: Space) -> np.ndarray:
        """Their points, (notes, dim)."""
        found = [space.model.points(b.spectrogram, b.conditions).numpy() for b in self.in_order()]
        return np.concatenate([np.zeros((0, space.dim), np.float32), *found])


def hear(space: Space, notes: Sequence[Note]) -> EvaluatedNotes:
    """Read notes by the one way from file to model; those that cannot be used are named in `dropped`."""
    kept, pictures, samples, controls, dropped = [], [], [], [], {}
    for note in notes:
        try:
            prepared = prepare(note.audio(), space.config, note.pitch, note.velocity)
        except AudioError as error:
            dropped[note.name] = str(error)
            continue
        example = complete(prepared, transform([prepared], space.spectrogram, space.config)[0], space.config)
        kept.append(note)
        samples.append(prepared.samples)
        pictures.append(example.spectrogram)
        controls.append((example.pitch, example.velocity, example.release))
    columns = torch.tensor(controls, dtype=torch.float32).reshape(-1, 3).T
    shape = (space.config.spectrogram.bins, space.config.note_frames)
    spectrogram = torch.from_numpy(np.stack(pictures)) if kept else torch.zeros(0, *shape)
    return EvaluatedNotes(tuple(kept), spectrogram, Conditions(*columns), np.array(samples), dropped)


def match(atlas: Atlas, library: Library) -> dict[str, Note]:
    """The notes of the atlas, by name.

    Raises:
        LibraryError: if the library lacks some, or has others under their names.
    """
    found = {note.name: note for note in library}
    missing = [
        name
        for name, instrument in zip(atlas.names, atlas.instruments, strict=True)
        if name not in found or found[name].instrument != instrument
    ]
    if not len(atlas):
        raise LibraryError("The space knows no notes: its atlas is empty, and nothing can be measured of it.")
    if missing:
        raise LibraryError(
            f"{library.root} is not what the space was trained on: {len(missing)} of the {len(atlas)} notes of the "
            f"space are not in it, such as {missing[0]}; give the library that it was trained on."
        )
    return {name: found[name] for name in atlas.names}


def only(atlas: Atlas, library: Library) -> Atlas:
    """The atlas without those held-out notes that a part of the library has not.

    Raises:
        LibraryError: if no held-out note is in that part.
    """
    numbers = held_out(atlas)[1]
    names = {note.name for note in library}
    there = np.array([atlas.names[number] in names for number in numbers], bool)
    if not there.any():
        raise LibraryError(
            f"None of the {len(library)} notes of {library.root.name} was held out in training; name a part of the "
            "library that has such notes."
        )
    return atlas.take(np.setdiff1d(np.arange(len(atlas)), numbers[~there]))


def held_out(atlas: Atlas) -> tuple[str, np.ndarray]:
    """The part that took no part in training, and numbers of its notes: test, else valid, else none."""
    splits = np.array(atlas.splits)
    for part in ("test", "valid"):
        numbers = np.flatnonzero(splits == part)
        if numbers.size:
            return part, numbers
    return "none", np.zeros(0, np.int64)


def sample(numbers: np.ndarray, most: int, seed: int) -> np.ndarray:
    """At most so many of the numbers, in a random order that the seed decides."""
    return np.random.default_rng(seed).permutation(numbers)[:most]
