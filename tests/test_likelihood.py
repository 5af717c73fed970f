"""Bounds on the likelihood, against a model whose likelihood is known."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from timbre.config import Config, DataConfig, ModelConfig, SpectrogramConfig, TrainingConfig
from timbre.errors import ConfigError, LibraryError
from timbre.evaluation.likelihood import elbo, iwae, iwae_per_note, log_weights, noise_level
from timbre.models.conditions import Conditions
from timbre.models.vae import VAE, Posterior
from timbre.space import Space
from timbre.training.batches import Batch

DIM, WIDTH, COUNT = 3, 2.0, 6


class Linear(VAE):
    """A VAE whose decoder is linear, so that p(x) is Gaussian; its posterior is off by a given factor in width."""

    def __init__(self, widening: float, shift: float, flow: str = "planar", flows: int = 0) -> None:
        torch.manual_seed(0)
        shape = ModelConfig(
            dim=DIM,
            flow=flow,
            flows=flows,
            settle=0,
            encoder_channels=8,
            decoder_channels=8,
            decoder_blocks=1,
            harmonics=0,
        )
        spectrogram = SpectrogramConfig(n_fft=64, hop_length=32, n_mels=4, sample_rate=1000)
        data, every = DataConfig(duration=0.06), TrainingConfig(audible_db=0.0)
        super().__init__(Config(spectrogram, data, shape, training=every))
        self.evidence.fill_(4 * self.frames)  # all values are independent
        self.widening, self.shift = widening, shift
        self.matrix = torch.randn(4 * self.frames, DIM)
        self.eval()

    def decode(self, z: Tensor, conditions: Conditions, frames: Tensor | None = None) -> Tensor:
        return (z @ self.matrix.T).unflatten(1, (4, self.frames))

    def posterior(self, spectrogram: Tensor, conditions: Conditions) -> Posterior:
        precision = torch.eye(DIM) + self.matrix.T @ self.matrix / WIDTH**2
        mean = spectrogram.flatten(1) @ self.matrix @ torch.linalg.inv(precision) / WIDTH**2
        log_std = -0.5 * precision.diagonal().log() + math.log(self.widening)
        return Posterior(mean + self.shift, log_std.expand_as(mean), self.flow, None)

    def log_likelihood(self, spectrogram: Tensor) -> Tensor:
        x, matrix = spectrogram.flatten(1).double(), self.matrix.double()
        covariance = matrix @ matrix.T + WIDTH**2 * torch.eye(x.shape[1], dtype=torch.float64)
        return torch.distributions.MultivariateNormal(torch.zeros_like(x[0]), covariance).log_prob(x)


class Given:
    """Notes drawn from such a model, in two batches."""

    def __init__(self, net: Linear, count: int = COUNT) -> None:
        torch.manual_seed(1)
        z = torch.randn(count, DIM)
        self.x = net.decode(z, conditions(count)) + WIDTH * torch.randn(count, 4, net.frames)

    def in_order(self) -> Iterator[Batch]:
        for x in self.x.split(4):
            yield Batch(x, conditions(len(x)), np.arange(len(x)), x)


def conditions(count: int) -> Conditions:
    return Conditions(torch.full((count,), 60.0), torch.full((count,), 0.5), torch.full((count,), 0.02))


def test_bound_converges_to_the_likelihood() -> None:
    net = Linear(1.2, 0.02)
    notes = Given(net)
    exact = -net.log_likelihood(notes.x)
    found = iwae_per_note(log_weights(net, notes, WIDTH, samples=5_000))
    torch.testing.assert_close(found, exact, rtol=0, atol=0.06)
    assert iwae(net, notes, WIDTH, samples=5_000) == pytest.approx(float(exact.mean()), abs=0.03)


def test_bound_falls_with_samples_and_never_below_the_likelihood() -> None:
    net = Linear(1.6, 0.05)
    notes = Given(net)
    weights = log_weights(net, notes, WIDTH, samples=8192)
    means = [float(iwae_per_note(weights.reshape(-1, count)).mean()) for count in (1, 4, 16, 64, 256)]
    assert means == sorted(means, reverse=True)
    assert means[0] == pytest.approx(float(-weights.mean()))
    assert means[-1] > float(-net.log_likelihood(notes.x).mean())
    assert means[0] - means[-1] > 0.2


def test_refined_bound_needs_one_sample_where_the_model_is_linear() -> None:
    """The Gaussian around the best point is the posterior itself then: every weight is p(x), from any start."""
    net = Linear(3.0, 0.7)
    notes = Given(net)
    weights = log_weights(net, notes, WIDTH, samples=5, refine=1)
    torch.testing.assert_close(weights, net.log_likelihood(notes.x)[:, None].expand(-1, 5), rtol=0, atol=0.01)


class Bent(Linear):
    """The same with a curved decoder: no posterior is Gaussian, and the likelihood is an integral."""

    def decode(self, z: Tensor, conditions: Conditions, frames: Tensor | None = None) -> Tensor:
        return super().decode(z + 0.2 * torch.sin(2.0 * z), conditions, frames)

    def log_likelihood(self, spectrogram: Tensor) -> Tensor:
        line = torch.linspace(-5.0, 5.0, 121)
        z = torch.cartesian_prod(line, line, line)
        decoded = self.decode(z, conditions(1)).flatten(1).double()
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(z.double()).sum(1) + DIM * math.log(
            float(line[1] - line[0])
        )
        noise = torch.distributions.Normal(0.0, WIDTH)
        return torch.stack([(noise.log_prob(x - decoded).sum(1) + prior).logsumexp(0) for x in spectrogram.flatten(1)])


def test_refined_bound_comes_to_the_likelihood_where_the_encoder_is_far_off() -> None:
    net = Bent(1.0, 1.5)
    notes = Given(net)
    exact = -net.log_likelihood(notes.x)
    weights = log_weights(net, notes, WIDTH, samples=2000, refine=8)
    torch.testing.assert_close(iwae_per_note(weights), exact, rtol=0, atol=0.05)
    share = (2.0 * weights.logsumexp(1) - (2.0 * weights).logsumexp(1)).exp() / 2000  # effective samples, Kong 1992
    assert (share > 0.1).all()
    assert (-weights.mean(1) < -log_weights(net, notes, WIDTH, samples=2000).mean(1)).all()


@pytest.mark.parametrize("kind", ["planar", "spline"])
def test_flows_keep_the_bound(kind: str) -> None:
    """The likelihood does not know of the posterior: with any flow, the bound comes to the same value."""
    net = Linear(1.8, 0.0, kind, 2)
    notes = Given(net)
    for parameter in net.flow.parameters():
        parameter.data *= 0.3
    exact = float(-net.log_likelihood(notes.x).mean())
    assert elbo(net, notes, WIDTH, samples=400) > exact + 0.1
    assert iwae(net, notes, WIDTH, samples=5_000) == pytest.approx(exact, abs=0.2)


def test_evidence_bound_is_the_analytic_one() -> None:
    net = Linear(1.0, 0.1)
    notes = Given(net)
    q = net.posterior(notes.x, conditions(COUNT))
    spread, matrix = (2.0 * q.log_std).exp(), net.matrix
    kl = 0.5 * (spread + q.mean.square() - 1.0 - 2.0 * q.log_std).sum(1)
    square = (notes.x.flatten(1) - q.mean @ matrix.T).square().sum(1) + (spread * matrix.square().sum(0)).sum(1)
    size = matrix.shape[0]
    expected = kl + 0.5 * square / WIDTH**2 + size * (0.5 * math.log(2.0 * math.pi) + math.log(WIDTH))
    assert elbo(net, notes, WIDTH, samples=5_000) == pytest.approx(float(expected.mean()), abs=0.05)
    level = noise_level(net, notes, samples=5_000)
    assert level == pytest.approx(math.sqrt(float(square.mean()) / size), rel=0.005)


def test_noise_level_is_the_most_likely_width_on_a_trained_space(tiny_space: Space, tiny_notes: Given) -> None:
    net = tiny_space.model
    level = noise_level(net, tiny_notes, samples=8)
    best, *others = (elbo(net, tiny_notes, width, samples=8) for width in (level, 0.97 * level, 1.03 * level))
    assert best < min(others)


def test_bounds_of_a_trained_space_are_in_order_and_repeat(tiny_space: Space, tiny_notes: Given) -> None:
    net = tiny_space.model
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    weights = log_weights(net, tiny_notes, 8.0, samples=40)
    assert torch.equal(torch.rand(1), expected)  # the caller's random numbers go on as if nothing had been measured
    assert weights.shape == (len(tiny_notes.x), 40)
    assert weights.dtype == torch.float64
    assert (iwae_per_note(weights) <= -weights.mean(1)).all()
    assert torch.equal(log_weights(net, tiny_notes, 8.0, samples=40), weights)
    assert iwae(net, tiny_notes, 8.0, samples=40) == float(iwae_per_note(weights).mean())


def test_weights_are_those_of_the_posterior_and_the_decoder(tiny_space: Space, tiny_notes: Given) -> None:
    net, width = tiny_space.model, 6.0
    weights = log_weights(net, tiny_notes, width, samples=400)
    found = next(tiny_notes.in_order())
    with torch.no_grad():
        posterior = net.posterior(found.spectrogram, found.conditions)
        drawn = []
        for _ in range(400):
            z, log_q = posterior.sample()
            error = net.misfit(net.decode(z, found.conditions), found.spectrogram).sqrt()
            normal = torch.distributions.Normal(0.0, width).log_prob(error)
            prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
            drawn.append(net.evidence * normal + prior - log_q)
    expected = torch.stack(drawn, 1).double()
    error = 4.0 * expected.std(1) / math.sqrt(200)
    assert ((weights[: len(expected)].mean(1) - expected.mean(1)).abs() < error).all()


@pytest.mark.parametrize("width", [0.0, -1.0, math.nan, math.inf])
def test_impossible_widths_are_refused(width: float) -> None:
    net = Linear(1.0, 0.0)
    with pytest.raises(ConfigError, match="must be above 0"):
        elbo(net, Given(net), width)


def test_no_samples_and_no_notes_are_refused() -> None:
    net = Linear(1.0, 0.0)
    with pytest.raises(ConfigError, match="1 or more"):
        iwae(net, Given(net), WIDTH, samples=0)
    nothing = Given(net)
    nothing.x = nothing.x[:0]
    nothing.in_order = lambda: iter(())  # type: ignore[method-assign]
    with pytest.raises(LibraryError, match="needs notes, got none"):
        noise_level(net, nothing)


@pytest.fixture(scope="module")
def tiny_notes(tiny_space: Space) -> Given:
    """Three notes that the space decodes, with noise on them."""
    notes = Given.__new__(Given)
    torch.manual_seed(3)
    with torch.no_grad():
        clean = tiny_space.model.decode(torch.randn(3, tiny_space.model.dim), conditions(3))
    notes.x = clean + 5.0 * torch.randn_like(clean)
    return notes
