"""Laws of the network: its conditions, how it runs along time, and the objective."""

import math

import numpy as np
import pytest
import torch

from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch
from timbre.config import Config, DataConfig, ModelConfig, SpectrogramConfig
from timbre.models.conditions import TIME_CONSTANTS, Conditions, time_constants, time_features
from timbre.models.decoder import _stepped
from timbre.models.partials import Partials
from timbre.models.refinement import refined
from timbre.models.vae import VAE, Posterior
from timbre.spectral import Spectrogram


def small(flows: int = 2, amortised: bool = False, harmonics: int = 8, **spectrogram: object) -> VAE:
    torch.manual_seed(0)
    model = ModelConfig(
        dim=4,
        flows=flows,
        amortised=amortised,
        encoder_channels=16,
        decoder_channels=24,
        decoder_blocks=2,
        harmonics=harmonics,
    )
    config = Config(SpectrogramConfig(**spectrogram), DataConfig(duration=0.5), model)  # type: ignore[arg-type]
    return VAE(config).eval()


def notes(batch: int = 3) -> Conditions:
    pitch = torch.tensor([60.0, 48.3, math.nan])[:batch]
    velocity = torch.tensor([0.5, math.nan, 0.9])[:batch]
    return Conditions(pitch, velocity, torch.tensor([0.3, math.inf, 0.2])[:batch])


def spectrograms(model: VAE, batch: int = 3) -> torch.Tensor:
    return -80.0 + 60.0 * torch.rand(batch, model.decoder.bins, model.frames)


@pytest.mark.parametrize("kind", ["mel", "linear"])
@pytest.mark.parametrize("harmonics", [0, 8])
@pytest.mark.parametrize("amortised", [False, True])
def test_shapes_and_gradients(kind: str, harmonics: int, amortised: bool) -> None:
    model = small(2, amortised, harmonics, kind=kind, n_fft=512, hop_length=128, n_mels=64).train()
    loss = model.loss(spectrograms(model), notes(), beta=1.0, stride=3)
    loss.objective.backward()
    missing = [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and (p.grad is None or not torch.isfinite(p.grad).all())
    ]
    assert missing == []
    assert model.decode(torch.zeros(3, 4), notes()).shape == (3, model.decoder.bins, model.frames)


def test_decoding_in_blocks_equals_decoding_at_once() -> None:
    model, conditions = small(), notes()
    path = torch.randn(3, 50, 4)
    clock = torch.arange(50) / 86.0
    moving = Conditions(torch.linspace(50, 70, 50).expand(3, -1), torch.rand(3, 50), conditions.release)
    whole = model.decoder(path, moving, clock)
    parts = [slice(0, 7), slice(7, 8), slice(8, 50)]
    blocks = [
        model.decoder(path[:, p], Conditions(moving.pitch[:, p], moving.velocity[:, p], moving.release), clock[p])
        for p in parts
    ]
    torch.testing.assert_close(torch.cat(blocks, 2), whole, rtol=1e-5, atol=1e-4)


def test_a_note_is_the_path_of_one_point() -> None:
    model, conditions = small(), notes()
    z, clock = torch.randn(3, 4), torch.arange(20) / 86.0
    along = Conditions(
        conditions.pitch[:, None].expand(3, 20), conditions.velocity[:, None].expand(3, 20), conditions.release
    )
    torch.testing.assert_close(
        model.decoder(z[:, None].expand(3, 20, 4), along, clock),
        model.decoder(z, conditions, clock),
        rtol=1e-5,
        atol=1e-4,
    )


def test_output_never_lies_below_the_floor() -> None:
    model = small()
    assert model.decode(20.0 * torch.randn(3, 4), notes()).min() >= model.floor_db


def test_held_notes_stand_still_after_the_longest_seen() -> None:
    late = time_features(torch.tensor([2.0, 5.0, 60.0]), torch.tensor([math.inf]), 2.0, TIME_CONSTANTS)
    torch.testing.assert_close(late[:, 0], late[:, 2])
    assert time_features(torch.tensor([0.0, 1e4]), torch.tensor([0.5]), 2.0, TIME_CONSTANTS).abs().max() <= 1.0


def test_slow_constants_are_those_of_notes_with_later_frames() -> None:
    assert time_constants(2.0, 2.0) == time_constants(60.0, 60.0) == TIME_CONSTANTS
    assert time_constants(6.0, 2.0) == (*TIME_CONSTANTS, 3.2)


