"""`estimate_pitch`: the pitch of a note of which nothing is known."""

from collections.abc import Iterator

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timbre.audio import Audio
from timbre.audio.pitch import estimate_pitch, midi_to_hz
from timbre.data import Library, Note
from timbre.data.note import is_harmonic

SHIFTS = (-24, -19, -12, -7, -2, -1, 1, 2, 7, 12, 19, 24)
"""Semitones by which labels are usually wrong: octaves, a twelfth (third partial), a fifth, neighbours."""


def tone(pitch: float, levels: list[float], seconds: float = 1.0, rate: int = 22050, decay: float = 0.0) -> Audio:
    """Partials of the given levels, as far as they lie below the Nyquist frequency, with fixed odd phases."""
    time = np.arange(round(seconds * rate)) / rate
    wave = np.zeros(time.size)
    for number, level in enumerate(levels, start=1):
        if number * midi_to_hz(pitch) < 0.45 * rate:
            wave += level * np.sin(2 * np.pi * number * midi_to_hz(pitch) * time + number**2)
    return Audio(0.5 * wave / np.abs(wave).max() * np.exp(-decay * time), rate)


def error(audio: Audio, pitch: float) -> float:
    """Cents."""
    found = estimate_pitch(audio)
    assert found is not None
    return 100 * abs(found - pitch)


@settings(max_examples=80)
@given(
    st.floats(21, 108),
    st.integers(1, 30),
    st.floats(0.3, 2.0),
    st.sampled_from([11025, 16000, 22050, 44100, 96000]),
    st.floats(0, 6),
)
def test_any_pitch_of_the_piano_is_measured_to_two_cents(
    pitch: float, partials: int, tilt: float, rate: int, decay: float
) -> None:
    levels = [number**-tilt for number in range(1, partials + 1)]
    assert error(tone(pitch, levels, rate=rate, decay=decay), pitch) < 2


@pytest.mark.parametrize("pitch", [30.2, 45.4, 60.0, 71.9, 84.3])
@pytest.mark.parametrize(
    "levels",
    [
        [0, 1, 1, 1, 1],
        [0.2, 0.2, 1, 0.5],
        [1, 0, 0.5, 0, 0.3, 0, 0.2],
        [0.5, 1, 0.4, 0.5],
        [1, 0.05, 0.02],
    ],
    ids=["no fundamental", "strong third", "odd only", "strong second", "nearly a sine"],
)
def test_octaves_and_twelfths_are_told_apart(pitch: float, levels: list[float]) -> None:
    assert error(tone(pitch, levels), pitch) < 5


@pytest.fixture(scope="module")
def real(some_notes: Library) -> list[Note]:
    return [note for note in some_notes[::4] if note.pitch is not None]


def test_what_does_not_change_the_pitch_does_not_change_the_estimate(real: list[Note]) -> None:
    for note in real:
        audio = note.audio()
        pitch = estimate_pitch(audio)
        assert pitch is not None
        silence = np.zeros((1, audio.sample_rate // 3), np.float32)
        later = Audio(np.concatenate([silence, audio.samples, silence], axis=1), audio.sample_rate)
        louder, both = audio.gain(-20), Audio(np.concatenate([audio.samples] * 2), audio.sample_rate)
        for same in (audio.resample(44100), audio.resample(16000), later, louder, both, later.trim()):
            assert error(same, pitch) < 5, note.name


def test_a_tape_that_runs_faster_sounds_higher(real: list[Note]) -> None:
    for note in real:
        audio = note.audio()
        pitch = estimate_pitch(audio)
        assert pitch is not None
        for shift in (-5.0, -0.4, 0.3, 7.0):
            rate = round(audio.sample_rate * 2 ** (shift / 12))
            moved = pitch + 12 * np.log2(rate / audio.sample_rate)
            assert error(Audio(audio.samples, rate), moved) < 10, note.name


def test_yin_measures_the_same(real: list[Note]) -> None:
    for note in real:
        audio = note.audio().trim(tail=False).fit(0.7)
        hertz = librosa.yin(audio.samples[0], fmin=120, fmax=3000, sr=audio.sample_rate)
        assert error(audio, float(np.median(librosa.hz_to_midi(hertz)))) < 15, note.name


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 1.5), st.sampled_from([8000, 22050, 44100]))
def test_noise_has_no_pitch(seed: int, seconds: float, rate: int) -> None:
    white = np.random.default_rng(seed).normal(size=round(seconds * rate)) * 0.1
    fading = white * np.exp(-8 * np.arange(white.size) / rate)
    assert [estimate_pitch(Audio(samples, rate)) for samples in (white, fading)] == [None, None]


def without_pitch() -> Iterator[np.ndarray]:
    yield np.zeros(22050)
    yield np.full(22050, 0.5)
    yield np.array([0.3])
    yield tone(69, [1], 0.002).samples[0]
    yield tone(69, [1]).gain(-90).samples[0]
    yield tone(5, [1]).samples[0]
    yield np.eye(1, 22050)[0]
    yield np.linspace(-1, 1, 22050)


def test_silence_moments_clicks_and_ramps_have_no_pitch() -> None:
    assert [estimate_pitch(Audio(samples, 22050)) for samples in without_pitch()] == [None] * 8


def test_the_shipped_notes_sound_as_labelled_and_wrong_labels_would_be_seen(orchestra: Library) -> None:
    pitched = [note for note in orchestra if note.pitch is not None and is_harmonic(note)]
    measured = [note.measured.pitch if note.measured else None for note in pitched]
    off = [found - (note.pitch or 0.0) for note, found in zip(pitched, measured, strict=True) if found is not None]
    assert len(pitched) > 350
    assert np.sum(np.abs(off) <= 0.5) >= 0.96 * len(pitched)
    assert np.sum(np.abs(off) > 0.5) <= 0.01 * len(pitched)
    for shift in SHIFTS:
        assert np.sum(np.abs(np.array(off) - shift) > 0.5) >= 0.96 * len(pitched)


def test_the_shipped_notes_have_hardly_a_flag(orchestra: Library) -> None:
    flagged = {(note.name, flag.partition(":")[0]) for note in orchestra for flag in note.flags}
    assert flagged <= {("organ-A3", "octave"), ("violin_section-D6-p-pizzicato", "pitch")}
