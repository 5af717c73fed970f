"""Scans: measurements and their cache, the octave vote, flags and remarks."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import timbre
from timbre.audio import Audio, write
from timbre.audio.files import begin
from timbre.audio.pitch import midi_to_hz
from timbre.data import Library, Measured, Note
from timbre.data.flags import add_flags
from timbre.data.labels import Vote, settle_octaves, vote
from timbre.data.measurement_cache import MeasurementCache
from timbre.data.measuring import measure
from timbre.data.names import note_name
from timbre.data.readers import Options
from timbre.errors import LibraryError

RATE = 22050
ROOT = Path("/library")


def tone(pitch: float, seconds: float = 0.3, rate: int = RATE, level: float = 0.5) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * k * midi_to_hz(pitch) * time) / k for k in range(1, 6))
    return Audio(level * wave / np.abs(wave).max(), rate)


def put(root: Path, **sounds: Audio) -> None:
    """Write sounds under instrument__note names: oboe__A4 is oboe/A4.wav."""
    for name, audio in sounds.items():
        path = root / (name.replace("__", "/") + ".wav")
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, audio.samples.T, audio.sample_rate)


def flags(library: Library) -> dict[str, tuple[str, ...]]:
    return {note.name: note.flags for note in library if note.flags}


def measured(pitch: float | None, **values: float | int | str) -> Measured:
    usual = {"duration": 1.0, "sample_rate": 44100, "peak_db": -3.0, "loudness_db": -12.0, "silence": 0.0, "clipped": 2}
    return Measured(**(usual | {"pitch": pitch, "digest": os.urandom(8).hex()} | values))  # type: ignore[arg-type]


def note(label: float | None, sounds: float | None, instrument: str = "oboe", **labels: object) -> Note:
    file = ROOT / instrument / f"{label}.wav"
    return Note(file, instrument, pitch=label, measured=measured(sounds), **labels)  # type: ignore[arg-type]


# --- one note


def test_a_note_is_measured() -> None:
    sound = tone(57, 1.0, level=0.5).samples[0]
    audio = Audio(np.stack([np.concatenate([np.zeros(RATE // 2), sound])] * 2), RATE)
    found = measure(audio)
    assert (found.duration, found.sample_rate, found.clipped) == (1.5, RATE, 1)
    assert found.pitch == pytest.approx(57, abs=0.01)
    assert found.peak_db == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert found.loudness_db == pytest.approx(10 * np.log10(np.mean(sound**2)), abs=0.05)
    assert found.silence == pytest.approx(0.5, abs=0.02)


def test_loudness_is_that_of_the_loudest_400_ms() -> None:
    quiet_then_loud = np.concatenate([tone(60, 2.0, level=0.1).samples[0], tone(60, 0.5, level=0.8).samples[0]])
    assert measure(Audio(quiet_then_loud, RATE)).loudness_db == pytest.approx(
        measure(tone(60, 0.4, level=0.8)).loudness_db, abs=0.05
    )
    assert measure(tone(60, 0.1)).loudness_db == pytest.approx(measure(tone(60, 1.0)).loudness_db, abs=0.3)


@settings(max_examples=30)
@given(st.floats(21, 108), st.sampled_from([8000, 22050, 44100, 96000]), st.floats(0.01, 1.0))
def test_a_tone_as_loud_as_can_be_is_not_clipped(pitch: float, rate: int, level: float) -> None:
    sound = Audio(np.rint(tone(pitch, 0.5, rate, level).samples * 32767) / 32768, rate)
    named = Note(ROOT / "a.wav", "oboe", measured=measure(sound))
    assert add_flags([named])[0][0].flags == ()


@settings(max_examples=30)
@given(st.floats(33, 80), st.sampled_from([22050, 44100, 96000]), st.floats(0.1, 1.0))
def test_a_cut_off_top_is_clipping_at_any_level(pitch: float, rate: int, level: float) -> None:
    sound = tone(pitch, 0.5, rate, 1.5).samples
    cut = Audio(level * np.clip(sound, -0.8, 0.8) / 0.8, rate)
    longest = max(len(run) for run in "".join("x" if s else " " for s in np.abs(sound[0]) >= 0.8).split())
    found = measure(cut)
    assert longest <= found.clipped <= longest + 2
    (judged,), _ = add_flags([Note(ROOT / "a.wav", "oboe", measured=found)])
    assert (longest < 12) or judged.flags[0].startswith(f"clipping: {found.clipped} samples at ")


def test_the_same_sound_has_the_same_digest_in_any_lossless_format(tmp_path: Path) -> None:
    audio = Audio(np.random.default_rng(0).uniform(-1, 1, (2, 3000)), 44100)
    for name, subtype in (("a.wav", "PCM_16"), ("a.flac", "PCM_16"), ("b.wav", "PCM_16"), ("c.wav", "PCM_24")):
        write(tmp_path / name, timbre.read(tmp_path / "a.wav") if name != "a.wav" else audio, subtype)
    soundfile.write(tmp_path / "d.aiff", timbre.read(tmp_path / "a.wav").samples.T, 44100, "PCM_16")
    files = sorted(path for path in tmp_path.iterdir())
    assert len(files) == 5
    assert len({measure(timbre.read(path)).digest for path in files}) == 1
    audio = timbre.read(tmp_path / "a.wav")
    for other in (audio.gain(-0.1), Audio(audio.samples, 22050), audio.fit(0.05), audio.mono().gain(1)):
        assert measure(other).digest != measure(audio).digest


def test_of_a_long_file_the_beginning_is_measured_and_all_of_it_counts(tmp_path: Path) -> None:
    samples = np.concatenate([tone(60, 31, 8000, 0.2).samples[0], tone(67, 9, 8000, 0.9).samples[0]])
    soundfile.write(tmp_path / "A4.wav", samples, 8000)
    beginning, whole = begin(tmp_path / "A4.wav", 30)
    assert (beginning.duration, whole.duration) == (30, 40)
    found = measure(beginning, whole)
    assert found == measure(timbre.read(tmp_path / "A4.wav"), whole) == timbre.scan(tmp_path)[0].measured
    assert (found.duration, round(found.peak_db)) == (40, -1)
    assert found.loudness_db < -14
    assert found.digest != measure(Audio(samples[: 30 * 8000], 8000)).digest


SHAPES = {
    "noise": lambda n: np.random.default_rng(n).normal(size=n),
    "square": lambda n: np.sign(np.sin(np.arange(n) * 0.1 + 0.01)),
    "constant": np.ones,
    "click": lambda n: np.eye(1, n, n // 2)[0],
    "late": lambda n: np.where(np.arange(n) < n // 2, 0.0, 1.0),
}


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(SHAPES)),
    st.integers(1, 5000),
    st.sampled_from([1, 7, 100, 4000, 44100, 192000]),
    st.floats(-12, 3),
)
def test_anything_can_be_measured(shape: str, length: int, rate: int, level: float) -> None:
    found = measure(Audio(SHAPES[shape](length) * 10.0**level, rate))
    assert found.duration == length / rate
    assert found.loudness_db <= found.peak_db + 0.1
    assert 0 <= found.silence <= found.duration
    assert 1 <= found.clipped <= length
    assert found.pitch is None or 19 < found.pitch < 111


# --- octaves


def some(offsets: list[float | None], family: str | None = None) -> list[Note]:
    labels = range(40, 40 + len(offsets))
    return [note(p, None if off is None else p + off, family=family) for p, off in zip(labels, offsets, strict=True)]


@given(st.sampled_from([12, -12]), st.lists(st.floats(-0.5, 0.5), min_size=8, max_size=40), st.data())
def test_a_clear_majority_moves_all_labels(shift: int, offs: list[float], data: st.DataObject) -> None:
    against = data.draw(st.lists(st.sampled_from([0, 24, 12, -12]), max_size=len(offs) * 2 // 3))
    off_key = data.draw(st.lists(st.sampled_from([None, 1.0, 5.0, -7.0, 18.0]), max_size=20))
    mixed = data.draw(st.permutations([shift + off for off in offs] + against + off_key))
    notes = some(mixed)
    agreeing = len(offs) + against.count(shift)
    assert vote(notes) == (shift, agreeing, len(offs) + len(against))
    settled, remarks = settle_octaves(notes)
    assert [new.pitch for new in settled] == [(old.pitch or 0.0) + shift for old in notes]
    assert [new.name for new in settled] == [f"oboe-{note_name(new.pitch or 0.0)}" for new in settled]
    assert remarks == [
        f"octaves: {'C3' if shift > 0 else 'C5'} = 60, voted by {agreeing} of {len(offs + against)} notes"
    ]


def test_without_a_clear_majority_labels_stay() -> None:
    for offsets, family, expected in (
        ([12.0] * 7, None, (0, 0, 7)),
        ([12.0] * 5 + [0.0] * 5, None, (0, 5, 10)),
        ([1.0] * 20, None, (0, 0, 0)),
        ([12.0] * 20, "pitched_percussion", (0, 0, 0)),
        ([24.0] * 20, None, (0, 0, 20)),
    ):
        notes = some(offsets, family)
        assert vote(notes) == expected
        assert settle_octaves(notes)[0] == notes
    assert str(Vote(0, 5, 10)) == "octaves: C4 = 60, voted by 5 of 10 notes"
    assert str(Vote(0, 0, 7)) == "octaves: C4 = 60 is assumed, since only 7 notes could vote"


def test_the_octave_can_be_told() -> None:
    notes = some([12.0] * 20)
    for told, shift in (("C3", 12), ("C4", 0), ("C5", -12)):
        settled, remarks = settle_octaves(notes, told)
        assert [new.pitch for new in settled] == [(old.pitch or 0.0) + shift for old in notes]
        assert remarks == [f"octaves: {told} = 60, as given"]
    with pytest.raises(LibraryError, match="The octave must be C3, C4 or C5, the name of MIDI note 60; got 'D4'"):
        Options(octave="D4")
    assert settle_octaves([replace(one, pitch=None) for one in notes], "C3")[1] == []


def test_a_library_with_c3_as_60_is_read_right(tmp_path: Path) -> None:
    put(tmp_path, **{f"oboe__{note_name(p - 12)}": tone(p) for p in range(55, 75, 2)})
    library = timbre.scan(tmp_path)
    assert sorted(round(note.pitch or 0) for note in library) == list(range(55, 75, 2))
    assert library.report.remarks[0] == "octaves: C3 = 60, voted by 10 of 10 notes"
    assert flags(library) == {}
    forced = timbre.scan(tmp_path, options=Options(octave="C4"))
    assert {note.pitch for note in forced} == {p - 12.0 for p in range(55, 75, 2)}
    assert all(note.flags[0].startswith("octave: sounds ") for note in forced)
    assert "transposed: oboe sounds an octave above its labels (10 of 10 notes)" in forced.report.remarks
    (tmp_path / "metadata.csv").write_text("file,pitch\noboe/G2.wav,43\n")
    remarks = timbre.scan(tmp_path, options=Options(octave="C3")).report.remarks
    said = "table: metadata.csv has 9 files without a row"
    assert remarks == (said, "octaves: this format defines them; C3 = 60 was not applied")
    (tmp_path / "metadata.csv").unlink()
    unmeasured = timbre.scan(tmp_path, measure=False)
    assert {note.pitch for note in unmeasured} == {p - 12.0 for p in range(55, 75, 2)}
    assert {note.measured for note in unmeasured} == {None}
    assert unmeasured.report.remarks == ("octaves: C4 = 60 is assumed, since no note could vote",)


# --- pitch flags


def pitch_flags(notes: list[Note]) -> list[str]:
    return [flag for one in add_flags(notes)[0] for flag in one.flags]


def test_pitches_that_are_not_what_labels_say_are_flagged() -> None:
    assert pitch_flags([note(50, 43.02)]) == ["pitch: sounds G2, its label says D3 (-6.98 semitones)"]
    assert pitch_flags([note(69, 80.9)]) == ["octave: sounds A5, its label says A4"]
    assert pitch_flags([note(69, 45.3)]) == ["octave: sounds A2, its label says A4"]
    assert pitch_flags([note(69, 69.6)]) == ["pitch: sounds A#4, its label says A4 (+0.60 semitones)"]
    assert pitch_flags([note(69, 69.4), note(69, None), note(None, 69)]) == []


@pytest.mark.parametrize("name", ["timpani", "steel_drum", "Tubular Bells", "glockenspiel", "snare", "kit_drums_2"])
def test_inharmonic_instruments_are_exempt(name: str) -> None:
    assert pitch_flags([note(69, 60.0, name)]) == []


@pytest.mark.parametrize("name", ["pan_flute", "guitar_steel", "campbell_oboe", "tomato"])
def test_names_that_only_look_like_them_are_not(name: str) -> None:
    assert len(pitch_flags([note(69, 60.0, name)])) == 1


@given(st.floats(0.25, 0.7), st.sampled_from([-1, 1]))
def test_an_instrument_tuned_off_as_a_whole_is_one_remark(cents: float, sign: int) -> None:
    tuned = [
        note(p, p + sign * cents + wobble, "banjo") for p, wobble in zip(range(50, 60), [0.05, -0.05] * 5, strict=True)
    ]
    judged, remarks = add_flags([*tuned, note(70, 71.5 * sign if sign > 0 else 68.5, "banjo")])
    assert [len(one.flags) for one in judged] == [0] * 10 + [1]
    word = "sharp" if sign > 0 else "flat"
    assert remarks[0].startswith("tuning: banjo is ")
    assert f"cents {word} (10 of 11 notes)" in remarks[0]


def test_transposed_instruments_are_flagged_and_remarked() -> None:
    judged, remarks = add_flags([note(p, p - 7.0, "horn") for p in range(50, 60)])
    assert all(one.flags for one in judged)
    assert remarks[0] == "transposed: horn sounds 7 semitones below its labels (10 of 10 notes)"


# --- flags of sounds made for them


def test_every_kind_of_flag_is_seen_on_a_sound_made_for_it_and_on_no_other(tmp_path: Path) -> None:
    put(tmp_path, **{f"oboe__{note_name(p)}": tone(p) for p in range(60, 72)})
    assert flags(timbre.scan(tmp_path)) == {}
    put(
        tmp_path,
        flute__A5=tone(74),
        flute__B5=tone(71, level=0.4),
        horn__C3=Audio(np.clip(tone(48).samples * 4, -1, 1), RATE),
        horn__D3=Audio(np.clip(tone(50).samples * 4, -0.6, 0.6), RATE),
        horn__E3=Audio(np.concatenate([np.zeros(int(1.2 * RATE)), tone(52).samples[0]]), RATE),
        horn__F3=tone(53).gain(-56),
        horn__G3=tone(55, rate=8000),
    )
    (tmp_path / "copies").mkdir()
    write(tmp_path / "copies" / "D4.flac", timbre.read(tmp_path / "oboe" / "D4.wav"))
    library = timbre.scan(tmp_path)
    found = flags(library)
    assert found.pop("horn-C3")[0].endswith(" samples at full scale")
    assert found.pop("horn-D3")[0].endswith(" samples at its peak of -4.4 dB")
    assert found == {
        "flute-A5": ("pitch: sounds D5, its label says A5 (-7.00 semitones)",),
        "flute-B5": ("octave: sounds B4, its label says B5",),
        "horn-E3": ("silence: 1.2 s before the onset",),
        "horn-F3": ("level: peaks at -62 dB",),
        "horn-G3": ("rate: 8000 Hz, others have 22050",),
        "oboe-D4": ("duplicate: same sound as copies-D4",),
    }
    assert (len(library), library.report.dropped) == (20, ())


def test_a_readers_own_flags_stay() -> None:
    (judged,), _ = add_flags([replace(note(69, 60.0), flags=("quality: bad-tuning",))])
    assert [flag.partition(":")[0] for flag in judged.flags] == ["quality", "pitch"]


def test_rates_that_are_usual_are_not_flagged() -> None:
    notes = [replace(note(60, 60.0), measured=measured(60.0, sample_rate=rate)) for rate in [44100] * 8 + [48000] * 2]
    assert pitch_flags(notes) == []
    assert pitch_flags(notes[:8] * 2 + notes[8:9]).count("rate: 48000 Hz, others have 44100") == 1


def test_levels_that_tell_nothing_of_dynamics_are_remarked(orchestra: Library) -> None:
    def played(gain: float, peak: float) -> list[Note]:
        marks = [("p", -gain, -peak), ("f", 0.0, 0.0)] * 4
        return [
            replace(
                note(60 + i, 60.0 + i, dynamics=mark),
                measured=measured(60.0 + i, loudness_db=-12 + db, peak_db=-1 + top),
            )
            for i, (mark, db, top) in enumerate(marks)
        ]

    assert add_flags(played(12.0, 12.0))[1] == []
    assert add_flags(played(0.5, 3.0))[1] == ["dynamics: no difference of level between them in oboe"]
    assert add_flags(played(6.0, 0.0))[1] == ["levels: all notes have the same peak, whatever their dynamics, in oboe"]
    told = " ".join(orchestra.report.remarks)
    assert "clarinet" in told
    assert "violin_section" not in told


def test_strict_makes_flags_errors(tmp_path: Path) -> None:
    put(tmp_path, **{f"oboe__{note_name(p)}": tone(p + 1.0 * (p < 63)) for p in range(58, 72)})
    with pytest.raises(LibraryError, match=r"5 of 14 notes in .* have flags \(oboe-A#3: pitch: .*; and 2 more\)\."):
        timbre.scan(tmp_path, strict=True)
    table = timbre.scan(tmp_path).report.table()
    assert "14 found, 14 kept, 0 dropped, 5 flagged; 0.1 minutes" in table
    assert "flagged:\n  oboe-A#3 (oboe/A#3.wav): pitch: sounds B3, its label says A#3 (+1.00 semitones)" in table
    for file in ("A#3", "B3", "C4", "C#4", "D4"):
        (tmp_path / "oboe" / f"{file}.wav").unlink()
    assert len(timbre.scan(tmp_path, strict=True)) == 9


def test_long_lists_in_the_table_are_shortened(tmp_path: Path) -> None:
    put(tmp_path, **{f"oboe__{note_name(p)}": tone(p, 0.1).gain(-56) for p in range(40, 85)})
    put(tmp_path, oboe__silent=Audio(np.zeros(9000), RATE))
    for number in range(50):
        (tmp_path / f"{number}.wav").write_bytes(b"x" * number)
    report = timbre.scan(tmp_path).report
    assert (report.found, report.kept, len(report.flagged), report.reader) == (96, 45, 45, "folders")
    lines = report.table().splitlines()
    assert lines[4].split() == ["oboe", "woodwinds", "45", "E2-C6", "-", "0.1", "level", "45"]
    first = lines.index("flagged:")
    assert lines[first + 1] == "  oboe-A#2 (oboe/A#2.wav): level: peaks at -62 dB"
    assert lines[first + 41] == "  and 5 more"
    dropped = lines[lines.index("dropped:") + 1 : lines.index("remarks:") - 1]
    assert dropped[0].startswith("  49 x is damaged or not a readable sound file")
    assert set(dropped[1:]) == {"  1 x is empty (0 bytes) (0.wav)", "  1 x silent (oboe/silent.wav)"}


# --- parts of files


def test_stretches_of_one_file_are_measured_each(tmp_path: Path) -> None:
    gap = np.zeros(RATE)
    run = np.concatenate([part for p in (58, 59, 60) for part in (gap, tone(p, 1.0).samples[0])] + [gap])
    soundfile.write(tmp_path / "Horn.ff.Bb3C4.wav", run, RATE)
    library = timbre.scan(tmp_path, "iowa")
    assert [round(one.measured.pitch or 0, 1) for one in library if one.measured] == [58, 59, 60]
    assert all(0.9 < one.duration < 1.3 for one in library)
    again = timbre.scan(tmp_path, "iowa")
    assert again.notes == library.notes
    assert [one.duration for one in timbre.scan(tmp_path, "iowa", measure=False)] == [one.duration for one in library]


# --- what is remembered


def test_unchanged_files_are_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, oboe__A4=tone(69), oboe__B4=tone(71))
    first = timbre.scan(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("timbre.data.scanning._examine", None)  # nobody calls it
        assert timbre.scan(tmp_path).notes == first.notes
    times = {path: path.stat() for path in (tmp_path / "oboe").iterdir()}
    put(tmp_path, oboe__A4=tone(60), oboe__B4=tone(60, 0.4))
    for path, status in times.items():  # the times of another file do not hide that it was replaced
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert [round(one.measured.pitch or 0) for one in timbre.scan(tmp_path) if one.measured] == [60, 60]


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"x" * 9000])
def test_a_damaged_memory_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setenv("TIMBRE_CACHE", str(tmp_path / "cache"))
    put(tmp_path / "notes", oboe__A4=tone(69))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "facts.sqlite").write_bytes(content)
    library = timbre.scan(tmp_path / "notes")
    assert library[0].measured is not None
    cache = MeasurementCache()
    assert cache.find(library) == [library[0].measured]
    cache.close()
    assert cache.find(library) is None


def test_without_a_memory_everything_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TIMBRE_CACHE", str(tmp_path / "file"))
    put(tmp_path / "notes", oboe__A4=tone(69))
    for _ in range(2):
        assert timbre.scan(tmp_path / "notes")[0].measured is not None


def test_names_in_tables_are_voted_on_and_numbers_are_not(tmp_path: Path) -> None:
    put(tmp_path, **{str(number): tone(number) for number in range(60, 72)})
    lines = {
        "names": [f"{number}.wav,oboe,{note_name(number - 12)}" for number in range(60, 72)],
        "numbers": [f"{number}.wav,oboe,{number - 12}" for number in range(60, 72)],
    }
    for kind, rows in lines.items():
        (tmp_path / "metadata.csv").write_text("\n".join(["file,instrument,pitch", *rows]))
        library = timbre.scan(tmp_path)
        assert [note.pitch for note in library] == [n if kind == "names" else n - 12 for n in range(60, 72)]
        remark = {"names": "octaves: C3 = 60, voted by 12 of 12", "numbers": "transposed: oboe sounds an octave above"}
        assert any(text.startswith(remark[kind]) for text in library.report.remarks)


def test_doubtful_notes_are_left_out_on_request(tmp_path: Path) -> None:
    put(tmp_path, **{f"oboe__{note_name(p)}": tone(p) for p in range(60, 71)}, oboe__B5=tone(77), oboe__C6=tone(60))
    library = timbre.scan(tmp_path)
    assert {name: [flag.split(":")[0] for flag in kinds] for name, kinds in flags(library).items()} == {
        "oboe-B5": ["pitch"],
        "oboe-C6": ["octave", "duplicate"],
    }
    clean = library.leave_out("pitch", "duplicate")
    assert {note.name for note in clean} == {note.name for note in library} - {"oboe-B5", "oboe-C6"}
    assert clean.report.found == library.report.found
    assert clean.report.dropped == (
        ("oboe/B5.wav", "left out: pitch: sounds F5, its label says B5 (-6.00 semitones)"),
        ("oboe/C6.wav", "left out: duplicate: same sound as oboe-C4"),
    )
    assert clean.report.notes == clean.notes
    assert len(library.leave_out("level")) == len(library)
    with pytest.raises(LibraryError, match=r"flag must be one of pitch, octave, clipping, .*, got 'colour'"):
        library.leave_out("colour")
    with pytest.raises(LibraryError, match="must have notes without the flags pitch, but all of its 1 have"):
        library.filter(pitch="B5").leave_out("pitch")