def test_of_long_notes_few_late_frames_are_seen_and_every_frame_is_decoded() -> None:
    config = Config(SpectrogramConfig(n_mels=32), DataConfig(duration=6.0, dense=1.0), ModelConfig(dim=4))
    model = VAE(config).eval()
    numbers = np.array(config.frame_numbers)
    assert numbers[-1] == config.all_frames - 1
    steps = np.diff(numbers)
    assert (steps[: config.dense_frames - 1] == 1).all()
    assert (np.diff(steps[config.dense_frames :][:-1]) >= -1).all()  # but for rounding and the last, ever longer
    assert len(numbers) < config.dense_frames + 60
    z = torch.zeros(2, 4)
    conditions = Conditions(torch.full((2,), 60.0), torch.full((2,), 0.8), torch.full((2,), math.inf))
    whole = model.decode_whole(z, conditions)
    assert whole.shape[2] == config.all_frames
    torch.testing.assert_close(whole[:, :, numbers], model.decode(z, conditions))
    torch.testing.assert_close(whole[:, :, : config.dense_frames], model.decode_heard(z, conditions))


@pytest.mark.parametrize("pitch", [33.0, 60.0, 69.4, 96.0])
def test_comb_is_the_spectrogram_of_unit_harmonics(pitch: float) -> None:
    spectrogram = Spectrogram(SpectrogramConfig())
    base = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    time = np.arange(22050) / 22050
    random = np.random.default_rng(0)
    count = int(11025 / base)
    sound = sum(np.sin(2 * np.pi * (k * base * time + random.uniform())) for k in range(1, count + 1))
    measured = spectrogram(torch.tensor(sound[None], dtype=torch.float32))[0, :, 20:60].mean(-1)
    claimed = Partials(spectrogram, 8).comb(torch.tensor(pitch))
    near = claimed > -20.0  # bands that a partial falls into; the window's side lobes are left out on purpose
    assert near.sum() >= 5
    assert (measured - claimed)[near].abs().median() < 1.5


def test_shares_tell_the_partials_apart() -> None:
    spectrogram = Spectrogram(SpectrogramConfig())
    shares = Partials(spectrogram, 16).shares(torch.tensor([60.0]))[0]
    assert ((shares >= 0) & (shares.sum(0) <= 1.0 + 1e-5)).all()
    hertz = 261.6256
    for number in (1, 2, 5, 10):
        tone = torch.sin(2 * math.pi * hertz * number * torch.arange(8192) / 22050)[None]
        assert int(shares[number - 1].argmax()) == pytest.approx(int(spectrogram(tone)[0, :, 10].argmax()), abs=1)


@pytest.mark.parametrize("pitch", [33.0, 45.0, 60.3, 63.0, 77.0])
def test_a_sloping_envelope_leaves_partials_in_tune(pitch: float) -> None:
    spectrogram = Spectrogram(SpectrogramConfig())
    partials = Partials(spectrogram, 32)
    slope = -20.0 - 6.0 * torch.log2(torch.arange(256.0) / 20).clamp_min(0)
    level = _stepped(slope[None, None], torch.zeros(1, 1, 32), partials.power(torch.tensor([[pitch]])))[0, 0]
    frame = (partials.comb(torch.tensor(pitch)) + level).clamp_min(-80.0)
    sound = spectrogram.inverse(frame[None, :, None].expand(1, 256, 130))
    measured = measure_pitch(Audio(sound.numpy(), 22050), near=pitch)
    assert measured == pytest.approx(pitch, abs=0.008)


@pytest.mark.parametrize("frames", [1, 40])
def test_partials_step_the_envelope_by_their_shares(frames: int) -> None:
    partials = Partials(Spectrogram(SpectrogramConfig()), 16)
    pitch = torch.linspace(40.0, 80.0, 2 * frames).view(2, frames)
    envelope, levels = -60.0 * torch.rand(2, 40, 256), 10.0 * torch.randn(2, 40, 16)
    shares = partials.shares(pitch).expand(2, 40, 16, 256)
    means = torch.einsum("bfhk,bfk->bfh", shares / (shares.sum(-1, keepdim=True) + 1e-6), envelope)
    onto = torch.einsum("bfhk,bfh->bfk", shares, means + levels)
    expected = onto + (1.0 - shares.sum(-2)) * envelope
    torch.testing.assert_close(_stepped(envelope, levels, partials.power(pitch)), expected, rtol=1e-4, atol=1e-3)


def test_hidden_conditions_are_unknown_and_others_stay() -> None:
    known = Conditions(torch.full((2000,), 60.0), torch.full((2000,), 0.5), torch.full((2000,), 1.0))
    hidden = known.hide(0.25)
    assert 0.2 < hidden.pitch.isnan().float().mean() < 0.3
    assert 0.2 < hidden.velocity.isnan().float().mean() < 0.3
    assert torch.equal(hidden.release, known.release)


