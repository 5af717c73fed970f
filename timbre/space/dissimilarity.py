"""`Hearing`: how dissimilar sounds of a space are, and which library notes are nearest to one.

Everything that compares points (neighbours, instruments, walks, maps, the evaluation) takes its distances from here.
"""

from functools import cached_property
from itertools import takewhile
from typing import NamedTuple

import numpy as np
import torch

from timbre.errors import CheckpointError, ConfigError
from timbre.models.pitch_flow import MIDDLE_C
from timbre.models.vae import VAE
from timbre.paths.path import LARGEST
from timbre.space.atlas import Atlas
from timbre.space.neighbours import Nearest, Neighbours

Pitch = float | np.ndarray | None  # MIDI, one for all points or one for each; None and NaN are without pitch

SCALE = "0 is the same sound, 1 the mean of two notes of different instruments of the library"
SAME = 0.01  # dissimilarity below which two sounds are one
_CHUNK = 8192  # points whose heard coordinates are computed at a time
_COMPARED, _EACH = 2000, 8  # notes for the unit, in all and of one instrument
_NARROWEST = 1e-3  # least width of a dimension, as a share of the widest


class _Notes(NamedTuple):
    """Library notes as they are heard: coordinates (notes, k), float64, and their search."""

    heard: np.ndarray
    search: Neighbours


