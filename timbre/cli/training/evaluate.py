"""`timbre evaluate`."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import timbre
from timbre.cli.outputs import check_target
from timbre.errors import ConfigError

if TYPE_CHECKING:
    from timbre.evaluation.evaluate import Evaluation


def evaluate(
    space: str,
    library: Path | None = None,
    /,
    *,
    ratings: tuple[Path, ...] = (),
    held_out: tuple[Path, ...] = (),
    only: Path | None = None,
    out: Path | None = None,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
    quick: bool = False,
    seed: int = 0,
) -> None:
    """Measure a space: errors, likelihood, agreement with listeners, order, pitch, movement, generalisation.

    Writes a page with every figure, its meaning and pictures, and the figures as one JSON object. All of it is measured
    on the notes that training held out.

    Parameters
    ----------
    space
        Folder of a saved space, or the name of one; `timbre inspect` lists the names.
    library
        The notes that it was trained on, as given to `timbre train`. Remembered by the space unless given.
    ratings
        Listeners' dissimilarities: a folder of studies with sounds.csv, which names the rated sounds' files, or a
        matrix of instruments. May be given several times.
    held_out
        Folder of notes of unseen instruments or sources. May be given several times.
    only
        Part of the library, a folder or library file, whose held-out notes alone are measured.
    out
        The page, .html or .md; NAME-evaluation.html here unless given.
    json_file
        The figures; beside the page unless given.
    quick
        Fewer notes and samples, for a first look.
    seed
        Of the choice of notes and of the noise.
    """
    from timbre.space.names import find_space

    name = Path(os.path.abspath(find_space(space))).name
    page = out or Path(f"{name}-evaluation.html")
    figures = json_file or page.with_suffix(".json")
    fitted = timbre.load(space)
    from timbre.evaluation.evaluate import evaluate as measure
    from timbre.report.space_page import check_page, write_figures, write_page

    for target in (check_page(page), figures):
        check_target(target)
    notes = timbre.scan(library or remembered(space))
    others = [timbre.scan(folder) for folder in held_out]
    part = timbre.scan(only) if only else None
    found = measure(fitted, notes, ratings, others, quick=quick, seed=seed, only=part)
    _print(found)
    print(f"\n{write_figures(found, figures)}")
    print(write_page(found, fitted, page, name))


def remembered(space: str | Path) -> Path:
    """The library that the space's run.json names.

    Raises:
        ConfigError: if there is no such file, or it names none.
    """
    from timbre.space.names import find_space

    folder = find_space(space)
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        return Path(run["library"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{space} does not say which notes it was trained on; give their folder: timbre evaluate {space} LIBRARY."
        ) from error


def _print(found: "Evaluation") -> None:
    """The figures that every evaluation has, and the alarm if there is one."""
    from timbre.evaluation.figures import ALWAYS, FIGURES, shown

    for fact, value in found.facts.items():
        print(f"{fact:<12}{value}")
    group = ""
    for name in ALWAYS:
        figure = FIGURES[name]
        if figure.group != group:
            group = figure.group
            print(f"\n{group}")
        verdict = "  collapsed" if name == "active_units" and found.alarm else ""
        print(f"  {name:<40}{shown(found.figures[name], figure.unit):>10} {figure.unit}{verdict}".rstrip())
    if found.alarm:
        print(f"\n{found.alarm}")
