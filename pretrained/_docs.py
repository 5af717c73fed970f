"""Sounds and figures of the spaces in docs/ and README.md: between marks, from the measurements."""

import re
from pathlib import Path

import numpy as np
from _finish import size
from _making import Making
from _tables import columns, table

import timbre
from timbre.audio import Audio
from timbre.evaluation.figures import describe, shown
from timbre.files import write_text
from timbre.shapes.presets import Preset, read_presets
from timbre.space import Space

BEGIN, END = "<!-- Written by pretrained/make_orchestra.py -->", "<!-- End -->"
FIGURES = (
    "audible_l1_db", "decoded_brightness_error_percent", "decoded_decay_error_percent", "texture_db",
    "decoded_cents_median", "decoded_onset_median_ms", "decoded_clicks", "rating_spearman",
)  # fmt: skip
TOUR, SECONDS, GAP = 12, 1.6, 0.1  # presets in the first sound, s of each, s between them
LOUDEST = 0.9  # peak of the sounds


def document(makings: list[Making], root: Path) -> None:
    """Write the sounds to docs/audio, and the figures into the pages that have marks for them."""
    spaces = {making.name: timbre.load(making.target) for making in makings}
    sounds = root / "docs" / "audio"
    sounds.mkdir(parents=True, exist_ok=True)
    for making in makings:
        for name, sound in demonstrations(spaces[making.name], making.target).items():
            peak = max(sound.peak, 1e-6)
            timbre.write(sounds / f"{making.name}-{name}.ogg", Audio(sound.samples * LOUDEST / peak, sound.sample_rate))
    first = spaces[makings[0].name]
    block = "\n".join([figures(makings, spaces), "", links([making.name for making in makings], sounds)])
    renew(root / "docs" / "pretrained.md", block)
    readme = root / "README.md"
    if readme.exists():
        text = readme.read_text(encoding="utf-8")
        count = len(set(first.atlas.instruments))
        write_text(readme, re.sub(r"a space of \d+ instruments", f"a space of {count} instruments", text))


def demonstrations(space: Space, folder: Path) -> dict[str, Audio]:
    """Presets one after another, and a path through the space."""
    presets = list(read_presets(folder, space).values())
    places = [preset for preset in presets if len(preset.path.points) == 1]
    paths = [preset for preset in presets if len(preset.path.points) > 1]
    chosen = [places[int(number)] for number in np.linspace(0, len(places) - 1, min(TOUR, len(places)))]
    gap = np.zeros((1, round(GAP * space.config.spectrogram.sample_rate)), np.float32)
    notes = [part for preset in chosen for part in (_note(space, preset), gap)]
    sounds = {"presets": Audio(np.concatenate(notes, axis=1), space.config.spectrogram.sample_rate)} if notes else {}
    if paths:
        sounds["path"] = timbre.render(space, paths[0].path, pitch=_pitch(paths[0]), duration=paths[0].duration)
    return sounds


def _note(space: Space, preset: Preset) -> np.ndarray:
    return space.decode(preset.path.points[0], _pitch(preset), 0.8, SECONDS).mono().samples


def _pitch(preset: Preset) -> float:
    """The middle of the pitches at which a preset sounds good, MIDI."""
    return 60.0 if preset.pitches is None else round(sum(preset.pitches) / 2)


def figures(makings: list[Making], spaces: dict[str, Space]) -> str:
    """A table of all spaces: what they are made of, and how good they are on own notes and on left-out sources."""
    columns_of = {}
    for making in makings:
        parts = columns(making.findings().values["evaluation"])
        columns_of |= {f"{making.name}, {part}": (making, values) for part, values in parts.items()}
    rows = [["sample rate, Hz", *(str(spaces[m.name].config.spectrogram.sample_rate) for m, _ in columns_of.values())],
            ["size, MB", *(f"{size(_files(m)) / 1e6:.1f}" for m, _ in columns_of.values())]]  # fmt: skip
    for name in FIGURES:
        figure, values = describe(name), [values.get(name) for _, values in columns_of.values()]
        if any(value is not None for value in values):
            unit = f", {figure.unit}" if figure.unit else ""
            rows.append([f"{figure.title}{unit}", *(shown(value, figure.unit) for value in values)])
    counted = [f"{name}: {len(space.atlas)} notes of {len(set(space.atlas.instruments))} instruments."
               for name, space in spaces.items()]  # fmt: skip
    return "\n".join([" ".join(counted), "", table(["figure", *columns_of], rows)])


def _files(making: Making) -> list[Path]:
    return [file for file in making.target.rglob("*") if file.is_file()]


def links(names: list[str], sounds: Path) -> str:
    """Links to the sounds of the spaces."""
    files = [file for name in names for file in sorted(sounds.glob(f"{name}-p*.ogg"))]
    return "Sounds: " + ", ".join(f"[{file.stem}](audio/{file.name})" for file in files) + "."


def renew(page: Path, block: str) -> None:
    """Replace what stands between the marks in a page.

    Raises:
        SystemExit: if the page has no marks.
    """
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise SystemExit(f"{page} must contain the marks {BEGIN} and {END}; add them where the figures belong.")
    before, rest = text.split(BEGIN, 1)
    write_text(page, f"{before}{BEGIN}\n{block}\n{END}{rest.split(END, 1)[1]}")
