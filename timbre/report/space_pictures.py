"""Pictures of an evaluated space. Each is a figure of matplotlib, for the page to write."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from timbre.config import SpectrogramConfig
from timbre.report._markup import shown
from timbre.report.pictures import (
    _COLOURS,
    _PALE,
    LONGEST,
    Pair,
    _figure,
    _frequency_ticks,
    principal_plane,
    scatter_families,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE, _ORANGE = _COLOURS[0], _COLOURS[1]
_LINE = (0.5, 0.5, 0.5, 0.3)
_COLUMNS = 4  # of small pictures
_NAME = (0.1, 0.025)  # of the map's width and height, which a name takes


def draw_map(points: np.ndarray, families: Sequence[str], instruments: Sequence[str]) -> "Figure":
    """Draw notes in the plane of their two principal components, coloured by family.

    Args:
        points: (notes, dim).
        families, instruments: of each note; the names of instruments stand at the medians of their notes.
    """
    plane = principal_plane(points)
    figure = _figure(9.5, 6.5)
    axes = _axes(figure.add_subplot())
    scatter_families(axes, plane.points, families)
    for name, middle in _middles(plane.points, instruments):
        text = shown(name.replace("_", " "), LONGEST)
        axes.annotate(text, middle, fontsize=7, ha="center", va="center", parse_math=False)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel(f"first principal component ({plane.shares[0]:.0%} of the variance)")
    axes.set_ylabel(f"second ({plane.shares[1]:.0%})")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure


def draw_agreement(studies: Sequence[tuple[str, np.ndarray, np.ndarray, str]]) -> "Figure":
    """Draw distances in the space against dissimilarities, a small picture for each study.

    Args:
        studies: name; dissimilarities and distances of the pairs, (pairs,) each; a few words below the name.
    """
    figure, places = _grid(len(studies), 2.5)
    for axes, (name, dissimilarities, distances, words) in zip(places, studies, strict=True):
        axes.scatter(dissimilarities, distances, s=8, c=_BLUE, alpha=0.5, linewidths=0)
        axes.set_title(f"{shown(name, LONGEST)}\n{words}", fontsize=8, parse_math=False)
        axes.set_ylim(bottom=0.0)
        axes.tick_params(labelsize=7)
    figure.supxlabel("dissimilarity by listeners", fontsize=9)
    figure.supylabel("distance in the space", fontsize=9)
    return figure


def draw_reconstructions(pairs: Sequence[Pair], config: SpectrogramConfig) -> "Figure":
    """Draw recordings over what is decoded from their points, as spectrograms on one scale of dB.

    Args:
        pairs: the notes, at least one.
        config: the front end that made the spectrograms, for the axes.
    """
    figure = _figure(9.5, 4.8)
    grid = figure.subplots(2, len(pairs), sharex=True, sharey=True, squeeze=False)
    loudest = max(float(np.max(picture)) for pair in pairs for picture in (pair.original, pair.decoded))
    for column, pair in enumerate(pairs):
        for row, picture in enumerate((pair.original, pair.decoded)):
            extent = (0.0, picture.shape[1] / config.frame_rate, 0.0, float(config.bins))
            image = grid[row, column].imshow(
                picture, origin="lower", aspect="auto", cmap="magma", extent=extent, vmin=config.floor_db, vmax=loudest
            )
        grid[0, column].set_title(shown(pair.name, LONGEST), fontsize=8, parse_math=False)
        grid[1, column].set_xlabel("s")
    grid[0, 0].set_yticks(*_frequency_ticks(config))
    for row, name in enumerate(("recorded", "decoded")):
        grid[row, 0].set_ylabel(f"{name}, Hz")
    figure.colorbar(image, ax=grid, label="dB", aspect=40, pad=0.01)
    return figure


def draw_probes(bars: Mapping[str, float]) -> "Figure":
    """Draw what can be read from the points: a bar for each figure, from its name and value (at most 1)."""
    figure = _figure(9.5, 0.8 + 0.36 * len(bars))
    axes = _axes(figure.add_subplot())
    names, values = list(bars), np.array(list(bars.values()))
    lowest = min(0.0, max(-1.0, float(values.min())))
    colours = [_ORANGE if name.startswith("pitch") else _BLUE for name in names]
    axes.barh(range(len(names)), np.maximum(values, lowest), color=colours, height=0.7)
    for row, value in enumerate(values):
        axes.annotate(f"{value:.2f}", (max(value, 0.0), row), (4, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(lowest * 1.05, 1.05)
    axes.axvline(0.0, color=_PALE, linewidth=0.8)
    axes.set_xlabel("R^2 of probes, share of right answers")
    return figure


def draw_sweeps(sweeps: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> "Figure":
    """Draw what axes do: the measured change of their descriptor against the one asked for, a line for each note.

    Args:
        sweeps: name; changes asked for, (steps,); those measured, (notes, steps), in the same units.
    """
    figure, places = _grid(len(sweeps), 2.5)
    for axes, (name, shifts, changes) in zip(places, sweeps, strict=True):
        if len(changes):
            axes.plot(shifts, changes.T, color=_BLUE, alpha=0.25, linewidth=0.8)
            axes.plot(shifts, np.median(changes, 0), color=_BLUE, linewidth=2.0)
        axes.plot(shifts, shifts, color=_ORANGE, linestyle="--", linewidth=1.2)
        axes.set_title(shown(name, LONGEST), fontsize=9, parse_math=False)
        axes.set_ylim(1.8 * shifts[0], 1.8 * shifts[-1])
        axes.tick_params(labelsize=7)
    figure.supxlabel("asked for (dashed: as promised)", fontsize=9)
    figure.supylabel("measured (thick: median)", fontsize=9)
    return figure


def _middles(points: np.ndarray, names: Sequence[str]) -> list[tuple[str, tuple[float, float]]]:
    """The names that most notes have, and the medians of their points (notes, 2); none where another stands already."""
    found, counts = np.unique(np.array(names), return_counts=True)
    room = np.ptp(points, axis=0) * _NAME + 1e-9
    placed: list[tuple[str, tuple[float, float]]] = []
    for name in found[np.argsort(-counts, kind="stable")]:
        middle = np.median(points[np.array(names) == name], axis=0)
        if all(np.any(np.abs(middle - other) > room) for _, other in placed):
            placed.append((str(name), (float(middle[0]), float(middle[1]))))
    return placed


def _grid(count: int, height: float) -> "tuple[Figure, list[Axes]]":
    """A figure of so many small pictures."""
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    figure = _figure(9.5, 0.5 + height * rows)
    grid = [_axes(axes) for axes in figure.subplots(rows, columns, squeeze=False).flat]
    for axes in grid[count:]:
        axes.set_visible(False)
    return figure, grid[:count]


def _axes(axes: "Axes") -> "Axes":
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_facecolor("none")
    axes.grid(color=_LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    return axes
