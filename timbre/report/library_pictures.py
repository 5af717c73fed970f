"""Pictures of libraries: their notes, and what was measured of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from timbre.data.names import note_name
from timbre.report.pictures import BLUE, LINE, ORANGE, WIDTH, new_figure, plain_axes
from timbre.wording import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FAINT = (0.5, 0.5, 0.5, 0.15)  # visible on white and on black
_FEW = 12  # largest number of notes with a colour for each
_ROUND = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 300, 1800)
_LONGEST_NAME = 36  # characters next to a row
_FURTHEST = 100  # cents
_STEP = 5  # cents


def draw_coverage(instruments: Sequence[str], counts: np.ndarray, lowest: int) -> "Figure":
    """Draw numbers of notes (instruments, semitones); the first column is of MIDI pitch `lowest`."""
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm, LogNorm, Normalize

    figure, axes = _axes(1.3 + 0.2 * len(instruments), "")
    axes.set_facecolor(_FAINT)
    most, colours = int(counts.max()), colormaps["viridis"]
    few = most <= _FEW
    scale: Normalize = BoundaryNorm(np.arange(0.5, most + 1.5), colours.N) if few else LogNorm(1, most)
    values = np.ma.masked_equal(counts, 0)
    image = axes.imshow(values, aspect="auto", cmap=colours, norm=scale, interpolation="nearest")
    names = [printable(name.replace("_", " "), _LONGEST_NAME) for name in instruments]
    axes.set_yticks(range(len(names)), names, fontsize=8, parse_math=False)
    axes.set_yticks(np.arange(0.5, len(names) - 1), minor=True)
    octaves = [pitch for pitch in range(lowest, lowest + counts.shape[1]) if pitch % 12 == 0]
    axes.set_xticks([pitch - lowest - 0.5 for pitch in octaves], [note_name(pitch) for pitch in octaves])
    axes.tick_params(which="both", length=0)
    axes.grid(axis="x", color=LINE)
    axes.grid(axis="y", which="minor", color=LINE, linewidth=0.5)
    bar = figure.colorbar(image, ax=axes, label="notes", aspect=30, fraction=0.04, pad=0.01)
    ticks = range(1, most + 1) if few else [tick for tick in _ROUND if tick <= most]
    bar.set_ticks(list(ticks), labels=[str(tick) for tick in ticks])
    bar.ax.tick_params(which="both", length=0)
    bar.ax.minorticks_off()
    return figure


def draw_deviations(cents: np.ndarray) -> "Figure":
    """Draw a histogram of measured pitch minus label (cents); those beyond +-100 are counted in the outermost bars."""
    figure, axes = _axes(3.2, "notes")
    edges = np.arange(-_FURTHEST - _STEP, _FURTHEST + 2 * _STEP, _STEP)
    counts, _ = np.histogram(np.clip(cents, edges[0], edges[-1]), edges)
    middles = (edges[:-1] + edges[1:]) / 2
    colours = [BLUE if abs(middle) < _FURTHEST / 2 else ORANGE for middle in middles]
    axes.bar(middles, counts, width=0.9 * _STEP, color=colours)
    ticks = range(25 - _FURTHEST, _FURTHEST, 25)
    names = [str(tick).replace("-", "\N{MINUS SIGN}") for tick in ticks]
    axes.set_xticks([middles[0], *ticks, middles[-1]], ["further", *names, "further"])
    axes.set_xlabel("measured pitch minus label, cents")
    return figure


def draw_loudness(groups: Mapping[str, Sequence[float]]) -> "Figure":
    """Draw the loudness of notes by dynamic mark: median, quartiles, and the range of most (Tukey 1977).

    Loudness is in dB of full scale; the softest mark comes first.
    """
    figure, axes = _axes(3.6, "loudness, dB of full scale")
    lines = {"color": BLUE, "linewidth": 1.5}
    axes.boxplot(
        list(groups.values()),
        tick_labels=[f"{mark}\n{len(levels)} notes" for mark, levels in groups.items()],
        widths=0.5,
        boxprops=lines,
        whiskerprops=lines,
        capprops=lines,
        medianprops={"color": ORANGE, "linewidth": 2},
        flierprops={"marker": ".", "markersize": 4, "markerfacecolor": BLUE, "markeredgecolor": "none"},
    )
    return figure


def draw_lengths(seconds: np.ndarray) -> "Figure":
    """Draw a histogram of the lengths of notes, more than 0 seconds."""
    figure, axes = _axes(3.2, "notes")
    edges = np.geomspace(seconds.min() / 1.05, seconds.max() * 1.05, 31)
    axes.hist(seconds, list(edges), color=BLUE, rwidth=0.9)
    axes.set_xscale("log")
    ticks = [tick for tick in _SECONDS if edges[0] <= tick <= edges[-1]]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("length, s")
    return figure


def _axes(height: float, label: str) -> "tuple[Figure, Axes]":
    figure = new_figure(WIDTH, height)
    axes = plain_axes(figure.add_subplot())
    axes.set_ylabel(label)
    return figure, axes
