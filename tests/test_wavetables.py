"""Wavetables: partials as decoded, one phase for all frames, files that are read back, and refusals."""

import io
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import timbre
from timbre.audio.wavetables import read_wavetable
from timbre.errors import AudioError, ConfigError
from timbre.exporting.wavetables.files import wav_file, wt_file
from timbre.exporting.wavetables.harmonics import Harmonics, harmonics, lowest_good_pitch
from timbre.exporting.wavetables.phases import low_crest_phases, waves
from timbre.exporting.wavetables.wavetable import SIZE, make_wavetable
from timbre.shapes.presets import Preset
from timbre.space import Space

LEVELS = arrays(float, (5, 40), elements=st.floats(-70.0, 0.0))


def partials_of(frames: np.ndarray, count: int) -> np.ndarray:
    """Complex amplitudes (frames, count) of the first partials."""
    return np.fft.rfft(frames.astype(np.float64))[:, 1 : count + 1] / (0.5 * frames.shape[1])


def decibels(values: np.ndarray) -> np.ndarray:
    return 20.0 * np.log10(np.abs(values))


# --- what a table is ----------------------------------------------------------------------------------------


@given(levels=LEVELS, steady=st.booleans())
def test_levels_of_all_partials_are_those_that_were_given_times_the_gain_of_the_frame(levels, steady):
    table = make_wavetable(Harmonics(levels, np.zeros(5)), steady)
    found = decibels(partials_of(table.frames, 40)) - table.gains[:, None]
    assert np.abs(found - levels).max() < 0.01
    assert steady or np.ptp(table.gains) < 1e-9


@given(levels=LEVELS)
def test_a_table_has_no_dc_one_phase_for_each_partial_and_a_steady_level(levels):
    frames = make_wavetable(Harmonics(levels, np.zeros(5))).frames.astype(np.float64)
    assert np.abs(frames.mean(1)).max() < 1e-6
    phases = np.angle(partials_of(frames, 40))
    assert np.abs(np.angle(np.exp(1j * (phases - phases[0])))).max() < 0.02  # the weakest are near float32's noise
    rms = np.sqrt((frames**2).mean(1))
    assert np.ptp(20.0 * np.log10(rms)) < 1e-4
    assert np.abs(frames).max() == pytest.approx(0.99)


def test_frames_between_two_frames_keep_every_partial():
    levels = np.stack([np.linspace(0.0, -60.0, 64), np.linspace(-30.0, -20.0, 64)])
    low, high = make_wavetable(Harmonics(levels, np.zeros(2)), steady=False).frames
    ends = np.abs(partials_of(np.stack([low, high]), 64))
    between = np.abs(partials_of(0.5 * (low + high)[None], 64))[0]
    assert np.allclose(between, ends.mean(0), rtol=1e-3)


@pytest.mark.parametrize("slope", [0.0, -0.5, -2.0])
def test_the_crest_is_lower_than_with_schroeders_phases(slope):
    amplitudes = 10.0 ** (slope * np.arange(60.0) / 20.0)[None]
    share = (amplitudes**2 / (amplitudes**2).sum())[0]
    schroeder = -2.0 * np.pi * np.cumsum(np.cumsum(share) - share)

    def crest(phases: np.ndarray) -> float:
        frame = waves(amplitudes, phases, SIZE)
        return float(np.abs(frame).max() / np.sqrt((frame**2).mean()))

    optimised = crest(low_crest_phases(amplitudes))
    assert optimised < crest(schroeder)
    assert optimised < 10.0 ** (4.6 / 20.0)  # a sine has 3.0 dB


def test_of_more_partials_than_fit_the_first_are_kept():
    table = make_wavetable(Harmonics(np.zeros((1, 1500)), np.zeros(1)))
    levels = decibels(partials_of(table.frames, 1023))
    assert np.ptp(levels) < 0.01
    assert abs(np.fft.rfft(table.frames[0].astype(float))[1024]) < 1e-3


# --- partials of a space ------------------------------------------------------------------------------------


