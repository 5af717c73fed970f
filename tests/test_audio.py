"""`Audio`: what it refuses, and the laws of its methods."""

import dataclasses
import itertools

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from timbre.audio import Audio
from timbre.errors import AudioError

RATES = st.sampled_from([8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000])
LEVELS = st.floats(-1, 1, width=32)
SAMPLES = st.tuples(st.integers(1, 3), st.integers(1, 3000)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=LEVELS)
)


def sine(hz: float, seconds: float, rate: int, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def frequency(samples: np.ndarray, rate: int) -> float:
    """Frequency of a steady sine from the centre of gravity of its spectral peak (numpy's FFT, Hann window)."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size), 8 * samples.size)) ** 2
    peak = int(spectrum.argmax())
    near = np.arange(max(0, peak - 12), peak + 13)
    return float((near * spectrum[near]).sum() / spectrum[near].sum() * rate / (8 * samples.size))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 3, 4)), "shape"),
        (np.float64(0.5), "shape"),
        (np.zeros(0), "one sample or more"),
        (np.zeros((2, 0)), "one sample or more"),
        (np.zeros((0, 5)), "one sample or more"),
        (np.zeros(5, np.int16), "int16"),
        (np.zeros(5, complex), "complex"),
        (["a", "b"], "floats"),
        ([0.0, 0.1, np.nan, 0.2, np.inf], "2 of 5 samples are NaN or infinite, the first at sample 2"),
        ([0.0, 1e300], "1 of 2 samples"),
    ],
)
def test_only_sounds_become_audio(samples: object, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        Audio(samples, 22050)  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [0, -1, 22050.5, "fast", None, np.nan, np.inf])
def test_a_rate_is_a_positive_whole_number(rate: object) -> None:
    with pytest.raises(AudioError, match="sample rate"):
        Audio(np.ones(4), rate)  # type: ignore[arg-type]
    with pytest.raises(AudioError, match="sample rate"):
        Audio(np.ones(4), 22050).resample(rate)  # type: ignore[arg-type]


def test_samples_are_float32_by_channel_and_out_of_reach() -> None:
    given_samples = np.array([0.25, -0.5])
    audio = Audio(given_samples, np.int64(8000))
    given_samples[0] = 9
    assert audio.samples.dtype == np.float32
    assert audio.samples.tolist() == [[0.25, -0.5]]
    assert type(audio.sample_rate) is int
    with pytest.raises(ValueError, match="read-only"):
        audio.samples[0, 0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        audio.sample_rate = 1  # type: ignore[misc]


def test_properties_tell_the_truth() -> None:
    audio = Audio(np.array([[0.0, 0.5, 0.0, 0.0], [0.0, -0.75, 0.0, 0.0]]), 8)
    assert (audio.channels, audio.duration, audio.peak) == (2, 0.5, 0.75)
    assert "0.500 s, 2 ch, 8 Hz" in repr(audio)


@settings(deadline=None)
@given(SAMPLES)
def test_mono_is_the_mean_of_some_channels_or_one_of_them(samples: np.ndarray) -> None:
    mono = Audio(samples, 8000).mono()
    subsets = (s for n in range(1, len(samples) + 1) for s in itertools.combinations(range(len(samples)), n))
    assert any(np.allclose(mono.samples, samples[list(s)].mean(axis=0, keepdims=True), atol=1e-6) for s in subsets)
    np.testing.assert_array_equal(mono.mono().samples, mono.samples)
    alike = np.repeat(samples[:1], 3, axis=0)
    np.testing.assert_allclose(Audio(alike, 8000).mono().samples, alike[:1], atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(RATES, RATES, st.integers(1, 20000), st.integers(1, 2))
def test_resampling_keeps_the_duration(rate: int, new: int, length: int, channels: int) -> None:
    audio = Audio(np.zeros((channels, length)), rate).resample(new)
    assert (audio.sample_rate, audio.channels) == (new, channels)
    assert audio.samples.shape[1] == max(1, round(length * new / rate))


@settings(max_examples=30, deadline=None)
@given(RATES, RATES, st.floats(0.01, 0.4))
def test_resampling_keeps_a_sine(rate: int, new: int, place: float) -> None:
    hz = place * min(rate, new)
    middle = Audio(sine(hz, 0.5, rate), rate).resample(new).samples[0][new // 8 : new * 3 // 8]
    assert frequency(middle, new) == pytest.approx(hz, rel=1e-3, abs=0.5)
    assert np.sqrt(2 * np.mean(middle.astype(float) ** 2)) == pytest.approx(0.5, rel=0.02)


def test_resampling_agrees_with_librosa_and_removes_what_would_alias() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(44100).astype(np.float32) * 0.1
    ours = Audio(noise, 44100).resample(22050).samples[0]
    theirs = librosa.resample(noise, orig_sr=44100, target_sr=22050, res_type="soxr_vhq")
    inner = slice(500, -500)
    assert np.linalg.norm((ours - theirs)[inner]) < 0.03 * np.linalg.norm(theirs[inner])
    aliasing = Audio(sine(15000, 0.5, 44100), 44100).resample(22050).samples[0][inner]
    assert np.abs(aliasing).max() < 1e-4


@settings(deadline=None)
@given(SAMPLES, st.floats(-90, -1))
def test_trimming_only_cuts(samples: np.ndarray, threshold: float) -> None:
    once = Audio(samples, 8000).trim(threshold)
    head_only = Audio(samples, 8000).trim(threshold, tail=False).samples
    np.testing.assert_array_equal(head_only, samples[:, samples.shape[1] - head_only.shape[1] :])
    np.testing.assert_array_equal(once.samples, head_only[:, : once.samples.shape[1]])


@settings(deadline=None)
@given(st.floats(0, 0.3), st.floats(100, 3000), st.floats(0.0, 0.2), st.floats(-90, -20))
def test_trimming_again_cuts_nothing(before: float, hz: float, attack: float, threshold: float) -> None:
    tone = sine(hz, 0.4, 8000) * np.minimum(1.0, np.arange(3200) / (1.0 + 8000 * attack)).astype(np.float32)
    once = Audio(np.concatenate([np.zeros(round(8000 * before)), tone, np.zeros(900)]), 8000).trim(threshold)
    assert once.samples.shape[1] - once.trim(threshold).samples.shape[1] <= 160  # a window of 10 ms at either end
    assert once.peak == np.abs(tone).max()


@settings(deadline=None)
@given(st.floats(0, 0.5), st.floats(0, 0.5), RATES, st.floats(-6, 0))
def test_trimming_finds_a_tone_between_silences(before: float, after: float, rate: int, db: float) -> None:
    quiet = [np.full(round(seconds * rate), 1e-4, np.float32) for seconds in (before, after)]
    tone = sine(440, 0.3, rate, 10 ** (db / 20))
    sound = np.concatenate([quiet[0], tone, quiet[1]])
    trimmed = Audio(np.stack([sound, -sound]), rate).trim(-50)
    assert trimmed.duration == pytest.approx(0.3, abs=0.021)
    assert np.linalg.norm(trimmed.samples[0]) == pytest.approx(np.linalg.norm(tone), rel=1e-3)


def test_silence_is_left_as_it_is_and_thresholds_are_negative() -> None:
    silence = Audio(np.zeros(1000), 8000)
    assert silence.trim() is silence
    for threshold in (0.0, 3.0, np.nan):
        with pytest.raises(AudioError, match="below 0"):
            silence.trim(threshold)


@settings(deadline=None)
@given(SAMPLES, RATES, st.floats(0.001, 0.5), st.floats(0, 0.2))
def test_fit_gives_the_exact_length(samples: np.ndarray, rate: int, seconds: float, fade: float) -> None:
    audio = Audio(samples, rate)
    fitted = audio.fit(seconds, fade)
    length, faded = round(seconds * rate), round(fade * rate)
    assert fitted.samples.shape == (audio.channels, length)
    kept = min(length, samples.shape[1])
    untouched = max(0, length - faded) if length < samples.shape[1] else kept
    np.testing.assert_array_equal(fitted.samples[:, :untouched], samples[:, :untouched])
    assert np.all(np.abs(fitted.samples[:, :kept]) <= np.abs(samples[:, :kept]))
    assert not fitted.samples[:, kept:].any()


def test_fit_fades_along_half_a_cosine() -> None:
    faded = Audio(np.ones(1000), 1000).fit(0.5, 0.1).samples[0][-100:]
    assert np.all(np.diff(faded) < 0)
    assert faded[0] > 0.99 > 0.01 > faded[-1] > 0
    np.testing.assert_allclose(faded + faded[::-1], 1, atol=1e-6)


@pytest.mark.parametrize(
    ("seconds", "fade"), [(0, 0.01), (-1, 0.01), (1e-9, 0.01), (np.nan, 0.01), (1, -0.1), (1, np.inf)]
)
def test_fit_refuses_impossible_lengths(seconds: float, fade: float) -> None:
    with pytest.raises(AudioError, match="must be"):
        Audio(np.ones(100), 100).fit(seconds, fade)


@settings(deadline=None)
@given(st.floats(-40, 40))
def test_gain_is_in_decibels_and_undoes_itself(db: float) -> None:
    audio = Audio(np.array([0.1, -0.2, 0.3]), 8000)
    assert audio.gain(db).peak == pytest.approx(0.3 * 10 ** (db / 20), rel=1e-5)
    np.testing.assert_allclose(audio.gain(db).gain(-db).samples, audio.samples, rtol=1e-5)
