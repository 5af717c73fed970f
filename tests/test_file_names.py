"""What the names of files say: the pitch is what varies over an instrument, in any spelling, and nothing else is."""

import shutil
import struct
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import random_names
import trees_named
from hypothesis import given
from hypothesis import strategies as st

import timbre
from timbre.data import Measured, Note
from timbre.data.names import SPELLINGS, note_name, pitch_of_name, spelling_of
from timbre.data.readers import Alternative
from timbre.data.readers.folders import read_folders
from timbre.data.settling import settle_names
from timbre.data.sounds import root_key

CASES = Path(__file__).parent / "cases"
LIBRARY = Path("/lib")
KEYS = range(48, 72, 3)


def pitches(files: Iterable[str]) -> dict[str, float | None]:
    """The pitches of the files of a library that is not there."""
    notes = read_folders(LIBRARY, sorted(files)).notes
    return {note.file.relative_to(LIBRARY).as_posix(): note.pitch for note in notes}


def names(form: str) -> dict[str, float | None]:
    """Files called by a form with {note}, {key}, {number} (from 1) and {layer} (1, 2), and their pitches."""
    return {
        form.format(note=note_name(key), key=key, number=number, layer=layer): float(key)
        for number, key in enumerate(KEYS, start=1)
        for layer in (1, 2)
    }


# --- the cases


@pytest.mark.parametrize("measure", [False, True])
def test_hammond(measure: bool) -> None:
    library = timbre.scan(CASES / "names-hammond", measure=measure)
    assert [note.pitch for note in library] == [57, 48, 60, 50, 62, 52, 64, 53, 55]
    assert library.instruments == ("b3_organ",)


@pytest.mark.parametrize("measure", [False, True])
def test_glued(measure: bool) -> None:
    library = timbre.scan(CASES / "names-glued-instrument", measure=measure)
    assert library.instruments == ("flute", "oboe")
    assert [note.pitch for note in library] == [70, 60, 62, 64, 66] * 2
    library = timbre.scan(CASES / "names-glued-layer", measure=measure)
    found = {note.file.stem: (note.pitch, round(16 * (note.velocity or 0) + 0.5)) for note in library}
    assert (found["A3v1"], found["D#4v8"], found["C4v16"]) == ((57, 1), (63, 8), (60, 16))
    assert all(pitch is not None and layer in (1, 8, 16) for pitch, layer in found.values())


@pytest.mark.parametrize("measure", [False, True])
def test_german(measure: bool) -> None:
    library = timbre.scan(CASES / "names-german", measure=measure)
    found = {note.file.stem.partition("_")[2]: note.pitch for note in library}
    assert found == {
        "C4": 60, "Cis4": 61, "D4": 62, "Es4": 63, "E4": 64, "F4": 65, "Fis4": 66, "G4": 67, "As4": 68, "A4": 69,
        "B4": 70, "H4": 71, "C5": 72,
    }  # fmt: skip
    assert library.report.flagged == ()


@pytest.mark.parametrize("measure", [False, True])
def test_root_keys(measure: bool) -> None:
    library = timbre.scan(CASES / "header-root-key", measure=measure)
    assert [note.pitch for note in library] == [48, 52, 55, 60, 64, 67, 72, 76]
    assert library.report.flagged == ()


# --- what varies


VARYING = """
    Pad/{number:02d} - {note}_{layer}; Pad/Pad #{number:02d} {note} rr{layer}; Pad/{note} ({layer});
    B3 Organ/B3_{note}_v{layer}; E2 Bass/E2 Bass {note} {layer}; Mic A1/{note}_{layer}; Pad/{note}_44100_24_{layer};
    Pad/120 pad {key} take {layer}; Pad/pad 48 24 {key} rr{layer}; Pad/{key:03d}-{layer}; Pad/n{key}v{layer};
    Pad/{key}v{layer}; Pad/Pad{key} {layer}; Piano/{note}/take_{layer}; Piano {note}/Piano {note} {layer};
    Piano/{key}/{layer}; Piano/{key}/4{layer}; {note}Flute_{layer}; pluck{note}_{layer}; Pad/key {key} vel {layer};
    C{layer} and {note}; Pad-{key:03d}-{note}-V127-R{layer}; 30{key}__user__cello-{note}_{layer}; Pad/{note}mf{layer};
    Juno-106/Juno-106 {note} {layer}; Pad/Pad_{note}_2019_{layer}; Pad/{note}v{layer}rr2; FLUTE_{note}L{layer}
"""
COUNTING = """
    Pad/take {number}; Pad/{number:03d}; Pad/2019-03-1{number}; Pad/Pad_v{number}0; Dec{number}; Bass{number};
    TakeA{number}; Pad{number}; Loops/loop {number}0 BPM; Piano/note_{number}; B3 Organ/B3_{number:02d};
    808 Kit/kick_{key}; Drums/snare_{key}; Mic{number}
"""


