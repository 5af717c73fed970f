"""Readers of samplers' presets: the language of SFZ files, the names of presets, and notes from their zones."""

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
from timbre.data.readers import READERS, Options, _sfz_text
from timbre.data.readers._preset import preset_of
from timbre.data.readers._sfz_text import parse_sfz
from timbre.data.tree import open_tree
from timbre.errors import LibraryError


def regions(folder: Path, text: str) -> list[dict[str, str]]:
    """The regions of an SFZ file with this text."""
    write(folder / "a.sfz", text)
    return parse_sfz(open_tree(folder), "a.sfz").regions


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


class TestLanguage:
    def test_inner_headers_inherit_and_outer_ones_reset(self, tmp_path: Path) -> None:
        found = regions(
            tmp_path,
            "<global> lovel=1 hivel=9 <master> lovel=2 <group> lovel=3 <region> lovel=4 sample=a <region> sample=b "
            "<group> <region> sample=c <master> <region> sample=d <global> <region> sample=e",
        )
        told = [(region["sample"], region.get("lovel"), region.get("hivel")) for region in found]
        assert told == [("a", "4", "9"), ("b", "3", "9"), ("c", "2", "9"), ("d", "1", "9"), ("e", None, None)]

    def test_control_stays_until_it_is_changed(self, tmp_path: Path) -> None:
        text = "<control> default_path=x/ note_offset=1 <group> <region> key=1 <control> default_path=y/ <region> key=2"
        told = [(region["default_path"], region["note_offset"]) for region in regions(tmp_path, text)]
        assert told == [("x/", "1"), ("y/", "1")]

    def test_key_sets_three_opcodes_that_its_own_header_may_override(self, tmp_path: Path) -> None:
        inner, outer = regions(tmp_path, "<group> lokey=1 key=40 <region> pitch_keycenter=38 <region> key=50 hikey=52")
        names = ("lokey", "hikey", "pitch_keycenter")
        assert [inner[name] for name in names] == ["1", "40", "38"]
        assert [outer[name] for name in names] == ["50", "52", "50"]

    def test_values_end_at_the_next_opcode_header_or_line(self, tmp_path: Path) -> None:
        text = (
            "<region>sample=My Samples/a b = c#1 (2).wav  lokey=1\thikey=2<region>sample=d e.wav  \r\n key=3\r"
            "<region> junk sample=..\\f.wav // sample=g\n/* sample=h\n<region> */ lovel=5 #comment\n=7 <Region>\nkey=9"
        )
        found = regions(tmp_path, text)
        assert [region.get("sample") for region in found] == [
            "My Samples/a b = c#1 (2).wav",
            "d e.wav",
            "..\\f.wav",
            None,
        ]
        assert (found[0]["lokey"], found[0]["hikey"], found[1]["key"]) == ("1", "2", "3")
        assert (found[2]["lovel"], found[3]["key"]) == ("5 #comment", "9")

    def test_variables_take_the_longest_defined_name_and_their_value_of_the_moment(self, tmp_path: Path) -> None:
        text = (
            "#define $KEY 57 // bow\n#define $KEYEDGE 52\n#define $K hi\n<region> key=$KEYEDGE sample=$KEY.wav\n"
            "#define $BOTH $KEY$K #define $KEY 1\n<region> $Kvel=$KEYS sample=$NONE$BOTH"
        )
        first, second = regions(tmp_path, text)
        assert (first["key"], first["sample"]) == ("52", "57.wav")
        assert (second["hivel"], second["sample"]) == ("1S", "$NONE57hi")

    def test_other_headers_and_opcodes_before_any_are_passed_over(self, tmp_path: Path) -> None:
        text = "key=1 <region> sample=a <effect> sample=b <curve> key=7 <sample> name=x base64data=ab//=\nUk= key=4\n"
        assert regions(tmp_path, text) == [{"sample": "a"}]

    def test_old_and_common_names_of_opcodes(self, tmp_path: Path) -> None:
        assert regions(tmp_path, "<region> PITCH=7 loopmode=x on_locc64=1 start_hihdcc9=1 cutoff=9") == [
            {"tune": "7", "loop_mode": "x", "on_cc": "1"}
        ]

    def test_inclusions_go_on_where_they_stand(self, tmp_path: Path) -> None:
        write(tmp_path / "sub/b.txt", 'key=3 <region> sample=b #include "c.sfz"')
        write(tmp_path / "sub/c.sfz", "lovel=1")
        text = '<group> #include "SUB\\b.txt" hivel=2 <region> sample=d #include "sub/b.txt"'
        told = [(region["sample"], region["key"], region.get("lovel"), region.get("hivel")) for region in
                regions(tmp_path, text)]  # fmt: skip
        assert told == [("b", "3", "1", "2"), ("d", "3", None, None), ("b", "3", "1", None)]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    def test_encodings(self, encoding: str, tmp_path: Path) -> None:
        (tmp_path / "a.sfz").write_bytes("<region> sample=flûte.wav".encode(encoding))
        assert parse_sfz(open_tree(tmp_path), "a.sfz").regions == [{"sample": "flûte.wav"}]

    @pytest.mark.parametrize(
        "text", ["#define $A aaaaaaaaaa\n" + "#define $A $A$A$A$A$A$A$A$A\n" * 9, "<region>" * 100_001]
    )
    def test_what_grows_without_bound_is_refused(self, text: str, tmp_path: Path) -> None:
        with pytest.raises(LibraryError, match=r"^a\.sfz.*\.$"):
            regions(tmp_path, text)

    def test_inclusions_that_multiply_are_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(15):
            write(tmp_path / f"{number}.txt", f'#include "{number + 1}.txt"\n' * 9)
        write(tmp_path / "15.txt", "\n")
        with pytest.raises(LibraryError, match="more than 5000 files"):
            regions(tmp_path, '#include "0.txt"')
        write(tmp_path / "15.txt", " " * (1 << 15))
        monkeypatch.setattr(_sfz_text, "_LARGEST", 1 << 20)
        with pytest.raises(LibraryError, match="with all that it includes"):
            regions(tmp_path, '#include "13.txt"')
        write(tmp_path / "15.txt", " " * (1 << 21))
        with pytest.raises(LibraryError, match="at most 1048576"):
            regions(tmp_path, '#include "14.txt"')

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
    @given(data=st.data())
    def test_the_same_regions_however_they_are_written(self, data: st.DataObject, tmp_path: Path) -> None:
        names = st.sampled_from(["sample", "lokey", "hikey", "lovel", "tune", "sw_label"])
        values = st.from_regex(r"[a-z0-9#][a-z0-9# .]{0,8}[a-z0-9]", fullmatch=True)
        wanted = data.draw(st.lists(st.dictionaries(names, values, min_size=1), max_size=5), "regions")
        text = ""
        for region in wanted:
            outside = data.draw(st.sets(st.sampled_from(sorted(region))), "put into the group")
            defined = data.draw(st.sets(st.sampled_from(sorted(region))), "put into variables")
            gap = data.draw(st.sampled_from(["\n", " ", "\t", "\r\n", " // no=thing\n", "\n/* <region> */\n"]), "gap")
            for name in defined:
                text += f"#define ${name.upper()}X {region[name].split(' ')[0]}\n"
            value = {
                name: f"${name.upper()}X" + told[len(told.split(" ")[0]) :] if name in defined else told
                for name, told in region.items()
            }
            header = "<group>" + gap.join(["", *(f"{name}={value[name]}" for name in sorted(outside))]) + gap
            text += (
                header + "<region>" + "".join(f"{gap}{name}={value[name]}" for name in region if name not in outside)
            )
            text += "\n"
        assert regions(tmp_path, text) == wanted


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
        assert dropped(tmp_path) == {"a.wav": "Oboe.sfz plays it when a key is let go"}

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
        assert "where nothing is left of it" in dropped(tmp_path)["all"]

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
        assert "scan a folder that holds both" in report.dropped[0].reason
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
            ('trigger="release"', "plays it when a key is let go"),
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
