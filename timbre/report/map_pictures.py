"""Pictures of maps: library notes in a plane or a view, and descriptors of the sounds decoded on the plane."""

import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from timbre.data.names import note_name
from timbre.maps.maps import Topology, natural
from timbre.report.pictures import INK, PALE, WIDTH, name_instruments, new_figure, scatter_families, small_figures
from timbre.space import Atlas
from timbre.spectral.descriptors import DESCRIPTORS
from timbre.spectral.descriptors.scales import LINEAR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FADED, _NATS = 0.8, 15.0  # opacity of white over points without evidence, and where below the limit it is reached
_SHARES = (0.5, 0.9)  # of the density, enclosed by contour lines
_LIMIT = "less likely than 95 in 100 notes of instruments left out"


class _Ruler(NamedTuple):
    """Unit of a descriptor's values, and the conversions from its natural scale to the unit and back."""

    unit: str
    written: Callable[[np.ndarray], np.ndarray]
    natural: Callable[[np.ndarray], np.ndarray]
    logarithmic: bool


def draw_sounds(
    coordinates: np.ndarray,
    atlas: Atlas,
    labels: tuple[str, str],
    title: str = "",
    topology: Topology | None = None,
    isometric: bool = True,
) -> "Figure":
    """Draw the notes of an atlas at coordinates (notes, 2), coloured by family, with the names of instruments.

    Args:
        coordinates: of the notes, in a plane or a view.
        atlas: the notes.
        labels: of the two axes.
        title: written above.
        topology: a map of the plane; its evidence and density are drawn too.
        isometric: whether both axes have one unit.
    """
    spans = np.ptp(coordinates, axis=0) if topology is None else np.array([np.ptp(topology.u), np.ptp(topology.v)])
    figure = new_figure(WIDTH, 1.5 + (6.6 * _shape(*spans) if isometric else 5.5))
    if topology is not None and isometric:  # with a fixed shape, the default layout cuts labels off
        figure.set_layout_engine("compressed")
    axes = figure.add_subplot()
    if topology is not None:
        _draw_evidence(axes, topology, 0.55, 0.35, interpolation="bilinear", zorder=0)
        _draw_density(axes, topology)
    scatter_families(axes, coordinates, atlas.families)
    if topology is not None:
        axes.set(xlim=_edges(topology.u), ylim=_edges(topology.v))
    axes.set_aspect("equal" if isometric else "auto", adjustable="box" if topology is not None else "datalim")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, labelcolor=INK)
    words = f"{len(atlas):,} notes of the library, coloured by family, with the names of instruments."
    if topology is not None:
        words += f" Dashed: 50% and 90% of their density. {_evidence(topology)}"
    _finish(figure, axes, labels, title, words)
    name_instruments(figure, axes, coordinates, atlas.instruments)
    return figure


