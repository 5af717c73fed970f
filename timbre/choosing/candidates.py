"""Candidates for presets: the middle of each instrument, its other sounds, and points between two instruments.

A middle is the training note nearest to the mean of its instrument's notes, as they are heard. Other sounds are middles
of clusters of these notes. A point between two instruments is as dissimilar from the one middle as from the other.
"""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch

from timbre.choosing.measures import NARROWEST
from timbre.choosing.naming import HYBRID, TRAITS, labels, lower, traits
from timbre.space import Space
from timbre.spectral.descriptors import describe

MIDDLE_C = 60.0
_WIDEST = 36.0  # semitones
_FEWEST = 3  # notes of an instrument, or of a cluster
_CLUSTERS = 3
_RIVALS = 4  # notes of an instrument that are tried as its middle
_STEPS = np.arange(1, 12) / 12.0  # along the line between two instruments
_BATCH = 32


@dataclass(frozen=True, eq=False)
class Candidate:
    """A point that may become a preset.

    Attributes:
        names: the preferred name first.
        point: (dim,).
        heard: its heard coordinates, see :class:`~timbre.space.dissimilarity.Hearing`.
        group: heading.
        keys: lowest and highest key of the notes, MIDI; None without pitch.
        of: the library notes it comes from.
        middle: whether it is the middle of an instrument.
    """

    names: tuple[str, ...]
    point: np.ndarray
    heard: np.ndarray
    group: str
    keys: tuple[float, float] | None
    of: tuple[str, ...]
    middle: bool = False


def middles(space: Space) -> list[list[Candidate]]:
    """The middle of every instrument with three training notes or more, and the notes next to it, the nearest first.

    Where the library has notes with a pitch, only instruments that have one are candidates.
    """
    train, pitched = np.array(space.atlas.splits) == "train", ~np.isnan(space.atlas.pitches)
    usable = train & pitched if (train & pitched).any() else train
    instruments = np.array(space.atlas.instruments)
    own = {name: np.flatnonzero(usable & (instruments == name)) for name in np.unique(instruments[usable])}
    return [_of_notes(space, notes, _RIVALS) for notes in own.values() if len(notes) >= _FEWEST]


def _of_notes(space: Space, notes: np.ndarray, most: int) -> list[Candidate]:
    """The notes (given by their indices) nearest to their mean, as they are heard."""
    atlas = space.atlas
    heard = space.hearing.heard(atlas.points[notes], None if np.isnan(atlas.pitches[notes]).any() else MIDDLE_C)
    order = np.linalg.norm(heard - heard.mean(0), axis=1).argsort(kind="stable")[:most]
    keys, found = _keys(atlas.pitches[notes]), []
    for n, note in zip(order, notes[order], strict=True):
        name, group = labels(atlas.instruments[note], atlas.families[note], atlas.names[note])
        found.append(Candidate((name,), atlas.points[note], heard[n], group, keys, (atlas.names[note],), middle=True))
    return found


def _keys(pitches: np.ndarray) -> tuple[float, float] | None:
    """Most of the range of notes: 18 to 36 semitones about its middle."""
    if np.isnan(pitches).any():
        return None
    low, high = np.percentile(pitches, [3, 97])
    half = 0.5 * min(max(high - low, NARROWEST + 1.0), _WIDEST)
    middle = min(max(0.5 * (low + high), half), 127.0 - half)
    return float(np.ceil(middle - half)), float(np.floor(middle + half))


def others(space: Space, known: list[Candidate]) -> list[Candidate]:
    """Other sounds of the instruments of `known`, named by what distinguishes them from the middle."""
    from scipy.cluster.vq import kmeans2

    atlas, found = space.atlas, []
    instruments, train = np.array(atlas.instruments), np.array(atlas.splits) == "train"
    for middle in known:
        own = train & (instruments == atlas.instruments[atlas.index(middle.of[0])])
        notes = np.flatnonzero(own & np.isnan(atlas.pitches) if middle.keys is None else own & ~np.isnan(atlas.pitches))
        if len(notes) < _CLUSTERS * _FEWEST:
            continue
        heard = space.hearing.heard(atlas.points[notes], None if middle.keys is None else MIDDLE_C)
        own = kmeans2(heard, _CLUSTERS, seed=0, minit="++")[1]
        clusters = [notes[own == label] for label in range(_CLUSTERS)]
        parts = [_of_notes(space, part, 1)[0] for part in clusters if len(part) >= _FEWEST]
        found += [(middle, part) for part in parts if part.of != middle.of]
    values = _traits(space, [*known, *(part for _, part in found)])
    scale, index = np.nanstd(values[: len(known)], axis=0) + 1e-9, {id(one): n for n, one in enumerate(known)}
    named = []
    for (middle, part), value in zip(found, values[len(known) :], strict=True):
        words = traits((value - values[index[id(middle)]]) / scale, middle.group)
        names = tuple(f"{part.names[0]}, {word}" for word in words)
        named.append(replace(part, names=names, keys=middle.keys, middle=False))
    return named


@torch.no_grad()
def _traits(space: Space, candidates: list[Candidate]) -> np.ndarray:
    """Descriptors (candidates, traits) on their natural scales, at middle C or without pitch."""
    if not candidates:
        return np.zeros((0, len(TRAITS)))
    pitch = None if candidates[0].keys is None else MIDDLE_C
    listening = space.listening(pitch).sampled(None)
    rows = []
    for part in torch.from_numpy(np.stack([one.point for one in candidates])).split(_BATCH):
        pitches = listening.conditions.pitch.expand(len(part))
        rows.append(describe(listening.spectrograms(part), space.spectrogram, pitches, list(TRAITS), natural=True))
    return np.asarray(torch.cat(rows).double().numpy())


def hybrids(space: Space, known: list[Candidate], new: float) -> list[Candidate]:
    """Points between middles of different groups that share an octave and a half of keys.

    They are at least `new` (dissimilarity) away from all library notes.
    """
    pairs = [(a, b, shared(a.keys, b.keys)) for a, b in combinations(known, 2) if a.group != b.group]
    pairs = [(a, b, keys) for a, b, keys in pairs if keys is None or keys[1] - keys[0] >= NARROWEST]
    if not pairs:
        return []
    ends = np.stack([[a.point, b.point] for a, b, _ in pairs]).astype(np.float64)
    lines = ends[:, :1] + _STEPS[:, None] * (ends[:, 1:] - ends[:, :1])
    pitch = None if pairs[0][2] is None else MIDDLE_C
    heard = space.hearing.heard(lines.reshape(-1, space.dim), pitch).reshape(len(pairs), len(_STEPS), -1)
    sides = np.stack([[a.heard, b.heard] for a, b, _ in pairs])
    away = np.linalg.norm(heard[:, None] - sides[:, :, None], axis=-1)
    half, rows = np.abs(away[:, 0] - away[:, 1]).argmin(1), np.arange(len(pairs))
    points, coordinates = lines[rows, half].astype(np.float32), heard[rows, half]
    far = space.hearing.neighbours(points).distances[:, 0] >= new
    return [
        Candidate((f"Between {lower(a.names[0])} and {lower(b.names[0])}"[:60],), points[n], coordinates[n], HYBRID,
                  keys, a.of + b.of)
        for n, (a, b, keys) in enumerate(pairs) if far[n]
    ]  # fmt: skip


def shared(*ranges: tuple[float, float] | None) -> tuple[float, float] | None:
    """The keys that ranges share, from low to high or empty with high below low; None if all are without pitch."""
    known = [keys for keys in ranges if keys is not None]
    return (max(low for low, _ in known), min(high for _, high in known)) if known else None