class Hearing:
    """Dissimilarities of sounds: Euclidean distances of their heard coordinates, in one unit for the whole space.

    Heard coordinates are the model's (:meth:`timbre.models.vae.VAE.heard`) at a pitch. In spaces without a listening
    map, each is divided by its mean posterior standard deviation over the library notes, so that a dimension
    counts by how exactly it is known. The unit is the mean distance between notes of two different instruments: 0 is
    the same sound, and two instruments of the library are 1 apart on average.
    """

    def __init__(self, model: VAE, atlas: Atlas) -> None:
        self._model, self._atlas = model, atlas

    def heard(self, points: np.ndarray, pitch: Pitch = MIDDLE_C) -> np.ndarray:
        """Heard coordinates (n, k), float64, of points (n, dim); their Euclidean distances are dissimilarities.

        Raises:
            ConfigError: for points of another dimension, or that are not finite.
        """
        return self._raw(points, pitch) / self._unit

    def dissimilarities(self, points: np.ndarray, pitch: Pitch = MIDDLE_C) -> np.ndarray:
        """Dissimilarities (n, n) of all pairs of points (n, dim), each heard at its pitch."""
        from scipy.spatial.distance import pdist, squareform

        heard = self.heard(points, pitch)
        return squareform(pdist(heard)) if len(heard) > 1 else np.zeros((len(heard), len(heard)))

    def neighbours(self, points: np.ndarray, k: int = 1) -> Nearest:
        """The k library notes nearest to each point (n, dim), all heard at middle C; several may be the same sound."""
        return self._at_middle_c.search.nearest(self.heard(points), k)

    def nearest(self, point: np.ndarray, k: int = 8, pitch: float | None = None, besides: int | None = None) -> Nearest:
        """The k library notes nearest to a point (dim,) that are different sounds, nearest first.

        Of notes of one instrument at one pitch (to the semitone), and of notes less than .01 apart, only the nearest is
        listed. There are fewer than k if the library has fewer different sounds.

        Args:
            point: (dim,).
            k: 1 or more.
            pitch: of the sound, MIDI; NaN is without pitch. Library notes are then heard at their own pitches. None
                compares the point with the library at middle C.
            besides: index of a library note that is left out, with the notes that are the same sound.

        Returns:
            Dissimilarities, float64 (k,), rising, and indices of the notes, int64 (k,).
        """
        notes, query = self._asked(point, pitch)
        left_out, count = self._same_sound(notes, besides), 4 * k
        while True:
            near = notes.search.nearest(query, count)
            found = Nearest(near.distances[0], near.indices[0])
            chosen = self._different(notes, found, left_out)[:k]
            if len(chosen) == k or count >= len(self._atlas):
                return Nearest(found.distances[chosen], found.indices[chosen])
            count *= 4

    def instruments(self, point: np.ndarray, pitch: float | None = None, besides: int | None = None) -> Nearest:
        """The note of each instrument that is nearest to a point (dim,), nearest first; arguments as in `nearest`."""
        notes, query = self._asked(point, pitch)
        distances = np.linalg.norm(notes.heard - query, axis=1)
        order = np.argsort(distances, kind="stable")
        order = order[~np.isin(order, self._same_sound(notes, besides))]
        first = np.sort(np.unique(self._instruments[order], return_index=True)[1])
        return Nearest(distances[order[first]], order[first])

    @cached_property
    def at_own_pitch(self) -> np.ndarray:
        """Heard coordinates of all library notes at their own pitches, (notes, k)."""
        return self._own.heard

    @cached_property
    def at_middle_c(self) -> np.ndarray:
        """Heard coordinates of all library notes at middle C, (notes, k)."""
        return self._at_middle_c.heard

    def _asked(self, point: np.ndarray, pitch: float | None) -> tuple[_Notes, np.ndarray]:
        """The library notes that a point is compared with, and its heard coordinates (1, k)."""
        notes = self._at_middle_c if pitch is None else self._own
        return notes, self.heard(np.asarray(point)[None], MIDDLE_C if pitch is None else pitch)

    def _same_sound(self, notes: _Notes, index: int | None) -> np.ndarray:
        """Indices of the notes that are the same sound as a library note, which is one of them."""
        if index is None:
            return np.zeros(0, np.int64)
        near = np.linalg.norm(notes.heard - notes.heard[index], axis=1) < SAME
        return np.flatnonzero(near | (self._sounds == self._sounds[index]))

    def _different(self, notes: _Notes, near: Nearest, left_out: np.ndarray) -> list[int]:
        """Positions in the list `near` of the notes that differ from all before them."""
        chosen: list[int] = []
        taken = set(self._sounds[left_out])
        for position in np.flatnonzero(~np.isin(near.indices, left_out)):
            own, distance = near.indices[position], near.distances[position]
            # What is the same sound is as far from the point.
            rivals = takewhile(lambda other: distance - near.distances[other] < SAME, reversed(chosen))  # noqa: B023
            twins = (np.linalg.norm(notes.heard[own] - notes.heard[near.indices[other]]) < SAME for other in rivals)
            if self._sounds[own] not in taken and not any(twins):
                chosen.append(int(position))
            taken.add(self._sounds[own])
        return chosen

    @cached_property
    def _own(self) -> _Notes:
        return self._notes(self._atlas.pitches)

    @cached_property
    def _at_middle_c(self) -> _Notes:
        return self._notes(MIDDLE_C)

    def _notes(self, pitch: Pitch) -> _Notes:
        heard = self.heard(self._atlas.points, pitch)
        if not np.isfinite(heard).all():
            raise CheckpointError("The space is damaged: its weights give library notes no finite coordinates.")
        return _Notes(heard, Neighbours(heard))

    @cached_property
    def _instruments(self) -> np.ndarray:
        """A number for each note's instrument."""
        return np.unique(np.array(self._atlas.instruments, dtype=str), return_inverse=True)[1]

    @cached_property
    def _sounds(self) -> np.ndarray:
        """A number for each note that its instrument's other notes at the same pitch share; unpitched ones have own."""
        pitches = np.round(self._atlas.pitches.astype(np.float64))
        shared = self._instruments * 4096.0 + pitches
        return np.where(np.isnan(pitches), -1e6 - np.arange(len(pitches)), shared).astype(np.int64)

    @cached_property
    def _unit(self) -> float:
        """Mean distance between notes of two different instruments, with the same weight for each instrument."""
        from scipy.spatial.distance import pdist

        random, own = np.random.default_rng(0), self._instruments
        shuffled = random.permutation(len(own))
        ranks = _ranks(own[shuffled])
        chosen = shuffled[ranks < _EACH][:_COMPARED]
        if len(chosen) < 2:
            return 1.0
        own, (first, second) = own[chosen], np.triu_indices(len(chosen), 1)
        apart = pdist(self._raw(self._atlas.points[chosen], self._atlas.pitches[chosen]))
        weights = 1.0 / np.bincount(own)[own]
        pairs = weights[first] * weights[second] * ((own[first] != own[second]) | (own == own[0]).all())
        return float(np.average(apart, weights=pairs)) or 1.0

    @cached_property
    def _widths(self) -> np.ndarray:
        """What the model's heard coordinates are divided by, (dim,) or ()."""
        stds = self._atlas.stds
        if self._model.heard_is_scaled or stds is None or not stds.any():
            return np.ones(())
        widths = stds.mean(0, dtype=np.float64)
        return np.maximum(widths, _NARROWEST * widths.max())

    @torch.no_grad()
    def _raw(self, points: np.ndarray, pitch: Pitch) -> np.ndarray:
        """Heard coordinates (n, k), float64, before they are divided by the unit; in chunks."""
        array = np.asarray(points, dtype=np.float64)
        if array.ndim != 2 or array.shape[1] != self._model.dim or not (np.abs(array) <= LARGEST).all():
            raise ConfigError(
                f"Points must be finite numbers (n, {self._model.dim}) up to {LARGEST:,.0f}, got shape {array.shape}."
            )
        pitches = np.broadcast_to(np.asarray(np.nan if pitch is None else pitch, dtype=np.float32), len(array))
        parts = []
        for start in range(0, max(1, len(array)), _CHUNK):
            at = slice(start, start + _CHUNK)
            part = torch.from_numpy(array[at].astype(np.float32)), torch.from_numpy(pitches[at].copy())
            parts.append(self._model.heard(*part).numpy().astype(np.float64))
        raw = np.concatenate(parts)
        widths = self._widths[..., : raw.shape[1]] if self._widths.ndim else self._widths
        return raw / widths


def _ranks(groups: np.ndarray) -> np.ndarray:
    """How many before each one are of the same group, (n,), for groups (n,)."""
    order = np.argsort(groups, kind="stable")
    begin = np.searchsorted(groups[order], groups[order])
    ranks = np.empty(len(groups), np.int64)
    ranks[order] = np.arange(len(groups)) - begin
    return ranks
