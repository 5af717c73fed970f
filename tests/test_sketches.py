"""Sketches: copies of one recording are recognised, however they were packed, and two recordings are told apart."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from timbre.audio import Audio
from timbre.config import DataConfig
from timbre.data import Library, Note
from timbre.data.measuring import measure
from timbre.data.sketches import same_recordings, sketch
from timbre.data.split import split

RATE = 22050


def played(take: int, pitch: float = 60.0) -> Audio:
    """A note of 1 s with decaying partials whose levels and phases depend on the take."""
    random, clock = np.random.default_rng([take, round(pitch)]), np.arange(RATE) / RATE
    levels, phases = random.uniform(-24, 0, 12) - 2.0 * np.arange(12), random.uniform(0, 6, 12)
    hertz = 440.0 * 2 ** ((pitch - 69) / 12) * np.arange(1, 13)
    falls = random.uniform(1.0, 5.0, 12)
    waves = np.sin(2 * np.pi * hertz * clock[:, None] + phases) * 10 ** (levels / 20) * np.exp(-falls * clock[:, None])
    return Audio(0.2 * waves.sum(1).astype(np.float32), RATE)


def as_ogg(sound: Audio) -> Audio:
    file = io.BytesIO()
    soundfile.write(file, sound.samples[0], sound.sample_rate, format="OGG")
    file.seek(0)
    return Audio(soundfile.read(file, dtype="float32")[0], sound.sample_rate)


COPIES: dict[str, Callable[[Audio], Audio]] = {
    "softer": lambda sound: sound.gain(-13.0),
    "another rate": lambda sound: sound.resample(44100),
    "later": lambda sound: Audio(np.pad(sound.samples, ((0, 0), (700, 0))), RATE),
    "longer": lambda sound: Audio(np.pad(sound.samples, ((0, 0), (0, 9000))), RATE),
    "16 bits": lambda sound: Audio(np.round(sound.samples * 32768) / 32768, RATE),
    "ogg": as_ogg,
}


def a_note(sound: Audio, source: str | None, number: int, instrument: str = "harp") -> Note:
    measured = measure(sound)
    return Note(Path(f"/{source}/{number}.wav"), instrument, pitch=60.0, source=source, measured=measured)


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_is_recognised(copy: str) -> None:
    for take in range(4):
        one, other = a_note(played(take), "a", 1), a_note(COPIES[copy](played(take)), "b", 2)
        assert same_recordings([one, other]) == [(0, 1)]


def test_takes_are_told_apart() -> None:
    notes = [a_note(played(take, 55.0 + take % 5), "ab"[take % 2], take) for take in range(40)]
    assert same_recordings(notes) == []
    copies = [a_note(as_ogg(played(take, 55.0 + take % 5)), "c", take) for take in range(40)]
    found = same_recordings(notes + copies)
    assert all(copy == take + 40 for take, copy in found)
    assert len(found) > 35  # a codec changes these tones, which have no noise, more than recordings


def test_pitch_and_source_count() -> None:
    one = a_note(played(1), "a", 1)
    assert one.measured is not None
    for other in (replace(one, source=None), replace(one, measured=replace(one.measured, pitch=60.2)), replace(one)):
        assert same_recordings([one, other, a_note(played(2), "b", 2)]) == []
    assert same_recordings([one, replace(one, source="b")]) == [(0, 1)]


@pytest.mark.parametrize("text", ["", "0" * 10, "é" * 84, 3, None])
def test_sketches_that_are_none_are_passed_over(text: object) -> None:
    one = a_note(played(1), "a", 1)
    assert one.measured is not None
    bad = replace(one, measured=replace(one.measured, sketch=text))  # type: ignore[arg-type]
    assert same_recordings([bad, replace(bad, source="b"), one]) == []


def test_a_sketch_is_its_levels() -> None:
    tone = np.sin(2 * np.pi * 1000.0 * np.arange(2 * RATE) / RATE)
    tone[RATE // 5 :] *= 0.1
    levels = np.frombuffer(sketch(tone, RATE).encode(), np.uint8).reshape(7, 12) - 48
    assert (levels.argmin(1) == 7).all()  # from 793 to 1,147 Hz
    np.testing.assert_array_equal(levels[:3, 7] // 4, [0, 0, 0])  # the longer, the more power: 3 dB for 100 ms
    assert levels[3, 7] > 15
    assert levels.max() == 45
    assert sketch(np.zeros(RATE), RATE) == sketch(np.zeros(0), RATE) == ""
    assert all(len(sketch(np.ones(20), rate)) in (0, 84) for rate in (1, 8, 100, 1000, 400_000))


@pytest.mark.parametrize("by", ["file", "instrument", "source"])
def test_copies_of_a_recording_stay_together_in_a_split(by: str) -> None:
    sounds = [played(take) for take in range(40)]
    notes = [a_note(sound, f"s{n % 10}", n, f"i{n % 8}") for n, sound in enumerate(sounds)]
    notes += [a_note(sounds[n].gain(-3.0), f"copies of s{n % 10}", n, "other") for n in (0, 3, 10)]
    for seed in range(20):
        parts = split(notes, 0.2, 0.2, seed, by)  # type: ignore[arg-type]
        assert [parts[40], parts[41], parts[42]] == [parts[0], parts[3], parts[10]]


def test_a_library_split_by_source_names_those_that_are_out() -> None:
    library = Library([a_note(played(n), f"s{n % 5}", n) for n in range(20)], "/")
    data = DataConfig(split_by="source", test=0.3)
    tested = {note.source for note, part in zip(library, library.parts(data), strict=True) if part == "test"}
    wanted = f"by source, 10% valid, 30% test, seed 0; tested on {', '.join(sorted(map(str, tested)))}"
    assert library.held_out(data) == library.divided("source", 0.1, 0.3).held_out(DataConfig()) == wanted
