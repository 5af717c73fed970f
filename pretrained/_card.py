"""The model card of the space `orchestra`, pretrained/orchestra/README.md, from measurements."""

from collections import Counter, defaultdict
from typing import Any

import numpy as np
from _pairs import pairs_section
from _sources import LEFT_OUT, MIT_NOTICE, terms
from _tables import AIMS, aims_table, compared_table, figures_table, ratings_table, table

import timbre
from timbre.config import Config
from timbre.evaluation.figures import describe, shown
from timbre.evaluation.notes import FULL
from timbre.models.regularizers.axes import describe_axes
from timbre.space import Space

Facts = dict[str, Any]
"""Results of making the space, as pretrained/_finish.py stores them."""


def card(space: Space, facts: Facts) -> str:
    """The page in Markdown.

    Args:
        space: the shipped space.
        facts: name, sources, half, loading_s, presets, maps, figures and held_out (both by part), commit, machine; and
            optionally `compared` (evaluations by the names of spaces), `components` (of the same, rows of principal
            components), and `pairs` (of pictures in the folder `pairs`).
    """
    config, report = space.config, space.report
    parts = Counter(space.atlas.splits)
    spectrogram = config.spectrogram
    name = facts.get("name", "orchestra")
    return f"""# The space `{name}`

Written by `pretrained/make_orchestra.py` from its measurements, with timbre {timbre.__version__}. Do not edit
it: changes are lost.

## Purpose
A space for playing, morphing and comparing timbres of orchestral and related instruments. It comes with timbre:
`timbre.load("{name}")`, `timbre play {name}`, `timbre synth {name} --at flute -o flute.wav`. It is a
convolutional VAE with {config.model.flows} {config.model.flow} flows, {space.dim} dimensions,
{spectrogram.sample_rate} Hz, {spectrogram.bins} {spectrogram.kind} bands; pitch and velocity are controls, not
coordinates. It is not meant for recognising instruments, and does not replace recordings of them.

## What it was trained on
{len(space.atlas)} notes of {len(set(space.atlas.instruments))} instruments ({report["held_out"]}):
{parts["train"]} for training, {parts["valid"]} to choose the checkpoint, {parts["test"]} for testing.
The sounds themselves are not part of the space.{_left_out(facts["sources"])}

{_sources(facts["sources"])}

Instruments: {_instruments(space)}.

## Named axes
{describe_axes(space.axes) if space.axes else "It has no named axes."}

## Presets
In `presets.json`, chosen by `timbre preset --choose`. Each was decoded at up to seven keys over the range and at three
velocities. Cents are the largest error of the pitch; spread is that of the loudness over keys and velocities (without
the velocity's gain), of a path that over time; clicks are the highest crest of any 50 ms minus the median one; apart is
the dissimilarity from the nearest other preset (1: two instruments on average); steps are the coefficient of variation
of the perceptual steps along a path.

{_presets(facts["presets"])}
{_maps(facts.get("maps", []))}
## Training
{_training(space, facts, name)}

{_compared(facts)}
## Figures
All of `timbre evaluate`, with the float16 weights, on notes that were not trained on
({", ".join(f"{count} {part}" for part, count in facts["held_out"].items())}; at most {FULL.held_out} of
each are measured, {FULL.sounds} of each as sound by `{space.inverter}`).

{figures_table(facts["figures"])}
{ratings_table(facts["figures"])}
### Aims
{aims_table(facts["figures"])}

### float16
The weights are stored as float16 and read as float32. The mean absolute error of held-out notes changes from
{facts["half"]["l1_db_full"]:.4f} dB to {facts["half"]["l1_db_half"]:.4f} dB; their points move by
{facts["half"]["point_shift_median"]:.2g} (median) and {facts["half"]["point_shift_max"]:.2g} at most, where
nearest neighbours are {facts["half"]["neighbour_distance"]:.2g} apart.

Loading takes {facts["loading_s"]:.2f} s on one core after torch is imported (the fastest of three new processes).
{_vocoder(space)}
## Known weaknesses
{_weaknesses(space, facts)}

## How to make it
    python pretrained/make_orchestra.py NOTES --soundfont FluidR3_GM.sf2 MuseScore_General_Full.sf2 --out FOLDER

with the settings in [{name}.toml](../{name}.toml). An interrupted run continues.

## Licences
The licence of the weights follows those of the recordings: {_licences(report)}.

{_terms(facts["sources"])}

{MIT_NOTICE}
"""


