"""`evaluate`: every figure of a space, on notes that took no part in its training."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from tqdm import tqdm

from timbre.data import Library, Note, scan
from timbre.errors import LibraryError
from timbre.evaluation import _notes
from timbre.evaluation._geometry import UNTOLD, geometry, known, nearest
from timbre.evaluation._likelihood import kl_nats, likelihood
from timbre.evaluation._notes import Effort, EvaluatedNotes
from timbre.evaluation._rated import Rated, combined, rate
from timbre.evaluation._sounds import decoded, errors
from timbre.evaluation._travel import Sweep, sweeps, trajectories
from timbre.evaluation.figures import ALWAYS, plain_key
from timbre.evaluation.metrics.latent import collapsed
from timbre.report.pictures import Pair
from timbre.space import Space

_MAPPED = 3000  # notes in the map, at most
_HELD_OUT = {
    "test": "{} of {} test notes, which took no part in training ({})",
    "valid": "{} of {} validation notes, which chose the checkpoint; the space has no test notes",
    "none": "none: the space was trained on all notes, and most figures cannot be computed",
}

Source = Library | str | os.PathLike[str]
"""A library, or the folder or file that is scanned for one."""


@dataclass(frozen=True)
class Elsewhere:
    """A folder of notes that took no part in training.

    Attributes:
        name: of the folder.
        notes: how many were heard.
        unseen: how many of them are of instruments that the training notes have not.
        l1_db: mean absolute error of their spectrograms, dB; None without notes.
        family_accuracy: share whose nearest training note is of their family; None where no family is known.
    """

    name: str
    notes: int
    unseen: int
    l1_db: float | None
    family_accuracy: float | None


@dataclass
class Evaluation:
    """What was found of a space.

    Attributes:
        figures: by their names in :data:`timbre.evaluation.figures.FIGURES`; None where one cannot be computed, and
            never NaN.
        alarm: a sentence where the space looks collapsed.
        facts: what was evaluated, and on what, in words.
        remarks: what could not be computed or should be known.
        points, families, instruments: of the known notes, for the map.
        examples: recorded and decoded notes.
        studies: ratings beside distances.
        sweeps: what the named axes do.
        elsewhere: the folders of unseen notes.
    """

    figures: dict[str, float | int | None]
    facts: dict[str, str]
    points: np.ndarray
    families: tuple[str, ...]
    instruments: tuple[str, ...]
    alarm: str | None = None
    remarks: list[str] = field(default_factory=list)
    examples: list[Pair] = field(default_factory=list)
    studies: list[Rated] = field(default_factory=list)
    sweeps: list[Sweep] = field(default_factory=list)
    elsewhere: list[Elsewhere] = field(default_factory=list)

    def add(self, figures: Mapping[str, float | int | None]) -> None:
        """Take in figures; those that are not finite as None."""
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
) -> Evaluation:
    """Measure a space on the notes that its training held out, on listeners' ratings and on notes from elsewhere.

    The parts are those of the atlas: what was held out in training is held out here; where there are no test notes, the
    validation notes stand in, and the facts say so. The same arguments give the same figures.

    Args:
        space: the space.
        library: the notes that it was trained on.
        ratings: folders or files of listeners' dissimilarities, as :func:`timbre.data.ratings.read_ratings` takes them.
        held_out: libraries of unseen instruments or sources.
        quick: fewer notes and samples, for a first look.
        seed: of the choice of notes, of the noise and of the probes.
        progress: whether to show a bar on stderr.
        only: a part of the library, such as its recorded notes, whose held-out notes alone are measured; neighbours and
            probes know all training notes.

    Raises:
        LibraryError: if the library is not the one that the space was trained on, or no note of the part was held out.
        TimbreError: if ratings or libraries cannot be read or used.
    """
    home = library if isinstance(library, Library) else scan(library)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        case = _case(space, home, _notes.QUICK if quick else _notes.FULL, seed, only)
        found = _started(case, home)
        steps: list[tuple[str, Callable[[], None]]] = [  # first those that may refuse what they are given
            ("listeners", lambda: _ask(case, found, ratings)),
            ("elsewhere", lambda: _generalise(case, found, held_out)),
            ("reconstruction", lambda: _reconstruct(case, found)),
            ("likelihood", lambda: _bound(case, found)),
            ("order", lambda: found.add(geometry(case.space.atlas, case.effort, seed))),
            ("sounds", lambda: _hear(case, found)),
            ("movement", lambda: _move(case, found)),
        ]
        with tqdm(steps, disable=not progress, bar_format="{desc:<16}{bar:24} {elapsed}") as bar:
            for name, step in bar:
                bar.set_description_str(name)
                step()
        found.alarm = _alarm(found)
    return found


@dataclass(frozen=True)
class _Case:
    """What is evaluated.

    Attributes:
        space: whose atlas has no held-out notes but those that are measured.
        notes: the library's, by their names in the atlas.
        part: of the atlas that is held out.
        held, points: notes of that part, in random order, and their points (notes, dim).
    """

    space: Space
    effort: Effort
    seed: int
    notes: dict[str, Note]
    part: str
    held: EvaluatedNotes
    points: np.ndarray

    def first(self, count: int) -> tuple[EvaluatedNotes, np.ndarray]:
        """So many of the held-out notes, and their points."""
        chosen = np.arange(min(count, len(self.held)))
        return self.held.take(chosen), self.points[chosen]


def _case(space: Space, library: Library, effort: Effort, seed: int, only: Source | None) -> _Case:
    notes = _notes.match(space.atlas, library)
    if only is not None:
        atlas = _notes.only(space.atlas, only if isinstance(only, Library) else scan(only))
        space = Space(space.config, space.model, atlas, space.report, space.axes, space.vocoder)
    part, numbers = _notes.held_out(space.atlas)
    held = _notes.hear(space, _named(space, notes, _notes.sample(numbers, effort.held_out, seed)))
    return _Case(space, effort, seed, notes, part, held, held.points(space))


def _named(space: Space, notes: dict[str, Note], numbers: np.ndarray) -> list[Note]:
    return [notes[space.atlas.names[number]] for number in numbers]


def _started(case: _Case, library: Library) -> Evaluation:
    atlas, held = case.space.atlas, case.held
    shown = np.sort(_notes.sample(np.arange(len(atlas)), _MAPPED, case.seed))
    measured = (len(held), atlas.splits.count(case.part), case.space.report.get("held_out", "as the library says"))
    facts = {
        "space": f"{case.space.dim} dimensions, {len(atlas)} notes of {len(set(atlas.instruments))} instruments",
        "library": str(library.root),
        "held out": _HELD_OUT[case.part].format(*measured),
        "effort": "quick" if case.effort is _notes.QUICK else "full",
        "seed": str(case.seed),
        "inverter": case.space.inverter,
    }
    families, instruments = (tuple(column[n] for n in shown) for column in (atlas.families, atlas.instruments))
    found = Evaluation(dict.fromkeys(ALWAYS), facts, atlas.points[shown], families, instruments)
    found.remarks += [f"{name} was left out: {why}" for name, why in held.dropped.items()]
    found.add({"dimensions": case.space.dim})
    return found


def _reconstruct(case: _Case, found: Evaluation) -> None:
    found.add(errors(case.space, case.held, case.points).figures())


def _bound(case: _Case, found: Evaluation) -> None:
    valid = np.flatnonzero(np.array(case.space.atlas.splits) == "valid")
    chosen = _notes.sample(valid, case.effort.likelihood, case.seed)
    seen = _notes.hear(case.space, _named(case.space, case.notes, chosen))
    held, _ = case.first(case.effort.likelihood)
    found.add(likelihood(case.space, held, seen, case.effort.samples, case.seed))
    found.add({"kl_nats": kl_nats(case.space, case.held)})


def _hear(case: _Case, found: Evaluation) -> None:
    held, points = case.first(case.effort.sounds)
    sounds = decoded(case.space, held, points, case.seed)
    found.add(sounds.figures)
    found.examples += sounds.examples
    found.facts["pitch meter"] = sounds.meter


def _move(case: _Case, found: Evaluation) -> None:
    found.add(trajectories(case.space, case.held, case.points, case.effort.lines, case.seed))
    found.sweeps += sweeps(case.space, *case.first(case.effort.lines))
    for sweep in found.sweeps:
        found.add(sweep.figures())
    ordered = [found.figures[f"axis_{sweep.axis}_monotonicity"] for sweep in found.sweeps]
    known = [value for value in ordered if value is not None]
    found.add({"axes_monotonicity": float(np.mean(known)) if known else None})


def _ask(case: _Case, found: Evaluation, ratings: Sequence[str | os.PathLike[str]]) -> None:
    for path in ratings:
        found.studies += rate(case.space, path, found.remarks)
    found.add(combined(found.studies))


def _generalise(case: _Case, found: Evaluation, sources: Sequence[Source]) -> None:
    for source in sources:
        library = source if isinstance(source, Library) else scan(source)
        found.elsewhere.append(_elsewhere(case, library, found.remarks))
    for place in found.elsewhere:
        key = plain_key(place.name)
        found.add({
            f"generalisation_reconstruction_l1_db_{key}": place.l1_db,
            f"generalisation_family_accuracy_{key}": place.family_accuracy,
        })  # fmt: skip
    found.add({
        "generalisation_reconstruction_l1_db": _mean([place.l1_db for place in found.elsewhere]),
        "generalisation_family_accuracy": _mean([place.family_accuracy for place in found.elsewhere]),
    })  # fmt: skip


def _elsewhere(case: _Case, library: Library, remarks: list[str]) -> Elsewhere:
    atlas, name = case.space.atlas, library.root.name or str(library.root)
    new = _new(case, library, name, remarks)
    chosen = _notes.sample(np.arange(len(new)), case.effort.held_out, case.seed)
    heard = _notes.hear(case.space, [new[number] for number in chosen])
    remarks += [f"{name}: {note} was left out: {why}" for note, why in heard.dropped.items()]
    train = known(atlas, np.flatnonzero(np.array(atlas.splits) == "train"))
    points, families = heard.points(case.space), np.array([note.family or "" for note in heard.notes], dtype=str)
    return Elsewhere(
        name,
        len(heard),
        sum(note.instrument not in set(train.instruments) for note in heard.notes),
        errors(case.space, heard, points).figures().get("reconstruction_l1_db"),
        nearest(points, families, train.points, train.families, UNTOLD),
    )


def _new(case: _Case, library: Library, name: str, remarks: list[str]) -> list[Note]:
    """The notes of a library whose files took no part in training, of which there must be some."""
    atlas = case.space.atlas
    seen = {case.notes[n].file.resolve() for n, part in zip(atlas, atlas.splits, strict=True) if part != case.part}
    new = [note for note in library if note.file.resolve() not in seen]
    if not new:
        raise LibraryError(f"All {len(library)} notes of {name} took part in training; give notes that did not.")
    if len(new) < len(library):
        remarks.append(f"{name}: {len(library) - len(new)} of its {len(library)} notes took part in training; left out")
    return new


def _alarm(found: Evaluation) -> str | None:
    active, kl = found.figures["active_units"], found.figures["kl_nats"]
    return None if active is None or kl is None else collapsed(int(active), kl, int(found.figures["dimensions"] or 0))


def _mean(values: list[float | None]) -> float | None:
    known_values = [value for value in values if value is not None]
    return float(np.mean(known_values)) if known_values else None
