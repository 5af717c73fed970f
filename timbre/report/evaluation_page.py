"""Evaluation of a space as a page: all figures with their meanings, and pictures."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from timbre.evaluation.evaluate import Evaluation
from timbre.evaluation.figures import describe, shown
from timbre.evaluation.studies import RatedStudy
from timbre.files import expanded, write_text
from timbre.maps.planes import plane
from timbre.report import evaluation_pictures as pictures
from timbre.report import pages
from timbre.report.map_pictures import draw_sounds
from timbre.report.pages import Picture, picture
from timbre.report.pictures import can_draw
from timbre.space import Space

_BETTER = {"higher": "higher", "lower": "lower", "none": ""}
_BARS = {
    "pitch_probe_linear_r2": "pitch, ridge regression",
    "pitch_probe_mlp_r2": "pitch, small network",
    "velocity_probe_r2": "dynamics",
    "instrument_probe_accuracy": "instrument, classifier",
    "instrument_accuracy": "instrument, nearest note",
    "family_accuracy": "family, nearest note",
}
_MOST_REMARKS = 100


def write_page(evaluation: Evaluation, space: Space, file: str | os.PathLike[str], name: str = "") -> Path:
    """Write an evaluation as an HTML page, with pictures if matplotlib is installed.

    Args:
        evaluation: the evaluation.
        space: the evaluated space.
        file: a name that ends in .html.
        name: of the space, for the title.

    Raises:
        ConfigError: if the name ends in anything else, or the page cannot be written.
    """
    drawn = list(_pictures(evaluation, space)) if can_draw() else []
    return pages.write_page(
        file,
        "evaluation.html.jinja",
        title=f"Evaluation of {name or 'a space'}",
        alarm=evaluation.alarm,
        facts=evaluation.facts,
        can_draw=can_draw(),
        groups=[
            {"title": group, "figures": rows, "pictures": [one for title, one in drawn if title == group]}
            for group, rows in _groups(evaluation).items()
        ],
        studies=[_study(study) for study in evaluation.studies],
        parts=[part.name for part in evaluation.parts],
        part_rows=_parts(evaluation),
        remarks=[[remark] for remark in evaluation.remarks[:_MOST_REMARKS]],
        remark_count=len(evaluation.remarks),
    )


def write_figures(evaluation: Evaluation, file: str | os.PathLike[str]) -> Path:
    """Write the figures as one flat JSON object, with null for those that cannot be computed.

    Raises:
        ConfigError: if the file cannot be written.
    """
    path = expanded(file)
    write_text(path, json.dumps(evaluation.figures, indent=1, allow_nan=False) + "\n")
    return path


def _groups(evaluation: Evaluation) -> dict[str, list[list[str]]]:
    """Rows of figures by their group; figures of single studies and parts have tables of their own."""
    keys = [f"rating_{kind}_{study.key}" for study in evaluation.studies for kind in ("spearman", "triplets", "p")]
    groups: dict[str, list[list[str]]] = {}
    for name, value in evaluation.figures.items():
        if name not in keys and "@" not in name:
            figure = describe(name)
            row = [figure.title, shown(value, figure.unit), figure.unit, _BETTER[figure.better], figure.meaning, name]
            groups.setdefault(figure.group, []).append(row)
    return groups


def _parts(evaluation: Evaluation) -> list[list[str]]:
    """Rows of figures with a cell for each part."""
    parts = [part.figures for part in evaluation.parts]
    names = dict.fromkeys(name for part in parts for name in part)
    rows = [["notes of unseen instruments", *(str(part.unseen) for part in evaluation.parts), ""]] if parts else []
    for name in names:
        figure = describe(name)
        rows.append([figure.title, *(shown(part.get(name), figure.unit) for part in parts), figure.unit])
    return rows


def _study(study: RatedStudy) -> list[str]:
    measures = ("spearman", "pearson", "kendall", "triplet_agreement", "ndcg")
    values = [*(getattr(study.agreement, measure) for measure in measures), study.p]
    return [study.name, str(len(study.distances)), *map(shown, values), study.part]


def _pictures(evaluation: Evaluation, space: Space) -> Iterator[tuple[str, Picture]]:
    """Pictures, each with the title of its group of figures."""
    if evaluation.examples:
        names = ", ".join(pair.name for pair in evaluation.examples)
        alt = f"Spectrograms of {names}: recorded above, decoded below."
        caption = "Held-out notes, recorded and decoded to sound from their points"
        figure: Any = pictures.draw_spectrograms(evaluation.examples, space.config.spectrogram)
        yield "Reconstruction", picture(figure, "reconstructions", alt, caption)
    if evaluation.studies:
        yield "Listeners", _agreement(evaluation.studies)
    if len(evaluation.mapped) >= 3:
        notes, chosen = space.atlas.take(evaluation.mapped), plane(space)
        alt = f"{len(notes)} notes in a plane of the space, by family: {', '.join(sorted(set(notes.families)))}."
        figure = draw_sounds(chosen.coordinates(notes.points), notes, chosen.labels)
        yield "Order", picture(figure, "map", alt, "Map of the space: notes of the library, coloured by family")
    bars = {title: value for name, title in _BARS.items() if (value := evaluation.figures.get(name)) is not None}
    if bars:
        alt = "Bars: " + ", ".join(f"{title} {value:.2f}" for title, value in bars.items()) + "."
        caption = "Properties predicted from the points of held-out notes: pitch should be low, instruments high"
        yield "Pitch and dynamics", picture(pictures.draw_probes(bars), "probes", alt, caption)
    if evaluation.sweeps:
        sweeps = [(sweep.axis.replace("_", " "), sweep.shifts, sweep.changes) for sweep in evaluation.sweeps]
        slopes = ", ".join(f"{one.axis} {shown(one.figures()[f'axis_{one.axis}_slope'])}" for one in evaluation.sweeps)
        alt = f"Measured change of descriptors when held-out notes are moved along their axes; mean slopes: {slopes}."
        caption = "Named axes: requested and measured change"
        yield "Moving through the space", picture(pictures.draw_sweeps(sweeps), "axes", alt, caption)


def _agreement(studies: list[RatedStudy]) -> Picture:
    drawn = [(study.name, *study.pairs(), f"Spearman {study.agreement.spearman:.2f}") for study in studies]
    values = ", ".join(f"{study.name} {study.agreement.spearman:.2f}" for study in studies)
    alt = f"Distance in the space against dissimilarity for each pair of sounds; Spearman's correlations: {values}."
    caption = "Distances in the space against listeners' dissimilarities"
    return picture(pictures.draw_agreement(drawn), "agreement", alt, caption)
