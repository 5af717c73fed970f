"""The program that makes the shipped spaces: which notes it takes, and a tiny run of all its steps."""

import csv
import shutil
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from trees_soundfont import PERIOD, TINY, write

import timbre
from timbre.audio import Audio
from timbre.audio.pitch import midi_to_hz
from timbre.data.soundfonts.soundfont import read_soundfont

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "pretrained"))

import make_orchestra  # noqa: E402
from _docs import BEGIN, END, renew  # noqa: E402
from _fonts import FONTS  # noqa: E402
from _gather import gather, layers, render  # noqa: E402
from _sources import CREDITS, LEFT_OUT, UNVERIFIED, terms  # noqa: E402

SOURCES = ("VCSL (Versilian) via a mirror", "Ixox Flute (Xavier Hosxe)", "Freesound 330410 donyaquick")


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recorded notes with a table: 16 of VCSL, 8 of a source left out, 4 of unverified licence; one at a low rate."""
    folder = tmp_path_factory.mktemp("notes")
    rows = []
    for number in range(29):
        source = SOURCES[(number >= 16) + (number >= 24)] if number < 28 else SOURCES[0]
        pitch, rate = 50 + number, 22050 if number == 28 else 44100
        time = np.arange(round(0.6 * rate)) / rate
        sides = (np.sin(2 * np.pi * midi_to_hz(pitch) * n * time) / n ** (1 + number % 3) for n in range(1, 8))
        sound = 0.2 * sum(sides, np.zeros_like(time)) * np.exp(-(1 + number % 5) * time)
        name = f"{number}.wav"
        timbre.write(folder / name, Audio(sound.astype(np.float32), rate))
        rows.append([name, "flute" if number % 2 else "clarinet", pitch, source, "CC0-1.0"])
    with open(folder / "metadata.csv", "w", newline="") as file:
        csv.writer(file).writerows([["file", "instrument", "midi_pitch", "source", "licence"], *rows])
    return folder


@pytest.fixture(scope="module")
def soundfont(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SoundFont with a violin, and a flute whose soft notes are another sample: its fundamental alone."""
    soft, *others = TINY.samples
    sine = 0.4 * np.sin(2 * np.pi * np.arange(len(soft.frames)) / PERIOD)
    made = replace(TINY, samples=[replace(soft, frames=sine), *others], texts={"INAM": b"Fluid R3 GM"})
    return write(tmp_path_factory.mktemp("font"), made, "font.sf2")


def test_velocities_are_those_that_sound_differently(soundfont: Path) -> None:
    presets = {preset.name: preset for preset in read_soundfont(soundfont).presets}
    assert layers(soundfont, presets["Violin"]) == (112,)
    assert layers(soundfont, presets["Flute"]) == (112, 48)
    found = Counter((note.instrument, round(127 * (note.velocity or 0))) for note in render(soundfont))
    assert set(found) == {("violin", 112), ("flute", 112), ("flute", 48)}


def test_sources_are_left_out_as_a_whole(notes: Path, soundfont: Path) -> None:
    library, unverified = gather(notes, [soundfont])
    parts = {source: Counter(note.split for note in library if note.source == source) for source in SOURCES}
    assert parts[SOURCES[1]].keys() == {"test"}
    assert len(parts[SOURCES[0]]) == 3
    assert not parts[SOURCES[2]]
    assert {note.source for note in unverified} == {SOURCES[2]}
    assert all(note.measured and note.measured.sample_rate == 44100 for note in library)
    assert {note.source for note in library} == {SOURCES[0], SOURCES[1], "Fluid R3 GM"}
    assert all(note.split for note in library)


def test_every_source_has_its_credit_and_its_terms() -> None:
    names = [source for font in FONTS for source in (font.source, *(own.source for own in font.own.values()))]
    for name in (*names, *LEFT_OUT):
        assert any(name.startswith(credit.source) for credit in CREDITS), name
    for font in FONTS:
        for licence in (font.licence, *(own.licence for own in font.own.values())):
            assert terms(licence)
        assert font.own.keys() <= font.presets.keys()
    assert not any(one.startswith(UNVERIFIED) for one in LEFT_OUT)


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--steps", "bake"], "must be among gather"), (["--spaces", "orchestra-8k"], "must be among orchestra"),
     (["--quick"], "must not write into the checkout")],
)  # fmt: skip
def test_wrong_words_are_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        make_orchestra.parse(["notes", "--out", "out", *words])
    assert said in capsys.readouterr().err


def test_steps_that_have_nothing_to_work_on_say_so(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="must be a trained space"):
        make_orchestra.main(["notes", "--out", str(tmp_path), "--steps", "ship", "--spaces", "orchestra"])


def test_figures_stand_between_the_marks_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# A\n{BEGIN}\nold\n{END}\nrest\n")
    for block in ("new", "newer"):
        renew(page, block)
        assert page.read_text() == f"# A\n{BEGIN}\n{block}\n{END}\nrest\n"
    page.write_text("# A\n")
    with pytest.raises(SystemExit, match="must contain the marks"):
        renew(page, "new")


@pytest.mark.slow
def test_a_quick_run_makes_everything_once(
    notes: Path, soundfont: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root, ship = tmp_path / "root", tmp_path / "ship"
    (root / "docs").mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "pretrained.md", root / "docs")
    words = [str(notes), "--soundfont", str(soundfont), "--out", str(tmp_path / "out"), "--target", str(ship)]
    words += ["--root", str(root), "--quick"]
    make_orchestra.main(words)
    assert "presets ..." in capfd.readouterr().out
    for name, rate in (("orchestra", 44100), ("orchestra-22k", 22050)):
        space = timbre.load(ship / name)
        assert space.config.spectrogram.sample_rate == rate
        assert space.vocoder is not None
        page = (ship / name / "README.md").read_text(encoding="utf-8")
        assert f"# The space `{name}`" in page
        assert "Xavier Hosxe" in page
        assert len(list((ship / name / "pairs").glob("*.png"))) == (3 if name == "orchestra" else 0)
        assert (ship / name / "map" / "map.json").exists() == (name == "orchestra")
    assert "| figure | orchestra" in (root / "docs" / "pretrained.md").read_text(encoding="utf-8")
    before = {file: file.read_bytes() for file in ship.rglob("*") if file.is_file()}
    make_orchestra.main(words)
    assert " ..." not in capfd.readouterr().out
    assert {file: file.read_bytes() for file in ship.rglob("*") if file.is_file()} == before
