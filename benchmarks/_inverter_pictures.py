"""Spectrogram images of inverters' results: notes next to their recordings, a morph, a sustained point."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

import timbre
from timbre.data.note import is_harmonic
from timbre.evaluation.notes import EvaluatedNotes
from timbre.space import Space
from timbre.spectral import Spectrogram

Renderer = Callable[[torch.Tensor, float | None, int], np.ndarray]
"""From a decoded spectrogram (bins, frames) in dB, its pitch and a length to a waveform (length,)."""
RANGE = 70.0  # dB of the colour scale
LONG = 1.5  # s until the release
HELD_SECONDS, MORPH_SECONDS = 2.5, 3.0


def draw(folder: Path, space: Space, heard: EvaluatedNotes, points: np.ndarray, renderers: dict[str, Renderer]) -> None:
    """Write inverters-notes.png, inverters-morph.png and inverters-held.png."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = varied(heard)
    rows = {heard.notes[n].name: note(space, heard, points, n, renderers) for n in chosen}
    picture(folder / "inverters-notes.png", space, rows)
    ends = [n for n in chosen if is_harmonic(heard.notes[n])][:2]
    if len(ends) < 2:
        print("No morph and no sustained point are drawn: they need two held-out harmonic notes of different families.")
        return
    along = space.path(*points[ends]).at(np.linspace(0.0, 1.0, space.renderer.frames(MORPH_SECONDS)))
    morph = " to ".join(heard.notes[n].name for n in ends)
    rows = {morph: shown(space, space.spectrum(along, 60.0, 0.8, MORPH_SECONDS), 60.0, renderers)}
    picture(folder / "inverters-morph.png", space, rows)
    held = {f"{heard.notes[n].name}, held": shown(space, space.spectrum(
        points[[n]], float(heard.conditions.pitch[n]), 0.8, HELD_SECONDS, hold=0.5
    ), float(heard.conditions.pitch[n]), renderers) for n in ends}  # fmt: skip
    picture(folder / "inverters-held.png", space, held)


def varied(heard: EvaluatedNotes) -> list[int]:
    """Two harmonic notes of different families, long ones first; one that rings; one without pitch; if they exist."""
    harmonic = [n for n, one in enumerate(heard.notes) if is_harmonic(one)]
    harmonic.sort(key=lambda n: float(heard.conditions.release[n]) < LONG)
    first = harmonic[:1]
    others = [n for n in harmonic if first and heard.notes[n].family != heard.notes[first[0]].family]
    rings = [n for n, one in enumerate(heard.notes) if one.pitch is not None and not is_harmonic(one)]
    noise = [n for n, one in enumerate(heard.notes) if one.pitch is None]
    return [*first, *others[:1], *rings[:1], *noise[:1]]


def note(
    space: Space, heard: EvaluatedNotes, points: np.ndarray, number: int, renderers: dict[str, Renderer]
) -> dict[str, np.ndarray]:
    conditions = heard.take(np.array([number])).conditions
    pitch = None if torch.isnan(conditions.pitch[0]) else float(conditions.pitch[0])
    with torch.no_grad():
        decoded = space.model.decode_points(torch.from_numpy(points[[number]]), conditions)[0]
    own = shown(space, decoded, pitch, renderers)
    return {"original": seen(space, heard.samples[number][: length(space, decoded)])} | own


def shown(
    space: Space, decoded: torch.Tensor, pitch: float | None, renderers: dict[str, Renderer]
) -> dict[str, np.ndarray]:
    made = {name: render(decoded, pitch, length(space, decoded)) for name, render in renderers.items()}
    return {name: seen(space, sound) for name, sound in made.items()}


def length(space: Space, decoded: torch.Tensor) -> int:
    return (decoded.shape[1] - 1) * space.config.spectrogram.hop_length


def seen(space: Space, sound: np.ndarray) -> np.ndarray:
    """Mel spectrogram with a short hop, an eighth of a window, which shows grain."""
    config = replace(space.config.spectrogram, hop_length=space.config.spectrogram.n_fft // 8)
    with torch.no_grad():
        return Spectrogram(config)(torch.from_numpy(np.asarray(sound, np.float32))[None])[0].numpy()


def picture(file: Path, space: Space, rows: dict[str, dict[str, np.ndarray]]) -> None:
    """Draw one row for each sound, and one column for each inverter."""
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    figure = Figure((2.7 * len(columns), 0.6 + 2.1 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for line, (name, row) in zip(grid, rows.items(), strict=True):
        top = max(float(one.max()) for one in row.values())
        for axes, column in zip(line, columns, strict=True):
            seconds = row[column].shape[1] * space.config.spectrogram.n_fft / 8 / space.config.spectrogram.sample_rate
            axes.imshow(row[column], origin="lower", aspect="auto", cmap="magma", vmin=top - RANGE, vmax=top,
                         extent=(0.0, seconds, 0.0, row[column].shape[0]))  # fmt: skip
            axes.set_title(column, fontsize=8)
            axes.tick_params(labelsize=6)
            axes.set_yticks([])
        line[0].set_ylabel(name, fontsize=7)
    buffer = BytesIO()
    figure.savefig(buffer, dpi=90)
    Image.open(buffer).convert("RGB").quantize(128).save(file, optimize=True)  # a third of the size
    print(f"{file} (timbre {timbre.__version__})")
