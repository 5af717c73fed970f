"""Distances between sounds, and the pitch meter: definitions, laws, refusals, real notes."""

import math
import sys
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import timbre
from timbre.audio import Audio
from timbre.audio.pitch import hz_to_midi, measure_pitch, midi_to_hz
from timbre.data import Library
from timbre.errors import AudioError
from timbre.evaluation.metrics.sounds import (
    audible_l1_db,
    centroid_hz,
    decay_time,
    log_mel_l1,
    multi_resolution_stft,
    onset_time,
    pitch_error_cents,
    spectral_convergence_db,
    texture_db,
)
from timbre.spectral import STFT, invert

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from _measures import click_db, level_difference_db, onset_smear_ms

RATE = 22050


def noise(size: int, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(size)


def tone(pitch: float, seconds: float = 1.0, rate: int = RATE, partials: int = 8, vibrato: float = 0.0) -> Audio:
    """Partials of amplitude 1/k at random phases, with a vibrato of `vibrato` cents at 5 Hz."""
    time = np.arange(round(seconds * rate)) / rate
    hz = midi_to_hz(pitch)
    phase = 2 * np.pi * hz * time + hz * (2 ** (vibrato / 1200) - 1) / 5 * np.sin(2 * np.pi * 5 * time)
    numbers = [k for k in range(1, partials + 1) if k * hz < 0.49 * rate]
    starts = np.random.default_rng(1).uniform(0, 2 * np.pi, len(numbers))
    waveform = sum(np.sin(k * phase + start) / k for k, start in zip(numbers, starts, strict=True))
    return Audio(0.3 * np.asarray(waveform), rate)


# --- distances


def test_spectral_convergence_is_what_it_says() -> None:
    reference, estimate = np.abs(noise(600).reshape(1, 20, 30)), np.abs(noise(600, 1).reshape(1, 20, 30))
    expected = 20 * np.log10(np.sqrt(((reference - estimate) ** 2).sum()) / np.sqrt((reference**2).sum()))
    assert spectral_convergence_db(reference, estimate) == pytest.approx(expected)
    assert spectral_convergence_db(torch.tensor(reference), estimate) == pytest.approx(expected)
    assert spectral_convergence_db(reference, 0 * reference) == pytest.approx(0.0)
    assert spectral_convergence_db(reference, reference) == -math.inf
    assert spectral_convergence_db(reference, 0.9 * reference) == pytest.approx(-20.0)


def test_log_mel_l1_is_librosas_spectrogram_compared() -> None:
    first, second = noise(9000), noise(9000, 1)
    options = {"sr": RATE, "n_fft": 1024, "hop_length": 256, "n_mels": 128, "power": 1.0, "norm": None}
    spectra = [
        librosa.feature.melspectrogram(y=one, pad_mode="constant", **options) * 4 / 1024 for one in (first, second)
    ]
    expected = np.abs(np.log10(spectra[0]) - np.log10(spectra[1])).mean()
    assert log_mel_l1(first, second, RATE) == pytest.approx(expected, rel=1e-2)
    assert log_mel_l1(first, first / 10, RATE) == pytest.approx(1.0, rel=1e-2)
    assert log_mel_l1(torch.tensor(first)[None], first[None], RATE) == 0.0


def test_a_click_stands_out() -> None:
    plain = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    clicked = plain.copy()
    clicked[RATE // 2 :] += 0.2
    assert click_db(plain) == pytest.approx(3.0, abs=0.1)
    assert click_db(clicked) > click_db(plain) + 20
    assert click_db(noise(RATE)) < 15
    assert click_db(5 * clicked) == pytest.approx(click_db(clicked))
    assert click_db(np.zeros(100)) == 0.0


@given(st.integers(0, 15000), st.sampled_from([8000, 22050, 48000]))
@settings(max_examples=20, deadline=None)
def test_onset_is_found_where_it_is(place: int, rate: int) -> None:
    samples = np.concatenate([np.zeros(place), np.sin(2 * np.pi * 500 * np.arange(rate) / rate)])
    assert onset_time(samples, rate) == pytest.approx(place / rate, abs=0.002)
    assert onset_time(np.concatenate([np.zeros(300), samples]), rate) == pytest.approx(
        onset_time(samples, rate) + 300 / rate, abs=1e-9
    )


def test_silence_begins_at_once() -> None:
    assert onset_time(np.zeros(10), RATE) == 0.0


def test_multi_resolution_stft_is_what_it_says() -> None:
    first, second = noise(6000), noise(6000, 1)
    parts = []
    for size in (512, 1024, 2048):
        options = {"n_fft": size, "hop_length": size // 4, "pad_mode": "constant"}
        one, other = (np.abs(librosa.stft(samples, **options)) * 4 / size for samples in (first, second))
        logs = np.log(np.maximum(one, 1e-4)) - np.log(np.maximum(other, 1e-4))
        parts.append(np.linalg.norm(one - other) / np.linalg.norm(one) + np.abs(logs).mean())
    assert multi_resolution_stft(first, second) == pytest.approx(np.mean(parts), rel=1e-3)
    assert multi_resolution_stft(torch.tensor(first), second, sizes=(512,)) == pytest.approx(parts[0], rel=1e-3)
    assert multi_resolution_stft(first, first) == 0.0


@given(st.floats(-12, 12))
@settings(max_examples=10)
def test_multi_resolution_stft_measures_gain(gain: float) -> None:
    factor, loud = 10 ** (gain / 20), 10 * noise(4096)
    expected = abs(1 - factor) + abs(math.log(factor))
    assert multi_resolution_stft(loud, factor * loud, floor_db=-200) == pytest.approx(expected, abs=1e-6)


def struck(place: int = 3000, size: int = RATE, hz: float = 500.0, fall: float = 0.2) -> np.ndarray:
    """Silence, then a tone that begins at once and dies away (`fall`: seconds to 1/e)."""
    time = np.arange(size - place) / RATE
    return np.concatenate([np.zeros(place), np.sin(2 * np.pi * hz * time) * np.exp(-time / fall)])


@given(st.integers(-1500, 1500), st.floats(-60, 20), st.sampled_from([60.0, 500.0, 4000.0]))
@settings(max_examples=20)
def test_the_smear_of_a_delayed_attack_is_its_delay(delay: int, gain: float, hz: float) -> None:
    moved = struck(3000 + delay, hz=hz) * 10 ** (gain / 20)
    assert onset_smear_ms(struck(hz=hz), moved, RATE) == pytest.approx(abs(delay) * 1000 / RATE, abs=0.05)
    assert onset_smear_ms(moved, moved, RATE) == 0.0


def test_smear_grows_with_pre_echo_and_with_bluntness() -> None:
    note = struck()

    def before(seconds: float, db: float) -> float:
        early, count = note.copy(), round(seconds * RATE)
        early[3000 - count : 3000] += 10 ** (db / 20) * np.sin(2 * np.pi * 700 * np.arange(count) / RATE)
        return onset_smear_ms(note, early, RATE)

    def blunt(seconds: float) -> float:
        rise = np.clip((np.arange(RATE) - 3000) / (seconds * RATE), 0, 1)
        return onset_smear_ms(note, note * rise, RATE)

    levels = [before(0.02, db) for db in (-60, -35, -30, -20, -10)]
    assert levels[0] == 0.0
    assert levels == sorted(set(levels))
    assert before(0.02, -30) == pytest.approx(20 * 10 / 34, rel=0.1)  # 20 ms early over 10 of the 34 dB
    assert [before(t, -20) for t in (0.005, 0.01, 0.04)] == sorted(before(t, -20) for t in (0.005, 0.01, 0.04))
    assert 0 < blunt(0.005) < blunt(0.02) < blunt(0.05) < 100


def test_silence_never_arrives() -> None:
    assert onset_smear_ms(struck(), 0 * struck(), RATE) > 90


def flutter(depth: float, hz: float = 12.0, seed: int = 0) -> np.ndarray:
    time = np.arange(2 * RATE) / RATE
    return noise(time.size, seed) * (1 + depth * np.sin(2 * np.pi * hz * time))


def test_texture_is_what_modulates_the_bands() -> None:
    same_kind = texture_db(flutter(0.0), flutter(0.0, seed=1), RATE)
    assert 0.5 < same_kind < 2.0
    depths = [texture_db(flutter(0.0), flutter(depth), RATE) for depth in (0.0, 0.2, 0.5, 0.9)]
    assert depths[0] == 0.0
    assert depths == sorted(set(depths))
    assert depths[-1] > same_kind
    assert texture_db(flutter(0.5), 0.01 * flutter(0.5), RATE) == pytest.approx(0.0, abs=1e-4)


def test_a_steady_tone_has_no_grain_and_noise_smoothed_to_tones_has_lost_it() -> None:
    steady = tone(60.0, 2.0).samples[0]
    assert texture_db(steady, 0.9 * tone(60.1, 2.0).samples[0], RATE) < 0.2
    assert texture_db(flutter(0.0), tone(60.0, 2.0, partials=40).samples[0], RATE) > 5
    assert texture_db(flutter(0.0)[:2000], flutter(0.0, seed=1)[:2000], RATE) > 0  # shorter than a segment


@given(st.floats(-40, 40))
def test_level_difference_is_gain(gain: float) -> None:
    assert level_difference_db(noise(500), noise(500) * 10 ** (gain / 20)) == pytest.approx(gain, abs=1e-9)
    assert level_difference_db(noise(500), np.zeros(500)) == -math.inf


def test_on_real_notes_a_better_inverter_is_nearer_by_every_metric(orchestra: Library) -> None:
    stft = STFT(1024, 256)
    far: dict[str, list[list[float]]] = {"pghi": [], "pghi+32": []}
    for note in orchestra[::60]:
        samples = torch.nn.functional.pad(torch.tensor(note.audio().mono().resample(RATE).fit(1.0).samples), (1024, 0))
        for name, found in far.items():
            again = invert(stft(samples).abs(), stft, samples.shape[1], name)[0]
            found.append([metric(samples[0], again, RATE) for metric in (onset_smear_ms, texture_db)])
            found[-1].append(multi_resolution_stft(samples[0], again))
    first, second = (np.mean(found, axis=0) for found in far.values())
    assert (second > 0).all()
    assert (second < first).all()


@pytest.mark.parametrize("rate", [22050, 44100])
def test_the_audible_error_is_gain_at_every_rate(rate: int) -> None:
    loud = 3 * noise(3 * rate)
    assert audible_l1_db(loud, loud, rate) == 0.0
    assert audible_l1_db(loud, 0.5 * loud, rate) == pytest.approx(6.02, abs=0.01)
    later = np.where(np.arange(3 * rate) > 2.1 * rate, 0.0, loud)
    assert audible_l1_db(loud, later, rate) < 0.05  # only the first 2 s count


@given(st.floats(300, 9000), st.floats(-60, 0), st.sampled_from([22050, 44100, 48000]))
@settings(max_examples=15, deadline=None)
def test_the_centroid_of_a_sine_is_its_frequency(hz: float, gain: float, rate: int) -> None:
    sine = 10 ** (gain / 20) * np.sin(2 * np.pi * hz * np.arange(rate) / rate)
    assert centroid_hz(sine, rate) == pytest.approx(hz, rel=0.005)


def test_the_centroid_lies_between_partials_by_their_amplitudes() -> None:
    time = np.arange(RATE) / RATE
    both = 3 * np.sin(2 * np.pi * 1000 * time) + np.sin(2 * np.pi * 5000 * time)
    assert centroid_hz(both, RATE) == pytest.approx(2000.0, rel=0.01)
    assert centroid_hz(0 * both, RATE) == 0.0


@given(st.floats(0.2, 4), st.sampled_from([20.0, 40.0]), st.floats(-40, 20), st.sampled_from([22050, 44100]))
@settings(max_examples=20, deadline=None)
def test_a_decay_is_60_db_in_its_time(seconds: float, fall: float, gain: float, rate: int) -> None:
    time = np.arange(4 * rate) / rate
    note = 10 ** (gain / 20) * np.sin(2 * np.pi * 440 * time) * 10 ** (-3 * time / seconds)
    assert decay_time(np.concatenate([np.zeros(2000), note]), rate, fall) == pytest.approx(seconds, rel=0.01)


def test_of_a_held_note_the_end_decays() -> None:
    time = np.arange(2 * RATE) / RATE
    note = np.sin(2 * np.pi * 440 * time) * 10 ** (-3 * np.maximum(0.0, time - 1.0) / 0.5)
    assert decay_time(note, RATE) == pytest.approx(0.5, rel=0.01)


def test_what_is_cut_off_decays_at_once_and_what_is_held_never() -> None:
    held = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    assert decay_time(held, RATE) == decay_time(np.zeros(50), RATE) == math.inf
    assert decay_time(np.concatenate([held, np.zeros(RATE)]), RATE) < 0.15


def test_ill_formed_input_is_refused() -> None:
    with pytest.raises(AudioError, match="must have one shape"):
        spectral_convergence_db(np.ones((3, 4)), np.ones((3, 5)))
    with pytest.raises(AudioError, match="must have one shape"):
        log_mel_l1(np.ones(300), np.ones(301), RATE)
    with pytest.raises(AudioError, match="silent"):
        spectral_convergence_db(np.zeros((3, 4)), np.ones((3, 4)))
    with pytest.raises(AudioError, match="3 or more"):
        click_db(np.ones(2))
    with pytest.raises(AudioError, match="1 or more"):
        onset_time(np.ones((1, 100)), RATE)
    with pytest.raises(AudioError, match="8000 Hz or more"):
        texture_db(np.ones(100), np.ones(100), 4000)


@pytest.mark.parametrize("metric", [onset_smear_ms, texture_db])
def test_sounds_that_cannot_be_compared_are_refused(metric: Callable[..., float]) -> None:
    with pytest.raises(AudioError, match="must have one shape"):
        metric(np.ones(300), np.ones(301), RATE)
    with pytest.raises(AudioError, match="silent"):
        metric(np.zeros(300), np.ones(300), RATE)
    with pytest.raises(AudioError, match="2 or more"):
        metric(np.ones((2, 300)), np.ones((2, 300)), RATE)


@pytest.mark.parametrize("metric", [multi_resolution_stft, level_difference_db])
def test_silence_has_no_distances(metric: Callable[..., float]) -> None:
    with pytest.raises(AudioError, match="silent"):
        metric(np.zeros(300), np.ones(300))
    with pytest.raises(AudioError, match="must have one shape"):
        metric(np.ones(300), np.ones(301))


# --- pitch


@given(st.floats(28, 96), st.floats(-45, 45), st.sampled_from([1, 3, 12]), st.sampled_from([16000, 22050, 44100]))
@settings(max_examples=40, deadline=None)
def test_steady_tones_are_measured_to_a_tenth_of_a_cent(pitch: float, detune: float, partials: int, rate: int) -> None:
    found = measure_pitch(tone(pitch, 1.2, rate, partials), near=pitch + detune / 100)
    assert found is not None
    assert 100 * abs(found - pitch) < 0.1


@pytest.mark.parametrize("pitch", [40.3, 60.0, 81.7])
def test_half_a_second_with_noise_under_it_is_enough(pitch: float) -> None:
    clean = tone(pitch, 0.5)
    found = measure_pitch(Audio(clean.samples + noise(clean.samples.size)[None] * 0.1, RATE), near=round(pitch))
    assert found == pytest.approx(pitch, abs=0.01)


@pytest.mark.parametrize("pitch", [50.0, 64.2, 84.0])
def test_of_a_vibrato_the_middle_is_measured(pitch: float) -> None:
    assert measure_pitch(tone(pitch, 1.0, vibrato=20), near=pitch) == pytest.approx(pitch, abs=0.005)


@given(st.integers(0, 10**6), st.floats(30, 95), st.sampled_from([0.1, 0.5, 1.5]))
@settings(max_examples=40, deadline=None)
def test_noise_has_no_pitch(seed: int, near: float, seconds: float) -> None:
    white = noise(round(seconds * RATE), seed)
    fading = white * np.exp(-np.arange(white.size) / 2000)
    assert [measure_pitch(Audio(samples, RATE), near) for samples in (white, fading)] == [None, None]


@pytest.mark.parametrize("away", [-5.3, -3.7, -2.2, 2.4, 3.6, 5.5])
def test_a_note_of_another_pitch_is_not_taken_for_this_one(away: float) -> None:
    assert measure_pitch(tone(57.0, partials=12), near=57.0 + away) is None


def test_no_pitch_in_silence_in_a_moment_or_above_nyquist() -> None:
    assert measure_pitch(Audio(np.zeros(5000), RATE), 60) is None
    assert measure_pitch(Audio(tone(60).samples[:, :200], RATE), 60) is None
    assert measure_pitch(tone(100), near=130) is None


@given(st.floats(20, 130))
def test_midi_and_hertz(pitch: float) -> None:
    assert midi_to_hz(pitch) == pytest.approx(librosa.midi_to_hz(pitch))
    assert hz_to_midi(midi_to_hz(pitch)) == pytest.approx(pitch)


@given(st.floats(-40, 40))
@settings(max_examples=10, deadline=None)
def test_pitch_error_has_a_sign(cents: float) -> None:
    assert pitch_error_cents(tone(62), tone(62 + cents / 100), near=62.0) == pytest.approx(cents, abs=0.1)


def test_pitch_error_needs_two_pitches() -> None:
    assert pitch_error_cents(tone(62), Audio(noise(RATE), RATE), near=62.0) is None


def test_recorded_notes_lie_near_their_labels(orchestra: Library) -> None:
    pitched = [note for note in orchestra.filter(instrument=["flute", "oboe", "trumpet", "violin"])[::4] if note.pitch]
    found = [measure_pitch(timbre.read(note.file), note.pitch or 0.0) for note in pitched]
    known = [100 * (pitch - (note.pitch or 0.0)) for pitch, note in zip(found, pitched, strict=True) if pitch]
    assert len(known) >= 0.8 * len(pitched)
    assert np.median(np.abs(known)) < 25