def differing(config: Config) -> list[list[str]]:
    """Settings that are not the defaults: name, value, default."""
    own, usual = config.to_dict(), Config().to_dict()
    return [
        [f"{group}.{name}", _plain(value), _plain(usual[group][name])]
        for group, values in own.items()
        for name, value in values.items()
        if _plain(value) != _plain(usual[group][name])
    ]


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _sources(rows: list[Facts]) -> str:
    cells = [[row["source"], f"[{row['author']}]({row['link']})", row["licence"], str(row["notes"])] for row in rows]
    return table(["source", "by", "licence", "notes"], cells)


def _left_out(rows: list[Facts]) -> str:
    names = [row["source"].split(" via ")[0] for row in rows if row["source"].startswith(LEFT_OUT)]
    return f"\nAll notes of these sources are for testing only: {', '.join(names)}." if names else ""


def _instruments(space: Space) -> str:
    return ", ".join(f"{name} ({count})" for name, count in sorted(Counter(space.atlas.instruments).items()))


def _presets(rows: list[Facts]) -> str:
    names = {"cents": ".1f", "spread_lu": ".1f", "click_db": ".1f", "nearest": ".2f", "unevenness": ".3f"}
    cells = [
        [row["group"], row["name"], row["where"], row["pitches"],
         *("-" if row[name] is None else format(row[name], form) for name, form in names.items())]
        for row in rows if not row["fault"]
    ]  # fmt: skip
    left = [f"{row['name']} ({row['fault']})" for row in rows if row["fault"]]
    more = f"\n\nCandidates left out: {'; '.join(left)}." if left else ""
    head = ["group", "preset", "notes", "keys", "cents", "spread, LU", "clicks, dB", "apart", "steps"]
    return table(head, cells) + more + "\n"


def _maps(files: list[str]) -> str:
    if not files:
        return ""
    pictures = "\n".join(f"![{file}]({file})" for file in files if file.endswith("descriptors.png"))
    return f"""
## Descriptor maps
Made by `timbre map`: descriptors of the sounds on a plane at A3, in the folders `map` (the plane in which families lie
apart best) and `map-axes` (the first two named axes); the values are in `map.csv`, described by `map.json`.

{pictures}
"""


def _training(space: Space, facts: Facts, name: str) -> str:
    report = space.report
    return f"""Settings: [{name}.toml](../{name}.toml); all are in `config.json`, and these differ from the
defaults:

{table(["setting", "value", "default"], differing(space.config))}

Seed {space.config.training.seed}, commit `{facts["commit"]}`, {report["epochs"]} epochs ({report["steps"]} steps) in
{report["train_minutes"]:.0f} minutes on {facts["machine"]}, {report["notes_per_s"]:.0f} notes a second."""


def _compared(facts: Facts) -> str:
    """The comparison with other spaces, and pairs of pictures."""
    sections = []
    if spaces := facts.get("compared"):
        sections.append(f"""
## Beside other spaces
Each space is measured at its own sample rate and in its own bands (the error of the sound below 11 kHz is in the same
bands for all), on held-out notes of the sources that it was trained on (own notes), and on notes of sources that it
does not know. Principal components are those of the spectrograms of its training notes.

{compared_table(spaces, facts.get("components"))}
""")
    if pairs := facts.get("pairs"):
        sections.append(f"""
## Recorded and decoded
Notes of sources that the space does not know, the best, the median and the worst by audible error; time is stretched
at the onset. The sounds are those of the inverter of the space.

{pairs_section(pairs, "pairs")}""")
    return "".join(sections)


