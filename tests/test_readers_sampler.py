"""Readers of samplers' presets: the names of presets, and notes from their zones."""

import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees_named import note, put, tone
from trees_sampler import RATE, wav, with_root_key, write

import timbre
from timbre.data import Note
from timbre.data.names import note_name
from timbre.data.readers import READERS, Options
from timbre.data.readers._preset import preset_of
from timbre.data.tree import open_tree
from timbre.errors import LibraryError


def read(folder: Path, **samples: float) -> list[Note]:
    """The notes of a library, after writing the samples that it needs."""
    for name, pitch in samples.items():
        note(folder / f"{name}.wav", pitch)
    tree = open_tree(folder)
    return next(reader for reader in READERS.values() if reader.suits(tree)).read(tree, Options()).notes


def played(folder: Path, text: str, name: str = "Oboe") -> list[Note]:
    """The notes of an instrument whose samples are a.wav and b.wav."""
    write(folder / f"{name}.sfz", text)
    return read(folder, a=60, b=60)


def dropped(folder: Path) -> dict[str, str]:
    try:
        return dict(timbre.scan(folder, measure=False).report.dropped)
    except LibraryError as error:
        return {"all": str(error)}


class TestNames:
    @pytest.mark.parametrize(
        ("file", "instrument", "family", "articulation", "dynamics"),
        [
            ("FHornSus.sfz", "f_horn", "brass", "sus", None),
            ("CelloEnsPizz.sfz", "cello_ens", "strings", "pizz", None),
            ("SViolinVib-Quiet.sfz", "s_violin", "strings", "vib-quiet", None),
            ("CelloEns-KS.sfz", "cello_ens", "strings", None, None),
            ("TimpaniRolls.sfz", "timpani", "pitched_percussion", "rolls", None),
            ("UprightPiano.sfz", "upright_piano", "keyboard", None, None),
            ("Grand Piano, Kawai - Legacy.sfz", "grand_piano_kawai", "keyboard", None, None),
            ("Baroque Alto Recorder - Keyswitch.sfz", "baroque_alto_recorder", "woodwinds", None, None),
            ("Tenor Saxophone - Non-Vibrato.sfz", "tenor_saxophone", "woodwinds", "non-vibrato", None),
            ("Psaltery, Bowed and Plucked - Pluck.sfz", "psaltery_bowed_and_plucked", None, "pluck", None),
            ("001-Acoustic Grand Piano.sfz", "acoustic_grand_piano", "keyboard", None, None),
            ("Clash Cymbals 1.sfz", "clash_cymbals_1", "percussion", None, None),
            ("alto_map_mf.sfz", "alto_map", "voice", None, "mf"),
            ("Harp/pizz.sfz", "harp", "plucked", "pizz", None),
            ("Harp/Programs/pizz.sfz", "harp", "plucked", "pizz", None),
            ("sustain.sfz", "my_kora", None, "sustain", None),
            ("🎻.sfz", "my_kora", None, None, None),
            ("バイオリン.dspreset", "バイオリン", None, None, None),
        ],
    )
    def test_of_presets(
        self, file: str, instrument: str, family: str | None, articulation: str | None, dynamics: str | None
    ) -> None:
        told = preset_of(file, "MyKora")
        assert (told.instrument, told.family, told.articulation) == (instrument, family, articulation)
        assert told.dynamics == dynamics

    def test_a_name_without_words_names_itself(self) -> None:
        assert preset_of("🎻.sfz", "🎻").instrument == "🎻"

    def test_of_groups_in_banks_and_kits(self, tmp_path: Path) -> None:
        write(
            tmp_path / "Bank.sfz", "<master> master_label=1:26 - Acoustic Guitars (steel) <region> sample=a.wav key=60"
        )
        write(tmp_path / "Kit.sfz", "<group> group_label=SnareDrum ff <region> sample=b.wav key=38")
        guitar, snare = read(tmp_path, a=60, b=60)
        assert (guitar.instrument, guitar.family, guitar.pitch) == ("acoustic_guitars", "plucked", 60)
        assert (snare.instrument, snare.family, snare.pitch, snare.dynamics) == ("snare_drum", "percussion", None, "ff")

    def test_family_and_pitch_by_the_samples_folders(self, tmp_path: Path) -> None:
        text = "<region> sample=Keys/Upright Piano/a.wav key=50 <region> sample=Percussion/b.wav key=51"
        write(tmp_path / "VS1.sfz", text)
        found = read(tmp_path, **{"Keys/Upright Piano/a": 60, "Percussion/b": 60})
        assert [(one.family, one.pitch) for one in found] == [("keyboard", 50), ("percussion", None)]


