"""Augmentation: what the encoder sees is disturbed by known amounts, and every label stays true."""

from dataclasses import replace

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
from timbre.data.features.augmentation import Augmentation, Noise, add_noise, amplify, delay
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
NOISY = DataConfig(duration=0.5, gain_db=6.0, offset=0.05, noise_db=-30.0)

levels = st.floats(FLOOR, 0, width=16)
notes = arrays.arrays(np.float32, st.tuples(st.integers(1, 3), st.just(4), st.integers(2, 9)), elements=levels)


def per_note(values: np.ndarray, amount: float) -> torch.Tensor:
    return torch.full((len(values),), amount)


# --- gain ---


@given(values=notes, gain=st.floats(-40, 40, width=32))
def test_gain_moves_every_value_above_the_floor_and_leaves_silence(values: np.ndarray, gain: float) -> None:
    louder = amplify(torch.from_numpy(values), per_note(values, gain), FLOOR).numpy()
    wanted = np.where(values > FLOOR, np.maximum(values + np.float32(gain), FLOOR), FLOOR)
    np.testing.assert_allclose(louder, wanted, atol=1e-4)


def test_gain_is_what_a_louder_sound_looks_like(some_notes: Library) -> None:
    spectrogram = Spectrogram(SpectrogramConfig())
    sound = some_notes[0].audio().mono().gain(-20.0)
    soft, loud = (spectrogram(torch.from_numpy(np.array(s.samples))) for s in (sound, sound.gain(7.0)))
    heard = soft > FLOOR
    torch.testing.assert_close(amplify(soft, torch.tensor([7.0]), FLOOR)[heard], loud[heard], atol=1e-3, rtol=0)


# --- offset ---


@given(values=notes, frames=st.integers(-12, 12))
def test_offset_shifts_whole_frames_after_silence_and_holds_the_last(values: np.ndarray, frames: int) -> None:
    shifted = delay(torch.from_numpy(values), torch.full((len(values),), frames), FLOOR).numpy()
    count = values.shape[-1]
    for place in range(count):
        source = place - frames
        wanted = np.full_like(values[..., 0], FLOOR) if source < 0 else values[..., min(source, count - 1)]
        np.testing.assert_array_equal(shifted[..., place], wanted)


# --- noise ---


@given(values=notes, seed=st.integers(0, 99))
def test_noise_adds_power(values: np.ndarray, seed: int) -> None:
    noise = np.random.default_rng(seed).uniform(-90, -20, values.shape).astype(np.float32)
    both = add_noise(torch.from_numpy(values), torch.from_numpy(noise), FLOOR).numpy()
    power = np.where(values > FLOOR, 10.0 ** (values / 10.0), 0.0) + 10.0 ** (noise / 10.0)
    np.testing.assert_allclose(both, np.maximum(10.0 * np.log10(power), FLOOR), atol=1e-3)
    assert np.all(both >= values - 1e-4)


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
    made = Noise(config, "cpu").cut(np.array([-30.0]), np.array([slope]), np.array([11]))[0].numpy()
    error = made.mean(1)[3:] - real.mean(1)[3:]
    assert abs(error.mean()) < 0.5
    assert np.sqrt(np.mean(error**2)) < 1.2  # the mean of 173 frames of noise is itself not steadier
    np.testing.assert_allclose(made.std(1).mean(), real.std(1).mean(), rtol=0.1)


# --- all together ---


def test_no_amount_leaves_notes_as_they_are() -> None:
    values = torch.rand(3, 256, 44) * 80 - 80
    off = Augmentation(Config(data=DataConfig(duration=0.5)))
    assert not off.active
    assert off(values, 0, 0) is values
    for amount, moved in (({"gain_db": 1e-6}, 1e-5), ({"offset": 1e-6}, 1e-5), ({"noise_db": -59.9}, 0.05)):
        almost = Augmentation(Config(data=DataConfig(duration=0.5, **amount)))  # type: ignore[arg-type]
        assert almost.active
        assert (almost(values, 0, 0) - values).abs().mean() < moved


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
        assert (other - seen).abs().max() > 0.01


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
    plain = timbre.train(some_notes, replace(config, data=DataConfig(duration=0.5)), progress=False)
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


@pytest.mark.parametrize(
    ("setting", "value"),
    [("gain_db", -1.0), ("gain_db", 41.0), ("offset", -0.1), ("offset", 1.1), ("noise_db", -61.0), ("noise_db", 1.0)],
)
def test_amounts_out_of_range_are_refused(setting: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"data\.{setting} must be .*{value}"):
        DataConfig(**{setting: value})  # type: ignore[arg-type]
