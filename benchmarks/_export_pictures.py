"""Pictures for docs/exporting.md: a loop's seam, the frames of a wavetable, and the page of Decent Sampler."""

import tempfile
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree as Xml

import matplotlib.image
import numpy as np
from _players import Region, looped, seam_db, sfz_regions
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

import timbre
from timbre.audio.wavetables import read_wavetable
from timbre.exporting.samplers.loops import make_grid
from timbre.space import Space

_KEY, _VELOCITY = 60, 0.8
_AROUND = 0.012  # s to each side of a seam
_LINES, _PARTIALS, _DEEP = 12, 40, 60.0  # of a wavetable; dB
_FROM, _TO = "flute", "violin"


def draw(folder: Path, space: Space) -> None:
    """Write exports-loop.png, exports-wavetable.png and exports-decent.png."""
    folder.mkdir(parents=True, exist_ok=True)
    path = space.path(*(mean(space, name) for name in (_FROM, _TO)))
    with tempfile.TemporaryDirectory() as place:
        _save(folder / "exports-loop.png", _loop(space, Path(place)))
        _save(folder / "exports-wavetable.png", _wavetable(space, path, Path(place)))
        _save(folder / "exports-decent.png", _decent(space, path, Path(place)))


def mean(space: Space, instrument: str) -> np.ndarray:
    """The mean point (dim,) of an instrument's notes."""
    return np.asarray(space.atlas.points[[name == instrument for name in space.atlas.instruments]].mean(0))


def _loop(space: Space, place: Path) -> Figure:
    """Around the seam: a note that is cut after whole periods, and the loop of an export."""
    point = mean(space, _TO)
    timbre.export(space, point, "sfz", place / "loop", "loop", keys=f"{_KEY}:{_KEY}", layers=1, takes=1)
    region = next(sfz_regions(place / "loop" / "loop.sfz", _KEY, 100))
    samples, (first, last) = timbre.read(region.file).samples[0].astype(np.float64), _loop_of(region)
    rate, grid = space.renderer.sample_rate, make_grid(_KEY, space.renderer.sample_rate)
    cut = space.decode(point, grid.pitch, _VELOCITY, first / rate + 2.0).samples[0].astype(np.float64)
    figure = Figure((7.6, 2.3), layout="constrained")
    rows = (("cut after whole periods", cut, grid.length), ("loop of the export", samples, last + 1 - first))
    for axes, (title, sound, length) in zip(figure.subplots(1, 2, sharey=True), rows, strict=True):
        loop = first, first + length - 1
        width = round(_AROUND * rate)
        seam = first + length
        part = looped(sound / np.abs(sound).max(), loop, seam + width)[seam - width :]
        axes.plot(1000.0 * np.arange(-width, width) / rate, part, linewidth=0.8, color="#2a6f97")
        axes.axvline(0.0, color="#c1121f", linewidth=0.8, linestyle=":")
        axes.set_title(f"{title}: seam {seam_db(sound, loop, rate):.0f} dB", fontsize=9)
        _plain(axes, "ms from the end of the loop")
    return figure


def _loop_of(region: Region) -> tuple[int, int]:
    assert region.loop is not None
    return region.loop


def _wavetable(space: Space, path: timbre.Path, place: Path) -> Figure:
    """Frames of a path, and the levels of their partials."""
    timbre.export(space, path, "wavetable", place / "table.wav")
    frames = read_wavetable(place / "table.wav")
    figure = Figure((7.6, 2.8), layout="constrained")
    lines, image = figure.subplots(1, 2)
    shown = np.linspace(0, len(frames) - 1, _LINES).astype(int)
    for row, number in enumerate(shown):
        lines.plot(frames[number] + 0.7 * row, linewidth=0.8, color=matplotlib.colormaps["viridis"](row / _LINES))
    lines.set_yticks([0, 0.7 * (_LINES - 1)], [_FROM, _TO], fontsize=7)
    lines.set_title(f"{_LINES} of {len(frames)} frames", fontsize=9)
    _plain(lines, "sample of the frame")
    levels = 20.0 * np.log10(np.abs(np.fft.rfft(frames))[:, 1 : _PARTIALS + 1] + 1e-9)
    image.imshow(levels.T, origin="lower", aspect="auto", cmap="magma", vmin=levels.max() - _DEEP, vmax=levels.max(),
                 extent=(0, len(frames), 0.5, _PARTIALS + 0.5))  # fmt: skip
    image.set_title(f"levels of the first {_PARTIALS} partials", fontsize=9)
    image.set_ylabel("partial", fontsize=7)
    _plain(image, "frame")
    return figure


def _decent(space: Space, path: timbre.Path, place: Path) -> Figure:
    """The page of a preset, with its label and its knob where the preset has them."""
    timbre.export(space, path, "decent", place / "page", f"{_FROM} to {_TO}", keys=f"{_KEY}:{_KEY}", layers=1, takes=1)
    page = Xml.parse(next((place / "page").glob("*.dspreset"))).getroot().find("ui")
    assert page is not None
    figure = Figure((4.06, 1.875))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.imshow(matplotlib.image.imread(place / "page" / page.attrib["bgImage"]))
    axes.axis("off")
    for one in page.iter():
        if one.tag == "label":
            axes.text(int(one.attrib["x"]), int(one.attrib["y"]) + 20, one.attrib["text"], color="white", fontsize=8)
        elif one.tag == "labeled-knob":
            x, y, wide = (int(one.attrib[name]) for name in ("x", "y", "width"))
            axes.text(x + wide / 2, y + 16, one.attrib["label"], color="white", fontsize=7, ha="center")
            axes.plot(x + wide / 2, y + 70, "o", markersize=24, color="#10182080", markeredgecolor="white")
            axes.plot([x + wide / 2, x + wide / 2 - 22], [y + 70, y + 92], color="white", linewidth=2)
    return figure


def _plain(axes: Axes, label: str) -> None:
    axes.set_xlabel(label, fontsize=7)
    axes.tick_params(labelsize=6)


def _save(file: Path, figure: Figure) -> None:
    buffer = BytesIO()
    figure.savefig(buffer, dpi=110)
    Image.open(buffer).convert("RGB").quantize(64).save(file, optimize=True)
    print(f"{file} (timbre {timbre.__version__})")
