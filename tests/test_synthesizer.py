"""Notes rendered from SoundFonts: in tune, as loud as they should be, and always the same."""

import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from trees_soundfont import (
    COARSE,
    INSTRUMENT,
    MUSESCORE,
    TINY,
    installed,
    write,
)

from timbre.audio.pitch import measure_pitch
from timbre.data.parts import SoundFontVoice
from timbre.data.soundfonts.soundfont import read_soundfont
from timbre.data.soundfonts.synthesizer import HOLD, SAMPLE_RATE, TAIL, render_voice
from timbre.errors import AudioError, DeviceError


@pytest.mark.parametrize("velocity", [40, 100])
@pytest.mark.parametrize("key", [57, 64, 72, 79, 88])
@pytest.mark.parametrize("program", [40, 73])
def test_notes_are_in_tune(tiny_soundfont: Path, program: int, key: int, velocity: int) -> None:
    sound = render_voice(tiny_soundfont, SoundFontVoice(0, program, key, velocity))
    measured = measure_pitch(sound, near=key)
    assert measured is not None
    assert abs(measured - key) < 0.01  # the tones are exact to 0.01 cents, FluidSynth is to a cent


def test_notes_are_held_and_released(tiny_soundfont: Path) -> None:
    sound = render_voice(tiny_soundfont, SoundFontVoice(0, 40, 60, 100))
    assert sound.sample_rate == SAMPLE_RATE
    assert HOLD < sound.duration <= HOLD + TAIL
    held = sound.samples[0, : round(HOLD * SAMPLE_RATE) - 4096]
    levels = [np.sqrt(np.mean(part**2)) for part in np.array_split(held[4096:], 8)]
    assert max(levels) / min(levels) < 1.02
    assert np.max(np.abs(sound.samples[0, -400:])) < 0.002 * sound.peak
    drum = render_voice(tiny_soundfont, SoundFontVoice(128, 0, 36, 100))
    assert drum.duration < 0.5  # it ends by itself
    longer = render_voice(tiny_soundfont, SoundFontVoice(0, 40, 60, 100), hold=3.0)
    assert longer.duration - sound.duration == pytest.approx(1.0, abs=0.06)


def test_harder_is_louder_and_nothing_clips(tiny_soundfont: Path) -> None:
    for program in (40, 73):
        levels = [
            render_voice(tiny_soundfont, SoundFontVoice(0, program, 72, v)).peak for v in (1, 20, 40, 60, 80, 100, 127)
        ]
        assert levels == sorted(levels)
        assert levels[-1] > 20 * levels[1]
        assert 0.05 < levels[-1] < 1


def test_channels_are_those_of_the_soundfont(tiny_soundfont: Path) -> None:
    """No reverb or chorus makes a mono recording wide, and panning is kept."""
    assert render_voice(tiny_soundfont, SoundFontVoice(0, 40, 72, 100)).channels == 1
    flute = render_voice(tiny_soundfont, SoundFontVoice(0, 73, 72, 100))
    levels = np.sqrt(np.mean(np.square(flute.samples), axis=1))
    assert levels[1] / levels[0] == pytest.approx(0.8, rel=0.02)


def many(path: Path) -> list[SoundFontVoice]:
    """Voices in an order in which presets, layers and panning alternate."""
    voices = [
        SoundFontVoice(preset.bank, preset.program, key, velocity)
        for preset in read_soundfont(path).presets
        for key in range(36, 97, 12)
        for velocity in (30, 100)
        if preset.sounding(key, velocity)
    ]
    return random.Random(1).sample(voices, len(voices))


def test_a_voice_always_gives_the_same_samples_in_any_order_and_thread(tiny_soundfont: Path) -> None:
    voices = many(tiny_soundfont)
    first = {voice: render_voice(tiny_soundfont, voice, hold=0.2).samples for voice in voices}
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda voice: render_voice(tiny_soundfont, voice, hold=0.2).samples, voices[::-1]))
    for voice, samples in zip(voices[::-1], again, strict=True):
        np.testing.assert_array_equal(samples, first[voice])


