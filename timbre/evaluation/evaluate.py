"""`evaluate`: all figures of a space, on notes that were not trained on."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from timbre.data import Library, Note
from timbre.data.scanning import scan
from timbre.errors import LibraryError
from timbre.evaluation._geometry import NO_FAMILY, geometry, nearest, source_out
from timbre.evaluation.decoding import Reconstruction, decode_sounds, reconstruction
from timbre.evaluation.embeddings import SoundEmbedding, find_embeddings
from timbre.evaluation.figures import ALWAYS, average, plain_key
from timbre.evaluation.likelihood import kl_nats, likelihood
from timbre.evaluation.metrics.latent import collapsed
from timbre.evaluation.movement import Sweep, separation, sweeps, trajectories
from timbre.evaluation.notes import (
    FULL,
    QUICK,
    Effort,
    EvaluatedNotes,
    by_source,
    held_out,
    match,
    prepare_notes,
    restrict,
    sample,
)
from timbre.evaluation.prior import prior_figures
from timbre.evaluation.sets import FEWEST, set_figures
from timbre.evaluation.studies import RatedStudy, combined, rate
from timbre.space import Space

_MAPPED = 3000  # largest number of notes in the map
_HELD_OUT = {
    "test": "{} of {} test notes, which were not trained on ({})",
    "valid": "{} of {} validation notes, which the checkpoint was chosen by; the space has no test notes",
    "none": "none: the space was trained on all notes, and most figures cannot be computed",
}

Source = Library | str | os.PathLike[str]
"""A library, or the folder or file that is scanned for one."""


@dataclass(frozen=True)
class EvaluatedPart:
    """Figures of some of the notes.

    Attributes:
        name: "own sources" and "left-out sources" are the held-out notes whose source has training notes, and the
            others; any other name is that of a folder of notes that were not trained on.
        unseen: number of notes whose instrument is not among the training notes.
        figures: errors, sounds, neighbours and `notes`, their number, by the names of
            :data:`timbre.evaluation.figures.FIGURES`; None if one cannot be computed.
    """

    name: str
    unseen: int
    figures: dict[str, float | int | None]


@dataclass
class Evaluation:
    """Results of an evaluation.

    Attributes:
        figures: by their names in :data:`timbre.evaluation.figures.FIGURES`; None if one cannot be computed, never NaN.
        facts: the space, the notes and the settings of the evaluation, in words.
        mapped: indices of the library notes in the map.
        alarm: a sentence if the space looks collapsed.
        remarks: reasons for missing figures, and notes that were left out.
        examples: recorded and decoded notes.
        studies: ratings compared with distances.
        sweeps: notes moved along the named axes.
        parts: of the held-out notes by their sources, if some sources have no training notes, and the folders of unseen
            notes. Their figures are also in `figures`, as NAME@PART.
    """

    figures: dict[str, float | int | None]
    facts: dict[str, str]
    mapped: np.ndarray
    alarm: str | None = None
    remarks: list[str] = field(default_factory=list)
    examples: list[Reconstruction] = field(default_factory=list)
    studies: list[RatedStudy] = field(default_factory=list)
    sweeps: list[Sweep] = field(default_factory=list)
    parts: list[EvaluatedPart] = field(default_factory=list)

    def add(self, figures: Mapping[str, float | int | None]) -> None:
        """Add figures; those that are not finite become None."""
        for name, value in figures.items():
            self.figures[name] = value if value is None or np.isfinite(value) else None


def evaluate(
    space: Space,
    library: Source,
    ratings: Sequence[str | os.PathLike[str]] = (),
    held_out: Sequence[Source] = (),
    quick: bool = False,
    seed: int = 0,
    progress: bool = True,
    only: Source | None = None,
    embeddings: Sequence[str] = (),
) -> Evaluation:
    """Measure a space on its held-out notes, on listeners' ratings and on notes from elsewhere.

    The held-out notes are those of the atlas: the test notes or, if there are none, the validation notes, which the
    facts then say. Equal arguments give equal figures.

    Args:
        space: the space.
        library: the notes that it was trained on.
        ratings: folders or files of listeners' dissimilarities, as :func:`timbre.data.ratings.read_ratings` takes them.
        held_out: libraries of unseen instruments or sources.
        quick: use fewer notes and samples, for a first look.
        seed: of the choice of notes, of the noise and of the probes.
        progress: show a progress bar on stderr.
        only: a part of the library, such as its recorded notes: measure only its held-out notes. Neighbours and probes
            still use all training notes.
        embeddings: in which decoded and random sounds are compared with recordings as sets, see
            :func:`timbre.evaluation.embeddings.find_embedding`: "auditory", "mfcc", "style", or files of networks.

    Raises:
        LibraryError: if the library is not the one that the space was trained on, or no note of the part was held out.
        TimbreError: if ratings or libraries cannot be read or used.
    """
    opened = find_embeddings(embeddings, space)
    home = _library(library)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        case = _case(space, home, QUICK if quick else FULL, seed, only)
        evaluation = _started(case, home)
        steps: list[tuple[str, Callable[[], None]]] = [  # those that may refuse their arguments come first
            ("listeners", lambda: _listeners(case, evaluation, ratings)),
            ("generalisation", lambda: _generalise(case, evaluation, held_out)),
            ("sources", lambda: _sources(case, evaluation)),
            ("reconstruction", lambda: evaluation.add(reconstruction(case.space, case.held, case.points))),
            ("likelihood", lambda: _likelihood(case, evaluation)),
            ("order", lambda: _order(case, evaluation)),
            ("prior", lambda: evaluation.add(prior_figures(case.space, case.effort, seed))),
            ("sounds", lambda: _sounds(case, evaluation)),
            ("movement", lambda: _movement(case, evaluation)),
            ("sets", lambda: _sets(case, evaluation, opened)),
        ]
        with tqdm(steps, disable=not progress, bar_format="{desc:<16}{bar:24} {elapsed}") as bar:
            for name, step in bar:
                bar.set_description_str(name)
                step()
        evaluation.alarm = _alarm(evaluation)
    return evaluation


@dataclass(frozen=True)
class _Case:
    """Arguments of an evaluation."""

    space: Space  # its atlas contains only those held-out notes that are measured
    effort: Effort
    seed: int
    notes: list[Note]  # of the library, in the order of the atlas
    part: str  # split of the atlas that is held out
    held: EvaluatedNotes  # notes of that split, in random order
    points: np.ndarray  # of these notes, (notes, dim)

    @property
    def trained(self) -> list[Note]:
        """The training notes."""
        return [note for note, split in zip(self.notes, self.space.atlas.splits, strict=True) if split == "train"]

    def first(self, count: int) -> tuple[EvaluatedNotes, np.ndarray]:
        """At most `count` of the held-out notes, and their points."""
        chosen = np.arange(min(count, len(self.held)))
        return self.held.take(chosen), self.points[chosen]


def _library(source: Source) -> Library:
    return source if isinstance(source, Library) else scan(source)


def _case(space: Space, library: Library, effort: Effort, seed: int, only: Source | None) -> _Case:
    notes = match(space.atlas, library)
    if only is not None:
        atlas = restrict(space.atlas, _library(only))
        space = Space(space.config, space.model, atlas, space.report, space.axes, space.vocoder)
        notes = match(atlas, library)
    part, indices = held_out(space.atlas)
    held = prepare_notes(space, [notes[index] for index in sample(indices, effort.held_out, seed)])
    return _Case(space, effort, seed, notes, part, held, held.points(space))


def _started(case: _Case, library: Library) -> Evaluation:
    atlas, held = case.space.atlas, case.held
    mapped = np.sort(sample(np.arange(len(atlas)), _MAPPED, case.seed))
    measured = (len(held), atlas.splits.count(case.part), case.space.report.get("held_out", "as the library says"))
    facts = {
        "space": f"{case.space.dim} dimensions, {len(atlas)} notes of {len(set(atlas.instruments))} instruments",
        "library": str(library.root),
        "held out": _HELD_OUT[case.part].format(*measured),
        "effort": "quick" if case.effort is QUICK else "full",
        "seed": str(case.seed),
        "inverter": case.space.inverter,
    }
    evaluation = Evaluation(dict.fromkeys(ALWAYS), facts, mapped)
    evaluation.remarks += [f"{name} was left out: {why}" for name, why in held.dropped.items()]
    evaluation.add({"dimensions": case.space.dim, "notes": len(held) or None})
    return evaluation


def _likelihood(case: _Case, evaluation: Evaluation) -> None:
    valid = np.flatnonzero(np.array(case.space.atlas.splits) == "valid")
    chosen = sample(valid, case.effort.likelihood, case.seed)
    validation = prepare_notes(case.space, [case.notes[index] for index in chosen])
    held, _ = case.first(case.effort.likelihood)
    evaluation.add(likelihood(case.space, held, validation, case.effort.samples, case.seed))
    evaluation.add({"kl_nats": kl_nats(case.space, case.held)})


def _order(case: _Case, evaluation: Evaluation) -> None:
    evaluation.add(geometry(case.space, case.effort, case.seed))
    evaluation.add({"source_out_instrument": source_out(case.space, [note.source for note in case.notes])})


def _sounds(case: _Case, evaluation: Evaluation) -> None:
    sounds = decode_sounds(case.space, *case.first(case.effort.sounds), case.seed)
    evaluation.add(sounds.figures)
    evaluation.examples += sounds.examples
    evaluation.facts["pitch meter"] = sounds.meter


def _movement(case: _Case, evaluation: Evaluation) -> None:
    evaluation.add(trajectories(case.space, case.held, case.points, case.effort.lines, case.seed))
    evaluation.sweeps += sweeps(case.space, *case.first(case.effort.lines // 2))
    for sweep in evaluation.sweeps:
        evaluation.add(sweep.figures())
    evaluation.add(separation(case.space, case.held, case.points, case.seed))
    order = [evaluation.figures[f"axis_{sweep.axis}_monotonicity"] for sweep in evaluation.sweeps]
    evaluation.add({"axes_monotonicity": average(order)})


def _sets(case: _Case, evaluation: Evaluation, embeddings: Sequence[SoundEmbedding]) -> None:
    """Compare sounds as sets with recordings of the same sources."""
    if not embeddings:
        return
    trained = case.trained
    rows = by_source(case.held, trained).get("own sources", np.arange(len(case.held)))
    held, points = case.held.take(rows), case.points[rows]
    figures = set_figures(case.space, trained, held, points, embeddings, case.effort, case.seed)
    evaluation.add(figures)
    if not figures:
        evaluation.remarks.append(
            f"Sets of sounds need {FEWEST} or more held-out notes of the trained sources, and twice as many training "
            f"notes, got {len(held)} and {len(trained)}; they were not compared."
        )


def _listeners(case: _Case, evaluation: Evaluation, ratings: Sequence[str | os.PathLike[str]]) -> None:
    for path in ratings:
        evaluation.studies += rate(case.space, path, evaluation.remarks)
    evaluation.add(combined(evaluation.studies))


def _generalise(case: _Case, evaluation: Evaluation, folders: Sequence[Source]) -> None:
    parts = [_folder(case, folder, evaluation.remarks) for folder in folders]
    for part in parts:
        _add_part(evaluation, part)
    for name in ("reconstruction_l1_db", "audible_l1_db", "instrument_accuracy", "family_accuracy"):
        evaluation.add({f"generalisation_{name}": average([part.figures.get(name) for part in parts])})


def _sources(case: _Case, evaluation: Evaluation) -> None:
    """Measure the held-out notes by their sources, if some of these have no training notes."""
    for name, rows in by_source(case.held, case.trained).items():
        _add_part(evaluation, _part(case, name, case.held.take(rows), case.points[rows]))


def _add_part(evaluation: Evaluation, part: EvaluatedPart) -> None:
    evaluation.parts.append(part)
    evaluation.add({f"{name}@{plain_key(part.name)}": value for name, value in part.figures.items()})


def _folder(case: _Case, source: Source, remarks: list[str]) -> EvaluatedPart:
    library = _library(source)
    named = library.root if isinstance(source, Library) else Path(os.path.abspath(source))
    name = named.name.removesuffix(".json") or str(named)
    new = _new(case, library, name, remarks)
    chosen = sample(np.arange(len(new)), case.effort.held_out, case.seed)
    notes = prepare_notes(case.space, [new[index] for index in chosen])
    remarks += [f"{name}: {note} was left out: {why}" for note, why in notes.dropped.items()]
    return _part(case, name, notes, notes.points(case.space))


def _part(case: _Case, name: str, notes: EvaluatedNotes, points: np.ndarray) -> EvaluatedPart:
    atlas, hearing = case.space.atlas, case.space.hearing
    known = np.flatnonzero(np.array(atlas.splits) == "train")
    train, near = atlas.take(known), hearing.at_own_pitch[known]
    heard = hearing.heard(points, notes.conditions.pitch.numpy())
    instruments, families = [note.instrument for note in notes.notes], [note.family or "" for note in notes.notes]
    first = np.arange(min(case.effort.sounds, len(notes)))
    figures: dict[str, float | int | None] = {
        "notes": len(notes),
        **reconstruction(case.space, notes, points),
        "instrument_accuracy": nearest(heard, instruments, near, train.instruments),
        "family_accuracy": nearest(heard, families, near, train.families, NO_FAMILY),
        **decode_sounds(case.space, notes.take(first), points[first], case.seed, examples=0).figures,
    }
    unseen = sum(instrument not in set(train.instruments) for instrument in instruments)
    return EvaluatedPart(name, unseen, figures)


def _new(case: _Case, library: Library, name: str, remarks: list[str]) -> list[Note]:
    """The notes of a library whose files were not trained on; refuse a library without any."""
    splits = case.space.atlas.splits
    seen = {note.file.resolve() for note, part in zip(case.notes, splits, strict=True) if part != case.part}
    new = [note for note in library if note.file.resolve() not in seen]
    if not new:
        raise LibraryError(f"All {len(library)} notes of {name} were trained on; give notes that were not.")
    if len(new) < len(library):
        remarks.append(f"{name}: {len(library) - len(new)} of its {len(library)} notes were trained on; left out")
    return new


def _alarm(evaluation: Evaluation) -> str | None:
    active, kl, dim = (evaluation.figures[name] for name in ("active_units", "kl_nats", "dimensions"))
    return None if active is None or kl is None else collapsed(int(active), kl, int(dim or 0))
