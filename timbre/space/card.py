"""The model card in the folder of a space."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from timbre.config import Config
from timbre.models.regularizers.axes import Axis, describe_axes
from timbre.space.atlas import Atlas
from timbre.version import __version__


def card(config: Config, report: dict[str, Any], atlas: Atlas, axes: Sequence[Axis] = ()) -> str:
    """The README.md of a space: what it is, its training notes, its figures, and how to use it."""
    counts, parts, spectrogram = Counter(atlas.instruments), Counter(atlas.splits), config.spectrogram
    instruments = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
    figures = "\n".join(
        f"| {name} | {f'{value:.4g}' if isinstance(value, float) else value} |"
        for name, value in report.items()
        if not isinstance(value, dict | list)
    )
    licences = ", ".join(f"{name} ({count} notes)" for name, count in report.get("licences", {}).items())
    return f"""# A timbre space

Made by timbre {__version__}: a convolutional VAE with {config.model.flows} {config.model.flow} flows,
{config.model.dim} dimensions, {spectrogram.sample_rate} Hz, {spectrogram.bins} {spectrogram.kind} bands.
Pitch and velocity are controls, not coordinates.

## Axes
{describe_axes(axes) if axes else "It has no named axes."}

## Training notes
{len(atlas)} notes, split by {config.data.split_by} with seed {config.data.split_seed}: {parts["train"]} for training,
{parts["valid"]} to choose the best checkpoint, {parts["test"]} held out.
Instruments: {instruments or "none"}.
The licence of the weights follows those of the recordings: {licences or "not stated"}.

## Figures
| figure | value |
|---|---|
{figures}

## Use
    import timbre
    space = timbre.load("this folder")
    timbre.write("out.wav", space.decode([0.0] * {config.model.dim}, pitch=60))

`config.json` contains all settings; `atlas.json` and `atlas.safetensors` contain the points of the notes.
"""
