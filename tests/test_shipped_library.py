"""datasets/orchestra: complete, small, licensed, and labelled as it sounds."""

import csv
from pathlib import Path

import numpy as np
import pytest

import timbre
from timbre.audio.pitch import measure_pitch
from timbre.data.readers.folders import read_folders

FOLDER = Path(__file__).parents[1] / "datasets" / "orchestra"
LICENCES = {"CC-BY-3.0", "CC0-1.0", "MIT", "Public-Domain"}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with (FOLDER / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def library() -> timbre.Library:
    return timbre.scan(FOLDER)


def test_every_row_has_its_file_and_every_file_its_row(rows: list[dict[str, str]]) -> None:
    files = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.ogg"))
    assert sorted(row["file"] for row in rows) == files
    assert len(files) >= 400


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 10e6


def test_every_note_is_licensed_and_credited(rows: list[dict[str, str]]) -> None:
    page = (FOLDER / "LICENCES.md").read_text(encoding="utf-8")
    assert {row["licence"] for row in rows} == LICENCES
    for row in rows:
        assert row["source"]
        assert row["origin"].count("/") == 1
        assert row["attribution"]
        told = f"{row['source']} {row['attribution']} {row['origin']}".lower()
        assert not any(word in told for word in ("freesound", "-cello-mp3", "guitar-nylon", "harmonium"))
    assert "Permission is hereby granted" in page
    assert "https://creativecommons.org/licenses/by/3.0/" in page


def test_a_scan_keeps_all_of_it(library: timbre.Library, rows: list[dict[str, str]]) -> None:
    assert len(library) == library.report.found == len(rows)
    assert library.report.dropped == ()
    assert len(library.instruments) >= 30
    assert 15 < library.report.minutes < 25
    assert {note.licence for note in library} == LICENCES
    unpitched = {note.instrument for note in library if note.pitch is None}
    assert unpitched == {"marching_snare", "marching_tenor"}


def test_names_alone_say_the_same_as_the_table(library: timbre.Library) -> None:
    files = [note.file.relative_to(FOLDER).as_posix() for note in library]
    by_name = read_folders(FOLDER, files)
    assert not by_name.dropped
    for told, read in zip(library, by_name.notes, strict=True):
        pitch = None if told.pitch is None else round(told.pitch)
        assert (read.instrument, read.pitch, read.dynamics) == (told.instrument, pitch, told.dynamics), told.file


def test_every_file_is_a_clean_note(library: timbre.Library) -> None:
    loudest: dict[tuple[str, str | None], float] = {}
    for note in library:
        audio = timbre.read(note.file)
        assert (audio.sample_rate, audio.channels) == (22050, 1)
        assert 0.2 < audio.duration < 3.6
        onset = audio.duration - audio.trim(-40, tail=False).duration
        assert onset < 0.5, note.file
        key = note.instrument, note.articulation
        loudest[key] = max(loudest.get(key, 0.0), audio.peak)
    assert min(loudest.values()) > 0.7
    assert max(loudest.values()) <= 1


def test_pitches_are_what_sounds(library: timbre.Library) -> None:
    sustained = [n for n in library if n.pitch is not None and n.articulation in ("ordinario", "arco-vibrato")]
    off = []
    for note in sustained[::4]:
        measured = measure_pitch(timbre.read(note.file), note.pitch or 0.0)
        off.append(np.inf if measured is None else 100 * abs(measured - (note.pitch or 0.0)))
    assert len(off) > 50
    assert np.median(off) < 3
    assert np.mean(np.array(off) < 10) > 0.95


def test_dynamics_differ_in_level(library: timbre.Library) -> None:
    def level(note: timbre.Note) -> float:
        return float(np.sqrt(np.mean(np.square(timbre.read(note.file).samples))))

    for articulation in ("arco-vibrato", "pizzicato"):
        strings = library.filter(instrument="violin_section", articulation=articulation)
        soft, loud = ([level(note) for note in strings.filter(dynamics=mark)] for mark in ("p", "f"))
        assert 10 < 20 * np.log10(np.median(loud) / np.median(soft)) < 20
