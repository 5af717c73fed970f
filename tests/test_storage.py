"""The library file: what is written is read back, and what cannot be read is one sentence."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import timbre
from timbre.data import Dropped, Library, Measured, Note, Report
from timbre.data.parts import Excerpt, SoundFontVoice
from timbre.data.split import Division
from timbre.data.storage import is_library_file, load_library, save_library
from timbre.errors import ConfigError, LibraryError

MEASURED = st.builds(
    Measured,
    st.floats(0.02, 10),
    st.sampled_from([16000, 44100]),
    st.floats(-80, 0),
    st.floats(-80, 0),
    st.floats(0, 1),
    st.integers(0, 9),
    st.none() | st.floats(0, 127),
    st.text("0123456789abcdef", min_size=4),
)
TEXT = st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
PART = st.none() | st.sampled_from(
    [
        Excerpt(0.5, 1.25),
        Excerpt(member="a/b.wav"),
        Excerpt(),
        SoundFontVoice(0, 40, 60, 100, "Violin A3"),
        SoundFontVoice(128, 0, 36, 1, hold=6.0),
    ]
)
NOTES = st.lists(
    st.builds(
        lambda measured, part, flags, take, split, pitch, source: Note(
            Path("a.wav"), "oboe", "woodwinds", pitch, 0.5, "mf", "arco", None, source, 1.5, "", part, take, flags,
            split, measured, source,
        ),
        st.none() | MEASURED,
        PART,
        st.lists(st.text(max_size=8), max_size=2).map(tuple),
        st.none() | st.integers(1, 4),
        st.sampled_from([None, "train", "valid", "test"]),
        st.none() | st.floats(0, 127),
        TEXT,
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


OLD = """\
{"format": "timbre library", "version": 1, "root": "sounds", "reader": "folders", "labels": "names", "remarks": ["a"], \
"found": 4, "kept": 3, "ignored": 3, "split": {"by": "file", "valid": 0.1, "test": 0.1, "seed": 0}
, "notes": [
{"file": "a.wav", "instrument": "oboe", "pitch": 69.0, "velocity": 0.5, "dynamics": "mf", "articulation": "arco", \
"flags": ["rate: 16000 Hz"], "family": "woodwinds", "name": "oboe-A4-mf", "split": "train", "recording": "take 1", \
"duration": 1.5, "take": 2, "measured": {"duration": 1.5, "sample_rate": 16000, "peak_db": -3.0, \
"loudness_db": -12.0, "silence": 0.01, "clipped": 2, "pitch": 69.02, "digest": "ab12"}},
{"file": "b.sf2", "instrument": "violin", "pitch": 60.0, "velocity": 0.5, "dynamics": null, "articulation": null, \
"flags": [], "name": "violin-C4-v64", "duration": 2.0, \
"part": {"bank": 0, "program": 40, "key": 60, "velocity": 64, "sample": "V"}},
{"file": "c.zip", "instrument": "snare", "pitch": null, "velocity": null, "dynamics": null, "articulation": null, \
"flags": [], "name": "snare", "duration": 0.5, "part": {"start": 0.5, "end": 1.0, "member": "x/s.wav"}}
]
, "dropped": [
{"file": "d.wav", "reason": "silent"}
]
}
"""  # written by 0.1


def placed(notes: list[Note], root: Path) -> list[Note]:
    return [replace(note, file=root / note.file, name="") for note in notes]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NOTES, TEXT, st.sampled_from([None, Division(), Division("pitch", 0.2, 0.0, 3)]))
def test_what_is_saved_is_loaded(tmp_path: Path, notes: list[Note], text: str, division: Division | None) -> None:
    (tmp_path / "a.wav").touch()
    report = Report(tmp_path, "x.csv", (), (Dropped(text or "-", "silent"),), 3, remarks=("a",), reader="table")
    library = Library(placed(notes, tmp_path), tmp_path, report, division)
    loaded = load_library(save_library(library, tmp_path / "library.json"))
    assert loaded.notes == library.notes
    assert (loaded.root, loaded.division) == (tmp_path, division)
    assert loaded.report == replace(report, notes=library.notes)


def a_library(root: Path) -> Library:
    (root / "sounds").mkdir(parents=True)
    for name in ("a", "b"):
        (root / "sounds" / f"{name}.wav").touch()
    return Library([Note(root / "sounds" / f"{name}.wav", name, pitch=60.0) for name in "ab"], root / "sounds")


def test_the_file_is_what_the_documents_say(tmp_path: Path) -> None:
    library = a_library(tmp_path)
    values = json.loads(save_library(library, tmp_path / "x.json").read_text())
    assert (values["found"], values["kept"], values["dropped"], values["root"]) == (2, 2, [], "sounds")
    assert values["notes"][0] == {
        "file": "a.wav", "instrument": "a", "pitch": 60.0, "velocity": None, "dynamics": None,
        "articulation": None, "flags": [], "name": "a-C4", "duration": 0.0,
    }  # fmt: skip
    assert is_library_file(tmp_path / "x.json")
    (tmp_path / "y.json").write_text("{}")
    assert not is_library_file(tmp_path / "y.json")
    assert not is_library_file(tmp_path)


def test_a_library_moves_with_its_file(tmp_path: Path) -> None:
    library = a_library(tmp_path / "here")
    save_library(library, tmp_path / "here" / "library.json")
    save_library(library, library.root / "inside.json")
    os.rename(tmp_path / "here", tmp_path / "there")
    for name in ("library.json", "sounds/inside.json"):
        loaded = timbre.scan(tmp_path / "there" / name)
        assert [note.file for note in loaded] == [tmp_path / "there" / "sounds" / f"{x}.wav" for x in "ab"]


def test_a_library_elsewhere_is_found_by_its_whole_path(tmp_path: Path) -> None:
    library = a_library(tmp_path / "here")
    (tmp_path / "other").mkdir()
    loaded = load_library(save_library(library, tmp_path / "other" / "library.json"))
    assert loaded.notes == library.notes


def test_bad_library_files_are_one_sentence(tmp_path: Path) -> None:
    file = save_library(a_library(tmp_path), tmp_path / "library.json")
    good = json.loads(file.read_text())
    first, key = good["notes"][0], {"bank": 0, "program": 0, "key": 60, "velocity": 60}
    for change, message in [
        ({"version": 2}, "must be of version 1, got 2; scan the folder again"),
        ({"notes": 3}, "is damaged"),
        ({"notes": [{}]}, r"is damaged \(KeyError\('file'\)\)"),
        ({"notes": [first | {"pitch": "C4"}]}, "pitch is 'C4'"),
        ({"notes": [first | {"part": {"what": 1}}]}, "is damaged"),
        ({"notes": [first | {"part": {**key, "hold": 1e9}}]}, "above 0 to 60 seconds"),
        ({"notes": [first | {"file": "../../etc/passwd"}]}, "which lies outside of its folder"),
        ({"notes": [first | {"file": "c.wav"}]}, "A file of the library .* cannot be found .*; scan it again"),
        ({"split": {"by": "colour"}}, "A split must be by file, pitch, instrument, source, got 'colour'"),
        ({"dropped": [{"name": 1}]}, "is damaged"),
    ]:
        file.write_text(json.dumps(good | change))
        with pytest.raises(LibraryError, match=message) as caught:
            load_library(file)
        assert "\n" not in str(caught.value)
    whole = json.dumps(good)
    for text in (whole[: len(whole) // 2], "[" * 100_000, "[]", "3"):
        file.write_text(text)
        with pytest.raises(LibraryError, match="is damaged"):
            load_library(file)
    with pytest.raises(LibraryError, match="cannot be read: No such file"):
        load_library(tmp_path / "missing.json")
    with pytest.raises(ConfigError, match="cannot be written: No such file or directory; choose a folder"):
        save_library(a_library(tmp_path / "z"), tmp_path / "nowhere" / "library.json")


def test_a_library_file_of_version_0_1_is_loaded(tmp_path: Path) -> None:
    root = tmp_path / "sounds"
    root.mkdir()
    for name in ("a.wav", "b.sf2", "c.zip"):
        (root / name).touch()
    (tmp_path / "library.json").write_text(OLD, encoding="utf-8")
    library = load_library(tmp_path / "library.json")
    oboe, violin, snare = library
    assert (oboe.name, oboe.take, oboe.split, oboe.recording) == ("oboe-A4-mf", 2, "train", "take 1")
    assert oboe.measured == Measured(1.5, 16000, -3.0, -12.0, 0.01, 2, 69.02, "ab12")
    assert (violin.part, snare.part) == (SoundFontVoice(0, 40, 60, 64, "V"), Excerpt(0.5, 1.0, "x/s.wav"))
    assert (library.division, library.report.dropped) == (Division(), (Dropped("d.wav", "silent"),))
    assert save_library(library, tmp_path / "again.json").read_text(encoding="utf-8") == OLD