@pytest.mark.parametrize("form", [form.strip() for form in VARYING.split(";")])
def test_the_pitch_is_what_varies(form: str) -> None:
    files = names(form + ".wav")
    assert pitches(files) == files


@pytest.mark.parametrize("form", [form.strip() for form in COUNTING.split(";")])
def test_what_counts_is_no_pitch(form: str) -> None:
    assert set(pitches(names(form + ".wav")).values()) == {None}


@pytest.mark.parametrize("scheme", ["midi first", "velocity first"])
def test_of_two_numbers_the_one_with_more_values_is_the_key(scheme: str) -> None:
    form = "Pad/{0}_{1}.wav" if scheme == "midi first" else "Pad/{1}_{0}.wav"
    files = {form.format(key, velocity): key for key in KEYS for velocity in (40, 80, 127)}
    assert pitches(files) == files


def test_two_numbers_that_vary_alike_are_no_pitch() -> None:
    assert set(pitches(f"Pad/{n:03d}_{n + 10}.wav" for n in range(30, 60)).values()) == {None}


def test_a_key_beside_a_note_name_says_the_octave() -> None:
    files = {f"Pad/{note_name(key - 12)}_{key}.wav": key for key in KEYS}
    assert pitches(files) == files
    assert not read_folders(LIBRARY, files).octaves_vary
    low = {f"Pad/{note_name(key - 12)}.wav".replace("/C-1", "/C-2"): key for key in range(24, 72)} | {"Pad/C-2.wav": 0}
    assert pitches(low)["Pad/C-2.wav"] == 0
    assert pitches(low)["Pad/C3.wav"] == 60


def test_the_same_pitch_in_all_names_is_remarked() -> None:
    reading = read_folders(LIBRARY, [f"Oboe/Oboe_A4_{number}.wav" for number in "abc"])
    assert [note.pitch for note in reading.notes] == [69.0] * 3
    assert reading.remarks == ["names: all 3 files in Oboe have the pitch A4 in their names"]


# --- spellings


@pytest.mark.parametrize("spelling", SPELLINGS)
@given(st.data())
def test_every_spelling_has_all_semitones(spelling: str, data: st.DataObject) -> None:
    assert set(SPELLINGS[spelling].values()) >= set(range(12))
    name, step = data.draw(st.sampled_from(sorted(SPELLINGS[spelling].items())))
    octave = data.draw(st.integers(-2, 9))
    assert pitch_of_name(f"{name}{octave}", spelling) == 12 * (octave + 1) + step
    assert pitch_of_name(f"{name}''", spelling) == 72 + step


@pytest.mark.parametrize(
    ("texts", "spelling"),
    [
        *((texts, "German") for texts in ("C4 Cis4 H4", "C4 Es4 G4", "c4 d4 h4", "Fis3 B3")),
        *((texts, "English") for texts in ("A4 B4 As2", "Cs4 As4 Es4", "H4 C4", "C#4 Bb4", "")),
        ("Cis4 Bes3 B3", "Dutch"), ("Do4 Re4", "solfège"), ("La#3 Re1 C7", "solfège"),
    ],
)  # fmt: skip
def test_a_library_has_one_spelling(texts: str, spelling: str) -> None:
    assert spelling_of(texts.split()) == spelling


def test_names_in_other_unicode_forms() -> None:
    files = {"Flo\u0308te/Flöte_C♯4.wav": 61, "Flo\u0308te/Flo\u0308te_E♭4.wav": 63, "Flo\u0308te/Flöte_F＃4.wav": 66}
    notes = read_folders(LIBRARY, list(files)).notes
    assert [note.pitch for note in notes] == list(files.values())
    assert {note.instrument for note in notes} == {"flöte"}


HELMHOLTZ = {
    "{}": ("C, Cis Gis H c es fis b c' a' es'' c'''", (24, 37, 44, 47, 48, 51, 54, 58, 60, 69, 75, 84)),
    "Oboe_{}_f": ("G, D As c d e' fis' c''", (31, 38, 44, 48, 50, 64, 66, 72)),
    "{}.": ("C c dis g c1 dis1 a1 c2 b2", (36, 48, 51, 55, 60, 63, 69, 72, 82)),
}


@pytest.mark.parametrize("form", HELMHOLTZ)
def test_octaves_without_numbers(form: str) -> None:
    texts, keys = (HELMHOLTZ[form][0].split(), HELMHOLTZ[form][1])
    files = [f"Oboe/{form.rstrip('.').format(text)}.wav" for text in texts]
    assert pitches(files) == dict(zip(files, keys, strict=True))


