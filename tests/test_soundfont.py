"""SoundFont files: the parser against the synthesizer's own, recordings, and files that are damaged."""

import ctypes
import random
import re
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees_soundfont import (
    COARSE,
    COMPRESSED,
    INSTRUMENT,
    KEYS,
    LEFT,
    MUSESCORE,
    RIGHT,
    ROOT,
    SAMPLE,
    TINY,
    VELOCITIES,
    Contents,
    Recorded,
    build,
    chunk,
    installed,
    periodic,
    span,
    write,
)

from timbre.data.parts import SoundFontVoice
from timbre.data.soundfonts.soundfont import MidiRange, SoundFont, read_sample, read_soundfont
from timbre.data.soundfonts.synthesizer import render_voice
from timbre.errors import AudioError, LibraryError

# What the file says


def test_presets_join_what_their_zones_and_those_of_their_instruments_say(tiny_soundfont: Path) -> None:
    font = read_soundfont(tiny_soundfont)
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
    assert {zone.keys for zone in flute.zones} == {MidiRange(48, 96)}
    assert [zone.velocities for zone in flute.zones] == [MidiRange(0, 63), MidiRange(64, 127), MidiRange(64, 127)]
    assert [zone.pitch for zone in flute.zones] == [72, 72, 72]  # generator 58, of the global zone; headers say 60
    (zone,) = violin.zones
    assert (zone.sample, zone.keys, zone.velocities) == (3, MidiRange(55, 103), MidiRange(0, 127))
    assert zone.pitch == pytest.approx(60 + 6 + 1 + 0.50 - 0.50 - 0.30)  # both zones' tunings and the correction


def test_notes_start_the_zones_in_whose_ranges_they_lie(soundfonts: Path) -> None:
    flute = read_soundfont(soundfonts / "tiny.sf2").presets[2]
    assert [zone.sample for zone in flute.sounding(48, 63)] == [0]
    assert [zone.sample for zone in flute.sounding(96, 64)] == [1, 2]
    assert flute.sounding(47, 64) == flute.sounding(97, 64) == []


def test_zones_that_no_note_reaches_are_left_out(tmp_path: Path) -> None:
    apart = [[(KEYS, span(0, 40)), (INSTRUMENT, 0)], [(VELOCITIES, span(1, 9)), (INSTRUMENT, 0)]]
    instrument = [[(KEYS, span(41, 90)), (VELOCITIES, span(10, 127)), (SAMPLE, 0)]]
    font = replace(TINY, instruments=[("Part", instrument)], presets=[("Part", 0, 0, apart)])
    assert read_soundfont(write(tmp_path, font)).presets[0].zones == ()


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
    assert read_soundfont(write(tmp_path, font)).presets[0].zones[0].pitch == pitch


def test_sides_of_stereo_recordings_are_found_by_links_or_by_names(soundfonts: Path, tmp_path: Path) -> None:
    font = read_soundfont(soundfonts / "tiny.sf2")
    assert [font.pair(number) for number in range(4)] == [(0,), (1, 2), (1, 2), (3,)]
    tone, rate = periodic(60)
    linked = [Recorded("a", tone, rate, kind=RIGHT, link=1), Recorded("b", tone, rate, kind=LEFT)]
    others = [Recorded("c L", tone, rate, kind=LEFT), Recorded("c R", tone, rate + 1, kind=RIGHT)]
    font = read_soundfont(write(tmp_path, replace(TINY, samples=[*linked, *others, *TINY.samples[4:]])))
    assert [font.pair(number) for number in range(4)] == [(1, 0), (1, 0), (2,), (3,)]


# Recordings


def test_recordings_are_exact_in_sf2_and_near_in_sf3(soundfonts: Path) -> None:
    for number in (0, 3, 4):
        wanted = TINY.samples[number]
        sound = read_sample(soundfonts / "tiny.sf2", number)
        assert (sound.sample_rate, sound.channels) == (wanted.rate, 1)
        np.testing.assert_array_equal(sound.samples[0], (32767 * wanted.frames).astype("<i2") / np.float32(32768))
        near = read_sample(soundfonts / "tiny.sf3", number)
        assert (near.sample_rate, near.samples.shape) == (wanted.rate, sound.samples.shape)
        assert np.corrcoef(near.samples[0], sound.samples[0])[0, 1] > (0.8 if number == 4 else 0.99)  # 4 is noise