def draw_descriptors(topology: Topology, coordinates: np.ndarray, title: str = "") -> "Figure":
    """Draw all descriptors of a map side by side, each on its own colour scale in its unit.

    Library notes are drawn as small points, at coordinates (notes, 2) in the plane.
    """
    count, columns = len(topology.values), min(3, len(topology.values))
    height = 0.9 + _height(topology, 3.5) * -(-count // columns)
    figure, grid = small_figures(count, columns, 4.2 * columns, height, sharex=True, sharey=True)
    for axes, name in zip(grid, topology.values, strict=True):
        _draw_values(axes, topology, name)
        axes.scatter(coordinates[:, 0], coordinates[:, 1], s=2.0, c="white", edgecolors=INK, linewidths=0.25, alpha=0.8)
        axes.set_title(_heading(name), loc="left", fontsize=10, color=INK)
    figure.supylabel(topology.plane.labels[1], fontsize=9, color=INK, parse_math=False)
    for axes in grid[count - columns :]:
        axes.set_xlabel(topology.plane.labels[0], fontsize=9, parse_math=False)
        axes.tick_params(labelbottom=True)
    figure.suptitle(title, x=0.01, ha="left", color=INK, parse_math=False)
    _caption(figure, f"{_conditions(topology)} Points: library notes. {_evidence(topology)}", 62 * columns)
    return figure


def draw_descriptor(topology: Topology, name: str, atlas: Atlas, title: str = "") -> "Figure":
    """Draw one descriptor of a map, with lines of equal value, the notes of an atlas and the instruments' names.

    The title is written above, before the descriptor's name.
    """
    figure = new_figure(WIDTH, 1.3 + _height(topology, 7.7))
    axes = figure.add_subplot()
    coordinates = topology.plane.coordinates(atlas.points)
    _draw_values(axes, topology, name, lines=True)
    axes.scatter(coordinates[:, 0], coordinates[:, 1], s=7.0, c="white", edgecolors=INK, linewidths=0.4, alpha=0.7)
    words = f"{_conditions(topology)} Points: library notes. Thin lines: equal values. {_evidence(topology)}"
    _finish(figure, axes, topology.plane.labels, f"{title}{_heading(name)}", words)
    name_instruments(figure, axes, coordinates, atlas.instruments)
    return figure


def _draw_values(axes: "Axes", topology: Topology, name: str, lines: bool = False) -> None:
    """Draw a descriptor on its natural scale, pale where there is no evidence, with a colour bar."""
    values, ruler = natural(name, topology.values[name]), _ruler(name)
    supported = values[topology.evidence] if topology.evidence.any() else values
    low, high = float(supported.min()), float(supported.max())
    extent = (*_edges(topology.u), *_edges(topology.v))
    image = axes.imshow(values, "viridis", origin="lower", extent=extent, interpolation="nearest")
    image.set_clim(low, high)
    axes.set_aspect("equal" if topology.plane.isometric else "auto")
    ticks = _ticks(ruler, low, high)
    if lines and len(ticks) and low < high:
        drawn = axes.contour(
            topology.u, topology.v, values, ticks, colors="white", linewidths=0.7, linestyles="solid", alpha=0.8
        )
        axes.clabel(drawn, fmt=dict(zip(drawn.levels, _numbers(ruler, ticks), strict=True)), fontsize=7)
    _draw_evidence(axes, topology, 1.0, _FADED, interpolation="nearest", aspect=axes.get_aspect())
    extend = ("neither", "min", "max", "both")[int(values.min() < low) + 2 * int(values.max() > high)]
    bar = axes.figure.colorbar(image, ax=axes, extend=extend, pad=0.02, aspect=30)
    bar.set_ticks(list(ticks), labels=_numbers(ruler, ticks))
    bar.ax.minorticks_off()
    bar.ax.set_title(ruler.unit, fontsize=9, loc="left", color=INK)


def _draw_evidence(axes: "Axes", topology: Topology, grey: float, opacity: float, **options: Any) -> None:
    """Draw grey (1: white) where there is no evidence, with a line around the rest; the options are those of imshow."""
    from matplotlib.patheffects import withStroke

    cover = np.full((*topology.likelihood.shape, 4), grey)
    cover[..., 3] = opacity * np.clip((topology.least - topology.likelihood) / _NATS, 0.0, 1.0)
    axes.imshow(cover, origin="lower", extent=(*_edges(topology.u), *_edges(topology.v)), **options)
    if _has_edge(topology):
        line = axes.contour(topology.u, topology.v, topology.likelihood, [topology.least], colors=INK)
        stroke = withStroke(linewidth=2.6, foreground="white", alpha=0.6)
        line.set(linestyle="solid", linewidths=1.1, path_effects=[stroke])


def _draw_density(axes: "Axes", topology: Topology) -> None:
    """Draw lines around 50% and 90% of the density (Hyndman 1996)."""
    falling = np.sort(topology.density, axis=None)[::-1]
    mass = np.cumsum(falling) / max(float(falling.sum()), 1e-300)
    levels = sorted({float(falling[min(int(np.searchsorted(mass, share)), len(mass) - 1)]) for share in _SHARES})
    levels = [level for level in levels if topology.density.min() < level < topology.density.max()]
    if levels:
        axes.contour(topology.u, topology.v, topology.density, levels, colors=PALE, linewidths=0.9, linestyles="dashed")


def _has_edge(topology: Topology) -> bool:
    """Whether some points have evidence and others do not."""
    return bool(topology.likelihood.min() < topology.least < topology.likelihood.max())


def _evidence(topology: Topology) -> str:
    """What a caption says about evidence."""
    if _has_edge(topology):
        return f"Dark line: no evidence beyond it ({_LIMIT})."
    known = topology.likelihood.min() >= topology.least
    return f"{'No point is' if known else 'All points are'} without evidence ({_LIMIT})."


def _ruler(name: str) -> _Ruler:
    descriptor = DESCRIPTORS[name]
    if descriptor.unit == "log10 s":
        return _Ruler("ms", lambda x: 1000.0 * 10.0**x, lambda x: np.log10(x / 1000.0), True)

    def written(values: np.ndarray) -> np.ndarray:
        return np.asarray(descriptor.scale.public(torch.from_numpy(np.asarray(values, dtype=np.float64))).numpy())

    return _Ruler(descriptor.unit, written, lambda x: natural(name, x), descriptor.scale is not LINEAR)


def _ticks(ruler: _Ruler, low: float, high: float) -> np.ndarray:
    """Round values from `low` to `high`, on the natural scale; 4 or more where possible."""
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
    """Labels of ticks, without rounding errors."""
    return [f"{value:g}".replace("-", "\N{MINUS SIGN}") for value in np.round(ruler.written(ticks), 6)]


def _heading(name: str) -> str:
    return {"attack": "attack time"}.get(name, name.replace("_", " "))


def _conditions(topology: Topology) -> str:
    pitch = "without pitch" if topology.pitch is None else f"at {note_name(topology.pitch)}"
    size = f"{len(topology.u)} x {len(topology.v)}"
    return f"Sustained notes decoded at {size} points, {pitch}; equal steps of colour sound about equally large."


def _height(topology: Topology, width: float) -> float:
    """Height of a picture of the map of this width."""
    return width * (_shape(np.ptp(topology.u), np.ptp(topology.v)) if topology.plane.isometric else 0.8)


def _shape(width: float, height: float) -> float:
    """Height over width of a picture, limited to what fits a page."""
    return float(np.clip(height / max(width, 1e-9), 0.4, 1.0))


def _edges(line: np.ndarray) -> tuple[float, float]:
    """Outer edges of the first and the last cell."""
    half = 0.5 * float(line[1] - line[0])
    return float(line[0]) - half, float(line[-1]) + half


def _finish(figure: "Figure", axes: "Axes", labels: tuple[str, str], title: str, caption: str) -> None:
    axes.set_xlabel(labels[0], parse_math=False)
    axes.set_ylabel(labels[1], parse_math=False)
    axes.set_title(title, loc="left", color=INK, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    _caption(figure, caption, 135)


def _caption(figure: "Figure", text: str, width: int) -> None:
    figure.supxlabel(textwrap.fill(text, width), x=0.01, ha="left", fontsize=8, color=INK)
