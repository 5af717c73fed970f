"""Augmentation: what the encoder sees is disturbed by known amounts, and every label stays true."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import timbre
from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch, midi_to_hz
from timbre.config import Config, DataConfig, ModelConfig, SpectrogramConfig
from timbre.data import Library, Note
from timbre.data.features import augmentation
from timbre.data.features.augmentation import Augmentation, Disturbance, Noise, coded, decibels, delay, power
from timbre.data.features.example import example, examples
from timbre.data.features.table import features, prepared
from timbre.errors import ConfigError
from timbre.models.conditions import Conditions
from timbre.models.vae import VAE
from timbre.spectral import Spectrogram
from timbre.training.batches import Batches
from timbre.training.vae import VAETask

FLOOR = -80.0
CPU = torch.device("cpu")
NOISY = DataConfig(duration=0.5, augment=1.0)

levels = st.floats(FLOOR, 0, width=16)
notes = arrays.arrays(np.float32, st.tuples(st.integers(1, 3), st.just(4), st.integers(2, 9)), elements=levels)


def nothing(config: Config, count: int) -> Disturbance:
    """The disturbance that leaves `count` notes as they are."""
    zero, never = np.zeros(count), np.full(count, -np.inf)
    return Disturbance(
        np.zeros((count, config.spectrogram.bins)), zero, np.ones(count, int), never, never, zero, never, zero, 0,
        never, zero, -never, zero,
    )  # fmt: skip


def disturbed(values: torch.Tensor, **how: Any) -> torch.Tensor:
    """Notes (batch, 256, 44), dB, with some disturbances."""
    config = Config(data=DataConfig(duration=0.5))
    return Augmentation(config).disturbed(values, replace(nothing(config, len(values)), **how))


def some_tones(count: int = 3) -> torch.Tensor:
    """Notes (count, 256, 44), dB, that start loud and decay; 60 bands are silent."""
    decay = torch.rand(count, 256, 1, generator=torch.Generator().manual_seed(1))
    values = -10.0 - 30.0 * decay - 60.0 * decay.roll(1, 0) * torch.linspace(0, 1, 44)
    values[:, 100:160] = FLOOR
    return values.clamp_min(FLOOR)


# --- level and equaliser ---


@given(values=notes)
def test_power_and_decibels_are_inverse_and_the_floor_is_silence(values: np.ndarray) -> None:
    found = power(torch.from_numpy(values), FLOOR)
    assert (found[values == FLOOR] < 1e-15).all()
    np.testing.assert_allclose(found.numpy()[values > FLOOR], 10.0 ** (values[values > FLOOR] / 10.0), rtol=1e-4)
    np.testing.assert_allclose(decibels(found, FLOOR), values, atol=1e-4)


def test_gain_moves_every_value_above_the_floor_and_leaves_silence() -> None:
    values = some_tones()
    gain = np.array([-7.0, 0.0, 5.0])
    wanted = torch.where(values > FLOOR, (values + torch.tensor(gain)[:, None, None]).clamp_min(FLOOR), FLOOR).float()
    torch.testing.assert_close(disturbed(values, gain_db=gain), wanted, atol=1e-3, rtol=0)


def test_an_equaliser_changes_bands_as_it_says_and_the_level_comes_back() -> None:
    values, shape = some_tones(1), np.linspace(-6, 6, 256)[None]
    moved = (disturbed(values, equaliser=shape) - values)[values > FLOOR + 15].reshape(-1)
    expected = torch.from_numpy(shape)[:, :, None].expand_as(values)[values > FLOOR + 15]
    assert (moved - expected).std() < 1e-3
    loudest = (power(x, FLOOR).sum(1).amax() for x in (values, disturbed(values, equaliser=shape)))
    assert next(loudest) == pytest.approx(float(next(loudest)), rel=1e-3)


def test_a_shelf_and_a_tilt_have_their_slopes() -> None:
    made = Augmentation(Config(data=NOISY))
    tilt = made._equaliser(np.array([1.5]), np.zeros(1), np.full(1, 500.0))[0]
    octaves = np.log2(made.hertz)
    np.testing.assert_allclose(np.diff(tilt)[1:] / np.diff(octaves)[1:], 1.5, rtol=1e-6)
    shelf = made._equaliser(np.zeros(1), np.array([6.0]), np.full(1, 500.0))[0]
    assert (np.diff(shelf) >= 0).all()
    np.testing.assert_allclose(np.interp(np.log2([50, 500, 10000]), octaves, shelf), [0, 3, 6], atol=0.1)


# --- room ---


@given(seed=st.integers(0, 99), frames=st.integers(1, 40))
def test_a_tail_is_its_formula(seed: int, frames: int) -> None:
    random = np.random.default_rng(seed)
    sound, level, decay = random.uniform(0, 1, (2, 3, frames)), random.uniform(0, 0.5, 2), random.uniform(0.1, 0.95, 2)
    found = augmentation.reverberate(*map(torch.from_numpy, (sound, level, decay))).numpy()
    for n in range(2):
        response = level[n] * (1 - decay[n]) * decay[n] ** np.arange(frames)
        response[0] += 1.0
        wanted = [np.convolve(band, response)[:frames] for band in sound[n]]
        np.testing.assert_allclose(found[n], wanted, rtol=1e-9)


def test_a_room_adds_the_power_that_it_says() -> None:
    click = torch.zeros(1, 1, 400).index_fill(-1, torch.tensor(0), 1.0)
    total = augmentation.reverberate(click, torch.tensor([0.3]), torch.tensor([0.9])).sum()
    assert float(total) == pytest.approx(1.3, rel=1e-4)


# --- offset ---


@given(values=notes, frames=st.integers(-12, 12))
def test_offset_shifts_whole_frames_after_silence_and_holds_the_last(values: np.ndarray, frames: int) -> None:
    shifted = delay(torch.from_numpy(values), frames).numpy()
    count = values.shape[-1]
    for place in range(count):
        source = place - frames
        wanted = np.zeros_like(values[..., 0]) if source < 0 else values[..., min(source, count - 1)]
        np.testing.assert_array_equal(shifted[..., place], wanted)


@given(values=notes, frames=st.floats(-5, 5))
def test_fractions_of_a_frame_are_mixtures(values: np.ndarray, frames: float) -> None:
    sound, whole = torch.from_numpy(values), int(np.floor(frames))
    wanted = torch.lerp(delay(sound, whole), delay(sound, whole + 1), frames - whole)
    torch.testing.assert_close(delay(sound, frames), wanted)


# --- noise, few bits, codecs ---


def test_noise_adds_power() -> None:
    values, config = some_tones(2), Config(data=DataConfig(duration=0.5))
    levels, slopes = np.array([-50.0, -40.0]), np.array([0.0, 1.0])
    noise = Noise(config, "cpu")
    added = noise.tilt(levels, slopes)[:, :, None] * noise.white[:, 7:51]
    seen = disturbed(values, noise_db=levels, slope=slopes, start=7)
    wanted = decibels(power(values, FLOOR) + added, FLOOR)
    torch.testing.assert_close(seen, wanted, atol=0.02, rtol=0)  # its share of the level is taken off


@pytest.mark.parametrize("bits", [7, 8])
def test_few_bits_are_what_the_front_end_sees_of_a_rounded_sound(bits: int) -> None:
    config = Config(data=DataConfig(duration=0.5))
    clock = np.arange(44 * 256) / 22050
    vibrato = 311.0 * (clock - 0.0007 * np.cos(30.0 * clock))
    tone = np.sum([np.sin(2 * np.pi * k * vibrato) / k for k in range(1, 9)], 0) * np.exp(-14.0 * clock)
    tone *= 0.5 / np.abs(tone).max()
    step = np.abs(tone).max() / 2 ** (bits - 1)
    clean, rounded = (
        Spectrogram(config.spectrogram)(torch.from_numpy(x.astype(np.float32))[None])[:, :, :44]
        for x in (tone, np.round(tone / step) * step)
    )
    half = np.full(1, 20.0 * np.log10(step / 2.0))
    seen = disturbed(clean, step_db=half, noise_db=half - 10.0 * np.log10(3.0), start=3)
    before, error = ((x - rounded)[0, 3:] for x in (clean, seen))
    loud, soft = slice(1, 12), slice(-4, -1)  # the end is too soft for one step
    assert error[:, loud].mean(1).abs().mean() < 0.4 * before[:, loud].mean(1).abs().mean()
    assert (rounded[0, :, soft] == FLOOR).all()
    assert (seen[0, :, soft] == FLOOR).all()


def test_a_codec_leaves_out_what_is_softest_and_highest() -> None:
    note, bands = some_tones(1)[0], torch.arange(256) < 200
    seen = coded(note, 25.0, bands, FLOOR)
    kept = (note >= note.amax(0) - 25.0) & bands[:, None]
    assert 0.1 < kept.float().mean() < 0.9
    assert torch.equal(seen[kept], note[kept])
    assert (seen[~kept] == FLOOR).all()


@pytest.mark.parametrize("kind", ["mel", "linear"])
@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_noise_is_what_the_front_end_sees_of_noise(kind: str, slope: float) -> None:
    config = Config(spectrogram=SpectrogramConfig(kind=kind))  # type: ignore[arg-type]
    length = (config.note_frames - 1) * 256
    spectrum = np.fft.rfft(np.random.default_rng(7).standard_normal(length))
    spectrum *= np.maximum(np.fft.rfftfreq(length, 1 / 22050), 22050 / 1024) ** (-slope / 2)
    wave = np.fft.irfft(spectrum, length)
    wave *= 10 ** (-30 / 20) / np.sqrt(np.mean(wave**2))
    real = Spectrogram(config.spectrogram)(torch.from_numpy(wave.astype(np.float32))[None])[0].numpy()
    noise = Noise(config, "cpu")
    frames = noise.white[:, 11 : 11 + config.note_frames]
    made = decibels(noise.tilt(np.array([-30.0]), np.array([slope]))[0, :, None] * frames, FLOOR).numpy()
    error = made.mean(1)[3:] - real.mean(1)[3:]
    assert abs(error.mean()) < 0.5
    assert np.sqrt(np.mean(error**2)) < 1.2  # the mean of 173 frames of noise is itself not steadier
    np.testing.assert_allclose(made.std(1).mean(), real.std(1).mean(), rtol=0.1)


# --- all together ---


def test_no_strength_leaves_notes_as_they_are() -> None:
    values = some_tones()
    off = Augmentation(Config(data=DataConfig(duration=0.5, augment=0.0)))
    assert off(values, 0, 0) is values
    torch.testing.assert_close(disturbed(values), values, atol=1e-3, rtol=0)
    moved = []
    for strength in (0.001, 0.25, 1.0):
        disturb = Augmentation(Config(data=DataConfig(duration=0.5, augment=strength)))
        seen = torch.cat([disturb(values, 0, batch) for batch in range(20)]) - values.repeat(20, 1, 1)
        assert (seen.flatten(1).abs().amax(1) == 0).float().mean() == pytest.approx(augmentation.SHARE, abs=0.2)
        moved.append(float(seen.abs().mean()))
    assert moved[0] < 0.05 < moved[1] < 0.7 * moved[2]


@pytest.mark.parametrize("kind", ["linear", "erb", "nsgt_cq", "nsgt_mel", "dct"])
def test_every_kind_of_spectrogram_can_be_disturbed(kind: str) -> None:
    config = Config(spectrogram=SpectrogramConfig(kind=kind), data=NOISY)  # type: ignore[arg-type]
    values = torch.full((4, config.spectrogram.bins, config.note_frames), -30.0)
    seen = Augmentation(config)(values, 0, 0)
    assert seen.isfinite().all()
    assert seen.min() >= FLOOR
    assert 0.1 < (seen - values).abs().mean() < 20.0


def test_silence_remains() -> None:
    silence = torch.full((4, 256, 44), FLOOR)
    seen = disturbed(silence, gain_db=np.full(4, 6.0), delay=np.full(4, 1.5), tail_db=np.full(4, -8.0))
    assert torch.equal(seen, silence)


@settings(max_examples=15)
@given(epoch=st.integers(0, 1000), place=st.integers(0, 1000))
def test_what_is_seen_depends_on_seed_epoch_batch_and_rank_alone(epoch: int, place: int) -> None:
    config = Config(data=NOISY)
    values = torch.full((2, 256, config.note_frames), -40.0)
    seen = Augmentation(config)(values, epoch, place)
    torch.testing.assert_close(Augmentation(config)(values, epoch, place), seen, rtol=0, atol=0)
    reseeded = replace(config, training=replace(config.training, seed=1))
    for other in (
        Augmentation(config)(values, epoch + 1, place),
        Augmentation(config)(values, epoch, place + 1),
        Augmentation(config, rank=1)(values, epoch, place),
        Augmentation(reseeded)(values, epoch, place),
    ):
        assert (other - seen).abs().max() > 0.01 or torch.equal(seen, values)


def test_only_what_the_encoder_sees_in_training_is_disturbed(some_notes: Library, tiny_config: Config) -> None:
    config = replace(tiny_config, data=NOISY, regularization=replace(tiny_config.regularization, pitch="none"))
    table = features(some_notes, config)
    task = VAETask(table, [str(note.file) for note in some_notes], config, None, "")
    stored = torch.from_numpy(table.spectrograms[np.arange(len(table.note))]).float()
    for found in task.batches(0, 0):
        torch.testing.assert_close(found.spectrogram, stored[found.rows], rtol=0, atol=0)
        assert (found.seen - found.spectrogram).abs().mean() > 0.1
        assert found.seen.min() >= FLOOR
        np.testing.assert_array_equal(found.conditions.pitch.numpy(), table.pitch[found.rows])
        np.testing.assert_array_equal(found.conditions.release.numpy(), table.release[found.rows])
    for batches in (task.valid, task.test, Batches(table, table.rows(), 8, 0, CPU)):
        for found in batches.in_order():
            torch.testing.assert_close(found.seen, stored[found.rows], rtol=0, atol=0)


def test_the_loss_asks_for_the_clean_note_behind_what_is_seen() -> None:
    config = Config(
        data=DataConfig(duration=0.25),
        model=ModelConfig(dim=2, flows=1, encoder_channels=8, decoder_channels=8, decoder_blocks=1, dropout=0.0),
    )
    torch.manual_seed(0)
    model = VAE(config).eval()
    clean = torch.rand(2, 256, config.note_frames) * 80 - 80
    controls = Conditions(torch.tensor([60.0, 50.0]), torch.tensor([0.5, 0.2]), torch.tensor([0.2, 0.1]))

    def loss(target: torch.Tensor, seen: torch.Tensor | None) -> float:
        torch.manual_seed(1)
        with torch.no_grad():
            return float(model.loss(target, controls, 1.0, seen=seen).l1_db)

    assert loss(clean, None) == loss(clean, clean)
    torch.manual_seed(1)
    with torch.no_grad():
        z, _ = model.posterior(clean - 9.0, controls).sample()
        wanted = float((model.decode(z, controls) - clean).abs().mean())
    assert loss(clean, clean - 9.0) == pytest.approx(wanted, rel=1e-5)
    assert loss(clean, clean - 9.0) != loss(clean, None)


def test_a_space_can_be_trained_with_it(some_notes: Library, tiny_config: Config) -> None:
    once = replace(tiny_config, training=replace(tiny_config.training, epochs=1))
    config = replace(once, data=NOISY)
    first, second = (timbre.train(some_notes, config, progress=False) for _ in range(2))
    np.testing.assert_array_equal(first.atlas.points, second.atlas.points)
    plain = timbre.train(some_notes, replace(config, data=replace(NOISY, augment=0.0)), progress=False)
    assert np.abs(first.atlas.points - plain.atlas.points).max() > 1e-3


# --- transposed copies ---


@settings(max_examples=12)
@given(pitch=st.floats(45, 84), shift=st.floats(-2, 2))
def test_a_copy_s_label_is_the_pitch_of_the_resampled_sound(
    pitch: float, shift: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = Config(data=DataConfig(duration=0.5))
    clock = np.arange(22050) / 22050
    tone = sum(np.sin(2 * np.pi * k * midi_to_hz(pitch) * clock) / k for k in range(1, 6)).astype(np.float32) / 3
    file = timbre.write(tmp_path_factory.mktemp("tone") / "tone.wav", Audio(tone, 22050))
    note = Note(file, "tone", pitch=round(pitch, 1))
    own, copy = examples(prepared(note, config, [shift]), Spectrogram(config.spectrogram), config)
    rate = round(22050 * 2 ** (shift / 12))
    measured = measure_pitch(Audio(tone, rate).resample(22050), near=pitch + shift)
    assert measured is not None
    assert copy.pitch == pytest.approx(measured, abs=0.02)
    assert own.pitch == pytest.approx(pitch, abs=0.01)
    wanted = example(Audio(note.audio().samples, rate), Spectrogram(config.spectrogram), config)
    np.testing.assert_array_equal(copy.spectrogram, wanted.spectrogram)


# --- refusals ---


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_amounts_out_of_range_are_refused(value: float) -> None:
    with pytest.raises(ConfigError, match=rf"data\.augment must be 0 to 1, got {value}"):
        DataConfig(augment=value)


@pytest.mark.parametrize(
    ("old", "augment"),
    [
        ({"gain_db": 0.0, "offset": 0.0, "noise_db": -60.0}, 0.0),
        ({"gain_db": 2.0, "noise_db": -60.0}, 0.5),
        ({"gain_db": 0.0, "offset": 0.4, "noise_db": -50.0}, 1.0),
        ({"noise_db": -35, "augment": 0.1}, 0.1),
        ({}, DataConfig().augment),
    ],
)
def test_settings_of_version_0_1_are_a_strength(old: dict[str, Any], augment: float) -> None:
    assert Config.from_dict({"data": old}).data == DataConfig(augment=augment)


def test_settings_of_version_0_1_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.gain_db must be a number, got 'loud'"):
        Config.from_dict({"data": {"gain_db": "loud"}})