def _vocoder(space: Space) -> str:
    if space.vocoder is None:
        return "\nIt has no vocoder; its inverter is `pghi+8`.\n"
    report, settings = space.vocoder.report, space.vocoder.settings
    said = "the default inverter of the space" if space.vocoder.is_default else "optional (`--inverter vocoder`)"
    compared = report["compared"]
    rows = [
        [figure, *(f"{compared[name][figure]:.3f}" for name in compared)] for figure in next(iter(compared.values()))
    ]
    return f"""
### Vocoder
{report["parameters"]:,} weights, settings [orchestra-vocoder.toml](../orchestra-vocoder.toml), seed {settings.seed},
{report["steps"]} steps on {report["notes"]} decoded notes in {report["train_minutes"]:.0f} minutes. It is {said}.
Results of `timbre train-vocoder` on {report["compared_notes"]} held-out notes (lower is better in every row;
[docs/inversion.md](../../docs/inversion.md#the-vocoder) has the whole benchmark):

{table(["figure", *(f"`{name}`" for name in compared)], rows)}
"""


def _weaknesses(space: Space, facts: Facts) -> str:
    """Weaknesses that the figures show, as a list."""
    sentences = [
        f"It contains nothing above {space.config.spectrogram.sample_rate // 2} Hz, and nothing of a note after its "
        f"first {space.config.data.duration:g} s; longer sustains are extrapolated by the decoder.",
        f"{np.mean(np.isnan(space.atlas.pitches)):.0%} of the notes have no pitch; they are decoded with "
        "`--pitch unknown`.",
        *_worst(space),
        *_families(space),
    ]
    for part, figures in facts["figures"].items():
        sentences += [f"{part.capitalize()}: {aim} is missed ({shown(figures[name], describe(name).unit)})."
                  for name, met, aim in AIMS if figures.get(name) is not None and not met(figures[name])]  # fmt: skip
        slopes = {axis.name: figures.get(f"axis_{axis.name}_slope") for axis in space.axes}
        weak = [f"{name} {slope:.0%}" for name, slope in slopes.items() if slope is not None and slope < 0.7]
        if weak:
            sentences.append(f"{part.capitalize()}: steps along these axes change the sound by less than "
                             f"requested: {', '.join(weak)}.")  # fmt: skip
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _worst(space: Space) -> list[str]:
    errors, instruments = space.atlas.errors, space.atlas.instruments
    if errors is None or not np.isfinite(errors).any():
        return []
    by_name = defaultdict(list)
    for name, error in zip(instruments, errors, strict=True):
        by_name[name] += [error] if np.isfinite(error) else []
    means = {name: float(np.mean(values)) for name, values in sorted(by_name.items()) if len(values) >= 2}
    worst = sorted(means, key=lambda name: -means[name])[:6]
    mean = float(np.nanmean(errors))
    listed = ", ".join(f"{name} ({means[name]:.1f} dB)" for name in worst)
    return [f"The mean absolute error of decoded held-out notes is {mean:.1f} dB; it is largest for {listed}."]


def _families(space: Space) -> list[str]:
    families = defaultdict(set)
    for instrument, family in zip(space.atlas.instruments, space.atlas.families, strict=True):
        families[instrument].add(family)
    twice = [f"{name} ({' and '.join(sorted(of))})" for name, of in sorted(families.items()) if len(of) > 1]
    said = "Sources assign some instruments to different families, which lowers the family figures: "
    return [f"{said}{', '.join(twice)}."] if twice else []


def _licences(report: Facts) -> str:
    return ", ".join(f"{name} ({count} notes)" for name, count in report["licences"].items())


def _terms(rows: list[Facts]) -> str:
    return "\n".join(f"- {licence}: {terms(licence)}" for licence in dict.fromkeys(row["licence"] for row in rows))