@pytest.mark.parametrize(
    "texts",
    [
        "C 3, Cis 3, D 3, Dis 3, E 3, F 3, Fis 3, G 3, Gis 3, A 3, B 3, H 3",
        "Do_3, Do-dièse_3, Ré_3, Mib_3, Mi_3, Fa_3, Fa#_3, Sol_3, Sol dièse 3, La_3, Sib_3, Si_3",
        "C-3, C#-3, D-3, Eb-3, E-3, F-3, F#-3, G-3, Ab-3, A-3, Bb-3, B-3",
    ],
)
def test_octaves_apart_from_their_letters(texts: str) -> None:
    files = [f"Posaune/Posaune {text} x.wav" for text in texts.split(", ")]
    assert pitches(files) == dict(zip(files, range(48, 60), strict=True))


def test_the_same_note_of_several_instruments_is_no_remark() -> None:
    files = [f"{name}_{note}_FF.wav" for name in ("FLUTE", "OBOE", "HORNF") for note in ("C4", "E4", "GB4")]
    assert read_folders(LIBRARY, files).remarks == []


def test_letters_without_octaves_are_no_pitches() -> None:
    assert set(pitches(f"Bell/{text}.wav" for text in "cdefgah").values()) == {None}
    assert set(pitches(f"Bell/{text}.wav" for text in ("A", "B", "C", "c1")).values()) <= {None, 24}


def test_doubtful_german_is_remarked() -> None:
    (remark,) = read_folders(LIBRARY, [f"{name}4.wav" for name in ("C", "D", "As")]).remarks
    assert remark == "names: As is A sharp, as in English; no other name says whether it is German for a flat"


# --- any library


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_random_libraries_are_read_or_counted(first: int) -> None:
    """A wrong pitch is only possible where the spelling is doubtful, and the measured pitches then decide."""
    for seed in range(first, first + 100):
        files = random_names.scheme(seed).files()
        reading = read_folders(LIBRARY, sorted(files))
        truth = {note.file: files[note.file.relative_to(LIBRARY).as_posix()] for note in reading.notes}
        wrong = [note for note in reading.notes if note.pitch is not None and abs(note.pitch - truth[note.file]) > 0.1]
        assert not wrong or random_names.scheme(seed).spelling == "Cis4", (seed, wrong[:3])
        settled, _ = settle_names([sounding(note, truth[note.file]) for note in reading.notes], reading.alternatives)
        assert all(n.pitch is None or abs(n.pitch - truth[n.file]) < 0.1 for n in settled) or len(settled) < len(files)


def sounding(note: Note, pitch: float) -> Note:
    return replace(note, measured=Measured(1.0, 44100, -3.0, -12.0, 0.0, 2, float(pitch), note.name))


# --- the measured pitches decide


def notes(labels: Iterable[float | None], sounds: Iterable[float]) -> list[Note]:
    pairs = enumerate(zip(labels, sounds, strict=True))
    return [sounding(Note(LIBRARY / f"{number}.wav", "pad", pitch=label), sound) for number, (label, sound) in pairs]


@given(st.lists(st.integers(30, 90), min_size=3, max_size=20, unique=True), st.sampled_from([0, 12, -12]))
def test_another_reading_is_taken_if_it_sounds_so(keys: list[int], shift: int) -> None:
    other = Alternative("numbers", {LIBRARY / f"{n}.wav": float(key + shift) for n, key in enumerate(keys)})
    for labels in ([None] * len(keys), [key + 6.0 for key in keys]):
        settled, remarks = settle_names(notes(labels, keys), [other])
        assert [note.pitch for note in settled] == [key + shift for key in keys]
        assert remarks == [f"names: numbers are the pitches, by {len(keys)} of {len(keys)} measured notes"]
    right = notes(map(float, keys), keys)
    assert settle_names(right, [other]) == (right, [])


def test_serial_numbers_are_not_taken_by_chance() -> None:
    sounds = [60.0, 47.3, 71.2, 55.0, 80.1, 66.6, 52.0, 49.0]
    other = Alternative("numbers", {LIBRARY / f"{n}.wav": 60.0 + n for n in range(8)})
    before = notes([None] * 8, sounds)
    assert settle_names(before, [other]) == (before, [])


def test_flats_that_only_the_sounds_tell(tmp_path: Path) -> None:
    for name, pitch in (("As", 68), ("B", 70), ("C", 60), ("D", 62), ("F", 65)):
        for octave in (0, 1):
            trees_named.note(tmp_path / f"Viola/Viola_{name}{4 + octave}.wav", pitch + 12 * octave, 8000)
    library = timbre.scan(tmp_path)
    assert {note.file.stem: note.pitch for note in library}["Viola_As4"] == 68
    assert "names: German note names are the pitches, by 10 of 10 measured notes" in library.report.remarks
    assert not [flag for note in library for flag in note.flags if flag.startswith("pitch")]


# --- root keys in headers


def chunk(name: bytes, content: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}4sI", name, len(content)) + content + b"\0" * (len(content) % 2)


