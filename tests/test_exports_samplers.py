"""Exports for samplers: loops, levels, pitches, the timbre knob, and files that other readers accept."""

import re
import struct
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import timbre
from timbre.audio import Audio
from timbre.audio.sampler_chunk import SamplerChunk, read_sampler_chunk, sampler_chunk
from timbre.data.parts import SoundFontVoice
from timbre.data.soundfonts.soundfont import read_sample, read_soundfont
from timbre.data.soundfonts.synthesizer import render_voice
from timbre.data.sounds import root_key
from timbre.evaluation.metrics.sounds import pitch_error_cents
from timbre.exporting.request import ExportSettings
from timbre.exporting.samplers import recordings
from timbre.exporting.samplers.behaviour import behaviour_of
from timbre.exporting.samplers.loops import Bands, make_grid, seam_db, spliced
from timbre.exporting.samplers.plan import make_layers
from timbre.shapes.presets import Presets, read_presets
from timbre.space import Space

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from _players import decent_regions, looped, play, sfz_regions  # noqa: E402

RATE = 22_050
SECONDS = 1.2  # of notes that are compared


@pytest.fixture(scope="module")
def shipped() -> Space:
    return timbre.load("orchestra-22k")


@pytest.fixture(scope="module")
def presets(shipped: Space) -> Presets:
    return read_presets("orchestra-22k", shipped)


