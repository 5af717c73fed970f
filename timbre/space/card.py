"""The model card that travels with a space."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from timbre.config import Config
from timbre.models.regularizers.axes import describe_axes
from timbre.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from timbre.models.regularizers.axes import Axis
    from timbre.space.atlas import Atlas


def card(config: Config, report: dict[str, Any], atlas: "Atlas", axes: "Sequence[Axis]" = ()) -> str:
    """The README.md of a space: what it is, what it was made of, its figures, how to use it."""
    counts, parts, spectrogram = Counter(atlas.instruments), Counter(atlas.splits), config.spectrogram
    instruments = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
    figures = "\n".join(
        f"| {name} | {_shown(value)} |" for name, value in report.items() if not isinstance(value, dict | list)
    )
    return f"""# A timbre space

Made by timbre {__version__}: a convolutional VAE with {config.model.flows} {config.model.flow} flows,
{config.model.dim} dimensions, {spectrogram.sample_rate} Hz, {spectrogram.bins} {spectrogram.kind} bands.
Pitch and velocity are controls, not coordinates.

## Axes
{describe_axes(axes) if axes else "None of its dimensions has a name."}

## What it was trained on
{len(atlas)} notes, split by file with seed {config.data.split_seed}: {parts["train"]} for training,
{parts["valid"]} to choose the best checkpoint, {parts["test"]} never seen.
Instruments: {instruments or "none"}.
The licence of the weights follows those of the recordings: {_licences(report)}.

## Figures
| figure | value |
|---|---|
{figures}

## Use
    import timbre
    space = timbre.load("this folder")
    timbre.write("out.wav", space.decode([0.0] * {config.model.dim}, pitch=60))

Every setting is in `config.json`, the notes' points are in `atlas.json` and `atlas.safetensors`.
"""


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _licences(report: dict[str, Any]) -> str:
    counts = report.get("licences", {})
    return ", ".join(f"{name} ({count} notes)" for name, count in counts.items()) or "not stated"