def test_many_files_and_presets_take_turns(tmp_path: Path) -> None:
    """More files and more presets than are kept ready; a file that was replaced is loaded anew."""
    presets = [(f"P{n}", 0, n, [[(COARSE, n % 3), (INSTRUMENT, 0)]]) for n in range(20)]
    paths = [write(tmp_path, replace(TINY, presets=presets), f"{n}.sf2") for n in range(4)]
    voices = [SoundFontVoice(0, n % 20, 60, 100) for n in range(40)]
    random.Random(0).shuffle(voices)
    first = {voice: render_voice(paths[0], voice, hold=0.1).samples for voice in voices}
    for place, voice in enumerate(voices):
        np.testing.assert_array_equal(render_voice(paths[place % 4], voice, hold=0.1).samples, first[voice])
    write(tmp_path, replace(TINY, presets=[("Violin", 0, 0, [[(INSTRUMENT, 1)]])]), "0.sf2")
    os.utime(paths[0], (0, 0))
    assert not np.array_equal(render_voice(paths[0], SoundFontVoice(0, 0, 60, 100), hold=0.1).samples, first[voices[0]])
    with pytest.raises(AudioError, match="has no preset 0:5"):
        render_voice(paths[0], SoundFontVoice(0, 5, 60, 100))


@pytest.mark.parametrize(
    ("voice", "message"),
    [
        (SoundFontVoice(0, 40, 54, 100), r"tiny.sf2: nothing sounds at 0:40 key 54 velocity 100\."),
        (SoundFontVoice(128, 0, 37, 100), "nothing sounds at 128:0 key 37"),
        (SoundFontVoice(0, 2, 60, 100), r"tiny.sf2 has no preset 0:2 that can be played\."),
        (SoundFontVoice(1, 40, 60, 100), "has no preset 1:40"),
    ],
)
def test_voices_that_are_not_there_are_refused(soundfonts: Path, voice: SoundFontVoice, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        render_voice(soundfonts / "tiny.sf2", voice)


def test_files_that_cannot_be_played_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"gone.sf2 cannot be read: No such file or directory\."):
        render_voice(tmp_path / "gone.sf2", SoundFontVoice(0, 0, 60, 60))


def test_a_missing_synthesizer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from timbre.data.soundfonts import synthesizer

    synthesizer._fluidsynth.cache_clear()
    path = write(tmp_path, TINY)
    monkeypatch.setitem(sys.modules, "fluidsynth", None)
    with pytest.raises(DeviceError, match="needs the package pyfluidsynth: pip install pyfluidsynth"):
        render_voice(path, SoundFontVoice(0, 40, 60, 100))
    monkeypatch.delitem(sys.modules, "fluidsynth")
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    monkeypatch.delenv("HOMEBREW_PREFIX", raising=False)
    with pytest.raises(DeviceError, match=r"FluidSynth library; .* apt-get install libfluidsynth3; macOS: brew"):
        render_voice(path, SoundFontVoice(0, 40, 60, 100))
    monkeypatch.undo()
    assert render_voice(path, SoundFontVoice(0, 40, 60, 100)).duration > HOLD


@pytest.mark.parametrize("path", installed())
def test_real_instruments_are_in_tune(path: Path) -> None:
    """Sustained instruments of the real files, whose samples are themselves tuned to a few cents only."""
    off = []
    for program in (19, 21, 56, 60, 64, 68, 71, 73):
        for key in (60, 67, 72):
            sound = render_voice(path, SoundFontVoice(0, program, key, 100))
            measured = measure_pitch(sound, near=key)
            assert measured is not None, (program, key)
            off.append(abs(measured - key))
    assert np.median(off) < 0.05
    assert max(off) < 0.35


@pytest.mark.skipif(not MUSESCORE.exists(), reason="MuseScore_General is not installed")
def test_soft_notes_are_duller_where_the_soundfont_says_so() -> None:
    """The horn's modulators close a filter; a synthesizer that ignores them plays one timbre at all levels."""

    def centroid(velocity: int) -> float:
        sound = render_voice(MUSESCORE, SoundFontVoice(0, 60, 60, velocity)).mono().samples[0, 4096:]
        level = np.abs(np.fft.rfft(sound * np.hanning(sound.size)))
        return float(level @ np.arange(level.size) / level.sum())

    assert centroid(120) > 1.3 * centroid(30)
