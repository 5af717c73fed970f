"""Rows of sounds at one loudness, with a player for each and one picture of their spectrograms."""

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

import timbre
from timbre.audio import Audio
from timbre.audio.loudness import momentary
from timbre.report.pictures import new_figure, save_png
from timbre.space import Space

LOUDNESS = -23.0  # LUFS: the loudest 0.4 s of every sound
LONGEST, FADE = 4.0, 0.05  # s
PEAK = 0.95
DEPTH = 70.0  # dB of a picture
COLOURS = 32
FIGURE = """<figure><figcaption>{label}</figcaption>
<img src="{file}.png" alt="Spectrogram of {title}, {label}" width="340" height="220">
<audio controls preload="none" src="{file}.ogg" aria-label="{title}, {label}"></audio></figure>"""


class Plate(NamedTuple):
    """Sounds that belong together."""

    title: str
    text: str
    sounds: Sequence[tuple[str, Audio]]
    """Each with its label."""


def matched(sound: Audio, longest: float = LONGEST) -> Audio:
    """The beginning of a sound, mono, faded out, at the common loudness; quieter if its peaks would be too high."""
    samples = sound.samples.mean(axis=0)[: round(longest * sound.sample_rate)].astype(np.float64)
    fade = min(len(samples), round(FADE * sound.sample_rate))
    samples[len(samples) - fade :] *= np.linspace(1.0, 0.0, fade)
    gain = 10.0 ** ((LOUDNESS - float(momentary(samples, sound.sample_rate).max())) / 20.0)
    samples *= min(gain, PEAK / max(float(np.abs(samples).max()), 1e-9))
    return Audio(samples[None].astype(np.float32), sound.sample_rate)


def file_name(*words: str) -> str:
    """Words as the name of a file, without its suffix."""
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower().replace("#", "s")).strip("-")


def write_plate(plate: Plate, space: Space, out: Path) -> str:
    """Write the sounds and pictures of a plate into a folder; returns its Markdown, for a page beside the folder."""
    sounds = [matched(sound) for _, sound in plate.sounds]
    levels = [_levels(sound, space) for sound in sounds]
    loudest = max(float(one.max()) for one in levels)
    figures = []
    for number, ((label, _), sound, one) in enumerate(zip(plate.sounds, sounds, levels, strict=True), 1):
        name = file_name(plate.title, str(number), label)  # labels alone may be -1 and +1
        timbre.write(out / f"{name}.ogg", sound)
        draw(one, loudest, space, out / f"{name}.png")
        figures.append(FIGURE.format(label=escape(label), title=escape(plate.title), file=f"{out.name}/{name}"))
    return "\n".join([f"### {plate.title}\n", f"{plate.text}\n", '<div class="sounds">', *figures, "</div>\n"])


def _levels(sound: Audio, space: Space) -> np.ndarray:
    """Spectrogram (bins, frames) of a mono sound, dB, at the sample rate of the space."""
    wave = sound.resample(space.config.spectrogram.sample_rate).samples
    return np.asarray(space.spectrogram(torch.tensor(wave))[0])


def draw(levels: np.ndarray, loudest: float, space: Space, file: Path) -> None:
    """Write the picture of a spectrogram, from 50 Hz to the top of the space and over 70 dB below `loudest`."""
    figure = new_figure(3.4, 2.2)
    axes = figure.subplots()
    times = np.arange(levels.shape[1]) / space.config.spectrogram.frame_rate
    axes.pcolormesh(times, space.spectrogram.centers.numpy(), levels, vmin=loudest - DEPTH, vmax=loudest, cmap="magma")
    axes.set(yscale="log", ylim=(50.0, space.config.spectrogram.sample_rate / 2.0))
    axes.set_xlabel("s", fontsize=8)
    axes.set_ylabel("Hz", fontsize=8)
    axes.tick_params(labelsize=7)
    save_png(figure, file)
    with Image.open(file) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
