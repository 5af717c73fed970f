"""Pictures of libraries: which notes there are, and what was measured of them."""

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from timbre.data.names import note_name
from timbre.report._markup import shown
from timbre.report.pictures import _COLOURS, _INK, _figure, _save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_BLUE, _ORANGE = _COLOURS[0], _COLOURS[1]
_FAINT = (0.5, 0.5, 0.5, 0.15)  # visible on white and on black
_LINE = (0.5, 0.5, 0.5, 0.3)
_FEW = 12  # notes that have a colour each
_ROUND = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
_LONGEST_NAME = 36  # characters beside a row
_FURTHEST = 100  # cents
_STEP = 5  # cents


def draw_coverage(instruments: Sequence[str], counts: np.ndarray, lowest: int) -> "Figure":
    """Draw how many notes there are of each instrument at each semitone.

    Args:
        instruments: a name for each row.
        counts: whole numbers, (instruments, semitones).
        lowest: MIDI pitch of the first column.
    """
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm, LogNorm, Normalize

    figure = _figure(9.5, 1.3 + 0.2 * len(instruments))
    axes = _axes(figure, "")
    axes.set_facecolor(_FAINT)
    most, colours = int(counts.max()), colormaps["viridis"]
    few = most <= _FEW
    scale: Normalize = BoundaryNorm(np.arange(0.5, most + 1.5), colours.N) if few else LogNorm(1, most)
    picture = np.ma.masked_equal(counts, 0)
    image = axes.imshow(picture, aspect="auto", cmap=colours, norm=scale, interpolation="nearest")
    names = [shown(name.replace("_", " "), _LONGEST_NAME) for name in instruments]
    axes.set_yticks(range(len(names)), names, fontsize=8, parse_math=False)
    axes.set_yticks(np.arange(0.5, len(names) - 1), minor=True)
    octaves = [pitch for pitch in range(lowest, lowest + counts.shape[1]) if pitch % 12 == 0]
    axes.set_xticks([pitch - lowest - 0.5 for pitch in octaves], [note_name(pitch) for pitch in octaves])
    axes.tick_params(which="both", length=0)
    axes.grid(axis="x", color=_LINE)
    axes.grid(axis="y", which="minor", color=_LINE, linewidth=0.5)
    bar = figure.colorbar(image, ax=axes, label="notes", aspect=30, fraction=0.04, pad=0.01)
    ticks = range(1, most + 1) if few else [tick for tick in _ROUND if tick <= most]
    bar.set_ticks(list(ticks), labels=[str(tick) for tick in ticks])
    bar.ax.tick_params(which="both", length=0)
    bar.ax.minorticks_off()
    return figure


def draw_deviations(cents: np.ndarray) -> "Figure":
    """Draw how far measured pitches lie from their labels.

    Args:
        cents: (notes,); those beyond +-100 stand in the outermost bars.
    """
    figure = _figure(9.5, 3.2)
    axes = _axes(figure, "notes")
    edges = np.arange(-_FURTHEST - _STEP, _FURTHEST + 2 * _STEP, _STEP)
    counts, _ = np.histogram(np.clip(cents, edges[0], edges[-1]), edges)
    middles = (edges[:-1] + edges[1:]) / 2
    colours = [_BLUE if abs(middle) < _FURTHEST / 2 else _ORANGE for middle in middles]
    axes.bar(middles, counts, width=0.9 * _STEP, color=colours)
    ticks = range(25 - _FURTHEST, _FURTHEST, 25)
    names = [str(tick).replace("-", "\N{MINUS SIGN}") for tick in ticks]
    axes.set_xticks([middles[0], *ticks, middles[-1]], ["further", *names, "further"])
    axes.set_xlabel("measured pitch minus label, cents")
    return figure


def draw_loudness(groups: Mapping[str, Sequence[float]]) -> "Figure":
    """Draw the loudness of notes by dynamic mark: median, quartiles, and the range of most (Tukey 1977).

    Args:
        groups: dB of full scale, by mark, softest first.
    """
    figure = _figure(9.5, 3.6)
    axes = _axes(figure, "loudness, dB of full scale")
    lines = {"color": _BLUE, "linewidth": 1.5}
    axes.boxplot(
        list(groups.values()),
        tick_labels=[f"{mark}\n{len(levels)} notes" for mark, levels in groups.items()],
        widths=0.5,
        boxprops=lines,
        whiskerprops=lines,
        capprops=lines,
        medianprops={"color": _ORANGE, "linewidth": 2},
        flierprops={"marker": ".", "markersize": 4, "markerfacecolor": _BLUE, "markeredgecolor": "none"},
    )
    return figure


def draw_lengths(seconds: np.ndarray) -> "Figure":
    """Draw how long notes are.

    Args:
        seconds: (notes,), more than 0.
    """
    figure = _figure(9.5, 3.2)
    axes = _axes(figure, "notes")
    edges = np.geomspace(seconds.min() / 1.05, seconds.max() * 1.05, 31)
    axes.hist(seconds, list(edges), color=_BLUE, rwidth=0.9)
    axes.set_xscale("log")
    ticks = [t for t in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 300, 1800) if edges[0] <= t <= edges[-1]]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("length, s")
    return figure


def as_svg(figure: "Figure", name: str) -> str:
    """A picture for the inside of an HTML page, in the colours of the page's text.

    Args:
        figure: the picture.
        name: unlike that of other pictures in the page.
    """
    import matplotlib as mpl

    file = io.BytesIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of scripts for which matplotlib has no letters: browsers have
        figure.savefig(file, format="svg", facecolor="none", metadata=nothing)
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(file.getvalue())
    for child in list(root):
        if child.tag == f"{{{_SVG}}}defs" and child.find(f"{{{_SVG}}}style") is not None:
            root.remove(child)
    for element in root.iter():
        _adapt(element.attrib, name)
    return ElementTree.tostring(root, encoding="unicode")


def as_png(figure: "Figure", path: Path) -> Path:
    """Write a picture as a PNG file.

    Raises:
        TimbreError: if it cannot be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return _save(figure, path)


def _adapt(attributes: dict[str, str], name: str) -> None:
    """Make an element's names unlike those of other pictures, and black the colour of the page's text."""
    for key, value in attributes.items():
        if key == "id":
            attributes[key] = f"{name}-{value}"
        elif key == f"{{{_XLINK}}}href" and value.startswith("#"):
            attributes[key] = f"#{name}-{value[1:]}"
        else:
            value = value.replace("url(#", f"url(#{name}-")
            attributes[key] = re.sub(f"#000000|{_INK}", "currentColor", value)


def _axes(figure: "Figure", label: str) -> "Axes":
    axes = figure.add_subplot()
    axes.set_ylabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_facecolor("none")
    return axes
