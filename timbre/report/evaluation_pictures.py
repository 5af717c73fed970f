"""Pictures of an evaluation: spectrograms, ratings, probes and named axes. Each is a figure of matplotlib."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from timbre.config import SpectrogramConfig
from timbre.evaluation.decoding import Reconstruction
from timbre.report.pictures import (
    BLUE,
    LONGEST,
    ORANGE,
    PALE,
    WIDTH,
    new_figure,
    plain_axes,
    small_figures,
)
from timbre.spectral import Spectrogram
from timbre.wording import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4  # of small pictures
_STRETCHED = 0.05  # s: earlier times are on a linear axis, later ones on a logarithmic one
_ACROSS = 300  # columns of a picture on such an axis
_DEPTH = 90.0  # dB below the loudest value that a pair of pictures shows


def draw_agreement(studies: Sequence[tuple[str, np.ndarray, np.ndarray, str]]) -> "Figure":
    """Draw distances in the space against dissimilarities, a small picture for each study.

    A study has a name; dissimilarities and distances of its pairs, (pairs,) each; and a few words below the name.
    """
    figure, grid = _grid(len(studies))
    for axes, (name, dissimilarities, distances, words) in zip(grid, studies, strict=True):
        axes.scatter(dissimilarities, distances, s=8, c=BLUE, alpha=0.5, linewidths=0)
        axes.set_title(f"{printable(name, LONGEST)}\n{words}", fontsize=8, parse_math=False)
        axes.set_ylim(bottom=0.0)
    figure.supxlabel("dissimilarity by listeners", fontsize=9)
    figure.supylabel("distance in the space", fontsize=9)
    return figure


def draw_spectrograms(pairs: Sequence[Reconstruction], config: SpectrogramConfig) -> "Figure":
    """Draw recordings (at least one) above their reconstructions, as spectrograms on one scale of dB."""
    figure = new_figure(1.0 + 2.4 * len(pairs), 5.2)
    grid = figure.subplots(2, len(pairs), sharex=True, sharey=True, squeeze=False)
    loudest = max(float(np.max(spectrogram)) for _, *both in pairs for spectrogram in both)
    for column, (name, *both) in enumerate(pairs):
        for axes, spectrogram in zip(grid[:, column], both, strict=True):
            extent = (0.0, spectrogram.shape[1] / config.frame_rate, 0.0, float(config.bins))
            image = axes.imshow(spectrogram, "magma", aspect="auto", origin="lower", extent=extent)
            image.set_clim(config.floor_db, loudest)
        grid[0, column].set_title(printable(name, LONGEST), fontsize=9, parse_math=False)
        grid[1, column].set_xlabel("s")
    grid[0, 0].set_yticks(*_frequency_ticks(config))
    for axes, name in zip(grid[:, 0], ("recorded", "decoded"), strict=True):
        axes.set_ylabel(f"{name}, Hz")
    figure.colorbar(image, ax=grid, label="dB", aspect=40, pad=0.01)
    return figure


def draw_pair(pair: Reconstruction, config: SpectrogramConfig, title: str) -> "Figure":
    """Draw a recording beside its reconstruction on one scale of dB, with time stretched at the onset."""
    figure = new_figure(8.0, 3.0)
    grid = figure.subplots(1, 2, sharex=True, sharey=True)
    both = (pair.original, pair.decoded)
    loudest, seconds = max(float(one.max()) for one in both), pair.original.shape[1] / config.frame_rate
    end = float(np.arcsinh(seconds / _STRETCHED))
    times = _STRETCHED * np.sinh(np.linspace(0.0, end, _ACROSS, endpoint=False))
    for axes, name, spectrogram in zip(grid, ("recorded", "decoded"), both, strict=True):
        frames = np.minimum(np.rint(times * config.frame_rate).astype(int), spectrogram.shape[1] - 1)
        extent = (0.0, end, 0.0, float(config.bins))
        image = axes.imshow(spectrogram[:, frames], "magma", aspect="auto", origin="lower", extent=extent)
        image.set_clim(max(config.floor_db, loudest - _DEPTH), loudest)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("s")
    ticks = [tick for tick in (0.0, 0.05, 0.2, 0.5, 1.0, 2.0, 5.0) if tick <= seconds]
    grid[0].set_xticks(np.arcsinh(np.array(ticks) / _STRETCHED), [f"{tick:g}" for tick in ticks])
    grid[0].set_yticks(*_frequency_ticks(config))
    grid[0].set_ylabel("Hz")
    figure.suptitle(printable(title, 100), fontsize=10, parse_math=False)
    figure.colorbar(image, ax=grid, label="dB", aspect=25, pad=0.01)
    return figure


def draw_probes(bars: Mapping[str, float]) -> "Figure":
    """Draw the results of probes: a bar for each figure, from its name and value (at most 1)."""
    figure = new_figure(WIDTH, 0.8 + 0.36 * len(bars))
    axes = plain_axes(figure.add_subplot(), grid=True)
    names, values = list(bars), np.array(list(bars.values()))
    lowest = min(0.0, max(-1.0, float(values.min())))
    colours = [ORANGE if name.startswith("pitch") else BLUE for name in names]
    axes.barh(range(len(names)), np.maximum(values, lowest), color=colours, height=0.7)
    for row, value in enumerate(values):
        axes.annotate(f"{value:.2f}", (max(value, 0.0), row), (4, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(lowest * 1.05, 1.05)
    axes.axvline(0.0, color=PALE, linewidth=0.8)
    axes.set_xlabel("R^2 of probes, share of correct answers")
    return figure


def draw_sweeps(sweeps: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> "Figure":
    """Draw the measured change of each axis's descriptor against the requested one, a line for each note.

    A sweep has a name; requested changes, (steps,); and measured ones, (notes, steps), in the same units.
    """
    figure, grid = _grid(len(sweeps))
    for axes, (name, shifts, changes) in zip(grid, sweeps, strict=True):
        if len(changes):
            axes.plot(shifts, changes.T, color=BLUE, alpha=0.25, linewidth=0.8)
            axes.plot(shifts, np.median(changes, 0), color=BLUE, linewidth=2.0)
        axes.plot(shifts, shifts, color=ORANGE, linestyle="--", linewidth=1.2)
        axes.set_title(printable(name, LONGEST), fontsize=9, parse_math=False)
        axes.set_ylim(1.8 * shifts[0], 1.8 * shifts[-1])
    figure.supxlabel("requested change (dashed: equal)", fontsize=9)
    figure.supylabel("measured change (thick: median)", fontsize=9)
    return figure


def _grid(count: int) -> "tuple[Figure, list[Axes]]":
    figure, grid = small_figures(count, _COLUMNS, WIDTH, 0.5 + 2.5 * -(-count // _COLUMNS))
    for axes in grid:
        plain_axes(axes, grid=True).tick_params(labelsize=7)
    return figure, grid


def _frequency_ticks(config: SpectrogramConfig) -> tuple[list[float], list[str]]:
    """Positions of round frequencies on the axis of bins, and their names."""
    centers = Spectrogram(config).centers.numpy()
    hertz = np.array([hz for hz in (250, 500, 1000, 2000, 4000, 8000, 16000) if hz < centers[-1]])
    return list(np.interp(hertz, centers, np.arange(len(centers)) + 0.5)), [f"{hz}" for hz in hertz]