def test_both_sides_of_a_recording_come_together(tiny_soundfont: Path) -> None:
    sound = read_sample(tiny_soundfont, 1)
    assert sound.channels == 2
    levels = np.sqrt(np.mean(np.square(sound.samples), axis=1))
    assert levels[1] / levels[0] == pytest.approx(0.8, rel=0.02)
    np.testing.assert_array_equal(read_sample(tiny_soundfont, 2).samples, sound.samples)


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
    path = write(tmp_path, bytes(content))
    with pytest.raises(AudioError, match=f"sample 0 \\(Flute soft\\) is damaged: it {message}"):
        read_sample(path, 0)
    assert read_sample(path, 3).duration > 0.4


def test_recordings_that_are_not_there_are_refused(soundfonts: Path, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"sample of .*tiny.sf2 must be from 0 to 6, got 7\."):
        read_sample(soundfonts / "tiny.sf2", 7)
    with pytest.raises(AudioError, match="from 0 to 6, got -1"):
        read_sample(soundfonts / "tiny.sf2", -1)
    with pytest.raises(AudioError, match=r"sample 6 .In ROM. is in the ROM of a sound card"):
        read_sample(soundfonts / "tiny.sf2", 6)
    with pytest.raises(AudioError, match="cannot be read: No such file"):
        read_sample(tmp_path / "gone.sf2", 0)
    content = build(COMPRESSED)
    path = write(tmp_path, content.replace(b"OggS", b"OogS", 1))
    with pytest.raises(AudioError, match=r"sample 0 .Flute soft. is damaged or not a readable sound file"):
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
        (b"", "must be a SoundFont: an .sf2 or .sf3 file"),
        (b"RIFF\0\0\0\0WAVEfmt ", "must be a SoundFont"),
        (WHOLE[:12], "it has no table phdr"),
        (WHOLE[:-100], "is truncated: its chunk 'shdr' must have 368 bytes, got 268"),
        (WHOLE[: len(WHOLE) // 2], "is truncated: its chunk 'smpl'"),
        (_resized(WHOLE, b"smpl", 0xFFFFFFFF), "is truncated: its chunk 'smpl' must have 4294967295 bytes"),
        (_resized(WHOLE, b"shdr", 367), "its table shdr has 367 bytes, 46 a record"),
        (_resized(WHOLE, b"shdr", 0)[: WHOLE.index(b"shdr") + 8], "its table shdr has 0 bytes"),
        (WHOLE[:12] + chunk("junk", b"") * 1100 + WHOLE[12:], "more than 1000 chunks"),
        (build(replace(TINY, presets=[("Lost", 0, 0, [[(INSTRUMENT, 4)]])])), "an instrument or a sample that is not"),
        (build(replace(TINY, instruments=[("Lost", [[(SAMPLE, 7)]])], presets=[])), "a sample that is not there"),
        (_changed(WHOLE, WHOLE.index(b"inst") + 28, b"\xff\xff"), "its tables contradict each other"),
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
    path = write(tmp_path, content)
    with pytest.raises(LibraryError, match=message) as refused:
        read_soundfont(path)
    assert str(refused.value).startswith(f"{path} ")
    assert str(refused.value).count("\n") == 0
    with pytest.raises(AudioError, match=re.escape(str(refused.value))):
        render_voice(path, SoundFontVoice(0, 0, 60, 60))


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


def test_fluidsynth_finds_the_same_presets_and_zones(tiny_soundfont: Path) -> None:
    same_as_reference(tiny_soundfont, read_soundfont(tiny_soundfont), 500)


@pytest.mark.parametrize("path", [p for p in installed() if p.id != MUSESCORE.name])  # that one takes ten seconds
def test_fluidsynth_finds_the_same_in_real_files(path: Path) -> None:
    same_as_reference(path, read_soundfont(path), 3000)
