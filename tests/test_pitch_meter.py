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


@settings(max_examples=60)
@given(st.floats(69, 90), st.floats(2, 80), st.floats(0.3, 1.0), st.sampled_from([1, 10]))
def test_a_tremolo_is_not_a_pitch(pitch: float, rate: float, depth: float, partials: int) -> None:
    plain = tone(pitch, [1 / number for number in range(1, partials + 1)], 1.5)
    swing = np.sin(2 * np.pi * rate * np.arange(plain.samples.shape[1]) / plain.sample_rate)
    assert error(Audio(plain.samples[0] * (1 + depth * swing) / 2, plain.sample_rate), pitch) < 50


@settings(max_examples=40)
@given(st.floats(48, 88), st.floats(0.1, 0.3), st.floats(0.0, 0.03), st.integers(0, 2**32 - 1))
def test_a_short_note_with_a_noisy_attack_is_read(pitch: float, seconds: float, noise: float, seed: int) -> None:
    note = tone(pitch, [1, 0.6, 0.4, 0.3, 0.2, 0.1], seconds, 44100)
    time = np.arange(note.samples.shape[1]) / 44100
    hiss = np.random.default_rng(seed).normal(size=time.size) * (noise + 0.3 * np.exp(-time / 0.004))
    assert error(Audio(note.samples[0] * np.minimum(1, time / 0.01) + hiss, 44100), pitch) < 50


@settings(max_examples=40)
@given(st.floats(45, 75), st.lists(st.floats(-0.1, 0.1), min_size=2, max_size=5), st.floats(0.7, 2.0))
def test_a_pad_with_a_louder_octave_sounds_at_its_lower_layer(pitch: float, tunings: list[float], gain: float) -> None:
    levels = [1 / number for number in range(1, 12)]
    layers = [(tone(pitch + step, levels, 2.0), 1.0) for step in tunings]
    layers += [(tone(pitch + 12 + step, levels, 2.0), gain) for step in tunings]
    wave = sum(level * layer.samples[0] for layer, level in layers)
    slow = np.minimum(1, np.arange(wave.size) / 15000)  # type: ignore[union-attr]
    assert error(Audio(0.05 * wave * slow, 22050), pitch) < 50


@pytest.mark.parametrize(
    "ratios", [(1, 2.756, 5.404), (1, 3.0, 6.1), (1, 4.0, 10.1)], ids=["free", "xylophone", "marimba"]
)
@pytest.mark.parametrize("pitch", [60.3, 72.8, 84.1, 95.5])
def test_bars_sound_at_their_lowest_mode(ratios: tuple[float, ...], pitch: float) -> None:
    time = np.arange(22050) / 22050
    modes = [np.sin(2 * np.pi * midi_to_hz(pitch) * r * time) * np.exp(-3 * r * time) / r for r in ratios]
    assert error(Audio(0.4 * np.sum(modes, axis=0), 22050), pitch) < 50


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
    with_dc = {(name, kind) for name, kind in flagged if kind == "dc" and name.startswith(("dulc", "english", "oboe"))}
    assert len(with_dc) < 12  # 0.2 to 0.7% of full scale, the same from beginning to end
    assert flagged - with_dc <= {("organ-A3", "octave"), ("violin_section-D6-p-pizzicato", "pitch")}
