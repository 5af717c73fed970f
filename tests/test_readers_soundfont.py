"""The reader of SoundFonts: labels of the notes, and what is left out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from trees_named import note
from trees_soundfont import (
    INSTRUMENT,
    TINY,
    installed,
    write,
)

from timbre.audio.pitch import measure_pitch
from timbre.data import Note
from timbre.data.parts import Excerpt, SoundFontVoice
from timbre.data.readers import Options, Reading, choose
from timbre.data.tree import open_tree
from timbre.errors import LibraryError


def reading(path: Path, **options: Any) -> Reading:
    tree = open_tree(path)
    return choose(tree).read(tree, Options(**options))


def by_instrument(found: Reading) -> dict[str, list[Note]]:
    groups: dict[str, list[Note]] = {}
    for entry in found.notes:
        groups.setdefault(entry.instrument, []).append(entry)
    return groups


def test_presets_become_notes(soundfonts: Path) -> None:
    found = reading(soundfonts / "tiny.sf2", velocities=(30, 64, 110))
    groups = by_instrument(found)
    assert {name: notes[0].family for name, notes in groups.items()} == {
        "violin": "strings",
        "flute": "woodwinds",
        "kick": "percussion",
        "snare": "percussion",
    }
    violin = groups["violin"]
    assert [entry.pitch for entry in violin[::3]] == list(range(55, 91, 2))  # two octaves around one recording
    assert [entry.velocity for entry in violin[:3]] == [30 / 127, 64 / 127, 110 / 127]
    assert violin[0].part == SoundFontVoice(0, 40, 55, 30, "3 Violin")
    assert {(entry.source, entry.licence) for entry in found.notes} == {("Tiny Test", "Public domain; 2026 nobody")}
    layers = [entry.part.sample for entry in groups["flute"] if isinstance(entry.part, SoundFontVoice)]
    assert layers == ["0 Flute soft", "1 Flute C5(L)", "1 Flute C5(L)"] * (len(layers) // 3)
    assert [entry.pitch for entry in groups["kick"]] == [None] * 3
    assert {entry.file.split(" ", 2)[2]: entry.reason for entry in found.dropped} == {
        "0:1 Nothing": "has no sound",
        "8:40 Slow Violin": "a variation; another preset with this program is read",
        "128:8 Other Kit": "another drum kit; only the first is read",
    }
    assert found.labels == "tiny.sf2"


def test_pitches_asked_for_are_those_within_reach(soundfonts: Path) -> None:
    found = by_instrument(reading(soundfonts / "tiny.sf2", pitches=(100, 40, 60, 61, 60), velocities=(64,)))
    assert [entry.pitch for entry in found["violin"]] == [60, 61]
    assert len(found["kick"]) == 1
    none = reading(soundfonts / "tiny.sf2", pitches=(20,))
    assert "violin" not in by_instrument(none)
    reasons = [entry.reason for entry in none.dropped if "0:40 Violin" in entry.file]
    assert reasons == ["is silent at all requested pitches and velocities"]


def test_presets_asked_for_are_rendered_for_as_long_as_asked(soundfonts: Path) -> None:
    found = reading(
        soundfonts / "tiny.sf2", presets=("Slow Violin", "flute"), pitches=(72,), velocities=(64,), hold=3.5
    )
    assert list(by_instrument(found)) == ["slow_violin", "flute"]
    assert {entry.part.hold for entry in found.notes} == {3.5}
    assert found.notes[0].audio().duration >= 3.5
    reasons = {entry.file.split(" ", 2)[2]: entry.reason for entry in found.dropped}
    assert reasons["0:40 Violin"] == "is not among the requested presets"
    with pytest.raises(LibraryError, match=r"must have the preset 'flut'; it has flute"):
        reading(soundfonts / "tiny.sf2", presets=("violin", "flut"))
    with pytest.raises(LibraryError, match=r"hold must be above 0 to 60 seconds, got 61\."):
        Options(hold=61.0)


def test_a_folder_of_soundfonts_needs_each_preset_once(tmp_path: Path) -> None:
    write(tmp_path, replace(TINY, presets=[("Viola", 0, 5, [[(INSTRUMENT, 1)]])]), "a.sf2")
    write(tmp_path, replace(TINY, presets=[("Oboe", 0, 5, [[(INSTRUMENT, 1)]])]), "b.sf2")
    write(tmp_path, replace(TINY, presets=[("Tuba", 0, 5, [[(INSTRUMENT, 1)]])]), "c.sf2")
    found = reading(tmp_path, presets=("oboe", "viola"))
    assert set(by_instrument(found)) == {"viola", "oboe"}
    assert [entry.file for entry in found.dropped] == ["c.sf2"]


@pytest.mark.parametrize("wrong", [{"pitches": (60, 128)}, {"pitches": (-1,)}, {"velocities": (0,)}])
def test_pitches_and_velocities_that_midi_does_not_have_are_refused(soundfonts: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(LibraryError, match=r"must be a MIDI number from [01] to 127, got -?\d+\."):
        reading(soundfonts / "tiny.sf2", **wrong)


def test_variations_are_read_where_there_is_nothing_else(tmp_path: Path) -> None:
    presets = [("Viola", 9, 5, [[(INSTRUMENT, 1)]]), ("Old Viola", 8, 5, [[(INSTRUMENT, 1)]])]
    found = reading(write(tmp_path, replace(TINY, presets=presets)))
    assert set(by_instrument(found)) == {"viola", "old_viola"}
    assert {entry.family for entry in found.notes} == {"strings"}
    assert found.dropped == []


def test_general_midi_tells_families_and_effects(tmp_path: Path) -> None:
    presets = [(f"Preset {n}", 0, n, [[(INSTRUMENT, 1)]]) for n in range(128)]
    presets += [("Kit", 128, 0, [[(INSTRUMENT, 2)], [(INSTRUMENT, 3)]])]
    path = write(tmp_path, replace(TINY, presets=presets))
    found = reading(path, pitches=(60, 67), velocities=(64,))
    groups = by_instrument(found)
    families = {
        0: "keyboard", 19: "keyboard", 24: "plucked", 38: "synth", 40: "strings", 46: "plucked", 52: "voice",
        56: "brass", 73: "woodwinds", 81: "synth", 105: "plucked", 114: "pitched_percussion", 117: "percussion",
    }  # fmt: skip
    assert {program: groups[f"preset_{program}"][0].family for program in families} == families
    assert [entry.reason for entry in found.dropped] == ["a sound effect"] * 8
    assert len(groups["preset_114"]) == 2
    assert [(entry.pitch, entry.part.key) for entry in groups["preset_115"]] == [(None, 66)]
    assert {"bass_drum", "acoustic_snare"} <= set(groups)
    raw = reading(path, raw=True)
    assert [entry.file.split(", ")[1] for entry in raw.dropped] == [
        "sample 0 Flute soft",
        "sample 1 Flute C5(L)",
        "sample 6 In ROM",
    ]


def test_names_tell_how_it_is_played(tmp_path: Path) -> None:
    presets = [("Pizzicato Strings", 0, 45, [[(INSTRUMENT, 1)]]), ("", 0, 46, [[(INSTRUMENT, 1)]])]
    found = by_instrument(reading(write(tmp_path, replace(TINY, presets=presets, texts={}))))
    assert found["pizzicato_strings"][0].articulation == "pizzicato"
    assert found["pizzicato_strings"][0].family == "strings"
    assert found["program_46"][0].articulation is None
    assert (found["program_46"][0].source, found["program_46"][0].licence) == ("made", None)


def test_recordings_become_notes(tiny_soundfont: Path) -> None:
    found = reading(tiny_soundfont, raw=True)
    told = [(entry.instrument, entry.pitch, entry.velocity, entry.part) for entry in found.notes]
    assert told == [
        ("flute", 72, 31.5 / 127, Excerpt(member="0")),
        ("flute", 72, 95.5 / 127, Excerpt(member="1")),
        ("violin", pytest.approx(66.7), None, Excerpt(member="3")),
        ("kick", None, None, Excerpt(member="4")),
        ("snare", None, None, Excerpt(member="5")),
    ]
    assert [(entry.file, entry.reason) for entry in found.dropped] == [
        (f"{tiny_soundfont.name}, sample 6 In ROM", "no preset plays it")
    ]
    for entry in found.notes[:3]:
        measured = measure_pitch(entry.audio(), near=entry.pitch)
        assert measured == pytest.approx(entry.pitch, abs=0.01)


def test_a_folder_may_hold_several_files_and_other_sounds(tmp_path: Path) -> None:
    write(tmp_path, TINY, "b.sf2")
    (tmp_path / "c.sf2").symlink_to(tmp_path / "b.sf2")
    write(tmp_path, b"nonsense", "a.sf3")
    found = reading(tmp_path)
    assert {entry.file for entry in found.notes} == {tmp_path / "b.sf2"}
    assert {entry.file: entry.reason for entry in found.dropped if "," not in entry.file} == {
        "a.sf3": "must be a SoundFont: an .sf2 or .sf3 file (RIFF with sfbk)",
        "c.sf2": "the same file as b.sf2",
    }
    note(tmp_path / "flute" / "A4.wav", 69)
    tree = open_tree(tmp_path)
    assert choose(tree).name == "folders"  # they are the library; the SoundFont is made of them
    assert "flute/A4.wav" in {entry.file for entry in choose(tree, "soundfont").read(tree, Options()).dropped}
    assert choose(open_tree(tmp_path / "b.sf2")).name == "soundfont"
    with pytest.raises(LibraryError, match=r"must contain an \.sf2 or \.sf3 file"):
        choose(tree, "soundfont").read(open_tree(tmp_path / "flute"), Options())
    with pytest.raises(LibraryError, match=r"a.sf3 must be a SoundFont"):
        reading(tmp_path / "a.sf3")


@pytest.mark.parametrize("path", installed())
def test_real_files_are_read_whole(path: Path) -> None:
    found = reading(path, pitches=(60, 72), velocities=(100,))
    assert len({entry.instrument for entry in found.notes}) > 120
    assert None not in {entry.family for entry in found.notes}
    raw = reading(path, raw=True)
    assert len(raw.notes) > 300
    for entry in raw.notes[::150]:
        assert entry.audio().duration > 0