class TestNotes:
    @pytest.mark.parametrize(
        ("opcodes", "pitch"),
        [
            ("key=60", 60.0),
            ("key=c4", 60.0),
            ("key=Bb-1 pitch_keycenter=c#-1", 1.0),
            ("lokey=10 hikey=20", 60.0),
            ("key=057.0 tune=-35 transpose=-12", 69.35),
            ("key=60 pitch_keytrack=0", None),
            ("key=60 pitch_keytrack=50", 60.0),
            ("key=60 tune=99999999999999999999999", None),
            ("key=60 tune=much pitch_keytrack=x", 60.0),
            ("pitch_keycenter=h9", 60.0),
            ("pitch_keycenter=127 transpose=-1", None),
        ],
    )
    def test_pitch(self, opcodes: str, pitch: float | None, tmp_path: Path) -> None:
        (found,) = played(tmp_path, f"<region> sample=a.wav {opcodes}")
        assert found.pitch == (None if pitch is None else pytest.approx(pitch))

    @pytest.mark.parametrize(
        ("opcodes", "velocity"),
        [
            ("", None),
            ("lovel=1 hivel=127", None),
            ("lovel=0 hivel=63", 31.5),
            ("hivel=999999", None),
            ("lovel=64", 95.5),
            ("lovel=1 xfout_lovel=21 xfout_hivel=52", 18.75),
            ("xfin_lovel=21 xfin_hivel=52 xfout_lovel=53 xfout_hivel=76", 50.5),
            ("group_label=FF", 120.0),
            ("group_label=FF lovel=100", 113.5),
        ],
    )
    def test_velocity(self, opcodes: str, velocity: float | None, tmp_path: Path) -> None:
        (found,) = played(tmp_path, f"<region> sample=a.wav key=60 {opcodes}")
        assert found.velocity == (None if velocity is None else pytest.approx(velocity / 127))

    @pytest.mark.parametrize(
        ("opcodes", "take"),
        [
            ("", None),
            ("seq_length=2", 1),
            ("seq_length=2 seq_position=2", 2),
            ("seq_position=1", None),
            ("hirand=0.25", 1),
            ("lorand=0.5 hirand=0.75", 3),
            ("lorand=0.666666666667 hirand=1.0", 3),
            ("lorand=0.5 hirand=0.5", None),
            ("lorand=0.5 hirand=0.50000001", None),
        ],
    )
    def test_take(self, opcodes: str, take: int | None, tmp_path: Path) -> None:
        (found,) = played(tmp_path, f"<region> sample=a.wav key=60 {opcodes}")
        assert found.take == take

    def test_the_region_with_the_recordings_own_key_counts(self, tmp_path: Path) -> None:
        text = "<region> sample=a.wav lokey={} hikey={} pitch_keycenter={} lovel={}\n"
        found = played(tmp_path, text.format(70, 72, 66, 90) + text.format(64, 66, 65, 80) + "<region> sample=b.wav")
        assert [(one.file.stem, one.pitch) for one in found] == [("a", 65.0), ("b", 60.0)]

    def test_the_first_preset_names_a_recording(self, tmp_path: Path) -> None:
        write(tmp_path / "Oboe.sfz", "<region> sample=a.wav key=62 offset=900")
        write(tmp_path / "Flute.sfz", "<region> sample=a.wav lokey=70 hikey=71 pitch_keycenter=60")
        (found,) = read(tmp_path, a=60)
        assert (found.instrument, found.pitch, found.part) == ("flute", 60.0, None)

    def test_an_included_file_is_no_instrument(self, tmp_path: Path) -> None:
        write(tmp_path / "Sax.sfz", '<group> hivel=63 #include "Alto map.sfz"')
        write(tmp_path / "Alto map.sfz", "<region> sample=a.wav key=60")
        assert [one.instrument for one in read(tmp_path, a=60)] == ["sax"]
        write(tmp_path / "Alto map.sfz", '<region> sample=a.wav key=60 #include "Sax.sfz"')
        assert [one.instrument for one in read(tmp_path, a=60)] == ["alto_map"]  # each includes the other

    def test_a_release_is_a_note_only_if_something_else_plays_it(self, tmp_path: Path) -> None:
        text = "<region> sample=a.wav key=60 trigger=Release_Key <region> sample=b.wav key=60 trigger=release"
        found = played(tmp_path, f"{text} <region> sample=b.wav key=60 trigger=first lovel=1")
        assert [one.file.stem for one in found] == ["b"]
        assert dropped(tmp_path) == {"a.wav": "Oboe.sfz plays it when a key is released"}

    def test_stretches_of_a_file(self, tmp_path: Path) -> None:
        put(tmp_path / "c.wav", np.concatenate([tone(60, RATE), tone(65, RATE)]), RATE)
        half = round(0.4 * RATE)
        text = f"<region> sample=c.wav end={half - 1} key=60 <region> sample=c.wav offset={half} end=9999999 key=65"
        first, second = played(tmp_path, f"{text} <region> sample=c.wav offset=99999999 key=1")
        whole = soundfile.read(tmp_path / "c.wav", dtype="float32")[0]
        assert np.array_equal(first.audio().samples[0], whole[:half])
        assert np.array_equal(second.audio().samples[0], whole[half:])

    def test_a_file_that_ends_before_it_starts_is_dropped(self, tmp_path: Path) -> None:
        played(tmp_path, "<region> sample=a.wav key=60 offset=100000 <region> sample=b.wav key=60 offset=20 end=10")
        assert "which is after its end" in dropped(tmp_path)["all"]

    def test_root_key_from_the_file_or_its_name(self, tmp_path: Path) -> None:
        with_root_key(tmp_path / "sub/a2.wav", 64, 64, cents=25)
        with_root_key(tmp_path / "sub/b2.wav", 64, 200)
        text = "<group> pitch_keycenter=Sample <region> sample=sub/a2.wav <region> sample=sub/b2.wav note_offset=7"
        found = played(tmp_path, f"{text} <region> sample=a.wav <region> sample=b.wav pitch_keycenter=50")
        assert [one.pitch for one in found] == [pytest.approx(64.25), 47.0, None, 50.0]

    def test_names_are_found_in_other_capitals_and_unicode_forms(self, tmp_path: Path) -> None:
        for form, other in (("NFC", "NFD"), ("NFD", "NFC")):
            folder = tmp_path / form
            note(folder / unicodedata.normalize(form, "Flûte/Ré é.wav"), 60)
            write(folder / "Flute.sfz", "<region> sample=" + unicodedata.normalize(other, "flÛte\\RÉ É.WAV"))
            assert len(read(folder)) == 1

    def test_one_file_is_read_by_itself(self, tmp_path: Path) -> None:
        played(tmp_path, "<region> sample=a.wav key=60 <region> sample=../c.wav", "lib/Oboe")
        for name in ("a", "c", "lib/b"):
            note(tmp_path / f"{name}.wav", 60)
        note(tmp_path / "lib/a.wav", 60)
        report = timbre.scan(tmp_path / "lib/Oboe.sfz", measure=False).report
        assert (report.found, report.kept, report.labels) == (2, 1, "Oboe.sfz")
        assert "scan a folder that contains both" in report.dropped[0].reason
        assert dropped(tmp_path)["a.wav"] == "no .sfz region plays it"

    def test_what_cannot_be_read_does_not_hide_the_rest(self, tmp_path: Path) -> None:
        write(tmp_path / "Big.sfz", "<region>" * 100_001)
        write(tmp_path / "Noise.sfz", "<region> <region> sample=*sine <region> sample=*sine")
        assert len(played(tmp_path, "<region> sample=a.wav <region> sample=b.wav")) == 2
        report = timbre.scan(tmp_path, measure=False).report
        assert [place for place, _ in report.dropped] == ["Big.sfz", "Noise.sfz", "Noise.sfz"]
        assert {reason for _, reason in report.dropped[1:]} == {
            "1 region without a recording (no sample)",
            "2 regions without a recording (*sine)",
        }


