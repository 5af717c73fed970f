"""Readers of formats with tables or file names: the rules of each format."""

import json
import sqlite3
import unicodedata
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trees_named
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees_named import TREES, BuiltTree, nsynth_entry, write_table

from timbre.audio import Audio
from timbre.data import Library, Note
from timbre.data.readers import READERS, Options, Reading, choose
from timbre.data.readers.folders import read_folders
from timbre.data.readers.iowa import find_notes
from timbre.data.readers.pattern import compile_pattern, match
from timbre.data.tree import open_tree
from timbre.errors import LibraryError


def grow(name: str, root: Path) -> BuiltTree:
    (root / "library").mkdir()
    return TREES[name](root / "library")


def read(built: BuiltTree, place: str = "", options: Options | None = None) -> Reading:
    """The reading of a library, without decoding sounds."""
    return READERS[built.format].read(open_tree(built.root / place), options or built.options)


def labels(note: Note) -> tuple[Any, ...]:
    return note.instrument, note.family, note.pitch, note.dynamics, note.articulation, note.take, note.source


# --- plain folders


@pytest.mark.parametrize(
    ("name", "pitch", "velocity", "take"),
    [
        ("127_110.00000.wav", 45.0, 1.0, None),
        ("064_440.0000.wav", 69.0, 64 / 127, None),
        ("sine_440Hz.wav", 69.0, None, None),
        ("sine 27.5 hz.wav", 21.0, None, None),
        ("2_440Hz.wav", 69.0, None, None),
        ("261.63.wav", pytest.approx(60.0, abs=0.01), None, None),
        ("piano_60.127.wav", 60.0, None, None),
        ("A4_440Hz.wav", 69.0, None, None),
        ("C4_rr2.wav", 60.0, None, 2),
        ("C4 take12.wav", 60.0, None, 12),
        ("sus_A#1_v1_3.wav", 34.0, None, 3),
        ("cello_60_2.wav", 60.0, None, None),
    ],
)
def test_frequencies_and_repeats_in_names(name: str, pitch: float, velocity: float | None, take: int | None) -> None:
    reading = read_folders(Path("/library"), [f"thing/{name}"])
    (note,) = reading.notes
    assert (note.pitch, note.velocity, note.take) == (pitch, velocity, take)
    assert not reading.dropped


def test_octaves_vary_only_where_names_tell_pitches(tmp_path: Path) -> None:
    for name, vary in (("60.wav", False), ("110.00000.wav", False), ("organ-060-127.wav", False), ("A4.wav", True)):
        trees_named.note(tmp_path / name, 69, 8000)
        assert READERS["folders"].read(open_tree(tmp_path), Options()).octaves_vary is vary, name


def test_runs_in_plain_folders_are_named(tmp_path: Path) -> None:
    trees_named.note(tmp_path / "horn" / "Horn_Bb1B1.wav", 34)
    (dropped,) = READERS["folders"].read(open_tree(tmp_path), Options()).dropped
    assert dropped == ("horn/Horn_Bb1B1.wav", "contains a run of notes (Bb1B1); split it into one file for each note")


# --- tables


def test_tables_tell_takes_and_splits(tmp_path: Path) -> None:
    names = ("a.wav", "b.wav", "c.wav")
    for name in names:
        trees_named.note(tmp_path / name, 60, 8000)
    rows = [("a.wav", 2, "Training"), ("b.wav", "", "val"), ("c.wav", "two", "later")]
    write_table(tmp_path / "metadata.csv", "file,round robin,subset", rows)
    (tmp_path / "metadata.json").write_text("[]")
    reading = READERS["table"].read(open_tree(tmp_path), Options())
    assert [(n.take, n.split) for n in reading.notes] == [(2, "train"), (None, "valid"), (None, None)]
    assert reading.labels == "metadata.csv"


