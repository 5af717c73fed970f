"""The gallery of the documentation: its sounds have one loudness, its notes are held out, its page shows all files."""

import sys
from pathlib import Path

import numpy as np
import pytest

import timbre
from timbre.audio import Audio
from timbre.audio.loudness import momentary
from timbre.data import Library
from timbre.space import Space

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs" / "_site"))

import gallery  # noqa: E402
import plates  # noqa: E402


def loudness(sound: Audio) -> float:
    return float(momentary(sound.samples[0], sound.sample_rate).max())


@pytest.mark.parametrize("gain", [0.001, 0.1, 1.0])
def test_sounds_get_one_loudness(gain: float) -> None:
    wave = gain * np.sin(2 * np.pi * 440 * np.arange(22050) / 22050).astype(np.float32)
    assert loudness(plates.matched(Audio(wave, 22050))) == pytest.approx(plates.LOUDNESS, abs=0.1)


def test_a_click_is_not_made_so_loud_that_it_clips() -> None:
    wave = np.zeros(22050, np.float32)
    wave[100] = 0.1
    matched = plates.matched(Audio(wave, 22050))
    assert matched.peak == pytest.approx(plates.PEAK, abs=0.01)
    assert loudness(matched) < plates.LOUDNESS


def test_each_sound_of_a_plate_has_a_file_of_its_own(tiny_space: Space, tmp_path: Path) -> None:
    sounds = [(f"{step:+d}", Audio(np.full((1, 4000), 0.1 * step, np.float32), 22050)) for step in (-1, 1)]
    plates.write_plate(plates.Plate("brightness", "", sounds), tiny_space, tmp_path)
    assert len(list(tmp_path.glob("*.ogg"))) == len(list(tmp_path.glob("*.png"))) == 2


def test_good_median_and_worst_notes_are_of_different_instruments() -> None:
    errors = np.array([5.0, 1.0, 2.0, 3.0, 9.0, 8.0])
    groups = gallery.chosen(errors, ["a", "b", "b", "c", "d", "d"], 2)
    assert groups == {"Good": [1, 3], "Median": [2, 5], "Worst": [4, 0]}


def test_notes_of_the_training_are_not_called_held_out(known_space: Space, some_notes: Library) -> None:
    trained = {
        name for name, split in zip(known_space.atlas.names, known_space.atlas.splits, strict=True) if split == "train"
    }
    notes = gallery.untrained(known_space, some_notes)
    assert notes
    assert not trained & {note.name for note in notes}


def test_the_shipped_notes_that_count_as_held_out_exist() -> None:
    listed = gallery.HELD_OUT.read_text(encoding="utf-8").splitlines()
    names = {note.name for note in timbre.scan(gallery.SHIPPED, measure=False)}
    assert {name for name in listed if not name.startswith("#")} <= names


def test_a_gallery_has_every_sound_and_picture_of_its_page(tiny_folder: Path, tmp_path: Path) -> None:
    notes = ROOT / "datasets" / "orchestra" / "flute"
    gallery.main([str(tiny_folder), str(tmp_path), "--library", str(notes), "--quick"])
    page = (tmp_path / "gallery.md").read_text(encoding="utf-8")
    files = {f"gallery/{file.name}" for file in (tmp_path / "gallery").iterdir()}
    assert {file for file in files if file in page} == files
    assert len(files) == page.count("<audio ") + page.count("<img ")
    sounds = [timbre.read(tmp_path / file) for file in files if file.endswith(".ogg")]
    assert len(sounds) > 8
    assert all(loudness(sound) < plates.LOUDNESS + 0.5 for sound in sounds)
    for heading in ("Held-out notes", "Morphs", "Paths", "Steering", "Inverters"):
        assert f"## {heading}" in page