def test_velocity_and_pitch_reach_the_sound() -> None:
    model = small()
    z = torch.zeros(1, 4)
    one, release = torch.ones(1), torch.tensor([math.inf])
    base = model.decode(z, Conditions(60 * one, 0.2 * one, release))
    assert (model.decode(z, Conditions(60 * one, 0.9 * one, release)) - base).abs().max() > 1e-3
    assert (model.decode(z, Conditions(72 * one, 0.2 * one, release)) - base).abs().max() > 1.0


def test_plain_posterior_has_the_analytic_divergence() -> None:
    torch.manual_seed(1)
    mean, log_std = torch.randn(1, 4).expand(40_000, 4), (0.3 * torch.randn(1, 4)).expand(40_000, 4)
    z, log_q = Posterior(mean, log_std, small(flows=0).flow, None).sample()
    log_prior = -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)
    expected = 0.5 * ((2 * log_std).exp() + mean.square() - 1 - 2 * log_std)[0].sum()
    assert float((log_q - log_prior).mean().detach()) == pytest.approx(float(expected), abs=0.05)


def test_objective_is_the_gaussian_likelihood_at_its_best_scale() -> None:
    model = small().train(False)
    model.audible_db = 0.0  # all values count alike, and frames' levels do not
    x, conditions = spectrograms(model), notes()
    model.evidence.fill_(x[0].numel())
    torch.manual_seed(3)
    loss = model.loss(x, conditions, beta=0.5)
    torch.manual_seed(3)
    z, _ = model.posterior(x, conditions).sample()
    error = (model.decode(z, conditions) - x).detach()
    best = torch.distributions.Normal(0.0, error.square().mean().sqrt())
    expected = -best.log_prob(error).sum() / len(x)
    torch.testing.assert_close(loss.reconstruction_nats, expected, rtol=1e-4, atol=1.0)
    torch.testing.assert_close(loss.objective.detach(), expected + 0.5 * loss.kl_nats, rtol=1e-4, atol=1.0)
    torch.testing.assert_close(loss.l1_db, error.abs().mean())
    model.evidence.fill_(100.0)
    torch.manual_seed(3)
    counted_once = model.loss(x, conditions, beta=0.5).reconstruction_nats
    torch.testing.assert_close(counted_once, loss.reconstruction_nats * 100.0 / x[0].numel())


def test_what_cannot_be_heard_counts_a_tenth() -> None:
    model = small().train(False)
    model.audible_db = 60.0
    x = torch.full((2, model.decoder.bins, model.frames), -80.0)
    x[:, 0, 0] = -10.0  # all other values cannot be heard
    loud, faint = x.clone(), x.clone()
    loud[0, 0, 0] += 3.0
    faint[0, 1, 1] += 5.0  # stays below -70 dB
    weight = model.counted(x, x)
    assert weight[0, 0, 0] == 1.0
    assert (weight.flatten(1).sum(1) - 1.0) / 0.1 == pytest.approx(x[0].numel() - 1)
    by_loud, by_faint = model.misfit(loud, x), model.misfit(faint, x)
    assert by_loud[1] == by_faint[1] == 0.0
    assert by_loud[0] > 9.0 / float(weight[0].sum())
    assert by_faint[0] < 3.0 / float(weight[0].sum())
    x[:, 1, 1] = -30.0
    assert model.counted(loud, x)[0, 1, 1] == 1.0


def test_free_bits_make_small_divergence_free() -> None:
    model = small()
    x, conditions = spectrograms(model), notes()
    torch.manual_seed(4)
    free = model.loss(x, conditions, beta=1.0, free_nats=1e6)
    torch.testing.assert_close(free.objective.detach(), free.reconstruction_nats + 1e6)


def test_center_is_the_flow_of_the_base_mean() -> None:
    model = small()
    posterior = model.posterior(spectrograms(model), notes())
    torch.testing.assert_close(posterior.center, model.flow(posterior.mean)[0])


def test_refining_fits_the_note_better_and_does_not_change_the_model() -> None:
    model, conditions = small(), Conditions.constant(60.0, 0.8)
    with torch.no_grad():
        x = model.decode(torch.randn(1, 4), conditions)
        posterior = model.posterior(x, conditions)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    better = refined(model, x, conditions, posterior, steps=40)
    with torch.no_grad():
        errors = [(model.decode(q.center, conditions) - x).square().mean() for q in (posterior, better.posterior)]
    assert errors[1] < 0.5 * errors[0]
    assert better.elbo_after > better.elbo_before
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