def test_json_cells_of_every_kind(tmp_path: Path) -> None:
    trees_named.note(tmp_path / "a.wav", 60, 8000)
    entry = {"File Name": "A.WAV", "instrument": "Alto Sax", "midi_note": 60.5, "velocity": None, "dynamics": "F"}
    entry |= {"family": ["ignored"], "articulation": {"ignored": 1}, "licence": True, "source": float("nan")}
    (tmp_path / "Metadata.json").write_text(json.dumps([entry]))
    (note,) = READERS["table"].read(open_tree(tmp_path), Options()).notes
    assert labels(note) == ("alto_sax", "woodwinds", 60.5, "f", None, None, None)
    assert (note.velocity, note.licence) == (96 / 127, "True")


def test_a_chosen_table_speaks_for_its_own_files_only(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        trees_named.note(tmp_path / name, 60, 8000)
    (tmp_path / "mine.json").write_text('[{"file": "a.wav", "instrument": "oboe"}]')
    whole = READERS["table"].read(open_tree(tmp_path), Options())
    assert ([n.file.name for n in whole.notes], len(whole.dropped)) == (["a.wav"], 1)
    tree = open_tree(tmp_path / "mine.json")
    assert READERS["table"].suits(tree)
    reading = READERS["table"].read(tree, Options())
    assert ([n.file.name for n in reading.notes], reading.dropped) == (["a.wav"], [])


def test_a_chosen_file_that_lists_nothing_is_not_passed_over(tmp_path: Path) -> None:
    trees_named.note(tmp_path / "oboe" / "A4.wav", 69, 8000)
    (tmp_path / "colours.csv").write_text("colour,size\nred,3\n")
    for name in ("table", "philharmonia", "iowa", "folders"):
        assert not READERS[name].suits(open_tree(tmp_path / "colours.csv")), name
    with pytest.raises(LibraryError, match=r"colours\.csv"):
        choose(open_tree(tmp_path / "colours.csv"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("a.wav"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["file", "pitch", "velocity", "a.wav", "../a.wav", "take", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON)
def test_any_json_is_read_or_refused(tmp_path: Path, content: Any) -> None:
    trees_named.note(tmp_path / "a.wav", 60, 8000, seconds=0.05)
    (tmp_path / "metadata.json").write_text(json.dumps(content))
    (tmp_path / "audio").mkdir(exist_ok=True)
    (tmp_path / "audio" / "a.wav").touch()
    (tmp_path / "examples.json").write_text(json.dumps(content))
    for name in ("table", "nsynth"):
        try:
            reading = READERS[name].read(open_tree(tmp_path), Options())
        except LibraryError as error:
            assert str(tmp_path) in str(error)  # noqa: PT017  (both outcomes are right)
            continue
        assert {n.file.name for n in reading.notes} <= {"a.wav"}
        assert all(n.pitch is None or 0 <= n.pitch <= 127 for n in reading.notes)


# --- TinySOL and OrchideaSOL


def test_tinysol_fields(tmp_path: Path) -> None:
    reading = read(grow("tinysol", tmp_path))
    bass, flute, accordion, trumpet = reading.notes
    assert labels(bass) == ("contrabass", "strings", 45.0, "mf", "ordinario", 2, "TinySOL")
    assert labels(flute) == ("flute", "woodwinds", 60.0, "mf", "ordinario", 1, "TinySOL")
    assert labels(accordion) == ("accordion", "keyboard", 71.0, "ff", "ordinario", 3, "TinySOL")
    assert trumpet.flags == ("quality: resampled from the neighbouring semitone",)
    assert {note.flags for note in (bass, flute, accordion)} == {()}
    assert {note.licence for note in reading.notes} == {"CC-BY-4.0"}
    assert reading.remarks == ["4 of 6 notes were retuned digitally, according to the table."]
    assert reading.octaves_vary is False


def test_tinysol_may_lie_anywhere_below(tmp_path: Path) -> None:
    path = "Winds/Flute/ordinario/Fl-ord-C4-mf-N-T14d.wav"
    row = (path, 0, "Winds", "Fl", "Flute", "ord", "ordinario", "C4", 60, "", 2, 0, "", "TRUE")
    write_table(tmp_path / "TinySOL_metadata.csv", trees_named.TINYSOL, [row])
    for folder in ("", "TinySOL/", "a/b/TinySOL2020/"):
        trees_named.note(tmp_path / folder / path, 60)
        (note,) = READERS["tinysol"].read(open_tree(tmp_path), Options()).notes
        assert note.file == tmp_path / folder / path
        assert note.dynamics == "mf"  # from the Dynamics ID
        (tmp_path / folder / path).unlink()
    for folder in ("one/", "two/"):
        trees_named.note(tmp_path / folder / path, 60)
    reading = READERS["tinysol"].read(open_tree(tmp_path), Options())
    assert not reading.notes
    assert [file for file, _ in reading.dropped] == [path, f"one/{path}", f"two/{path}"]


def test_orchideasol_fields(tmp_path: Path) -> None:
    bass, cello, flute, clarinet = read(grow("orchideasol", tmp_path)).notes
    assert labels(bass) == ("contrabass", "strings", 45.0, "mf", "tremolo-sordina", 1, "OrchideaSOL")
    assert labels(cello) == ("violoncello", "strings", 50.0, "mf", "pizzicato_l_vib", 2, "OrchideaSOL")
    assert labels(flute) == ("flute", "woodwinds", None, None, "jet_whistle", 1, "OrchideaSOL")
    assert (clarinet.pitch, clarinet.articulation, clarinet.licence) == (None, "multiphonics", "Ircam Forum licence")


# --- NSynth


def test_nsynth_fields(tmp_path: Path) -> None:
    built = grow("nsynth", tmp_path)
    organ, bass, mallet, vocal = read(built).notes
    assert labels(organ)[:3] == ("organ_electronic_001", "keyboard", 60.0)
    assert [note.split for note in (organ, bass, mallet, vocal)] == ["test", "train", "train", "valid"]
    assert [note.family for note in (bass, mallet, vocal)] == ["plucked", "pitched_percussion", "voice"]
    assert (organ.velocity, organ.source, organ.licence) == (1.0, "NSynth, electronic", "CC-BY-4.0")
    assert organ.articulation == "bright-percussive"


def test_nsynth_of_one_split_or_one_table(tmp_path: Path) -> None:
    built = grow("nsynth", tmp_path)
    for place in ("nsynth-train", "nsynth-train/examples.json"):
        assert READERS["nsynth"].suits(open_tree(built.root / place))
        reading = read(built, place)
        assert [(note.instrument, note.split) for note in reading.notes] == [
            ("bass_synthetic_033", "train"),
            ("mallet_acoustic_047", "train"),
        ]
        assert not reading.dropped


def test_nsynth_sounds_of_several_notes_are_flagged(tmp_path: Path) -> None:
    name = "synth_lead_synthetic_000-060-100"
    trees_named.note(tmp_path / f"audio/{name}.wav", 60, 16000)
    entry = nsynth_entry(name, name[:-8], "synth_lead", "synthetic", 60, 100, ["dark", "multiphonic", "tempo-synced"])
    (tmp_path / "examples.json").write_text(json.dumps({name: entry}))
    (note,) = READERS["nsynth"].read(open_tree(tmp_path), Options()).notes
    assert note.flags == ("quality: multiphonic", "quality: tempo-synced")
    assert (note.articulation, note.family, note.split) == ("dark", "synth", None)


# --- Philharmonia


def test_philharmonia_fields(tmp_path: Path) -> None:
    cello, clarinet, snare = read(grow("philharmonia", tmp_path)).notes[:3]
    source = "Philharmonia Orchestra"
    assert labels(cello) == ("cello", "strings", 46.0, "f", "arco-normal", None, source)
    assert labels(clarinet) == ("clarinet", "woodwinds", 62.0, "ff", "normal", None, source)
    assert labels(snare) == ("snare_drum", "percussion", None, "f", "with-snares", None, source)


def test_philharmonia_swells_have_no_dynamic_mark(tmp_path: Path) -> None:
    notes = {note.file.stem: note for note in read(grow("philharmonia", tmp_path)).notes}
    swell = notes["violin_G3_very-long_cresc-decresc_arco-normal"]
    assert (swell.dynamics, swell.velocity, swell.articulation) == (None, None, "arco-normal-cresc-decresc")
    soft = notes["violin_A4_15_molto-pianissimo_arco-normal"]
    assert (soft.dynamics, soft.velocity) == ("ppp", 12 / 127)


# --- Iowa


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Piano.ff.Eb4.aiff", ("piano", "keyboard", 63.0, "ff", None)),
        ("Bass.arco.ff.sulE.E2.stereo.aif", ("double_bass", "strings", 40.0, "ff", "arco-sule")),
        ("Viola.arco.sulA.ff.A4.aiff", ("viola", "strings", 69.0, "ff", "arco-sula")),
        ("Guitar.ff.sul_E.C5.mono.aif", ("guitar", "plucked", 72.0, "ff", "sul_e")),
        ("BbClar.pp.C4.wav", ("clarinet", "woodwinds", 60.0, "pp", None)),
        ("TenorTrombone.mf. E2.aiff", ("tenor_trombone", "brass", 40.0, "mf", None)),
        ("Vibraphone.dampen.ff.C4.ster.mp3", ("vibraphone", "pitched_percussion", 60.0, "ff", "dampen")),
        ("Marimba.roll.Bb2.aif", ("marimba", "pitched_percussion", 46.0, None, "roll")),
    ],
)
def test_iowa_names(name: str, expected: tuple[Any, ...], tmp_path: Path) -> None:
    trees_named.note(tmp_path / name, 60, 44100)
    (note,) = READERS["iowa"].read(open_tree(tmp_path), Options()).notes
    assert labels(note)[:5] == expected
    assert note.part is None


def test_iowa_runs_that_cannot_be_split_are_told_with_both_numbers(tmp_path: Path) -> None:
    trees_named.put(tmp_path / "flute.vib.pp.C4Eb4.aiff", trees_named.run(60, 3, 44100))
    trees_named.note(tmp_path / "flute.vib.pp.C5B4.aiff", 60)
    (tmp_path / "flute.vib.pp.C6E6.aiff").write_text("text")
    trees_named.put(tmp_path / "flute.vib.pp.C7D7.aiff", trees_named.tone(84, 44100, 2.0)[4410:-4410])
    assert [reason for _, reason in READERS["iowa"].read(open_tree(tmp_path), Options()).dropped] == [
        "a run of 4 notes (C4Eb4) in which 3 separate sounds were found",
        "its name gives a descending run (C5B4)",
        "is damaged or not a readable sound file: Format not recognised",
        "a run of 3 notes (C7D7) in which 1 separate sounds were found",
    ]


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.floats(0.15, 1.0), st.floats(0.25, 1.0), st.floats(-20, 0)), min_size=2, max_size=8),
    st.floats(-75, -50),
    st.integers(8000, 16000),
)
def test_notes_between_silences_are_found(notes: list[tuple[float, float, float]], room: float, rate: int) -> None:
    pieces, places, now = [np.zeros(rate // 4)], [], 0.25
    for length, silence, level in notes:
        sound = 10 ** (level / 20) * trees_named.tone(60, rate, length)
        pieces += [sound, np.zeros(round(silence * rate))]
        places.append((now, now + sound.size / rate))
        now += (sound.size + pieces[-1].size) / rate
    samples = np.concatenate(pieces)
    samples += 0.3 * 10 ** (room / 20) * np.random.default_rng(1).standard_normal(samples.size)
    found = find_notes(Audio(samples, rate), len(notes))
    assert found == pytest.approx(np.array(places), abs=0.06)


def test_real_notes_in_a_run_are_found(orchestra: Library) -> None:
    checked = 0
    for name in ("violin", "trumpet", "piano", "harp", "double_bass"):
        sounds = [note.audio().mono() for note in orchestra.filter(instrument=name)[:8]]
        rate = sounds[0].sample_rate
        run = np.concatenate([np.pad(sound.samples[0], rate // 2) for sound in sounds])
        found = find_notes(Audio(run + 1e-4 * np.random.default_rng(0).standard_normal(run.size), rate), len(sounds))
        starts = np.cumsum([0, *(sound.duration + 1.0 for sound in sounds)])
        assert len(found) == len(sounds), name
        for (start, end), first, last in zip(found, starts, starts[1:], strict=False):
            assert first + 0.4 <= start < end <= last + 0.02, name
        checked += len(found)
    assert checked > 20


@settings(max_examples=30)
@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=3000), st.integers(1, 48000), st.integers(1, 90))
def test_any_sound_has_a_number_of_notes(samples: list[float], rate: int, count: int) -> None:
    audio = Audio(np.array([samples]), rate)
    found = find_notes(audio, count)
    times = [time for place in found for time in place]
    assert times == sorted(times)
    assert all(0 <= time <= audio.duration + 1e-9 for time in times)


MARKS = st.sampled_from(["._", "__", "_", ".", "/", "-", " "])
PIECES = MARKS | st.sampled_from(["A9", "Cb0", "C4B4", "Bb1", "ff", "piano", "025", "rr2", "999", "440Hz", "é"])


@settings(max_examples=60)
@given(st.lists(st.lists(PIECES, min_size=1, max_size=9), min_size=1, max_size=6))
def test_any_names_are_told_apart_and_read(tmp_path_factory: pytest.TempPathFactory, names: list[list[str]]) -> None:
    files = {"".join(pieces).strip("/") + ".wav" for pieces in names}
    tree = open_tree(tmp_path_factory.mktemp("names"))
    tree.files = sorted(file for file in files if not any(part.startswith(".") for part in file.split("/")))
    for name in ("folders", "iowa", "philharmonia", "pattern"):
        READERS[name].suits(tree)
        reading = READERS[name].read(tree, Options(pattern="{any}{note}{any}"))
        assert {n.file for n in reading.notes} | {tree.root / f for f, _ in reading.dropped} == {
            tree.root / file for file in tree.files
        }


# --- good-sounds


def test_good_sounds_fields(tmp_path: Path) -> None:
    flute, other, sax = read(grow("good_sounds", tmp_path)).notes
    assert labels(flute)[:2] == ("flute", "woodwinds")
    assert flute.source == "good-sounds, flute_almudena_reference, akg"
    assert other.source == "good-sounds, flute_almudena_reference, neumann"
    assert flute.recording == other.recording != sax.recording
    assert flute.pitch == other.pitch == pytest.approx(60 + 12 * np.log2(442 / 440))
    assert (sax.instrument, sax.pitch, sax.dynamics) == ("alto_sax", 57.0, None)
    assert sax.flags == ("quality: bad-dynamics-stability-tremolo",)
    assert (flute.flags, flute.dynamics, flute.licence) == ((), "mf", "CC-BY-SA-4.0")


def test_good_sounds_scales_are_no_notes(tmp_path: Path) -> None:
    dropped = dict(read(grow("good_sounds", tmp_path)).dropped)
    assert dropped["sound_files/saxo_bad/iphone/0008.wav"] == "a scale, not a note (scale-good-staccato)"
    assert dropped["sound_files/saxo_bad/iphone/0009.wav"] == "not in database.sqlite"


def test_the_database_is_left_as_it_was(tmp_path: Path) -> None:
    built = grow("good_sounds", tmp_path)
    database = built.root / "database.sqlite"
    before, files = database.read_bytes(), open_tree(built.root).files
    read(built)
    assert database.read_bytes() == before
    assert sorted(p.relative_to(built.root).as_posix() for p in built.root.rglob("*") if p.is_file()) == files


def test_a_database_that_never_ends_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "sound_files").mkdir()
    trees_named.note(tmp_path / "sound_files" / "a.wav", 60)
    endless = "AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i > 0) "
    with closing(sqlite3.connect(tmp_path / "database.sqlite")) as database, database:
        database.executescript(
            f"CREATE VIEW sounds {endless} SELECT -1 id, 'x' instrument, 1 semitone, 1 pitch_reference, 'f' dynamics, "
            f"'good' klass, 1 pack_id FROM n; CREATE VIEW packs AS SELECT 1 id, 'x' name; CREATE TABLE takes "
            "(id INTEGER PRIMARY KEY, microphone TEXT, filename TEXT, sound_id INTEGER); "
            "INSERT INTO takes VALUES (1, 'x', 'sound_files/a.wav', 1);"
        )
    with pytest.raises(LibraryError, match=r"cannot be read as the database of good-sounds: interrupted\.$"):
        READERS["good-sounds"].read(open_tree(tmp_path), Options())


# --- Medley-solos-DB


def test_medley_fields(tmp_path: Path) -> None:
    reading = read(grow("medley", tmp_path))
    piano, flute, singer = reading.notes
    assert labels(piano) == ("piano", "keyboard", None, None, None, None, "Medley-solos-DB, song 0")
    assert [note.split for note in (piano, flute, singer)] == ["train", "valid", "test"]
    assert labels(singer)[:2] == ("female_singer", "voice")
    assert reading.remarks


# --- patterns


def test_every_field_of_a_pattern(tmp_path: Path) -> None:
    name = "Brass/F Horn/sus_Studio A_As3_60_233.08_100_mezzo-forte_L2_rr03 (x).flac"
    trees_named.note(tmp_path / name, 58, subtype=None)
    pattern = (
        "{family}\\{instrument}\\{articulation}_{source}_{note}_{midi}_{hz}_{velocity}_{dynamics}_L{layer}_rr{take}"
    )
    (note,) = READERS["pattern"].read(open_tree(tmp_path), Options(pattern=pattern + " ({any})")).notes
    assert labels(note)[:2] == ("f_horn", "brass")
    assert note.pitch == pytest.approx(58.0, abs=0.01)  # the frequency is the most exact of the three
    assert (note.velocity, note.dynamics, note.take) == (100 / 127, "mf", 3)
    assert (note.articulation, note.source) == ("sus", "Studio A")


@pytest.mark.parametrize(
    ("pattern", "path", "fields"),
    [
        ("{instrument}_{note}.wav", "double_bass_A1", {"instrument": "double_bass", "note": "A1"}),
        ("{instrument}_{note}.*", "double_bass_A1", {"instrument": "double_bass", "note": "A1"}),
        ("{instrument}_{note}", "a_b_C#4", {"instrument": "a_b", "note": "C#4"}),
        ("{instrument}{note}", "oboeC4", {"instrument": "oboe", "note": "C4"}),
        ("{instrument}{note}", "oboe_Cb4", {"instrument": "oboe_", "note": "Cb4"}),
        ("{dynamics}{midi}_RR{take}", "fff60_rr12", {"dynamics": "fff", "midi": "60", "take": "12"}),
        ("{any}/{any}/{note}", "a/b/C-1", {"any": "a", "note": "C-1"}),
        ("{note}", "sub/C4", None),
        ("{instrument}/{note}", "C4", None),
        ("{{x}}{note}", "{x}C4", {"note": "C4"}),
        ("flûte_{note}", "flu\u0302te_C4", {"note": "C4"}),
        ("{note}_{layer}", "C4_123", None),
    ],
)
def test_patterns_match_whole_paths(pattern: str, path: str, fields: dict[str, str] | None) -> None:
    found = match(compile_pattern(pattern)[0], unicodedata.normalize("NFC", path))
    assert found == fields


def test_layers_of_a_pattern_become_velocities(tmp_path: Path) -> None:
    for name in ("oboe_C4_1", "oboe_C4_2", "oboe_D4_4", "flute_C4_1"):
        trees_named.note(tmp_path / f"{name}.wav", 60, 8000)
    notes = READERS["pattern"].read(open_tree(tmp_path), Options(pattern="{instrument}_{note}_{layer}.wav")).notes
    assert [note.velocity for note in notes] == [None, 0.125, 0.375, 0.875]


def test_numbers_out_of_range_are_reasons(tmp_path: Path) -> None:
    for name in ("60_200", "200_60", "60_60"):
        trees_named.note(tmp_path / f"{name}.wav", 60, 8000)
    options = Options(pattern="{midi}_{velocity}.wav")
    reading = READERS["pattern"].read(open_tree(tmp_path), options)
    assert [note.file.name for note in reading.notes] == ["60_60.wav"]
    assert [reason.split(";")[0] for _, reason in reading.dropped] == [
        "A pitch must be a note name such as A#3 or Bb3, or a MIDI number from 0 to 127, got '200'",
        "velocity must be at most 127, got 200",
    ]
    reading = READERS["pattern"].read(open_tree(tmp_path), replace(options, pattern="{hz}_{any}.flac"))
    assert {reason for _, reason in reading.dropped} == {"its name does not follow the pattern"}


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("{instrument}/{pitch}.wav", r"has the unknown field \{pitch\}"),
        ("{instrument}.wav", "has no pitch"),
        ("{note}_{note}", r"has \{note\} twice"),
        ("{note", "is malformed"),
        ("note}", "is malformed"),
        ("{}", r"has the unknown field \{\}"),
        ("{note:3}", "has a field with more than a name"),
        ("{note!r}", "has a field with more than a name"),
        ("", "has no pitch"),
        ("{any}" * 20 + "{note}", "has more than 20 fields"),
    ],
)
def test_patterns_are_refused_at_the_door(pattern: str, what: str, tmp_path: Path) -> None:
    trees_named.note(tmp_path / "a.wav", 60)
    with pytest.raises(LibraryError, match=what + r".*\{instrument\}, .*\{take\}, with \{note\}, \{midi\} or \{hz\}"):
        READERS["pattern"].read(open_tree(tmp_path), Options(pattern=pattern))
    with pytest.raises(LibraryError, match="needs a pattern"):
        READERS["pattern"].read(open_tree(tmp_path), Options())


