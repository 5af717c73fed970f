"""Pictures of maps: known sounds in a plane or a view, and descriptors of what the plane's places decode to."""

import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from timbre.data.names import note_name
from timbre.maps.maps import Topology, natural
from timbre.report.pictures import _INK, _PALE, _figure, _save, name_instruments, scatter_families
from timbre.space import Atlas
from timbre.spectral.descriptors import DESCRIPTORS
from timbre.spectral.descriptors.scales import LINEAR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FADED, _NATS = 0.8, 15.0  # how pale places without evidence get, and how far below it they are palest
_SHARES = (0.5, 0.9)  # of the density, around which lines are drawn
_EVIDENCE = "Dark line: beyond it the space has no evidence (less likely than 95 in 100 notes of instruments left out)."


class _Ruler(NamedTuple):
    """How values of a descriptor are written: the unit, from the natural scale to it, and back."""

    unit: str
    written: Callable[[np.ndarray], np.ndarray]
    natural: Callable[[np.ndarray], np.ndarray]
    logarithmic: bool


def check_pictures() -> None:
    """Refuse to begin where pictures cannot be drawn.

    Raises:
        TimbreError: if matplotlib is missing.
    """
    _figure(1.0, 1.0)


def draw_sounds(
    path: str | os.PathLike[str],
    seen: np.ndarray,
    atlas: Atlas,
    labels: tuple[str, str],
    title: str = "",
    found: Topology | None = None,
    isometric: bool = True,
) -> Path:
    """Draw known sounds in a plane or a view, coloured by family, instruments named amid them; write a PNG.

    Args:
        path: the PNG file.
        seen: where the sounds are, (notes, 2).
        atlas: whose sounds they are.
        labels: of the two axes.
        title: written above.
        found: a map of the plane, whose evidence and density are drawn too.
        isometric: whether both axes have one unit.

    Raises:
        TimbreError: if matplotlib is missing or the file cannot be written.
    """
    spans = np.ptp(seen, axis=0) if found is None else np.array([np.ptp(found.u), np.ptp(found.v)])
    figure = _figure(9.5, 1.5 + (6.6 * _shape(*spans) if isometric else 5.5))
    if found is not None and isometric:  # whose shape is given: a layout that does not know it cuts labels off
        figure.set_layout_engine("compressed")
    axes = figure.add_subplot()
    if found is not None:
        _draw_evidence(axes, found)
    scatter_families(axes, seen, atlas.families)
    if found is not None:
        axes.set(xlim=_reach(found.u), ylim=_reach(found.v))
    axes.set_aspect("equal" if isometric else "auto", adjustable="box" if found is not None else "datalim")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, labelcolor=_INK)
    words = f"{len(atlas)} known sounds, coloured by family; names of instruments near their middlemost sounds."
    if found is not None:
        words += f" Dashed: half, and nine tenths, of their density. {_EVIDENCE}"
    _finish(figure, axes, labels, title, words, 135)
    name_instruments(figure, axes, seen, atlas.instruments)
    return _save(figure, path)


