"""What all pictures share. Drawing needs matplotlib (the extra `plots`)."""

import io
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from timbre.errors import ConfigError, TimbreError
from timbre.files import expanded, replacing, unwritable
from timbre.notebook import COLOURS
from timbre.wording import needs, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

BLUE, ORANGE = COLOURS[0], COLOURS[1]
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")  # one for each colour
INK, PALE = "#333333", "#999999"
LINE = (0.5, 0.5, 0.5, 0.3)  # visible on white and on black
LONGEST = 24  # characters of a name
WIDTH = 9.5  # inches
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_OFFSETS = [(0, 0), (0, 9), (0, -9), (16, 0), (-16, 0), (16, 9), (-16, 9), (16, -9), (-16, -9), (0, 18), (0, -18)]


def scatter_families(axes: "Axes", points: np.ndarray, families: Sequence[str | None]) -> None:
    """Draw points (n, 2) coloured by family; if there are more families than colours, small ones share one.

    Families with fewer sounds are drawn above those with more, which would hide them.
    """
    own = np.array([family or "" for family in families])
    most = [name for name, _ in Counter(own[own != ""].tolist()).most_common()]
    kept = sorted(most if len(most) <= len(COLOURS) else most[: len(COLOURS) - 1])
    groups = [(printable(name.replace("_", " "), LONGEST), own == name) for name in kept]
    if (rest := (own != "") & ~np.isin(own, kept)).any():
        groups.append(("other families", rest))
    for number, (name, chosen) in enumerate(groups):
        axes.scatter(
            points[chosen, 0], points[chosen, 1], s=26, c=COLOURS[number], marker=MARKERS[number], alpha=0.75,
            edgecolors="white", linewidths=0.5, label=name, zorder=2.0 - float(chosen.mean()),
        )  # fmt: skip
    if (own == "").any():
        axes.scatter(points[own == "", 0], points[own == "", 1], s=18, c=PALE, marker=".", label="unknown")


@contextmanager
def _any_script() -> Iterator[None]:
    """Ignore warnings about scripts that matplotlib's font lacks; in SVG, browsers have the letters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


@_any_script()
def name_instruments(figure: "Figure", axes: "Axes", points: np.ndarray, instruments: Sequence[str]) -> None:
    """Write each instrument near the middle one of its points, where there is room; the most frequent ones first."""
    figure.draw_without_rendering()  # settles the layout, so that names have a size
    frame = axes.get_window_extent()
    taken: list[Bbox] = []
    for name, _ in Counter(instruments).most_common():
        own = points[np.array(instruments) == name]
        middle = own[np.linalg.norm(own - np.median(own, axis=0), axis=1).argmin()]
        text = axes.annotate(
            printable(name.replace("_", " "), LONGEST), tuple(middle), (0, 0), textcoords="offset points", fontsize=7,
            color=INK, ha="center", va="center", parse_math=False, zorder=5,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "alpha": 0.7, "edgecolor": "none"},
        )  # fmt: skip
        text.set_in_layout(False)
        for offset in _OFFSETS:
            text.set_position(offset)
            box = text.get_window_extent().expanded(1.06, 1.15)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
        else:
            text.remove()


def check_pictures() -> None:
    """Raise TimbreError if matplotlib is missing."""
    if not can_draw():
        raise TimbreError(needs("A picture", "matplotlib"))


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure (inches) that needs no window system; TimbreError if matplotlib is missing."""
    check_pictures()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def small_figures(count: int, columns: int, width: float, height: float, **options: Any) -> "tuple[Figure, list[Axes]]":
    """A figure (inches) with `count` axes in rows; the options are those of matplotlib's `subplots`."""
    columns = min(columns, count)
    figure = new_figure(width, height)
    grid = list(figure.subplots(-(-count // columns), columns, squeeze=False, **options).flat)
    for axes in grid[count:]:
        axes.set_visible(False)
    return figure, grid[:count]


def plain_axes(axes: "Axes", grid: bool = False) -> "Axes":
    """The axes without background, upper and right line; with a grid behind what is drawn on request."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_facecolor("none")
    if grid:
        axes.grid(color=LINE, linewidth=0.6)
        axes.set_axisbelow(True)
    return axes


def save_png(figure: "Figure", path: str | os.PathLike[str]) -> Path:
    """Write a figure as a PNG file, completely or not at all; ConfigError if it cannot be written."""
    target = expanded(path)
    try:
        with replacing(target) as partial, _any_script():
            figure.savefig(partial, format="png", dpi=144)
    except OSError as error:
        raise ConfigError(unwritable(target, error)) from error
    return target


def as_svg(figure: "Figure", name: str) -> str:
    """A figure for the inside of an HTML page, in the page's colours: black becomes its ink, white its paper.

    Pictures in one page need different names.
    """
    import matplotlib as mpl

    file = io.BytesIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), _any_script():
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


def _adapt(attributes: dict[str, str], name: str) -> None:
    """Make an element's identifiers unique in the page, and its black and white those of the page."""
    for key, value in attributes.items():
        if key == "id":
            attributes[key] = f"{name}-{value}"
        elif key == f"{{{_XLINK}}}href" and value.startswith("#"):
            attributes[key] = f"#{name}-{value[1:]}"
        else:
            value = re.sub(f"#000000|{INK}", "currentColor", value.replace("url(#", f"url(#{name}-"))
            attributes[key] = value.replace("#ffffff", "var(--paper)")