def test_partials_are_those_of_the_decoded_spectrum(harmonic_space: Space):
    """At partials far apart, each band around a partial is the response to a sine of its level."""
    pitch, point = 84.0, harmonic_space.atlas.points[:1]
    found = harmonics(harmonic_space, point, np.array([0.3]), pitch, 0.8).levels[0]
    rate = harmonic_space.config.spectrogram.frame_rate
    frame = round(0.3 * rate)
    exact = harmonics(harmonic_space, point, np.array([frame / rate]), pitch, 0.8).levels[0]
    assert np.abs(found - exact).max() < 1.0
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0) * torch.arange(1, len(exact) + 1)
    decoded = harmonic_space.spectrum(point, pitch, 0.8, 1.0)[:, frame]
    response = harmonic_space.spectrogram.response(hz)
    for number in range(min(8, len(exact))):
        band = int(response[number].argmax())
        read = float(decoded[band] - 20.0 * torch.log10(response[number, band]))
        assert read == pytest.approx(exact[number], abs=0.05)


def test_a_table_played_at_its_pitch_has_the_decoded_spectrum(harmonic_space: Space):
    """An independent path: the frame as a tone through the spectrogram, against the decoder's frame."""
    pitch, point, rate = 76.0, harmonic_space.atlas.points[:1], harmonic_space.config.spectrogram.sample_rate
    frame = round(0.3 * harmonic_space.config.spectrogram.frame_rate)
    time = frame / harmonic_space.config.spectrogram.frame_rate
    table = make_wavetable(harmonics(harmonic_space, point, np.array([time]), pitch, 0.8))
    clock = np.arange(rate) * (440.0 * 2.0 ** ((pitch - 69.0) / 12.0) / rate)
    amplitudes = partials_of(table.frames, 40)[0] * 10.0 ** (-table.gains[0] / 20.0)
    tone = sum(
        (value * np.exp(2j * np.pi * (k + 1) * clock)).real
        for k, value in enumerate(amplitudes) if (k + 1) * clock[1] < 0.5
    )  # fmt: skip
    played = harmonic_space.spectrogram(torch.from_numpy(np.asarray(tone, np.float32))[None])[0, :, 20]
    decoded = harmonic_space.spectrum(point, pitch, 0.8, 1.0)[:, frame]
    loud = decoded > decoded.max() - 30.0
    assert float((played - decoded)[loud].abs().median()) < 0.3


def test_noise_and_partials_have_the_power_of_the_decoded_sound(harmonic_space: Space):
    found = harmonics(harmonic_space, harmonic_space.atlas.points[:1], np.array([0.3]), 60.0, 0.8)
    assert 0.0 < found.noise[0] < 0.05  # its noise is at -40 dB


def test_the_pitch_is_lowered_only_while_the_sound_stays_the_same(tiny_space: Space, harmonic_space: Space):
    for space in (tiny_space, harmonic_space):
        assert lowest_good_pitch(space, space.atlas.points[:2], 0.3, 0.8) in range(36, 61, 3)
    assert lowest_good_pitch(harmonic_space, harmonic_space.atlas.points[:2], 0.3, 0.8) < 60


# --- files --------------------------------------------------------------------------------------------------

FRAMES = np.random.default_rng(0).uniform(-0.9, 0.9, (3, SIZE)).astype(np.float32)


@pytest.mark.parametrize(("encode", "name"), [(wav_file, "a.wav"), (wt_file, "a.wt")])
def test_files_are_read_back_to_the_bit(encode, name, tmp_path):
    (tmp_path / name).write_bytes(encode(FRAMES, "flute – violin"))
    assert (read_wavetable(tmp_path / name) == FRAMES).all()


def test_the_wav_file_is_one_for_other_readers_with_its_mark_before_the_samples(tmp_path):
    content = wav_file(FRAMES, "flute")
    samples, _ = soundfile.read(io.BytesIO(content), dtype="float32")
    assert (samples.reshape(FRAMES.shape) == FRAMES).all()
    assert content.index(b"clm ") < content.index(b"data")
    assert b"<!>2048 10000000 wavetable (flute)" in content
    assert int.from_bytes(content[4:8], "little") == len(content) - 8