def draw_descriptors(path: str | os.PathLike[str], found: Topology, seen: np.ndarray, title: str = "") -> Path:
    """Draw all descriptors of a map side by side, each on its own colour scale in its unit; write a PNG.

    Args:
        path: the PNG file.
        found: the map.
        seen: known sounds in the plane (notes, 2), drawn as small points.
        title: written above.

    Raises:
        TimbreError: if matplotlib is missing or the file cannot be written.
    """
    count = len(found.values)
    columns = min(3, count)
    rows = -(-count // columns)
    figure = _figure(4.2 * columns, 0.9 + _height(found, 3.5) * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, name in zip(grid.flat, found.values, strict=False):
        _draw_values(axes, found, name)
        axes.scatter(seen[:, 0], seen[:, 1], s=2.0, c="white", edgecolors=_INK, linewidths=0.25, alpha=0.8)
        axes.set_title(_heading(name), loc="left", fontsize=10, color=_INK)
    for axes in list(grid.flat)[count:]:
        axes.set_visible(False)
    figure.supylabel(found.plane.labels[1], fontsize=9, color=_INK, parse_math=False)
    for place, axes in enumerate(grid.flat):
        if count - columns <= place < count:
            axes.set_xlabel(found.plane.labels[0], fontsize=9, parse_math=False)
            axes.tick_params(labelbottom=True)
    figure.suptitle(title, x=0.01, ha="left", color=_INK, parse_math=False)
    _caption(figure, f"{_heard(found)} Points: known sounds. {_EVIDENCE}", 62 * columns)
    return _save(figure, path)


def draw_descriptor(path: str | os.PathLike[str], found: Topology, name: str, atlas: Atlas, title: str = "") -> Path:
    """Draw one descriptor of a map, with lines of equal value and the instruments' names; write a PNG.

    Args:
        path: the PNG file.
        found: the map.
        name: of a descriptor in it.
        atlas: whose sounds are drawn as points.
        title: written above, before the descriptor's name.

    Raises:
        TimbreError: if matplotlib is missing or the file cannot be written.
    """
    figure = _figure(9.5, 1.3 + _height(found, 7.7))
    axes = figure.add_subplot()
    seen = found.plane.coordinates(atlas.points)
    _draw_values(axes, found, name, lines=True)
    axes.scatter(seen[:, 0], seen[:, 1], s=7.0, c="white", edgecolors=_INK, linewidths=0.4, alpha=0.7)
    words = f"{_heard(found)} Points: known sounds. Thin lines: equal values. {_EVIDENCE}"
    _finish(figure, axes, found.plane.labels, f"{title}{_heading(name)}", words, 135)
    name_instruments(figure, axes, seen, atlas.instruments)
    return _save(figure, path)


def _draw_values(axes: "Axes", found: Topology, name: str, lines: bool = False) -> None:
    """The map of a descriptor on its natural scale, fading where there is no evidence, with a scale of colours."""
    values, ruler = natural(name, found.values[name]), _ruler(name)
    judged = values[found.evidence] if found.evidence.any() else values
    low, high = float(judged.min()), float(judged.max())
    extent = (*_reach(found.u), *_reach(found.v))
    image = axes.imshow(
        values, origin="lower", extent=extent, cmap="viridis", vmin=low, vmax=high, interpolation="nearest"
    )
    axes.set_aspect("equal" if found.plane.isometric else "auto")
    ticks = _ticks(ruler, low, high)
    if lines and len(ticks) and low < high:
        drawn = axes.contour(
            found.u, found.v, values, ticks, colors="white", linewidths=0.7, linestyles="solid", alpha=0.8
        )
        axes.clabel(drawn, fmt=dict(zip(drawn.levels, _numbers(ruler, ticks), strict=True)), fontsize=7)
    pale = np.ones((*values.shape, 4))
    pale[..., 3] = _FADED * np.clip((found.least - found.likelihood) / _NATS, 0.0, 1.0)
    axes.imshow(pale, origin="lower", extent=extent, interpolation="nearest", aspect=axes.get_aspect())
    _line_of_evidence(axes, found)
    beyond = ("min" if values.min() < low else "") + ("max" if values.max() > high else "")
    extend = {"": "neither", "minmax": "both"}.get(beyond, beyond)
    bar = axes.figure.colorbar(image, ax=axes, extend=extend, pad=0.02, aspect=30)
    bar.set_ticks(list(ticks), labels=_numbers(ruler, ticks))
    bar.ax.minorticks_off()
    bar.ax.set_title(ruler.unit, fontsize=9, loc="left", color=_INK)


def _line_of_evidence(axes: "Axes", found: Topology) -> None:
    from matplotlib.patheffects import withStroke

    if found.likelihood.min() < found.least < found.likelihood.max():
        line = axes.contour(found.u, found.v, found.likelihood, [found.least], colors=_INK, linestyles="solid")
        line.set(linewidths=1.1, path_effects=[withStroke(linewidth=2.6, foreground="white", alpha=0.6)])


def _draw_evidence(axes: "Axes", found: Topology) -> None:
    """Grey where there is none, and lines around half and nine tenths of the density (Hyndman 1996)."""
    grey = np.full((*found.likelihood.shape, 4), 0.55)
    grey[..., 3] = 0.35 * np.clip((found.least - found.likelihood) / _NATS, 0.0, 1.0)
    extent = (*_reach(found.u), *_reach(found.v))
    axes.imshow(grey, origin="lower", extent=extent, interpolation="bilinear", zorder=0)
    _line_of_evidence(axes, found)
    falling = np.sort(found.density, axis=None)[::-1]
    held = np.cumsum(falling) / max(float(falling.sum()), 1e-300)
    levels = sorted({float(falling[min(int(np.searchsorted(held, share)), len(held) - 1)]) for share in _SHARES})
    levels = [level for level in levels if found.density.min() < level < found.density.max()]
    if levels:
        axes.contour(found.u, found.v, found.density, levels, colors=_PALE, linewidths=0.9, linestyles="dashed")


def _ruler(name: str) -> _Ruler:
    descriptor = DESCRIPTORS[name]
    if descriptor.unit == "log10 s":
        return _Ruler("ms", lambda x: 1000.0 * 10.0**x, lambda x: np.log10(x / 1000.0), True)

    def written(values: np.ndarray) -> np.ndarray:
        return np.asarray(descriptor.scale.public(torch.from_numpy(np.asarray(values, dtype=np.float64))).numpy())

    return _Ruler(descriptor.unit, written, lambda x: natural(name, x), descriptor.scale is not LINEAR)


def _ticks(ruler: _Ruler, low: float, high: float) -> np.ndarray:
    """Places on the natural scale of round values between two others, 4 or more where that can be."""
    from matplotlib.ticker import MaxNLocator

    first, last = (float(ruler.written(np.array(end))) for end in (low, high))
    tens = 10.0 ** np.arange(-6.0, 7.0)[:, None]
    even = np.array(MaxNLocator(6).tick_values(first, last))
    choices = [np.ravel(tens * digits) for digits in ([1, 2, 5], [1, 1.5, 2, 3, 5, 7])] if ruler.logarithmic else []
    for choice in (*choices, even):
        inside = choice[(choice >= first) & (choice <= last)]
        if len(inside) >= 4:
            break
    return np.asarray(ruler.natural(np.asarray(inside, dtype=np.float64)))


def _numbers(ruler: _Ruler, ticks: np.ndarray) -> list[str]:
    """What is written at ticks, without what rounding left."""
    return [f"{value:g}".replace("-", "\N{MINUS SIGN}") for value in np.round(ruler.written(ticks), 6)]


def _heading(name: str) -> str:
    return {"attack": "attack time"}.get(name, name.replace("_", " "))


def _heard(found: Topology) -> str:
    pitch = "without pitch" if found.pitch is None else f"at {note_name(found.pitch)}"
    size = f"{len(found.u)} x {len(found.v)}"
    return f"Held notes decoded at {size} places, {pitch}; colours are even where steps sound about equally large."


def _height(found: Topology, width: float) -> float:
    """Of a picture of the map so wide."""
    if not found.plane.isometric:
        return 0.8 * width
    return width * _shape(np.ptp(found.u), np.ptp(found.v))


def _shape(width: float, height: float) -> float:
    """How high a picture is for its width, within what fits a page."""
    return float(np.clip(height / max(width, 1e-9), 0.4, 1.0))


def _reach(line: np.ndarray) -> tuple[float, float]:
    """From the outer edge of the first to that of the last place."""
    half = 0.5 * float(line[1] - line[0])
    return float(line[0]) - half, float(line[-1]) + half


def _finish(figure: "Figure", axes: "Axes", labels: tuple[str, str], title: str, caption: str, width: int) -> None:
    axes.set_xlabel(labels[0], parse_math=False)
    axes.set_ylabel(labels[1], parse_math=False)
    axes.set_title(title, loc="left", color=_INK, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    _caption(figure, caption, width)


def _caption(figure: "Figure", text: str, width: int) -> None:
    figure.supxlabel(textwrap.fill(text, width), x=0.01, ha="left", fontsize=8, color=_INK)