ZONES = st.fixed_dictionaries(
    {"root": st.integers(0, 127), "low": st.integers(0, 127), "span": st.integers(0, 20)},
    optional={
        "lovel": st.integers(0, 63),
        "hivel": st.integers(64, 127),
        "start": st.integers(0, 9000),
        "end": st.integers(12000, 30000),
        "tuning": st.integers(-99, 99),
        "turn": st.integers(1, 4),
    },
)


def as_sfz(zone: dict[str, int], file: str) -> str:
    optional = {"lovel": "lovel", "hivel": "hivel", "start": "offset", "end": "end", "tuning": "tune"}
    text = f"<region> sample={file} pitch_keycenter={note_name(zone['root']).lower()} lokey={zone['low']} "
    text += f"hikey={zone['low'] + zone['span']} " + ("seq_length=4 " if "turn" in zone else "")
    text += f"seq_position={zone['turn']} " if "turn" in zone else ""
    return text + " ".join(f"{name}={zone[key]}" for key, name in optional.items() if key in zone) + "\n"


def as_decent(zone: dict[str, int], file: str) -> str:
    optional = {"lovel": "loVel", "hivel": "hiVel", "start": "start", "end": "end"}
    text = f'<sample path="{file}" rootNote="{zone["root"]}" loNote="{zone["low"]}" '
    text += f'hiNote="{zone["low"] + zone["span"]}" ' + "".join(
        f'{n}="{zone[k]}" ' for k, n in optional.items() if k in zone
    )
    text += f'seqMode="random" seqPosition="{zone["turn"]}" ' if "turn" in zone else ""
    return text + (f'tuning="{zone["tuning"] / 100}" ' if "tuning" in zone else "") + "/>\n"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(zones=st.lists(st.tuples(st.sampled_from(["a.wav", "b.wav"]), ZONES), min_size=1, max_size=4))
