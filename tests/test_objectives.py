"""The objectives beside the evidence bound, and what regularizers are given."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from timbre.config import Config, DataConfig, ModelConfig, SpectrogramConfig, TrainingConfig
from timbre.models.conditions import Conditions
from timbre.models.discrepancy import DRAWS, SCALES, discrepancy
from timbre.models.flows import FLOWS, Flow
from timbre.models.vae import DISCREPANCY_WEIGHT, VAE, log_prior

CONFIG = Config(
    SpectrogramConfig(n_mels=32),
    DataConfig(duration=0.5),
    ModelConfig(dim=4, encoder_channels=16, decoder_channels=24, decoder_blocks=1, harmonics=8, dropout=0.0),
)


def model(objective: str = "vae", flow: str = "planar", flows: int = 2, amortised: bool = False) -> VAE:
    torch.manual_seed(0)
    shape = replace(CONFIG.model, flow=flow, flows=flows, amortised=amortised)
    return VAE(replace(CONFIG, model=shape, training=TrainingConfig(objective=objective)))


def some(net: VAE, batch: int = 3) -> tuple[torch.Tensor, Conditions]:
    x = -80.0 + 60.0 * torch.rand(batch, net.decoder.bins, net.frames)
    return x, Conditions(torch.full((batch,), 60.0), torch.full((batch,), 0.5), torch.full((batch,), 0.3))


@pytest.mark.parametrize("objective", ["vae", "wae", "ae"])
@pytest.mark.parametrize("kind", list(FLOWS))
@pytest.mark.parametrize("amortised", [False, True])
def test_every_kind_learns_under_every_objective(objective: str, kind: str, amortised: bool) -> None:
    net = model(objective, kind, 2, amortised)
    x, conditions = some(net)
    net.loss(x, conditions, beta=1.0, stride=3).objective.backward()
    learned = [(name, p) for name, p in net.named_parameters() if p.requires_grad]
    missing = [name for name, p in learned if p.grad is None or not torch.isfinite(p.grad).all()]
    assert missing == []


def test_autoencoder_decodes_its_point_and_has_no_divergence() -> None:
    net = model("ae").eval()
    x, conditions = some(net)
    first, second = net.loss(x, conditions, beta=7.0), net.loss(x, conditions, beta=0.0)
    assert torch.equal(first.objective, second.objective)
    assert first.kl_nats == 0.0
    posterior = net.posterior(x, conditions)
    error = net.decode(posterior.center, conditions) - x
    torch.testing.assert_close(first.rmse_db, error.square().mean().sqrt().detach())
    assert (posterior.sample()[0] - posterior.center).abs().max() < 0.05


def test_wasserstein_objective_has_the_discrepancy_in_place_of_the_divergence() -> None:
    net = model("wae").eval()
    x, conditions = some(net)
    torch.manual_seed(3)
    loss = net.loss(x, conditions, beta=0.5)
    torch.manual_seed(3)
    z, log_q = net.posterior(x, conditions).sample()
    penalty = DISCREPANCY_WEIGHT * net.evidence * discrepancy(z)
    torch.testing.assert_close(loss.objective, loss.reconstruction_nats + 0.5 * penalty, rtol=1e-5, atol=0.1)
    torch.testing.assert_close(loss.kl_nats, (log_q - log_prior(z)).mean().detach())


@pytest.mark.parametrize("objective", ["vae", "ae"])
def test_regularizer_sees_the_points_and_is_added(objective: str) -> None:
    net = model(objective).eval()
    x, conditions = some(net)
    seen = []

    def term(center: torch.Tensor) -> torch.Tensor:
        seen.append(center)
        return 100.0 * center.square().mean()

    torch.manual_seed(1)
    plain = net.loss(x, conditions, beta=1.0)
    torch.manual_seed(1)
    ordered = net.loss(x, conditions, beta=1.0, regularizer=term)
    torch.testing.assert_close(seen[0], net.posterior(x, conditions).center)
    assert seen[0].requires_grad
    assert ordered.regularization_nats > 0
    assert plain.regularization_nats == 0
    torch.testing.assert_close(ordered.objective, plain.objective + ordered.regularization_nats)
    torch.testing.assert_close(ordered.kl_nats, plain.kl_nats)


def test_a_flow_can_be_given_as_an_object() -> None:
    class Shift(Flow):
        def forward(self, z: torch.Tensor, parameters: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
            return z + 3.0, z.new_zeros(z.shape[:-1])

    plain = model(flows=0)
    torch.manual_seed(0)
    net = VAE(replace(CONFIG, model=replace(CONFIG.model, flows=0)), flow=Shift(4, 1, False, 0)).eval()
    net.load_state_dict(plain.state_dict(), strict=False)
    x, conditions = some(net)
    posterior = net.posterior(x, conditions)
    torch.testing.assert_close(posterior.center, posterior.mean + 3.0)


def test_discrepancy_is_the_one_of_the_paper() -> None:
    torch.manual_seed(0)
    z = torch.randn(5, 3, dtype=torch.float64) + 1.0
    torch.manual_seed(1)
    found = discrepancy(z)
    torch.manual_seed(1)
    prior = torch.randn(DRAWS, 3, dtype=torch.float64)

    def kernel(a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
        square = cdist(a.numpy(), b.numpy(), "sqeuclidean")
        return sum(6.0 * s / (6.0 * s + square) for s in SCALES)

    own, theirs = (np.triu(kernel(x, x), 1).sum() * 2 / (len(x) * (len(x) - 1)) for x in (z, prior))
    across = kernel(z, prior).mean()
    assert float(found) == pytest.approx(own + theirs - 2.0 * across, abs=1e-9)


def test_discrepancy_is_unbiased_and_sees_spread_and_place() -> None:
    torch.manual_seed(2)

    def mean(make: object) -> float:
        return float(torch.stack([discrepancy(make(torch.randn(16, 8))) for _ in range(50)]).mean())

    assert abs(mean(lambda z: z)) < 0.02
    assert mean(lambda z: 2.0 * z) > 0.1
    assert mean(lambda z: 0.5 * z) > 0.1
    assert mean(lambda z: z + 0.5) > 0.1


@given(st.integers(1, 4), st.integers(1, 5))
def test_discrepancy_is_finite_with_gradients_for_any_batch(batch: int, dim: int) -> None:
    z = torch.zeros(batch, dim, requires_grad=True)  # all points in one place
    value = discrepancy(z)
    assert torch.isfinite(value)
    assert torch.isfinite(torch.autograd.grad(value, z)[0]).all()


def test_objective_is_read_from_the_settings() -> None:
    config = Config()
    assert VAE(config).objective == "vae"
    changed = replace(config, training=replace(config.training, objective="wae"), model=replace(config.model, flows=0))
    assert VAE(changed).objective == "wae"
