"""SoundFonts: the parser against the synthesizer's own, the sound against its labels, and files that are damaged."""

import ctypes
import os
import random
import re
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees_named import note
from trees_soundfont import (
    COARSE,
    INSTRUMENT,
    KEYS,
    LEFT,
    RIGHT,
    ROOT,
    SAMPLE,
    TINY,
    VELOCITIES,
    Contents,
    Recorded,
    build,
    chunk,
    periodic,
    span,
)

from timbre.audio.pitch import measure_pitch
from timbre.data import Note
from timbre.data.parts import Excerpt, Voice
from timbre.data.readers import Options, Reading, choose
from timbre.data.soundfont import Range, SoundFont, read_sample, read_soundfont
from timbre.data.synthesizer import HOLD, SAMPLE_RATE, TAIL, render_voice
from timbre.data.tree import open_tree
from timbre.errors import AudioError, DeviceError, LibraryError

COMPRESSED = replace(TINY, compressed=True, padded=False)
FLUID = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
MUSESCORE = Path("/usr/share/sounds/sf3/MuseScore_General_Full.sf3")
REAL = [
    pytest.param(path, id=path.name, marks=pytest.mark.skipif(not path.exists(), reason=f"{path} is not installed"))
    for path in (FLUID, MUSESCORE, FLUID.with_name("TimGM6mb.sf2"))
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny SoundFont in both forms."""
    folder = tmp_path_factory.mktemp("soundfonts")
    (folder / "tiny.sf2").write_bytes(build(TINY))
    (folder / "tiny.sf3").write_bytes(build(COMPRESSED))
    return folder


@pytest.fixture(params=["tiny.sf2", "tiny.sf3"])
def tiny(request: pytest.FixtureRequest, place: Path) -> Path:
    return place / request.param


def written(folder: Path, contents: Contents | bytes, name: str = "made.sf2") -> Path:
    path = folder / name
    path.write_bytes(contents if isinstance(contents, bytes) else build(contents))
    return path


def reading(path: Path, **options: Any) -> Reading:
    tree = open_tree(path)
    return choose(tree).read(tree, Options(**options))


# What the file says


def test_presets_join_what_their_zones_and_those_of_their_instruments_say(tiny: Path) -> None:
    font = read_soundfont(tiny)
    assert (font.name, font.copyright, font.comment) == ("Tiny Test", "2026 nobody", "Public domain. For tests.")
    numbers = [(preset.bank, preset.program, preset.name) for preset in font.presets]
    assert numbers == [
        (0, 1, "Nothing"),
        (0, 40, "Violin"),
        (0, 73, "Flute"),
        (8, 40, "Slow Violin"),
        (128, 0, "Kit"),
        (128, 8, "Other Kit"),
    ]
    violin, flute = font.presets[1], font.presets[2]
    assert [zone.sample for zone in flute.zones] == [0, 1, 2]
    assert {zone.keys for zone in flute.zones} == {Range(48, 96)}
    assert [zone.velocities for zone in flute.zones] == [Range(0, 63), Range(64, 127), Range(64, 127)]
    assert [zone.pitch for zone in flute.zones] == [72, 72, 72]  # generator 58, of the global zone; headers say 60
    (zone,) = violin.zones
    assert (zone.sample, zone.keys, zone.velocities) == (3, Range(55, 103), Range(0, 127))
    assert zone.pitch == pytest.approx(60 + 6 + 1 + 0.50 - 0.50 - 0.30)  # both zones' tunings and the correction


def test_notes_start_the_zones_in_whose_ranges_they_lie(place: Path) -> None:
    flute = read_soundfont(place / "tiny.sf2").presets[2]
    assert [zone.sample for zone in flute.sounding(48, 63)] == [0]
    assert [zone.sample for zone in flute.sounding(96, 64)] == [1, 2]
    assert flute.sounding(47, 64) == flute.sounding(97, 64) == []


def test_zones_that_no_note_reaches_are_left_out(tmp_path: Path) -> None:
    apart = [[(KEYS, span(0, 40)), (INSTRUMENT, 0)], [(VELOCITIES, span(1, 9)), (INSTRUMENT, 0)]]
    instrument = [[(KEYS, span(41, 90)), (VELOCITIES, span(10, 127)), (SAMPLE, 0)]]
    font = replace(TINY, instruments=[("Part", instrument)], presets=[("Part", 0, 0, apart)])
    assert read_soundfont(written(tmp_path, font)).presets[0].zones == ()


@pytest.mark.parametrize(
    ("key", "generators", "pitch"),
    [(255, [], 60), (64, [], 64), (64, [(ROOT, 200)], 64), (64, [(ROOT, 50)], 50), (60, [(COARSE, -12)], 72)],
)
def test_the_pitch_of_a_recording(tmp_path: Path, key: int, generators: list, pitch: float) -> None:
    font = Contents(
        [Recorded("one", *periodic(60), key=key)],
        [("one", [[*generators, (SAMPLE, 0)]])],
        [("one", 0, 0, [[(INSTRUMENT, 0)]])],
    )
    assert read_soundfont(written(tmp_path, font)).presets[0].zones[0].pitch == pitch


def test_sides_of_stereo_recordings_are_found_by_links_or_by_names(place: Path, tmp_path: Path) -> None:
    font = read_soundfont(place / "tiny.sf2")
    assert [font.pair(number) for number in range(4)] == [(0,), (1, 2), (1, 2), (3,)]
    tone, rate = periodic(60)
    linked = [Recorded("a", tone, rate, kind=RIGHT, link=1), Recorded("b", tone, rate, kind=LEFT)]
    others = [Recorded("c L", tone, rate, kind=LEFT), Recorded("c R", tone, rate + 1, kind=RIGHT)]
    font = read_soundfont(written(tmp_path, replace(TINY, samples=[*linked, *others, *TINY.samples[4:]])))
    assert [font.pair(number) for number in range(4)] == [(1, 0), (1, 0), (2,), (3,)]


# Recordings


def test_recordings_are_exact_in_sf2_and_near_in_sf3(place: Path) -> None:
    for number in (0, 3, 4):
        wanted = TINY.samples[number]
        sound = read_sample(place / "tiny.sf2", number)
        assert (sound.sample_rate, sound.channels) == (wanted.rate, 1)
        np.testing.assert_array_equal(sound.samples[0], (32767 * wanted.frames).astype("<i2") / np.float32(32768))
        near = read_sample(place / "tiny.sf3", number)
        assert (near.sample_rate, near.samples.shape) == (wanted.rate, sound.samples.shape)
        assert np.corrcoef(near.samples[0], sound.samples[0])[0, 1] > (0.8 if number == 4 else 0.99)  # 4 is noise


def test_both_sides_of_a_recording_come_together(tiny: Path) -> None:
    sound = read_sample(tiny, 1)
    assert sound.channels == 2
    levels = np.sqrt(np.mean(np.square(sound.samples), axis=1))
    assert levels[1] / levels[0] == pytest.approx(0.8, rel=0.02)
    np.testing.assert_array_equal(read_sample(tiny, 2).samples, sound.samples)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({20: 1 << 30}, r"lies from 1073741824 to \d+, outside"),
        ({24: 1 << 31}, r"lies from 0 to 2147483648, outside"),
        ({24: 0}, "lies from 0 to 0, outside"),
        ({36: 0}, "has 0 Hz"),
        ({36: 1 << 31}, "has 2147483648 Hz"),
    ],
)
def test_damaged_headers_of_recordings_are_refused(tmp_path: Path, change: dict[int, int], message: str) -> None:
    content = bytearray(build(TINY))
    headers = content.index(b"shdr") + 8
    for place, number in change.items():
        content[headers + place : headers + place + 4] = number.to_bytes(4, "little")
    path = written(tmp_path, bytes(content))
    with pytest.raises(AudioError, match=f"sample 0 \\(Flute soft\\) is damaged: it {message}"):
        read_sample(path, 0)
    assert read_sample(path, 3).duration > 0.4


def test_recordings_that_are_not_there_are_refused(place: Path, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"tiny.sf2 has no sample 7; it has 7, counted from 0\."):
        read_sample(place / "tiny.sf2", 7)
    with pytest.raises(AudioError, match="no sample -1"):
        read_sample(place / "tiny.sf2", -1)
    with pytest.raises(AudioError, match=r"sample 6 .In ROM. is in the ROM of a sound card"):
        read_sample(place / "tiny.sf2", 6)
    with pytest.raises(AudioError, match="cannot be read: No such file"):
        read_sample(tmp_path / "gone.sf2", 0)
    content = build(COMPRESSED)
    path = written(tmp_path, content.replace(b"OggS", b"OogS", 1))
    with pytest.raises(AudioError, match=r"sample 0 .Flute soft. is damaged or no sound file"):
        read_sample(path, 0)


# Damaged files


def _changed(content: bytes, place: int, new: bytes) -> bytes:
    return content[:place] + new + content[place + len(new) :]


def _resized(content: bytes, name: bytes, size: int) -> bytes:
    """The file with another size in the head of one of its chunks."""
    return _changed(content, content.index(name) + 4, size.to_bytes(4, "little"))


WHOLE, WHOLE_COMPRESSED = build(TINY), build(COMPRESSED)
LARGE = [[(SAMPLE, 0)]] * 600


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no SoundFont; an .sf2 or .sf3 file .* is wanted"),
        (b"RIFF\0\0\0\0WAVEfmt ", "is no SoundFont"),
        (WHOLE[:12], "it has no table phdr"),
        (WHOLE[:-100], "breaks off: its chunk 'shdr' should hold 368 bytes, 268 are there"),
        (WHOLE[: len(WHOLE) // 2], "breaks off: its chunk 'smpl'"),
        (_resized(WHOLE, b"smpl", 0xFFFFFFFF), "breaks off: its chunk 'smpl' should hold 4294967295 bytes"),
        (_resized(WHOLE, b"shdr", 367), "its table shdr has 367 bytes, 46 a record"),
        (_resized(WHOLE, b"shdr", 0)[: WHOLE.index(b"shdr") + 8], "its table shdr has 0 bytes"),
        (WHOLE[:12] + chunk("junk", b"") * 1100 + WHOLE[12:], "more than 1000 chunks"),
        (build(replace(TINY, presets=[("Lost", 0, 0, [[(INSTRUMENT, 4)]])])), "an instrument or a sample that is not"),
        (build(replace(TINY, instruments=[("Lost", [[(SAMPLE, 7)]])], presets=[])), "a sample that is not there"),
        (_changed(WHOLE, WHOLE.index(b"inst") + 28, b"\xff\xff"), "its tables do not fit together"),
        (
            build(
                replace(TINY, instruments=[("Many", LARGE)], presets=[("Many", 0, 0, [[(INSTRUMENT, 0)]] * 500)]),
            ),
            "its presets have more than 262144 zones",
        ),
    ],
    ids=range(13),
)
def test_damaged_files_are_refused_in_one_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(LibraryError, match=message) as refused:
        read_soundfont(path)
    assert str(refused.value).startswith(f"{path} ")
    assert str(refused.value).count("\n") == 0
    with pytest.raises(AudioError, match=re.escape(str(refused.value))):
        render_voice(path, Voice(0, 0, 60, 60))


def attempt(what: Callable[[], Any]) -> tuple[Any, str]:
    """What came of it, or the sentence with which it was refused."""
    try:
        return what(), ""
    except (AudioError, LibraryError) as error:
        return None, str(error)


@given(
    changes=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=6),
    large=st.lists(st.tuples(st.integers(0, 4000), st.sampled_from([b"\xff" * 4, b"\xff\xff\xff\x7f", bytes(4)]))),
    cut=st.integers(0, 4000),
    compressed=st.booleans(),
)
def test_any_damage_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: list, large: list, cut: int, compressed: bool
) -> None:
    """Bytes and sizes changed, most of them in the tables at the end, and the end cut off."""
    content = bytearray(WHOLE_COMPRESSED if compressed else WHOLE)
    for place, value in changes:
        content[-1 - place % len(content)] = value
    for place, value in large:
        start = max(0, len(content) - 4 - place)
        content[start : start + 4] = value
    kept = len(content) - (cut if cut < 100 else 0)
    path = tmp_path_factory.mktemp("damaged") / "any.sf2"
    path.write_bytes(content[:kept])
    font, message = attempt(lambda: read_soundfont(path))
    if font is None:
        assert message.endswith(".")
        return
    for preset in font.presets:
        assert all(zone.sample < len(font.samples) for zone in preset.zones)
    for number in range(len(font.samples)):
        sound, message = attempt(partial(read_sample, path, number))
        assert message.endswith(".") if sound is None else sound.duration < 1000


def test_the_sound_is_never_read_for_the_resized(tmp_path: Path) -> None:
    """One GiB of samples, which takes no room on the disk."""
    content, size = build(TINY), 1 << 30
    start = content.index(b"smpl") + 8
    end = content.index(b"LIST", start)
    path = tmp_path / "large.sf2"
    with path.open("wb") as file:
        file.write(_resized(content[:start], b"smpl", size))
        file.seek(start + size)
        file.write(content[end:])
    tracemalloc.start()
    try:
        font = read_soundfont(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        assert read_sample(path, 3).duration > 0.4
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()
    assert len(font.presets) == 6


# The synthesizer's own reading of the same files


class Reference:
    """FluidSynth, asked what it found in a file."""

    def __init__(self, path: Path) -> None:
        import fluidsynth

        self.api: Any = fluidsynth
        self.synth = fluidsynth.Synth(0.5, 44100.0, 16)
        self.number = self.synth.sfload(str(path))
        assert self.number >= 0

    def presets(self) -> Iterator[tuple[int, int, str]]:
        pointer = ctypes.c_void_p
        kinds = {"fluid_sfont_iteration_start": None, "fluid_sfont_iteration_next": pointer}
        start, following = (self.api.cfunc(name, kind, ("of", pointer, 1)) for name, kind in kinds.items())
        bank, program = (
            self.api.cfunc(f"fluid_preset_get_{name}", ctypes.c_int, ("of", pointer, 1)) for name in ("banknum", "num")
        )
        font = self.api.fluid_synth_get_sfont_by_id(self.synth.synth, self.number)
        start(font)
        while preset := following(font):
            yield bank(preset), program(preset), self.api.fluid_preset_get_name(preset).decode()

    def voices(self, bank: int, program: int, key: int, velocity: int) -> int:
        """How many voices a note starts: one for each zone."""
        self.synth.program_select(0, self.number, bank, program)
        self.synth.noteon(0, key, velocity)
        started = int(self.synth.get_active_voice_count())
        self.synth.all_sounds_off(0)
        self.synth.get_samples(64)
        return started


def same_as_reference(path: Path, font: SoundFont, tries: int) -> None:
    reference, random_ = Reference(path), random.Random(0)
    try:
        assert list(reference.presets()) == [(preset.bank, preset.program, preset.name) for preset in font.presets]
        for _ in range(tries):
            preset = random_.choice(font.presets)
            key, velocity = random_.randint(0, 127), random_.randint(1, 127)
            zones = preset.sounding(key, velocity)
            assert reference.voices(preset.bank, preset.program, key, velocity) == len(zones), (preset, key, velocity)
    finally:
        reference.synth.delete()


def test_fluidsynth_finds_the_same_presets_and_zones(tiny: Path) -> None:
    same_as_reference(tiny, read_soundfont(tiny), 500)


@pytest.mark.parametrize("path", [p for p in REAL if p.id != MUSESCORE.name])  # whole, that one takes ten seconds
def test_fluidsynth_finds_the_same_in_real_files(path: Path) -> None:
    same_as_reference(path, read_soundfont(path), 3000)


# Sound


@pytest.mark.parametrize("velocity", [40, 100])
@pytest.mark.parametrize("key", [57, 64, 72, 79, 88])
@pytest.mark.parametrize("program", [40, 73])
def test_notes_are_in_tune(tiny: Path, program: int, key: int, velocity: int) -> None:
    sound = render_voice(tiny, Voice(0, program, key, velocity))
    measured = measure_pitch(sound, near=key)
    assert measured is not None
    assert abs(measured - key) < 0.01  # the tones are exact to 0.01 cents, FluidSynth is to a cent


def test_notes_are_held_and_released(tiny: Path) -> None:
    sound = render_voice(tiny, Voice(0, 40, 60, 100))
    assert sound.sample_rate == SAMPLE_RATE
    assert HOLD < sound.duration <= HOLD + TAIL
    held = sound.samples[0, : round(HOLD * SAMPLE_RATE) - 4096]
    levels = [np.sqrt(np.mean(part**2)) for part in np.array_split(held[4096:], 8)]
    assert max(levels) / min(levels) < 1.02
    assert np.max(np.abs(sound.samples[0, -400:])) < 0.002 * sound.peak
    drum = render_voice(tiny, Voice(128, 0, 36, 100))
    assert drum.duration < 0.5  # it ends by itself
    longer = render_voice(tiny, Voice(0, 40, 60, 100), hold=3.0)
    assert longer.duration - sound.duration == pytest.approx(1.0, abs=0.06)


def test_harder_is_louder_and_nothing_clips(tiny: Path) -> None:
    for program in (40, 73):
        levels = [render_voice(tiny, Voice(0, program, 72, v)).peak for v in (1, 20, 40, 60, 80, 100, 127)]
        assert levels == sorted(levels)
        assert levels[-1] > 20 * levels[1]
        assert 0.05 < levels[-1] < 1


def test_channels_are_those_of_the_soundfont(tiny: Path) -> None:
    """No reverb or chorus makes a mono recording wide, and panning is kept."""
    assert render_voice(tiny, Voice(0, 40, 72, 100)).channels == 1
    flute = render_voice(tiny, Voice(0, 73, 72, 100))
    levels = np.sqrt(np.mean(np.square(flute.samples), axis=1))
    assert levels[1] / levels[0] == pytest.approx(0.8, rel=0.02)


def many(path: Path) -> list[Voice]:
    """Voices in an order in which presets, layers and panning alternate."""
    voices = [
        Voice(preset.bank, preset.program, key, velocity)
        for preset in read_soundfont(path).presets
        for key in range(36, 97, 12)
        for velocity in (30, 100)
        if preset.sounding(key, velocity)
    ]
    return random.Random(1).sample(voices, len(voices))


def test_a_voice_always_gives_the_same_samples_in_any_order_and_thread(tiny: Path, place: Path) -> None:
    voices = many(tiny)
    first = {voice: render_voice(tiny, voice, hold=0.2).samples for voice in voices}
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda voice: render_voice(tiny, voice, hold=0.2).samples, voices[::-1]))
    for voice, samples in zip(voices[::-1], again, strict=True):
        np.testing.assert_array_equal(samples, first[voice])


def test_many_files_and_presets_take_turns(tmp_path: Path) -> None:
    """More files and more presets than are kept ready; a file that was replaced is loaded anew."""
    presets = [(f"P{n}", 0, n, [[(COARSE, n % 3), (INSTRUMENT, 0)]]) for n in range(20)]
    paths = [written(tmp_path, replace(TINY, presets=presets), f"{n}.sf2") for n in range(4)]
    voices = [Voice(0, n % 20, 60, 100) for n in range(40)]
    random.Random(0).shuffle(voices)
    first = {voice: render_voice(paths[0], voice, hold=0.1).samples for voice in voices}
    for place, voice in enumerate(voices):
        np.testing.assert_array_equal(render_voice(paths[place % 4], voice, hold=0.1).samples, first[voice])
    written(tmp_path, replace(TINY, presets=[("Violin", 0, 0, [[(INSTRUMENT, 1)]])]), "0.sf2")
    os.utime(paths[0], (0, 0))
    assert not np.array_equal(render_voice(paths[0], Voice(0, 0, 60, 100), hold=0.1).samples, first[voices[0]])
    with pytest.raises(AudioError, match="has no preset 0:5"):
        render_voice(paths[0], Voice(0, 5, 60, 100))


@pytest.mark.parametrize(
    ("voice", "message"),
    [
        (Voice(0, 40, 54, 100), r"tiny.sf2: nothing sounds at 0:40 key 54 velocity 100\."),
        (Voice(128, 0, 37, 100), "nothing sounds at 128:0 key 37"),
        (Voice(0, 2, 60, 100), r"tiny.sf2 has no preset 0:2 that can be played\."),
        (Voice(1, 40, 60, 100), "has no preset 1:40"),
    ],
)
def test_voices_that_are_not_there_are_refused(place: Path, voice: Voice, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        render_voice(place / "tiny.sf2", voice)


def test_files_that_cannot_be_played_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"gone.sf2 cannot be read: No such file or directory\."):
        render_voice(tmp_path / "gone.sf2", Voice(0, 0, 60, 60))


def test_a_missing_synthesizer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from timbre.data import synthesizer

    synthesizer._fluidsynth.cache_clear()
    path = written(tmp_path, TINY)
    monkeypatch.setitem(sys.modules, "fluidsynth", None)
    with pytest.raises(DeviceError, match=r"needs pyfluidsynth; install it with: pip install 'timbre\[soundfont\]'"):
        render_voice(path, Voice(0, 40, 60, 100))
    monkeypatch.delitem(sys.modules, "fluidsynth")
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    monkeypatch.delenv("HOMEBREW_PREFIX", raising=False)
    with pytest.raises(DeviceError, match=r"FluidSynth library; .* apt-get install libfluidsynth3; macOS: brew"):
        render_voice(path, Voice(0, 40, 60, 100))
    monkeypatch.undo()
    assert render_voice(path, Voice(0, 40, 60, 100)).duration > HOLD


# The reader


def by_instrument(found: Reading) -> dict[str, list[Note]]:
    groups: dict[str, list[Note]] = {}
    for entry in found.notes:
        groups.setdefault(entry.instrument, []).append(entry)
    return groups


def test_presets_become_notes(place: Path) -> None:
    found = reading(place / "tiny.sf2", velocities=(30, 64, 110))
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
    assert violin[0].part == Voice(0, 40, 55, 30, "3 Violin")
    assert {(entry.source, entry.licence) for entry in found.notes} == {("Tiny Test", "Public domain; 2026 nobody")}
    layers = [entry.part.sample for entry in groups["flute"] if isinstance(entry.part, Voice)]
    assert layers == ["0 Flute soft", "1 Flute C5(L)", "1 Flute C5(L)"] * (len(layers) // 3)
    assert [entry.pitch for entry in groups["kick"]] == [None] * 3
    assert {entry.file.split(" ", 2)[2]: entry.reason for entry in found.dropped} == {
        "0:1 Nothing": "has no sound",
        "8:40 Slow Violin": "a variation; another preset of that program is taken",
        "128:8 Other Kit": "another drum kit; the first is taken",
    }
    assert found.labels == "tiny.sf2"


def test_pitches_asked_for_are_those_within_reach(place: Path) -> None:
    found = by_instrument(reading(place / "tiny.sf2", pitches=(100, 40, 60, 61, 60), velocities=(64,)))
    assert [entry.pitch for entry in found["violin"]] == [60, 61]
    assert len(found["kick"]) == 1
    none = reading(place / "tiny.sf2", pitches=(20,))
    assert "violin" not in by_instrument(none)
    reasons = [entry.reason for entry in none.dropped if "0:40 Violin" in entry.file]
    assert reasons == ["sounds at none of the pitches and velocities asked for"]


@pytest.mark.parametrize("wrong", [{"pitches": (60, 128)}, {"pitches": (-1,)}, {"velocities": (0,)}])
def test_pitches_and_velocities_that_midi_does_not_have_are_refused(place: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(LibraryError, match=r"was asked for; a MIDI number from [01] to 127 is wanted\."):
        reading(place / "tiny.sf2", **wrong)


def test_variations_are_read_where_there_is_nothing_else(tmp_path: Path) -> None:
    presets = [("Viola", 9, 5, [[(INSTRUMENT, 1)]]), ("Old Viola", 8, 5, [[(INSTRUMENT, 1)]])]
    found = reading(written(tmp_path, replace(TINY, presets=presets)))
    assert set(by_instrument(found)) == {"viola", "old_viola"}
    assert {entry.family for entry in found.notes} == {"strings"}
    assert found.dropped == []


def test_general_midi_tells_families_and_effects(tmp_path: Path) -> None:
    presets = [(f"Preset {n}", 0, n, [[(INSTRUMENT, 1)]]) for n in range(128)]
    presets += [("Kit", 128, 0, [[(INSTRUMENT, 2)], [(INSTRUMENT, 3)]])]
    path = written(tmp_path, replace(TINY, presets=presets))
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
    found = by_instrument(reading(written(tmp_path, replace(TINY, presets=presets, texts={}))))
    assert found["pizzicato_strings"][0].articulation == "pizzicato"
    assert found["pizzicato_strings"][0].family == "strings"
    assert found["program_46"][0].articulation is None
    assert (found["program_46"][0].source, found["program_46"][0].licence) == ("made", None)


def test_recordings_become_notes(tiny: Path) -> None:
    found = reading(tiny, raw=True)
    told = [(entry.instrument, entry.pitch, entry.velocity, entry.part) for entry in found.notes]
    assert told == [
        ("flute", 72, 31.5 / 127, Excerpt(member="0")),
        ("flute", 72, 95.5 / 127, Excerpt(member="1")),
        ("violin", pytest.approx(66.7), None, Excerpt(member="3")),
        ("kick", None, None, Excerpt(member="4")),
        ("snare", None, None, Excerpt(member="5")),
    ]
    assert [(entry.file, entry.reason) for entry in found.dropped] == [
        (f"{tiny.name}, sample 6 In ROM", "no preset plays it")
    ]
    for entry in found.notes[:3]:
        measured = measure_pitch(entry.audio(), near=entry.pitch)
        assert measured == pytest.approx(entry.pitch, abs=0.01)


def test_a_folder_may_hold_several_files_and_other_sounds(tmp_path: Path) -> None:
    written(tmp_path, TINY, "b.sf2")
    (tmp_path / "c.sf2").symlink_to(tmp_path / "b.sf2")
    written(tmp_path, b"nonsense", "a.sf3")
    found = reading(tmp_path)
    assert {entry.file for entry in found.notes} == {tmp_path / "b.sf2"}
    assert {entry.file: entry.reason for entry in found.dropped if "," not in entry.file} == {
        "a.sf3": "is no SoundFont; an .sf2 or .sf3 file (RIFF with sfbk) is wanted",
        "c.sf2": "the same file as b.sf2",
    }
    note(tmp_path / "flute" / "A4.wav", 69)
    tree = open_tree(tmp_path)
    assert choose(tree).name == "folders"  # they are the library; the SoundFont is made of them
    assert "flute/A4.wav" in {entry.file for entry in choose(tree, "soundfont").read(tree, Options()).dropped}
    assert choose(open_tree(tmp_path / "b.sf2")).name == "soundfont"
    with pytest.raises(LibraryError, match="holds no SoundFont"):
        choose(tree, "soundfont").read(open_tree(tmp_path / "flute"), Options())
    with pytest.raises(LibraryError, match=r"a.sf3 is no SoundFont"):
        reading(tmp_path / "a.sf3")


# Real files


@pytest.mark.parametrize("path", REAL)
def test_real_instruments_are_in_tune(path: Path) -> None:
    """Sustained instruments of the real files, whose samples are themselves tuned to a few cents only."""
    off = []
    for program in (19, 21, 56, 60, 64, 68, 71, 73):
        for key in (60, 67, 72):
            sound = render_voice(path, Voice(0, program, key, 100))
            measured = measure_pitch(sound, near=key)
            assert measured is not None, (program, key)
            off.append(abs(measured - key))
    assert np.median(off) < 0.05
    assert max(off) < 0.35


@pytest.mark.skipif(not MUSESCORE.exists(), reason="MuseScore_General is not installed")
def test_soft_notes_are_duller_where_the_soundfont_says_so() -> None:
    """The horn's modulators close a filter; a synthesizer that ignores them plays one timbre at all levels."""

    def centroid(velocity: int) -> float:
        sound = render_voice(MUSESCORE, Voice(0, 60, 60, velocity)).mono().samples[0, 4096:]
        level = np.abs(np.fft.rfft(sound * np.hanning(sound.size)))
        return float(level @ np.arange(level.size) / level.sum())

    assert centroid(120) > 1.3 * centroid(30)


@pytest.mark.parametrize("path", REAL)
def test_real_files_are_read_whole(path: Path) -> None:
    found = reading(path, pitches=(60, 72), velocities=(100,))
    assert len({entry.instrument for entry in found.notes}) > 120
    assert None not in {entry.family for entry in found.notes}
    raw = reading(path, raw=True)
    assert len(raw.notes) > 300
    for entry in raw.notes[::150]:
        assert entry.audio().duration > 0
