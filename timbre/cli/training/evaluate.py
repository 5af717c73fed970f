"""`timbre evaluate`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import JsonFile, SpaceName, TrainingNotes
from timbre.cli.outputs import check_target, together
from timbre.errors import ConfigError

if TYPE_CHECKING:
    from timbre.evaluation.evaluate import Evaluation


def evaluate(
    space: SpaceName,
    library: TrainingNotes | None = None,
    /,
    *,
    ratings: tuple[Path, ...] = (),
    held_out: tuple[Path, ...] = (),
    only: Path | None = None,
    embedding: tuple[str, ...] = (),
    out: Path | None = None,
    json_file: Annotated[JsonFile | None, Parameter(help="File for the figures; default: next to the page.")] = None,
    quick: bool = False,
    seed: int = 0,
) -> None:
    """Measure a space: errors, likelihood, agreement with listeners, order, pitch, movement, generalisation.

    Writes a page with all figures, their meanings and pictures, and a JSON file with the figures. Everything is
    measured on the notes that training held out.

    Args:
        ratings: Listeners' dissimilarities: a folder of studies with sounds.csv, which names the files of the rated
            sounds, or a matrix of instruments. Repeat the option for more.
        held_out: Folder or library file of notes of unseen instruments or sources. Repeat the option for more.
        only: Part of the library, a folder or library file: measure only its held-out notes.
        embedding: Compare decoded and random sounds with recordings as sets: Frechet and kernel distance, density,
            coverage, copies, consistency over the keys. "auditory", "mfcc", "style" (the space's own encoder), or a
            network that takes a waveform: FILE.onnx or FILE.ts, with its sample rate as FILE@48000. Repeat for more.
        out: The page, an .html file; default: NAME-evaluation.html in the current folder.
        quick: Use fewer notes and samples, for a first look.
        seed: Seed of the choice of notes and of the noise.
    """
    from timbre.space.names import find_space

    name = Path(os.path.abspath(find_space(space))).name
    page = out or Path(f"{name}-evaluation.html")
    json_file = json_file or page.with_suffix(".json")
    from timbre.report.pages import check_page

    check_target(check_page(page))
    check_target(json_file, ".json")
    loaded = timbre.load(space)
    from timbre.evaluation.evaluate import evaluate as measure
    from timbre.report.evaluation_page import write_figures, write_page

    notes = timbre.scan(library or remembered(space))
    part = timbre.scan(only) if only else None
    evaluation = measure(loaded, notes, ratings, held_out, quick=quick, seed=seed, only=part, embeddings=embedding)
    _print(evaluation)
    with together(json_file, page) as (figures, report):
        write_figures(evaluation, figures)
        write_page(evaluation, loaded, report, name)
    print(f"\n{json_file}\n{page}")


def remembered(space: str | Path) -> Path:
    """The library in the space's run.json.

    Raises:
        ConfigError: if there is no such file, or no library in it.
    """
    from timbre.files import read_json
    from timbre.space.names import find_space

    folder = find_space(space)
    try:
        return Path(read_json(folder / "run.json")["library"])
    except (ValueError, KeyError, TypeError) as error:  # a ConfigError is a ValueError
        raise ConfigError(
            f"{space} does not name its training notes; give their folder: timbre evaluate {space} LIBRARY."
        ) from error


def _print(evaluation: "Evaluation") -> None:
    """Print the facts, the figures that every evaluation has, those of parts, and the alarm if there is one."""
    from timbre.evaluation.figures import ALWAYS, FIGURES, by_part, shown
    from timbre.evaluation.sets import summary

    for fact, value in evaluation.facts.items():
        print(f"{fact:<12}{value}")
    group = ""
    for name in ALWAYS:
        figure = FIGURES[name]
        if figure.group != group:
            group = figure.group
            print(f"\n{group}")
        verdict = "  collapsed" if name == "active_units" and evaluation.alarm else ""
        print(f"  {name:<40}{shown(evaluation.figures[name], figure.unit):>10} {figure.unit}{verdict}".rstrip())
    if parts := by_part(evaluation.figures):
        print("\nBy part\n" + " " * 42 + "".join(f"{part:>20}" for part in parts))
        for name in dict.fromkeys(name for figures in parts.values() for name in figures):
            unit = FIGURES[name].unit
            values = (f"{shown(figures.get(name), unit):>20}" for figures in parts.values())
            print(f"  {name:<40}{''.join(values)} {unit}".rstrip())
    for line in summary(evaluation.figures):
        print(line)
    if evaluation.alarm:
        print(f"\n{evaluation.alarm}")
