"""Sets of sounds: recordings, decoded notes and random sounds as distributions in an embedding.

The reference is one random half of the training recordings. Beside it are the other half, which shows what chance
leaves ("halves"), and random sounds, each with the pitch, velocity and length of the nearest training note ("drawn").
Held-out notes ("decoded") are compared with their own recordings.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.distance import cdist, pdist

from timbre.data import Note
from timbre.data.features.example import prepare
from timbre.errors import AudioError
from timbre.evaluation.embeddings import SECONDS, SoundEmbedding, embed
from timbre.evaluation.figures import describe, shown
from timbre.evaluation.metrics.distributions import (
    copying,
    density_coverage,
    frechet_unbounded,
    half_sample_interval,
    kernel_distance,
)
from timbre.evaluation.notes import Effort, EvaluatedNotes, prepare_notes, sample
from timbre.evaluation.prior import COMPONENTS, NEIGHBOURS
from timbre.space import Space
from timbre.space.controls import NoteControls

Figures = dict[str, float | int | None]
KEYS, VELOCITIES = range(21, 109), (0.2, 0.4, 0.6, 0.8, 1.0)  # of one instrument: the piano's keys
_APART, _WITHIN = 3, 1  # semitones from which two notes are at other pitches, and up to which at the same one
FEWEST = 4 * NEIGHBOURS  # sounds in a set
_RANGES = {"density": (0.0, np.inf), "coverage_share": (0.0, 1.0)}  # that intervals do not leave


@dataclass(frozen=True)
class TrainingSounds:
    """Training recordings in one embedding, and their pitches and instruments.

    Attributes:
        vectors: (n, size).
        notes: their labels.
    """

    vectors: np.ndarray
    notes: Sequence[Note]
    reference: np.ndarray = field(init=False)
    """The first half of the vectors, which other sets are compared with."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reference", self.vectors[: len(self.vectors) // 2])


def set_figures(
    space: Space,
    training: Sequence[Note],
    held: EvaluatedNotes,
    points: np.ndarray,
    embeddings: Sequence[SoundEmbedding],
    effort: Effort,
    seed: int,
) -> Figures:
    """Figures of sets of sounds in each embedding, named set_..._EMBEDDING; none for sets of fewer than 20 sounds.

    Args:
        space: the space.
        training: its training notes.
        held: notes of the same sources that were not trained on, at `points` (notes, dim).
        embeddings: in which sounds are compared.
        effort: numbers of sounds.
        seed: of the choice of notes and of draws.
    """
    count, rate = min(effort.sets, len(held)), space.renderer.sample_rate
    if min(len(training) // 2, count) < FEWEST:
        return {}
    kept, recorded = recordings(
        [training[n] for n in sample(np.arange(len(training)), effort.known, seed)], space, embeddings
    )
    own = embed(embeddings, held.samples[:count], rate)
    decoded = embed(embeddings, decoded_sounds(space, held, points, count), rate)
    drawn = embed(embeddings, drawn_sounds(space, training, effort.sets, seed), rate)
    pitched = np.flatnonzero(held.conditions.pitch.isfinite().numpy())[: effort.places]
    grids = places(space, points[pitched], KEYS[:: effort.keys], embeddings)
    figures: Figures = {}
    for k, embedding in enumerate(embeddings):
        library = TrainingSounds(recorded[k], kept)
        figures |= named(embedding.name, measured(library, own[k], decoded[k], drawn[k], effort.sets, seed))
        figures |= named(
            embedding.name,
            {"places": consistency(grids[k]), "recorded": recorded_consistency(library, seed)},
            "consistency",
        )
    return figures


def named(embedding: str, figures: Figures, group: str = "") -> Figures:
    """Figures with their names in the JSON file."""
    return {"_".join(filter(None, ("set", group, name, embedding))): value for name, value in figures.items()}


def summary(figures: Mapping[str, float | int | None]) -> Iterator[str]:
    """Lines of text with the figures of sets, one embedding after the other; intervals in brackets."""
    start = "set_drawn_density_"
    ends = (f"{start}low_", f"{start}high_")
    for embedding in [n.removeprefix(start) for n in figures if n.startswith(start) and not n.startswith(ends)]:
        yield f"\nSounds as sets: {embedding}"
        for name, value in figures.items():
            key = name.removesuffix(f"_{embedding}")
            if key != name and key.startswith("set_") and not key.endswith(("_low", "_high")):
                ends_of = [figures.get(f"{key}_{end}_{embedding}") for end in ("low", "high")]
                said = f"  ({shown(ends_of[0])} to {shown(ends_of[1])})" if None not in ends_of else ""
                yield f"  {key:<40}{shown(value):>10} {describe(name).unit}{said}".rstrip()


def measured(
    library: TrainingSounds, held: np.ndarray, decoded: np.ndarray, drawn: np.ndarray, count: int, seed: int
) -> Figures:
    """Figures of the sets by their names, with intervals: vectors of held-out recordings, of these decoded, of draws.

    `count` sounds of the other half of the library are compared with its first half.
    """
    reference, rest = library.reference, library.vectors[len(library.reference) :][:count]
    figures = compared("halves", reference, rest, seed) | compared("decoded", held, decoded, seed)
    figures |= compared("drawn", reference, drawn, seed)
    ratio, nearer = copying(drawn, held, library.vectors)
    return figures | {"drawn_nearest_ratio": ratio, "drawn_nearer_share": nearer}


def compared(name: str, reference: np.ndarray, other: np.ndarray, seed: int) -> Figures:
    """Frechet and kernel distance, density and coverage of a set beside a reference, with 95% intervals.

    The Frechet distance is computed in the first 16 principal components of the reference, extrapolated to sets of
    infinite size, and divided by the reference's total variance. Density and coverage depend on the number of sounds,
    and are taken with as many of the reference as there are in the set.
    """
    mean, variance = reference.mean(0), float(reference.var(0).sum())
    axes = np.linalg.svd(reference - mean, full_matrices=False)[2][:COMPONENTS].T
    whole, equal = [reference, other], [reference[: len(other)], other]
    projected = [(points - mean) @ axes / np.sqrt(variance or np.nan) for points in whole]
    statistics: dict[str, tuple[Callable[..., float], list[np.ndarray]]] = {
        "kernel_mmd2": (kernel_distance, whole),
        "density": (lambda real, other: density_coverage(real, other, NEIGHBOURS)[0], equal),
        "coverage_share": (lambda real, other: density_coverage(real, other, NEIGHBOURS)[1], equal),
    }
    if variance > 0.0:
        statistics = {"frechet_share": (frechet_unbounded, projected)} | statistics
    figures: Figures = {}
    for key, (statistic, sets) in statistics.items():
        found = half_sample_interval(statistic, *sets, seed=seed)
        least, most = _RANGES.get(key, (-np.inf, np.inf))
        low, high = max(found.low, least), min(found.high, most)
        figures |= {f"{name}_{key}": found.value, f"{name}_{key}_low": low, f"{name}_{key}_high": high}
    return figures


def recordings(
    notes: Sequence[Note], space: Space, embeddings: Sequence[SoundEmbedding]
) -> tuple[list[Note], list[np.ndarray]]:
    """Those of the notes that can be read, and their recordings, prepared as in training, in each embedding."""
    kept: list[Note] = []

    def sounds() -> Iterator[np.ndarray]:
        for note in notes:
            try:
                prepared = prepare(note.audio(), space.config)
            except AudioError:
                continue
            kept.append(note)
            yield prepared.samples

    vectors = embed(embeddings, sounds(), space.renderer.sample_rate)
    return kept, vectors


def decoded_sounds(
    space: Space, notes: EvaluatedNotes, points: np.ndarray, count: int, inverter: str | None = None
) -> Iterator[np.ndarray]:
    """The first notes decoded from their points (notes, dim) with their own controls, (samples,) each."""
    length = round(SECONDS * space.renderer.sample_rate)
    for index in range(count):
        spectrum, pitch = notes.decode(space, points, index)
        yield space.renderer.invert(spectrum[:, : space.renderer.frames(SECONDS)], pitch, length, index, inverter)


def drawn_sounds(
    space: Space, training: Sequence[Note], count: int, seed: int, inverter: str | None = None
) -> Iterator[np.ndarray]:
    """Random sounds, (samples,) each, with the controls of the training note nearest to each point."""
    drawn = space.draw(count, seed)
    known = {note.name: note for note in training}
    atlas = space.atlas.take(np.array([n for n, name in enumerate(space.atlas.names) if name in known]))
    nearest = [atlas.names[row] for row in cdist(drawn, atlas.points).argmin(1)]
    notes = prepare_notes(space, [known[name] for name in dict.fromkeys(nearest)])
    rows = {note.name: row for row, note in enumerate(notes.notes)}
    usable = [n for n, name in enumerate(nearest) if name in rows]
    return decoded_sounds(
        space, notes.take(np.array([rows[nearest[n]] for n in usable])), drawn[usable], len(usable), inverter
    )


def places(
    space: Space, points: np.ndarray, keys: Sequence[int], embeddings: Sequence[SoundEmbedding]
) -> list[np.ndarray]:
    """Each of the points (n, dim) on all keys at five velocities, (n, keys * velocities, size) in each embedding."""
    controls = [NoteControls(key, velocity, SECONDS) for key in keys for velocity in VELOCITIES]
    renderer, length = space.renderer, round(SECONDS * space.renderer.sample_rate)
    sounds = (  # all at one level: without the gain of the velocity
        renderer.invert(renderer.spectrum(point[None], one), one.pitch, length) for point in points for one in controls
    )
    vectors = embed(embeddings, sounds, renderer.sample_rate)
    return [found.reshape(len(points), len(controls), -1) for found in vectors]


def consistency(grids: np.ndarray) -> float | None:
    """How far apart the notes of a point are, over how far apart points are; None for fewer than two points.

    Takes (points, notes, size). The mean distance of two notes of one point, at any two keys and velocities, over that
    of two points at one key and velocity. 0: one sound everywhere; 1: keys and velocities differ as much as points do.
    """
    if len(grids) < 2:
        return None
    between = np.mean([pdist(grids[:, note]).mean() for note in range(grids.shape[1])])
    return float(np.mean([pdist(grid).mean() for grid in grids]) / between) if between else None


def recorded_consistency(library: TrainingSounds, seed: int) -> float | None:
    """:func:`consistency` of recordings: two notes of one instrument and source 3 semitones or more apart, over two of
    different instruments within a semitone; of up to 1,000 pitched notes; None if there are none."""
    pitched = [n for n, note in enumerate(library.notes) if note.pitch is not None]
    chosen = sample(np.array(pitched, int), 1000, seed)
    notes = [library.notes[n] for n in chosen]
    apart = cdist(library.vectors[chosen], library.vectors[chosen])
    pitch = np.array([float(note.pitch or 0.0) for note in notes])
    names = np.array([f"{note.instrument} {note.source}" for note in notes], dtype=str)
    instruments = np.array([note.instrument for note in notes], dtype=str)
    gap = np.abs(pitch[:, None] - pitch)
    within = apart[(names[:, None] == names) & (gap >= _APART)]
    between = apart[(instruments[:, None] != instruments) & (gap <= _WITHIN)]
    return float(within.mean() / between.mean()) if within.size and between.size and between.any() else None