@pytest.mark.parametrize(("encode", "name"), [(wav_file, "flute.wav"), (wt_file, "flute.wt")])
def test_a_wavetable_is_read_as_a_note_that_goes_through_its_frames(encode, name, tmp_path):
    harmonics = np.zeros((3, SIZE // 2 + 1), complex)
    harmonics[:, 0] = SIZE  # DC, which a note must not have
    harmonics[0, 1], harmonics[1, 2], harmonics[2, 3] = SIZE / 2, SIZE / 4, SIZE / 8
    (tmp_path / name).write_bytes(encode(np.fft.irfft(harmonics), "flute"))
    note = timbre.scan(tmp_path)[0]
    assert (note.instrument, note.family, note.pitch) == ("flute", "woodwinds", 48.0)
    audio = note.audio()
    assert audio.duration == pytest.approx(2.0, abs=1e-4)
    hz = 440.0 * 2.0 ** ((48 - 69) / 12)
    for time, levels in ((0.0, (1, 0, 0)), (0.5, (0.5, 0.25, 0)), (1.0, (0, 0.5, 0)), (1.985, (0, 0, 0.25))):
        clock = (np.arange(round(audio.sample_rate / hz)) + round(time * audio.sample_rate)) / audio.sample_rate
        part = audio.samples[0][round(time * audio.sample_rate) :][: len(clock)]
        found = [2 * abs(np.mean(part * np.exp(-2j * np.pi * n * hz * clock))) for n in (1, 2, 3)]
        assert found == pytest.approx(levels, abs=0.01)
        assert abs(part.mean()) < 1e-3


def test_a_wav_file_with_another_chunk_clm_is_read_as_it_is(tmp_path):
    content = wav_file(FRAMES, "a").replace(b"<!>2048", b"<!>none")
    (tmp_path / "a.wav").write_bytes(content)
    assert (timbre.read(tmp_path / "a.wav").samples.ravel() == FRAMES.ravel()).all()


def test_integers_of_a_wt_file_are_read(tmp_path):
    head = b"vawt" + SIZE.to_bytes(4, "little") + (1).to_bytes(2, "little") + (4).to_bytes(2, "little")
    (tmp_path / "a.wt").write_bytes(head + (FRAMES[:1] * 32767).astype("<i2").tobytes())
    assert np.abs(read_wavetable(tmp_path / "a.wt") - FRAMES[:1]).max() < 1e-3


@given(cut=st.integers(0, 3 * SIZE * 4), flip=st.integers(0, 120), bits=st.integers(1, 255), which=st.booleans())
def test_damaged_files_are_refused_or_read(cut, flip, bits, which, tmp_path_factory):
    content = bytearray((wt_file if which else wav_file)(FRAMES, "a"))
    content[flip] ^= bits
    file = tmp_path_factory.mktemp("damaged") / "a"
    file.write_bytes(bytes(content[: len(content) - cut]))
    for read in (read_wavetable, timbre.read):
        with suppress(AudioError):
            read(file)


# --- exports ------------------------------------------------------------------------------------------------


def test_a_point_a_path_a_grid_and_a_bank(harmonic_space: Space, tmp_path):
    space = harmonic_space
    a, b, c = space.atlas.points[:3]
    path = space.path(a, b)
    point = timbre.export(space, a, "wavetable", tmp_path / "point.wav", frames=5)
    assert read_wavetable(point.files[0]).shape == (5, SIZE)
    assert point.size == point.files[0].stat().st_size
    timbre.export(space, path, "wt", tmp_path / "path.wt", frames=3, pitch=60.0)
    ends = read_wavetable(tmp_path / "path.wt")[[0, -1]]
    for frame, end in zip(ends, (a, b), strict=True):
        levels = harmonics(space, end[None], np.array([0.3]), 60.0, 0.8).levels[0]
        away = decibels(partials_of(frame[None], len(levels)))[0] - levels
        assert np.ptp(away) < 0.01
    grid = [Preset(f"p{n}", space.path(point)) for n, point in enumerate((a, b, c, a))]
    timbre.export(space, grid, "wavetable", tmp_path / "grid.wav", columns=2)
    assert len(read_wavetable(tmp_path / "grid.wav")) == 4
    bank = timbre.export(
        space, [replace(one, name=name) for one, name in zip(grid, "aAb/", strict=True)], "wavetable", tmp_path / "bank"
    )
    assert sorted(file.name for file in bank.files) == ["A_2.wav", "a.wav", "b.wav", "timbre.wav"]
    assert [row["name"] for row in bank.rows] == list("aAb/")
    assert "% of the energy" in bank.notice
    assert all(read_wavetable(file).shape == (64, SIZE) for file in bank.files)


def test_rows_of_a_grid_alternate_in_direction(harmonic_space: Space, tmp_path):
    points = harmonic_space.atlas.points[:6]
    grid = [Preset(f"p{n}", harmonic_space.path(point)) for n, point in enumerate(points)]
    timbre.export(harmonic_space, grid, "wavetable", tmp_path / "grid.wav", columns=3, pitch=60.0)
    frames = read_wavetable(tmp_path / "grid.wav")
    for frame, number in zip(frames, (0, 1, 2, 5, 4, 3), strict=True):
        levels = harmonics(harmonic_space, points[number][None], np.array([0.3]), 60.0, 0.8).levels[0]
        assert np.ptp(decibels(partials_of(frame[None], len(levels)))[0] - levels) < 0.01


@pytest.fixture
def drums(harmonic_space: Space) -> Space:
    """A space of which the first half of the library notes have no pitch."""
    pitches = harmonic_space.atlas.pitches.copy()
    pitches[: len(pitches) // 2] = np.nan
    atlas = replace(harmonic_space.atlas, pitches=pitches)
    return Space(harmonic_space.config, harmonic_space.model, atlas, harmonic_space.report)


def test_a_sound_without_pitch_is_refused_and_left_out_of_a_bank(drums: Space, tmp_path):
    drum, tone = drums.atlas.points[[0, -1]]
    with pytest.raises(ConfigError, match=r"^A wavetable must have a sound with a pitch, but .* have none; .*\.$"):
        timbre.export(drums, drum, "wavetable", tmp_path / "x.wav")
    bank = [Preset("drum", drums.path(drum)), Preset("tone", drums.path(tone))]
    done = timbre.export(drums, bank, "wavetable", tmp_path / "bank")
    assert [file.name for file in done.files] == ["tone.wav"]
    assert done.notice.endswith("Left out, without a pitch: drum.")
    with pytest.raises(ConfigError, match="with a pitch"):
        timbre.export(drums, [bank[0], bank[0]], "wavetable", tmp_path / "none")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["bank"]


def test_a_sound_of_noise_is_refused(harmonic_space: Space, tmp_path, monkeypatch):
    def noise(space: Space, points: np.ndarray, *_: object) -> Harmonics:
        return Harmonics(np.zeros((len(points), 9)), np.full(len(points), 99.0))

    monkeypatch.setattr("timbre.exporting.wavetables.plan.harmonics", noise)
    with pytest.raises(ConfigError, match=r"99% of the energy of this sound at C4 is noise"):
        timbre.export(harmonic_space, harmonic_space.atlas.points[0], "wavetable", tmp_path / "x.wav", pitch=60.0)


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("x.aif", {}, "must end in .wav, got .aif"),
        ("x", {}, "must end in .wav, got no ending"),
        ("x.wav", {"frames": 0}, "must be 1 to 256, got 0"),
        ("x.wav", {"frames": 257}, "must be 1 to 256, got 257"),
        ("x.wav", {"pitch": 128.0}, "must be a MIDI number from 12 to 127"),
        ("x.wav", {"velocity": 2.0}, "must be a number from 0 to 1"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_written(harmonic_space, tmp_path, name, settings, reason):
    with pytest.raises(ConfigError, match=reason):
        timbre.export(harmonic_space, harmonic_space.atlas.points[0], "wavetable", tmp_path / name, **settings)
    assert not list(tmp_path.iterdir())


def test_a_grid_of_too_many_frames_is_refused(harmonic_space: Space, tmp_path: Path):
    grid = [Preset(f"p{n}", harmonic_space.path(harmonic_space.atlas.points[0])) for n in range(260)]
    with pytest.raises(ConfigError, match="256 frames or fewer, got 260"):
        timbre.export(harmonic_space, grid, "wavetable", tmp_path / "x.wav", columns=10)