WORD = st.text(
    st.characters(codec="utf-8", exclude_characters="/_\0", categories=("L", "N", "P", "S")), min_size=1, max_size=12
)


@given(WORD, st.integers(0, 127), st.sampled_from(["pp", "mezzo-forte", "FF"]), st.integers(0, 9999), WORD)
def test_what_was_written_by_a_pattern_is_read_by_it(
    instrument: str, midi: int, dynamics: str, take: int, other: str
) -> None:
    pattern = "{instrument}/{midi}_{dynamics}_rr{take}_{any}"
    fields = {"instrument": instrument, "midi": str(midi), "dynamics": dynamics, "take": str(take), "any": other}
    assert match(compile_pattern(pattern)[0], pattern.format(**fields)) == fields


PIECE = st.sampled_from(
    ["{any}", "{instrument}", "{note}", "{midi}", "{take}", "{", "}", "_", "/", "a", ".wav", ".*", "{x}", "é"]
)


@given(st.lists(PIECE, max_size=12), st.text(st.sampled_from("_/aC4b#é. "), max_size=40))
def test_any_pattern_is_read_or_refused(pieces: list[str], path: str) -> None:
    pattern = "".join(pieces)
    try:
        parts, _ = compile_pattern(pattern)
    except LibraryError as error:
        assert "{instrument}" in str(error)  # noqa: PT017  (both outcomes are right)
        return
    found = match(parts, path)
    if found is not None:
        assert all(value and value in path for value in found.values())


@pytest.mark.parametrize("between", ["", "_", "_x"])
def test_no_pattern_takes_forever(between: str) -> None:
    fields = ["{any}"] * 17 + ["{instrument}", "{articulation}", "{note}"]
    parts, _ = compile_pattern(between.join(fields))
    assert match(parts, "_x" * 127) is None
    assert match(parts, "/".join(["_" * 255] * 2)) is None
    assert match(parts, between.join(["ab"] * 40 + ["C4"])) is not None
