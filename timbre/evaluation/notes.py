"""Notes of an evaluation: their selection from the library, and their input to the model."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from timbre.data import Library, Note
from timbre.data.features.example import examples, prepare
from timbre.errors import AudioError, LibraryError
from timbre.models.conditions import Conditions
from timbre.models.refinement import note_points
from timbre.space import Atlas, Space
from timbre.training.batches import Batch

SIZE = 16  # notes in a batch


class Effort(NamedTuple):
    """Numbers of notes and samples that are measured."""

    held_out: int
    """Held-out notes that are encoded and reconstructed, and notes of each further folder."""
    known: int
    """Training notes, and held-out points, for neighbours and probes."""
    likelihood: int
    """Notes whose likelihood is bounded."""
    samples: int
    """Samples of each of them, for the importance-weighted bound."""
    sounds: int
    """Notes that are decoded to sound."""
    lines: int
    """Lines between notes, and notes moved along axes."""
    draws: int
    """Draws of the prior, midpoints of pairs, and notes of each half of the library, that are decoded and compared."""
    sets: int
    """Sounds in each set that is compared in an embedding."""
    places: int
    """Points that are played on the keys of a piano."""
    keys: int
    """Semitones from one of these keys to the next."""


FULL = Effort(600, 6000, 64, 128, 96, 48, 1000, 300, 4, 1)
QUICK = Effort(96, 1500, 24, 16, 12, 8, 150, 40, 2, 8)


@dataclass(frozen=True)
class EvaluatedNotes:
    """Notes prepared for the model.

    Attributes:
        notes: their labels.
        spectrogram: dB, (notes, bins, frames).
        conditions: their controls.
        samples: waveforms from the onset, at the standard level, (notes, samples).
        dropped: reasons why notes could not be used, by name.
    """

    notes: tuple[Note, ...]
    spectrogram: Tensor
    conditions: Conditions
    samples: np.ndarray
    dropped: dict[str, str]

    def __len__(self) -> int:
        return len(self.notes)

    def take(self, chosen: np.ndarray) -> "EvaluatedNotes":
        """The notes of these indices."""
        at = torch.as_tensor(chosen, dtype=torch.long)
        controls = (value[at] for value in vars(self.conditions).values())
        notes = tuple(self.notes[int(index)] for index in chosen)
        return EvaluatedNotes(notes, self.spectrogram[at], Conditions(*controls), self.samples[chosen], self.dropped)

    def in_order(self) -> Iterator[Batch]:
        """The notes in small batches, as :class:`timbre.training.batches.Batches` yields them."""
        for start in range(0, len(self), SIZE):
            rows = np.arange(start, min(start + SIZE, len(self)))
            part = self.take(rows)
            yield Batch(part.spectrogram, part.conditions, rows, part.spectrogram)

    @torch.no_grad()
    def points(self, space: Space) -> np.ndarray:
        """Points of the notes, (notes, dim)."""
        points = [note_points(space.model, b.spectrogram, b.conditions).numpy() for b in self.in_order()]
        return np.concatenate([np.zeros((0, space.dim), np.float32), *points])

    @torch.no_grad()
    def decode(self, space: Space, points: np.ndarray, index: int) -> tuple[Tensor, float]:
        """Spectrogram (bins, every frame) of one note, decoded from its point with its controls, and its pitch."""
        conditions = self.take(np.array([index])).conditions
        decoded = space.model.decode_whole(torch.from_numpy(points[[index]]), conditions)
        return decoded[0], float(conditions.pitch)


def prepare_notes(space: Space, notes: Sequence[Note]) -> EvaluatedNotes:
    """Read notes and transform them as training does; notes that cannot be used are listed in `dropped`."""
    kept, spectrograms, samples, controls, dropped = [], [], [], [], {}
    for note in notes:
        try:
            prepared = prepare(note.audio(), space.config, note.pitch, note.velocity)
        except AudioError as error:
            dropped[note.name] = str(error)
            continue
        example = examples([prepared], space.spectrogram, space.config)[0]
        kept.append(note)
        samples.append(prepared.samples)
        spectrograms.append(example.spectrogram)
        controls.append((example.pitch, example.velocity, example.release))
    columns = torch.tensor(controls, dtype=torch.float32).reshape(-1, 3).T
    shape = (space.config.spectrogram.bins, space.config.note_frames)
    spectrogram = torch.from_numpy(np.stack(spectrograms)) if kept else torch.zeros(0, *shape)
    return EvaluatedNotes(tuple(kept), spectrogram, Conditions(*columns), np.array(samples), dropped)


def match(atlas: Atlas, library: Library) -> list[Note]:
    """The library's note for each note of the atlas; LibraryError if it lacks some, or has others under their names."""
    by_name = {note.name: note for note in library}
    missing = [
        name
        for name, instrument in zip(atlas.names, atlas.instruments, strict=True)
        if name not in by_name or by_name[name].instrument != instrument
    ]
    if not len(atlas):
        raise LibraryError("An evaluation needs a space with notes, but its atlas is empty.")
    if missing:
        raise LibraryError(
            f"{library.root} must be the library that the space was trained on, but {len(missing)} of the {len(atlas)} "
            f"notes of the space are not in it, such as {missing[0]}; give the library that it was trained on."
        )
    return [by_name[name] for name in atlas.names]


def restrict(atlas: Atlas, library: Library) -> Atlas:
    """The atlas without the held-out notes that are not in a part of the library; LibraryError if none is in it."""
    indices = held_out(atlas)[1]
    names = {note.name for note in library}
    included = np.array([atlas.names[index] in names for index in indices], bool)
    if not included.any():
        raise LibraryError(
            f"None of the {len(library)} notes of {library.root.name} was held out in training; give a part of the "
            "library that has held-out notes."
        )
    return atlas.take(np.setdiff1d(np.arange(len(atlas)), indices[~included]))


def held_out(atlas: Atlas) -> tuple[str, np.ndarray]:
    """The split that was not trained on (test, else valid, else none), and the indices of its notes."""
    splits = np.array(atlas.splits)
    for part in ("test", "valid"):
        indices = np.flatnonzero(splits == part)
        if indices.size:
            return part, indices
    return "none", np.zeros(0, np.int64)


def by_source(held: EvaluatedNotes, trained: Iterable[Note]) -> dict[str, np.ndarray]:
    """Indices of the notes whose source has training notes ("own sources"), and of the others ("left-out sources").

    Empty if all sources have training notes; parts without notes are left out.
    """
    known = {note.source for note in trained}
    own = np.array([note.source in known for note in held.notes], bool)
    parts = {"own sources": np.flatnonzero(own), "left-out sources": np.flatnonzero(~own)}
    return {} if own.all() else {name: rows for name, rows in parts.items() if len(rows)}


def sample(indices: np.ndarray, most: int, seed: int) -> np.ndarray:
    """At most `most` of the indices, in random order."""
    return np.random.default_rng(seed).permutation(indices)[:most]
