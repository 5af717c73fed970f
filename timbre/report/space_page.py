"""The evaluation of a space as a page: every figure with its meaning, and pictures."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from timbre.config import SpectrogramConfig
from timbre.errors import ConfigError
from timbre.evaluation.figures import describe, shown
from timbre.files import write_text
from timbre.report import space_pictures as pictures
from timbre.report._markup import Block, Heading, Picture, Table, Text, to_html, to_markdown
from timbre.report.library_page import _beside, _can_draw, _inline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from timbre.evaluation._rated import Rated
    from timbre.evaluation.evaluate import Evaluation
    from timbre.report.library_page import Pictures
    from timbre.space import Space

    Drawn = tuple[Figure, str, str, str]  # a figure, its name, what it shows in words, its caption

_ARROWS = {"higher": "higher is better", "lower": "lower is better", "none": ""}
_BARS = {
    "pitch_probe_linear_r2": "pitch, ridge regression",
    "pitch_probe_mlp_r2": "pitch, small network",
    "velocity_probe_r2": "dynamics",
    "instrument_probe_accuracy": "instrument, classifier",
    "instrument_accuracy": "instrument, nearest note",
    "family_accuracy": "family, nearest note",
}
_MOST_REMARKS = 100


def write_page(found: "Evaluation", space: "Space", file: str | os.PathLike[str], name: str = "") -> Path:
    """Write an evaluation as a page, with pictures where matplotlib is installed.

    The page appears whole or not at all. An HTML page is one file; the pictures of a Markdown page are PNG files in a
    folder of its stem beside it.

    Args:
        found: the evaluation.
        space: what was evaluated.
        file: a name that ends in .html or .md.
        name: of the space, for the title.

    Returns:
        The path of the page.

    Raises:
        ConfigError: if the name ends in anything else, or the page cannot be written.
        TimbreError: if a picture cannot be written.
    """
    path = check_page(file)
    html = path.suffix.lower() == ".html"
    title = f"Evaluation of {name or 'a space'}"
    blocks = list(_blocks(found, space, _inline if html else _beside(path)))
    write_text(path, to_html(title, blocks) if html else to_markdown(title, blocks))
    return path


def write_figures(found: "Evaluation", file: str | os.PathLike[str]) -> Path:
    """Write the figures as one flat JSON object, null where one could not be computed.

    Raises:
        ConfigError: if the file cannot be written.
    """
    path = Path(file).expanduser()
    write_text(path, json.dumps(found.figures, indent=1, allow_nan=False) + "\n")
    return path


def check_page(file: str | os.PathLike[str]) -> Path:
    """The path of a page, refused if its name ends in neither .html nor .md."""
    path = Path(file).expanduser()
    if path.suffix.lower() not in (".html", ".md"):
        raise ConfigError(f"{path} is not the name of a page; one that ends in .html or .md is wanted.")
    return path


def _blocks(found: "Evaluation", space: "Space", picture: "Pictures") -> Iterator[Block]:
    if found.alarm:
        yield Text(f"Alarm: {found.alarm}")
    yield Table("What was measured", ["what", "value"], [list(fact) for fact in found.facts.items()])
    drawing = _can_draw()
    if not drawing:
        yield Text("There are no pictures: they need matplotlib (pip install 'timbre[plots]').")
    for group, names in _groups(found).items():
        yield Heading(group)
        rows = [_row(name, found.figures[name]) for name in names]
        yield Table("Figures", ["figure", "value", "unit", "", "meaning", "name"], rows)
        yield from _tables(found, group)
        if drawing:
            yield from _pictures(found, space.config.spectrogram, group, picture)
    if found.remarks:
        yield Heading("Remarks")
        rest = len(found.remarks) - _MOST_REMARKS
        more = f"the first {_MOST_REMARKS} of {len(found.remarks)}" if rest > 0 else "all"
        yield Table(f"What should be known: {more}", ["remark"], [[text] for text in found.remarks[:_MOST_REMARKS]])


def _groups(found: "Evaluation") -> dict[str, list[str]]:
    """Names of figures by their group. Those of single studies and folders have tables of their own."""
    groups: dict[str, list[str]] = {}
    for name in found.figures:
        if not any(name.startswith(start) for start in _tabled(found)):
            groups.setdefault(describe(name).group, []).append(name)
    return groups


def _tabled(found: "Evaluation") -> Iterator[str]:
    for study in found.studies:
        yield from (f"rating_{kind}_{study.key}" for kind in ("spearman", "triplets", "p"))
    yield from ("generalisation_reconstruction_l1_db_", "generalisation_family_accuracy_")


def _row(name: str, value: float | int | None) -> list[str]:
    figure = describe(name)
    return [figure.title, shown(value, figure.unit), figure.unit, _ARROWS[figure.better], figure.meaning, name]


def _tables(found: "Evaluation", group: str) -> Iterator[Table]:
    if group == "Listeners" and found.studies:
        headers = ["study", "sounds", "Spearman", "Pearson", "Kendall", "triplets", "NDCG", "Mantel p", "in training"]
        yield Table("By study", headers, [_study(study) for study in found.studies])
    if group == "Generalisation" and found.elsewhere:
        headers = ["folder", "notes", "of unseen instruments", "mean absolute error, dB", "family of the nearest note"]
        rows = [
            [at.name, str(at.notes), str(at.unseen), shown(at.l1_db), shown(at.family_accuracy)]
            for at in found.elsewhere
        ]
        yield Table("By folder", headers, rows)


def _study(study: "Rated") -> list[str]:
    values = (
        getattr(study.agreement, name) for name in ("spearman", "pearson", "kendall", "triplet_agreement", "ndcg")
    )
    return [
        study.name,
        str(len(study.distances)),
        *(shown(value) for value in values),
        shown(study.p),
        study.part,
    ]


def _pictures(found: "Evaluation", config: SpectrogramConfig, group: str, picture: "Pictures") -> Iterator[Picture]:
    """The picture that belongs to a group of figures, if there is one."""
    draw = {
        "Reconstruction": _examples,
        "Listeners": _agreement,
        "Order": _map,
        "Pitch and dynamics": _probes,
        "Moving through the space": _sweeps,
    }.get(group)
    drawn = draw(found, config) if draw else None
    if drawn:
        yield picture(*drawn)


def _examples(found: "Evaluation", config: SpectrogramConfig) -> "Drawn | None":
    if not found.examples:
        return None
    names = ", ".join(pair.name for pair in found.examples)
    alt = f"Spectrograms of {names}: recorded above, decoded below."
    caption = "Held-out notes, recorded and decoded to sound from their points"
    return pictures.draw_reconstructions(found.examples, config), "reconstructions", alt, caption


def _agreement(found: "Evaluation", config: SpectrogramConfig) -> "Drawn | None":
    if not found.studies:
        return None
    drawn = [(study.name, *study.pairs(), f"Spearman {study.agreement.spearman:.2f}") for study in found.studies]
    listed = ", ".join(f"{study.name} {study.agreement.spearman:.2f}" for study in found.studies)
    alt = f"Distance in the space against dissimilarity for each pair of sounds; Spearman's correlations: {listed}."
    return pictures.draw_agreement(drawn), "agreement", alt, "Distances in the space against listeners' dissimilarities"


def _map(found: "Evaluation", config: SpectrogramConfig) -> "Drawn | None":
    if len(found.points) < 2:
        return None
    families = sorted(set(found.families))
    alt = f"{len(found.points)} notes in the plane of their two principal components, by family: {', '.join(families)}."
    figure = pictures.draw_map(found.points, found.families, found.instruments)
    return figure, "map", alt, "Map of the space: all known notes, coloured by family"


def _probes(found: "Evaluation", config: SpectrogramConfig) -> "Drawn | None":
    bars = {title: found.figures.get(name) for name, title in _BARS.items()}
    known = {title: value for title, value in bars.items() if value is not None}
    if not known:
        return None
    alt = "Bars: " + ", ".join(f"{title} {value:.2f}" for title, value in known.items()) + "."
    caption = "What can be read from the points of held-out notes: pitch should be low, instruments high"
    return pictures.draw_probes(known), "probes", alt, caption


def _sweeps(found: "Evaluation", config: SpectrogramConfig) -> "Drawn | None":
    if not found.sweeps:
        return None
    drawn = [(sweep.axis.replace("_", " "), sweep.shifts, sweep.changes) for sweep in found.sweeps]
    slopes = ", ".join(f"{one.axis} {shown(one.figures()[f'axis_{one.axis}_slope'])}" for one in found.sweeps)
    alt = f"Measured change of descriptors when held-out notes are moved along their axes; mean slopes: {slopes}."
    return pictures.draw_sweeps(drawn), "axes", alt, "Named axes: what was asked for, and what is measured"