def test_formats_agree(zones: list[tuple[str, dict[str, int]]], tmp_path: Path) -> None:
    presets = {
        "sfz/Oboe.sfz": "".join(as_sfz(zone, file) for file, zone in zones),
        "decent/Oboe.dspreset": "<DecentSampler><groups><group>"
        + "".join(as_decent(zone, file) for file, zone in zones)
        + "</group></groups></DecentSampler>",
    }
    for file, text in presets.items():
        write(tmp_path / file, text)
        for name in ("a", "b") if not (tmp_path / file).with_name("a.wav").exists() else ():
            note((tmp_path / file).with_name(f"{name}.wav"), 60)
    told = [
        [(one.file.name, one.pitch, one.velocity, one.part, one.take, one.instrument) for one in read(tmp_path / place)]
        for place in ("sfz", "decent")
    ]
    assert [entry[2:] for entry in told[0]] == [entry[2:] for entry in told[1]]
    assert [entry[1] for entry in told[0]] == pytest.approx([entry[1] for entry in told[1]], abs=1e-6)


class TestDecent:
    def preset(self, folder: Path, groups: str, name: str = "Celesta") -> list[Note]:
        write(folder / f"{name}.dspreset", f"\n<?xml version='1.0'?><DecentSampler>{groups}</DecentSampler>")
        return read(folder, a=60, b=60)

    def test_groups_inherit_and_end(self, tmp_path: Path) -> None:
        first, second = self.preset(
            tmp_path,
            '<groups loVel="9" hivel="19"><group HIVEL="29" rootNote="61"><sample path="a.wav"/></group>'
            '<sample path="b.wav" rootNote="62"/></groups><groups><sample path="gone.wav"/></groups>',
        )
        assert [(one.pitch, round(127 * (one.velocity or 0))) for one in (first, second)] == [(61, 19), (62, 14)]

    def test_no_root_note_is_no_pitch(self, tmp_path: Path) -> None:
        (found,) = self.preset(
            tmp_path,
            '<groups><group name="Kick"><sample path="a.wav" loNote="35" hiNote="35"/></group></groups>',
            "Kit",
        )
        assert (found.instrument, found.family, found.pitch) == ("kick", "percussion", None)

    @pytest.mark.parametrize(
        ("attributes", "reason"),
        [
            ('trigger="release"', "plays it when a key is released"),
            ('trigger="continuous"', "plays it all the time"),
            ('onLoCC64="90" onHiCC64="127"', "plays it when a controller moves"),
            ('loNote="60" hiNote="59"', "names it, but no key or velocity plays it"),
        ],
    )
    def test_what_is_no_note(self, attributes: str, reason: str, tmp_path: Path) -> None:
        groups = (
            f'<groups><group {attributes}><sample path="a.wav"/></group><sample path="b.wav" rootNote="1"/></groups>'
        )
        assert [one.file.stem for one in self.preset(tmp_path, groups)] == ["b"]
        assert dropped(tmp_path) == {"a.wav": f"Celesta.dspreset {reason}"}

    def test_an_archive_beside_a_preset(self, tmp_path: Path) -> None:
        self.preset(tmp_path, '<groups><sample path="a.wav" rootNote="60"/></groups>')
        with zipfile.ZipFile(tmp_path / "B.dslibrary", "w", zipfile.ZIP_DEFLATED) as archive:
            text = (
                '<DecentSampler><groups><sample path="..\\c.WAV" rootNote="60" start="441"/></groups></DecentSampler>'
            )
            for name in ("one", "two"):
                archive.writestr(f"p\\{name}.dspreset", text)
            archive.writestr("c.wav", wav(60))
            archive.writestr("bad.dspreset", "<DecentSampler>")
        found = timbre.scan(tmp_path, measure=False)
        assert [str(one.part) for one in found] == ["c.wav 0.010- s", "None"]
        assert found[0].audio().duration == pytest.approx(0.39)
        assert {file for file, _ in found.report.dropped} == {"b.wav", "B.dslibrary/bad.dspreset"}