def smpl(key: int, order: str = "<") -> bytes:
    return chunk(b"smpl", struct.pack(f"{order}9I", 0, 0, 22675, key, 0, 0, 0, 0, 0), order)


HEADERS = {
    "smpl.wav": b"RIFF\0\0\0\0WAVE" + chunk(b"LIST", b"odd") + smpl(61),
    "big.wav": b"RIFX\0\0\0\0WAVE" + smpl(61, ">"),
    "bw64.wav": b"BW64\0\0\0\0WAVE" + smpl(61),
    "inst.wav": b"RIFF\0\0\0\0WAVE" + chunk(b"inst", bytes([61, 0, 0, 0, 127, 1, 127])),
    "acid.wav": b"RIFF\0\0\0\0WAVE" + chunk(b"acid", struct.pack("<IH", 3, 61) + bytes(18)),
    "both.wav": b"RIFF\0\0\0\0WAVE" + chunk(b"acid", struct.pack("<IH", 3, 50) + bytes(18)) + smpl(61),
    "a.aif": b"FORM\0\0\0\0AIFF" + chunk(b"INST", bytes([61, 0, 0, 127, 1, 127]) + bytes(14), ">"),
    "a.aifc": b"FORM\0\0\0\0AIFC" + chunk(b"INST", bytes([61, 0, 0, 127, 1, 127]) + bytes(14), ">"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_root_keys_of_every_container(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(HEADERS[name])
    assert root_key(tmp_path / name) == 61
    for end in range(len(HEADERS[name])):
        (tmp_path / name).write_bytes(HEADERS[name][:end])
        assert root_key(tmp_path / name) in (61, 50, None)


@pytest.mark.parametrize("content", [b"RIFF\0\0\0\0WAVE" + smpl(200), b"RIFF\0\0\0\0WAVE" + chunk(b"acid", bytes(24))])
def test_what_is_no_root_key(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    assert root_key(tmp_path / "a.wav") is None


def with_key(path: Path, key: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"RIFF\0\0\0\0WAVE" + smpl(key))


def test_a_root_key_of_60_everywhere_says_nothing(tmp_path: Path) -> None:
    files = [f"Pad/take {number}.wav" for number in range(5)]
    for file in files:
        with_key(tmp_path / file, 60)
    assert {note.pitch for note in read_folders(tmp_path, files).notes} == {None}
    for number, keys in enumerate([[64], [64, 67], [64, 67, 62]]):
        with_key(tmp_path / files[number], keys[-1])
        rest = [None if number < 2 else 60] * (5 - len(keys))
        assert [note.pitch for note in read_folders(tmp_path, files).notes] == [*keys, *rest]


@pytest.mark.parametrize(("shift", "convention"), [(12, "C3"), (-12, "C5"), (0, None), (24, None)])
def test_root_keys_say_the_octaves_of_names(tmp_path: Path, shift: int, convention: str | None) -> None:
    keys = [48, 52, 55, 64]
    files = [f"Pad/pad {note_name(key)}.wav" for key in keys]
    for file, key in zip(files[:3], keys, strict=False):
        with_key(tmp_path / file, key + shift)
    reading = read_folders(tmp_path, files)
    assert [note.pitch for note in reading.notes] == [key + shift * (convention is not None) for key in keys]
    said = [f"octaves: {convention} = 60, by the root keys in the headers of 3 files"] if convention else []
    assert (reading.remarks, reading.octaves_vary) == (said, convention is None)


def test_root_keys_that_contradict_the_names_are_remarked(tmp_path: Path) -> None:
    files = ["Pad/C4.wav", "Pad/D4.wav", "Pad/E4.wav"]
    for file, key in zip(files, (60, 62, 65), strict=True):
        with_key(tmp_path / file, key)
    reading = read_folders(tmp_path, files)
    assert [note.pitch for note in reading.notes] == [60, 62, 64]
    assert reading.remarks == [
        "root keys: 1 of 3 files have another note in their headers (the name of Pad/E4.wav says E4, its header F4)"
    ]


# --- the account


def test_notes_without_a_pitch_are_counted(tmp_path: Path) -> None:
    shutil.copytree(CASES / "names-hammond", tmp_path / "library")
    for number in range(4):
        trees_named.note(tmp_path / f"library/B3 Organ/B3 noise {number}.wav", 60, 8000)
    report = timbre.scan(tmp_path / "library", measure=False).report
    lines = report.table().splitlines()
    assert "4 without pitch" in lines[1]
    assert "C3-E4, 4 of 13 without pitch" in report.table()
    at = lines.index("without pitch:")
    names = ", ".join(f"B3 Organ/B3 noise {number}.wav" for number in range(3))
    assert lines[at + 1] == f"  b3_organ: 4 of 13 ({names} ...)"