@pytest.fixture(scope="module")
def exported(shipped: Space, presets: Presets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A horn (sustained) and a harpsichord (dies away), two keys from one sample of each layer, in every format."""
    folder = tmp_path_factory.mktemp("exports")
    bank = [presets["French horn"], presets["Harpsichord"]]
    for form, name in (("sfz", "sfz"), ("sf2", "bank.sf2"), ("decent", "decent"), ("wav", "wav")):
        timbre.export(shipped, bank, form, folder / name, keys="F3:F#3", layers=2, takes=1)
    return folder


def level(samples: np.ndarray, rate: int) -> float:
    part = samples[: round(SECONDS * rate)].astype(np.float64)
    return float(10 * np.log10(np.mean(part**2)))


def scaled(samples: np.ndarray) -> np.ndarray:
    return np.asarray(samples / np.abs(samples).max())


def harmonic_note(pitch: float, noise: float, detuned: float, seconds: float) -> np.ndarray:
    """A steady sound of ten partials, which are a little out of tune, and noise."""
    time, random = np.arange(round(seconds * RATE)) / RATE, np.random.default_rng(0)
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    partials = sum(np.cos(2 * np.pi * (n * frequency + detuned * (n % 3 - 1)) * time + n**2) / n for n in range(1, 11))
    return (0.1 * partials + noise * random.standard_normal(len(time))).astype(np.float32)


@settings(deadline=None, max_examples=6)
@given(st.integers(36, 90), st.sampled_from([0.0, 0.003, 0.02]), st.floats(-0.2, 0.2))
def test_a_loop_has_no_seam_and_a_steady_level(key: int, noise: float, detuned: float):
    grid, fade = make_grid(key, RATE), 6000
    start, end = 4000 + fade, 4000 + fade + grid.length
    assert abs(grid.pitch - key) < 0.001
    sound = harmonic_note(grid.pitch, noise, detuned, (end + 2500) / RATE)
    bands = Bands(sound, grid)
    assert np.allclose(bands.sound(), sound, atol=1e-5), "the bands sum to the sound"
    bands.turn(np.where(bands.phases(4000, end) != 0, bands.at(4000), 0), 4000)
    bands.close(end, fade)
    closed = spliced(bands.sound((end, fade)), start, end, RATE, 64)
    assert seam_db(closed, start, end, RATE) < -40
    assert np.array_equal(closed[end:], closed[start : start + 64])
    levels = [np.mean(closed[at : at + 2048] ** 2) for at in range(4000, end - 2048, 512)]
    before = [np.mean(sound[at : at + 2048] ** 2) for at in range(4000, end - 2048, 512)]
    assert np.ptp(10 * np.log10(levels)) < np.ptp(10 * np.log10(before)) + 1.0
    assert np.abs(closed[:3500] - sound[:3500]).max() < 0.01, "what is before the loop stays"


def test_a_crossfade_of_noise_keeps_its_power():
    grid = make_grid(None, RATE)
    sound = np.random.default_rng(1).standard_normal(3 * RATE).astype(np.float32)
    bands = Bands(sound, grid)
    end = 2 * RATE
    bands.close(end, 8000)
    closed = bands.sound((end, 8000))
    middle = closed[end - 5000 : end - 3000]
    assert abs(10 * np.log10(np.mean(middle**2))) < 0.7


@given(st.floats(0, 127), st.one_of(st.none(), st.tuples(st.integers(0, 1000), st.integers(1000, 10**6))))
def test_the_chunk_of_samplers_is_read_as_it_was_written(pitch: float, loop: tuple[int, int] | None):
    read = read_sampler_chunk(sampler_chunk(SamplerChunk(pitch, loop), 44_100))
    assert abs(read.pitch - pitch) < 1e-6
    assert read.loop == loop


@given(st.integers(1, 16))
def test_velocity_layers_meet_without_a_gap(count: int):
    layers = make_layers(count)
    assert layers[0].low == 1
    assert layers[-1].high == 127
    assert all(one.high + 1 == other.low for one, other in pairwise(layers))
    assert all(one.low <= one.velocity <= one.high for one in layers)


@pytest.mark.parametrize("key", [53, 54])
@pytest.mark.parametrize("velocity", [30, 64, 110])
@pytest.mark.parametrize("name", ["French horn", "Harpsichord"])
def test_every_format_sounds_as_loud_and_as_high_as_the_space_decodes(
    exported: Path, shipped: Space, presets: Presets, name: str, velocity: int, key: int
):
    expected = shipped.decode(presets[name].path.points[0], key, velocity / 127, SECONDS + 0.5)
    stem = name.replace(" ", "_")
    program = ["French horn", "Harpsichord"].index(name)
    played = {
        "sfz": play(sfz_regions(exported / "sfz" / f"{stem}.sfz", key, velocity), SECONDS),
        "decent": play(decent_regions(exported / "decent" / f"{stem}.dspreset", key, velocity), SECONDS),
    }
    sound = render_voice(exported / "bank.sf2", SoundFontVoice(0, program, key, velocity), hold=SECONDS + 0.2)
    played["sf2"] = sound.samples[0] * 10 ** (9.1 / 20), sound.sample_rate  # FluidSynth's gain, one channel of two
    for form, (samples, rate) in played.items():
        assert abs(level(samples, rate) - level(expected.samples[0], RATE)) < 1.5, form
        sounding = Audio(samples[: round(SECONDS * rate)].astype(np.float32)[None], rate)
        until = Audio(expected.samples[:, : round(SECONDS * RATE)], RATE)
        assert abs(pitch_error_cents(until, sounding, key) or 0.0) < 3, form


def test_sfizz_plays_what_the_small_player_plays(exported: Path):
    sfizz = pytest.importorskip("pysfizz.synth")
    synth = sfizz.Synth(RATE, 512)
    written = exported / "sfz" / "French_horn.sfz"
    file = written.with_name("in-memory.sfz")  # a player that streams from a busy disk has gaps
    file.write_text("<control> hint_ram_based=1\n" + written.read_text())
    assert synth.load_sfz_file(file)
    differences = []
    for key, velocity in ((53, 20), (53, 64), (54, 100), (54, 127)):
        theirs = synth.render_note(key, velocity, 4.0, 4.5)[0]  # beyond the end of the loop
        ours, _ = play(sfz_regions(file, key, velocity), 4.0)
        differences += [level(theirs[at:], RATE) - level(ours[at:], RATE) for at in (0, round(2.5 * RATE))]
    assert np.ptp(differences) < 0.1  # the gains of the player itself are the same for all


def test_sfzlint_has_nothing_to_say(exported: Path):
    parser = pytest.importorskip("sfzlint.parser")
    found: list[tuple[object, ...]] = []
    for file in (exported / "sfz").glob("*.sfz"):
        parser.validate(file, err_cb=lambda *words: found.append(words))
    assert found == []


def test_our_own_readers_read_every_export(exported: Path):
    for name, count in (("sfz", 4), ("decent", 4), ("wav", 4)):
        library = timbre.scan(exported / name)
        assert len(library) == count, name
        assert {note.pitch for note in library} == {53.0}
        assert {note.instrument for note in library} == {"french_horn", "harpsichord"}
    assert {note.instrument for note in timbre.scan(exported / "bank.sf2")} == {"french_horn", "harpsichord"}


def test_loops_end_where_each_format_says(exported: Path):
    wav = next((exported / "wav").rglob("French_horn*.wav"))
    content = wav.read_bytes()
    chunk = read_sampler_chunk(content[content.index(b"smpl") + 8 :])
    samples = timbre.read(wav).samples[0]
    assert root_key(wav) == pytest.approx(53.0, abs=0.002)
    first, last = chunk.loop or (0, 0)
    assert np.array_equal(samples[last + 1 :], samples[first : first + len(samples) - last - 1])
    region = next(sfz_regions(exported / "sfz" / "French_horn.sfz", 53, 30))
    assert region.loop == (first, last)
    assert next(decent_regions(exported / "decent" / "French_horn.dspreset", 53, 30)).loop == (first, last)
    font = read_soundfont(exported / "bank.sf2")
    head = font.samples[0]
    assert (head.loop_start - head.start, head.loop_end - head.start) == (first, last + 1)
    recording = read_sample(exported / "bank.sf2", 0).samples[0]
    assert np.array_equal(recording[last + 1 :], recording[first : first + len(recording) - last - 1])
    assert np.abs(np.diff(looped(samples, (first, last), 3 * len(samples)))).max() < 2 * np.abs(np.diff(samples)).max()
    assert [one.loop_end for one in font.samples][2:] == [one.start for one in font.samples][2:], (
        "a harpsichord has no loop"
    )


@pytest.mark.parametrize("form", ["sfz", "decent", "sf2"])
def test_a_dry_run_knows_the_size(shipped: Space, presets: Presets, exported: Path, tmp_path: Path, form: str):
    bank = [presets["French horn"], presets["Harpsichord"]]
    told = timbre.export(
        shipped,
        bank,
        form,
        tmp_path / "x.sf2" if form == "sf2" else tmp_path / "x",
        keys="F3:F#3",
        layers=2,
        takes=1,
        dry_run=True,
    )
    name = "bank.sf2" if form == "sf2" else form
    files = [
        one for one in (exported / name, *(exported / name).rglob("*")) if one.is_file() and one.name != "in-memory.sfz"
    ]
    assert len(told.files) == len(files)
    assert told.size == pytest.approx(sum(one.stat().st_size for one in files), rel=0.05)


def test_a_soundfont_has_the_form_of_the_specification(exported: Path):
    content = (exported / "bank.sf2").read_bytes()
    assert struct.unpack("<I", content[4:8])[0] == len(content) - 8
    font = read_soundfont(exported / "bank.sf2")
    assert font.copyright.startswith("Learned from recordings under these licences")
    assert len(font.copyright) < 256
    assert [(preset.bank, preset.program, preset.name) for preset in font.presets] == [
        (0, 0, "French horn"),
        (0, 1, "Harpsichord"),
    ]
    ends = [head.end for head in font.samples]
    for end, after in zip(ends, [*(head.start for head in font.samples[1:]), font.sound[1] // 2], strict=True):
        assert after - end == 46
        at = font.sound[0] + 2 * end
        assert not any(content[at : at + 92])
    assert [content[content.index(name) :][:3] for name in (b"EOP", b"EOI", b"EOS")] == [b"EOP", b"EOI", b"EOS"]


DECENT = {  # elements and their attributes, from the developers' guide of Decent Sampler
    "DecentSampler": "minVersion", "ui": "width height bgImage coverArt bgColor", "tab": "name",
    "label": "x y width height text textColor textSize hAlign",
    "labeled-knob": "x y width height label parameterName type minValue maxValue value textColor textSize",
    "binding": "type level identifier position parameter translation translationTable translationOutputMin "
    "translationOutputMax",
    "midi": "", "cc": "number", "groups": "volume attack decay sustain ampVelTrack",
    "group": "tags name ampVelTrack seqMode seqLength seqPosition",
    "sample": "path rootNote loNote hiNote loVel hiVel volume release pitchKeyTrack loopEnabled loopStart loopEnd",
    "DecentSamplerLibraryInfo": "name version", "presetMenu": "", "menu": "name", "preset": "file",
}  # fmt: skip


def test_decent_presets_have_elements_attributes_and_values_of_the_format(
    exported: Path, shipped: Space, presets: Presets, tmp_path: Path
):
    path = shipped.path(presets["French horn"].path.points[0], presets["Trombone"].path.points[0])
    timbre.export(shipped, path, "decent", tmp_path / "knob", keys="F3:F3", layers=1, steps=2)
    files = [*(exported / "decent").glob("*.dspreset"), exported / "decent" / "DSLibraryInfo.xml"]
    for file in [*files, tmp_path / "knob" / "knob.dspreset"]:
        for one in Xml.parse(file).iter():
            assert set(one.attrib) <= set(DECENT[str(one.tag)].split()), one.tag
            if one.tag == "sample":
                assert (file.parent / one.attrib["path"]).is_file()
                assert re.fullmatch(r"-?\d+\.\d\ddB", one.attrib["volume"])
                assert 1 <= int(one.attrib["loVel"]) <= int(one.attrib["hiVel"]) <= 127
                assert int(one.attrib["loNote"]) <= int(one.attrib["hiNote"])
            if one.tag == "preset":
                assert (file.parent / one.attrib["file"]).is_file()
    knob = Xml.parse(tmp_path / "knob" / "knob.dspreset").getroot()
    tab = list(knob.find("ui/tab") or ())
    assert tab[int(knob.find("midi/cc/binding").attrib["position"])].tag == "labeled-knob"  # type: ignore[union-attr]


def test_licences_are_inside_and_a_page_says_how_to_open_it(exported: Path):
    texts = [
        (exported / "sfz" / "Harpsichord.sfz").read_text(),
        (exported / "decent" / "Harpsichord.dspreset").read_text(),
        (exported / "decent" / "DSLibraryInfo.xml").read_text(),
        *((exported / name / "README.txt").read_text() for name in ("sfz", "decent", "wav")),
    ]
    assert all("CC0-1.0" in text and "Made by timbre" in text for text in texts)
    menus = Xml.parse(exported / "decent" / "DSLibraryInfo.xml").getroot().findall("presetMenu/menu")
    assert [menu.attrib["name"] for menu in menus] == ["Brass", "Keys"]


@pytest.mark.parametrize(("name", "sustained"), [("Violin", True), ("Oboe", True), ("Kalimba", False), ("Koto", False)])
def test_what_sustains_loops_and_what_dies_away_does_not(shipped: Space, presets: Presets, name: str, sustained: bool):
    preset = presets[name]
    keys = tuple(range(round((preset.pitches or (60, 60))[0]), round((preset.pitches or (60, 72))[1]), 6))
    assert behaviour_of(shipped, preset.path.points[0], keys, ExportSettings()).sustained == sustained


def test_the_timbre_knob_crossfades_without_a_dip(shipped: Space, presets: Presets, tmp_path: Path):
    path = shipped.path(presets["French horn"].path.points[0], presets["Trombone"].path.points[0])
    for inverter in ("vocoder", "pghi+8"):
        out = tmp_path / inverter.strip("+8")
        timbre.export(shipped, path, "sfz", out, keys="F3:F3", layers=1, takes=1, steps=3, inverter=inverter)
        file = out / f"{out.name}.sfz"
        sounds = [play(sfz_regions(file, 53, 100, {1: at}), SECONDS)[0] for at in (0, 32, 64, 96, 127)]
        levels = [level(sound[RATE // 2 :], RATE) for sound in sounds]
        assert min(levels[1] - min(levels[0], levels[2]), levels[3] - min(levels[2], levels[4])) > -0.5, inverter
    timbre.export(shipped, path, "decent", tmp_path / "d", keys="F3:F3", layers=1, takes=1, steps=3, controller=74)
    knob = [play(decent_regions(tmp_path / "d" / "d.dspreset", 53, 100, at), SECONDS)[0] for at in (0.0, 0.5, 1.0)]
    assert [level(one, RATE) for one in knob] == pytest.approx([level(sounds[at], RATE) for at in (0, 2, 4)], abs=1.5)
    root = Xml.parse(tmp_path / "d" / "d.dspreset").getroot()
    assert (tmp_path / "d" / root.find("ui").attrib["bgImage"]).read_bytes().startswith(b"\x89PNG")  # type: ignore[union-attr]
    assert root.find("midi/cc").attrib["number"] == "74"  # type: ignore[union-attr]
    timbre.export(shipped, path, "sf2", tmp_path / "k.sf2", keys="F3:F3", layers=1, steps=3)
    assert [one.name for one in read_soundfont(tmp_path / "k.sf2").presets] == ["k 1/3", "k 2/3", "k 3/3"]


def test_each_position_of_the_knob_sustains_or_dies_away_as_its_own_sound(
    shipped: Space, presets: Presets, tmp_path: Path
):
    path = shipped.path(presets["French horn"].path.points[0], presets["Harpsichord"].path.points[0])
    for form, name in (("sfz", "k"), ("decent", "d"), ("sf2", "k.sf2")):
        done = timbre.export(shipped, path, form, tmp_path / name, keys="F3:F3", layers=1, takes=1, steps=2)
        assert [row["seam_db"] is not None for row in done.rows] == [True, False]
        assert done.rows[0]["release"] != done.rows[1]["release"]
    assert [one.loop is None for one in sfz_regions(tmp_path / "k" / "k.sfz", 53, 90)] == [False, True]
    assert [one.loop is None for one in decent_regions(tmp_path / "d" / "d.dspreset", 53, 90)] == [False, True]
    heads = read_soundfont(tmp_path / "k.sf2").samples
    assert [head.loop_end > head.loop_start for head in heads] == [True, False]
    assert "(sustained to dies away, with a timbre knob)" in (tmp_path / "k" / "README.txt").read_text()


def test_noise_gives_round_robins_that_differ(shipped: Space, presets: Presets, tmp_path: Path):
    timbre.export(shipped, presets["Shakuhachi"], "sfz", tmp_path / "f", keys="C4:C4", layers=1, takes=2, flac=True)
    regions = list(sfz_regions(tmp_path / "f" / "Shakuhachi.sfz", 60, 100))
    assert [region.turn for region in regions] == [1, 2]
    one, other = (timbre.read(region.file).samples[0] for region in regions)
    assert np.abs(one - other).max() > 1e-3
    assert regions[0].file.suffix == ".flac"


def test_a_sample_beyond_full_scale_is_lowered_and_played_as_loud(tiny_space: Space, tmp_path: Path, monkeypatch):
    render, small = recordings._render, {"keys": "C4:C4", "layers": 1, "hold": 0.3, "loop": True, "takes": 1}
    levels = []
    for factor in (1.0, 2.0):
        monkeypatch.setattr(recordings, "_render", lambda *about, by=factor: by * scaled(render(*about)))
        timbre.export(
            tiny_space, tiny_space.atlas.points[0], "sfz", tmp_path / "e", "e", flac=True, force=True, **small
        )
        region = next(sfz_regions(tmp_path / "e" / "e.sfz", 60, 127))
        assert timbre.read(region.file).peak <= 1.0
        levels.append(level(play(iter([region]), SECONDS)[0], RATE))
    assert levels[1] - levels[0] == pytest.approx(6.02, abs=0.1)


def test_a_sound_without_pitch_is_one_sample_for_all_keys(tiny_space: Space, tmp_path: Path):
    point = tiny_space.atlas.points[0]
    for form, name in (("sfz", "s"), ("sf2", "s.sf2"), ("decent", "d"), ("wav", "w")):
        done = timbre.export(tiny_space, point, form, tmp_path / name, "drum", layers=1, unpitched=True)
        assert {row["key"] for row in done.rows} == {60}
    low, high = (play(sfz_regions(tmp_path / "s" / "drum.sfz", key, 90), 0.3)[0] for key in (30, 90))
    assert np.array_equal(low, high)
    assert len(read_soundfont(tmp_path / "s.sf2").samples) == 1
