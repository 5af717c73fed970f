"""Pictures of spaces and of spectrograms. They need matplotlib (the extra `plots`), imported when one is drawn."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from timbre.config import SpectrogramConfig
from timbre.errors import TimbreError
from timbre.files import replacing
from timbre.report._markup import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

# Okabe and Ito's colours, which most colour-blind people can tell apart, in pairs with markers for everybody else.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8C6D31")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
_INK, _PALE = "#333333", "#999999"
LONGEST = 24  # characters of a name
_AROUND = [(0, 0), (0, 9), (0, -9), (16, 0), (-16, 0), (16, 9), (-16, 9), (16, -9), (-16, -9), (0, 18), (0, -18)]


class PrincipalPlane(NamedTuple):
    """Points seen in the plane of their two principal components."""

    points: np.ndarray
    """(n, 2)."""
    shares: np.ndarray
    """(2,): share of the variance that each axis shows, 0..1."""


class Pair(NamedTuple):
    """A note and its reconstruction, as spectrograms (bins, frames) in dB."""

    name: str
    original: np.ndarray
    decoded: np.ndarray


def principal_plane(points: np.ndarray) -> PrincipalPlane:
    """Project points (n, dim) on their two directions of most variance (principal component analysis, Pearson 1901).

    The sign of each axis is chosen so that its largest coefficient is positive: the same points give the same picture.
    """
    centred = np.asarray(points, dtype=np.float64) - np.mean(points, axis=0, dtype=np.float64)
    _, scales, axes = np.linalg.svd(centred, full_matrices=False)
    variances = scales**2
    axes, shares = axes[:2], variances[:2] / max(float(variances.sum()), 1e-300)
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    missing = 2 - len(axes)
    return PrincipalPlane(np.pad(centred @ axes.T, ((0, 0), (0, missing))), np.pad(shares, (0, missing)))


def draw_space(
    path: str | os.PathLike[str],
    points: np.ndarray,
    groups: Sequence[str | None],
    labels: Sequence[str] | None = None,
    title: str = "",
) -> Path:
    """Draw the points of a space in the plane of their two principal components, coloured by group; write a PNG.

    Args:
        path: the PNG file.
        points: (n, dim), n >= 1.
        groups: group of each point, such as the instrument's family; None is drawn as unknown.
        labels: a finer label of each point, such as the instrument; it is written near the middlemost of
            its points, where there is room.
        title: written above.

    Returns:
        The path.

    Raises:
        TimbreError: if matplotlib is missing or the file cannot be written.
    """
    plane = principal_plane(points)
    spans = np.ptp(plane.points, axis=0)
    figure = _figure(9.0, 1.0 + 6.5 * float(np.clip(spans[1] / max(spans[0], 1e-9), 0.5, 1.2)))
    axes = figure.add_subplot()
    scatter_families(axes, plane.points, groups)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel(f"first principal component ({plane.shares[0]:.0%} of the variance)")
    axes.set_ylabel(f"second ({plane.shares[1]:.0%})")
    axes.set_title(title, loc="left", color=_INK)
    axes.grid(color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, labelcolor=_INK)
    if labels is not None:
        name_instruments(figure, axes, plane.points, labels)
    return _save(figure, path)


def draw_spectrograms(path: str | os.PathLike[str], pairs: Sequence[Pair], config: SpectrogramConfig) -> Path:
    """Draw notes side by side, each original over its reconstruction, on one scale of dB; write a PNG.

    Args:
        path: the PNG file.
        pairs: the notes, at least one.
        config: the front end that made the spectrograms, for the axes.

    Returns:
        The path.

    Raises:
        TimbreError: if matplotlib is missing or the file cannot be written.
    """
    figure = _figure(1.0 + 2.6 * len(pairs), 5.6)
    grid = figure.subplots(2, len(pairs), sharex=True, sharey=True, squeeze=False)
    loudest = max(float(np.max(picture)) for pair in pairs for picture in (pair.original, pair.decoded))
    for column, pair in enumerate(pairs):
        for row, picture in enumerate((pair.original, pair.decoded)):
            extent = (0.0, picture.shape[1] / config.frame_rate, 0.0, float(config.bins))
            image = grid[row, column].imshow(
                picture, origin="lower", aspect="auto", cmap="magma", extent=extent, vmin=config.floor_db, vmax=loudest
            )
        grid[0, column].set_title(pair.name, fontsize=9, color=_INK)
        grid[1, column].set_xlabel("s")
    places, names = _frequency_ticks(config)
    grid[0, 0].set_yticks(places, names)
    for row, name in enumerate(("original", "decoded")):
        grid[row, 0].set_ylabel(f"{name}, Hz")
    figure.colorbar(image, ax=grid, label="dB", aspect=40, pad=0.01)
    return _save(figure, path)


def scatter_families(axes: "Axes", seen: np.ndarray, families: Sequence[str | None]) -> None:
    """Draw sounds (n, 2) coloured by family; where there are more families than colours, small ones are drawn alike.

    Families with fewer sounds lie above those with more, which would hide them.
    """
    own = np.array([family or "" for family in families])
    most = [name for name, _ in Counter(own[own != ""].tolist()).most_common()]
    kept = sorted(most if len(most) <= len(_COLOURS) else most[: len(_COLOURS) - 1])
    groups = [(shown(name.replace("_", " "), LONGEST), own == name) for name in kept]
    if (rest := (own != "") & ~np.isin(own, kept)).any():
        groups.append(("other families", rest))
    for number, (name, chosen) in enumerate(groups):
        axes.scatter(
            seen[chosen, 0], seen[chosen, 1], s=26, c=_COLOURS[number], marker=_MARKERS[number], alpha=0.75,
            edgecolors="white", linewidths=0.5, label=name, zorder=2.0 - float(chosen.mean()),
        )  # fmt: skip
    if (own == "").any():
        axes.scatter(seen[own == "", 0], seen[own == "", 1], s=18, c=_PALE, marker=".", label="unknown")


def name_instruments(figure: "Figure", axes: "Axes", seen: np.ndarray, instruments: Sequence[str]) -> None:
    """Write each instrument near its middlemost sound, where no other name stands; those with most sounds first."""
    figure.draw_without_rendering()  # so that the layout is settled, and names have a size
    frame = axes.get_window_extent()
    taken: list[Bbox] = []
    for name, _ in Counter(instruments).most_common():
        own = seen[np.array(instruments) == name]
        middle = own[np.linalg.norm(own - np.median(own, axis=0), axis=1).argmin()]
        text = axes.annotate(
            shown(name.replace("_", " "), LONGEST), tuple(middle), (0, 0), textcoords="offset points", fontsize=7,
            color=_INK, ha="center", va="center", parse_math=False, zorder=5,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "alpha": 0.7, "edgecolor": "none"},
        )  # fmt: skip
        text.set_in_layout(False)
        for offset in _AROUND:
            text.set_position(offset)
            box = text.get_window_extent().expanded(1.06, 1.15)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
        else:
            text.remove()


def _frequency_ticks(config: SpectrogramConfig) -> tuple[list[float], list[str]]:
    """Places of round frequencies on the axis of bins, and their names."""
    from timbre.spectral import Spectrogram  # brings torch, which pictures of libraries do without

    centers = Spectrogram(config).centers.numpy()
    hertz = np.array([hz for hz in (250, 500, 1000, 2000, 4000, 8000, 16000) if hz < centers[-1]])
    return list(np.interp(hertz, centers, np.arange(len(centers)) + 0.5)), [f"{hz}" for hz in hertz]


def _figure(width: float, height: float) -> "Figure":
    """An empty figure (inches) that needs no window system."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise TimbreError("Pictures need matplotlib; install it with pip install 'timbre[plots]'.") from error
    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: "Figure", path: str | os.PathLike[str]) -> Path:
    target = Path(path).expanduser()
    try:
        with replacing(target) as partial:
            figure.savefig(partial, format="png", dpi=144)
    except OSError as error:
        raise TimbreError(f"{target} cannot be written: {error.strerror or error}.") from error
    return target
