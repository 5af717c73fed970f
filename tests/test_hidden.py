"""Notes of which a part is hidden, in `benchmarks/_hidden.py`: what is seen, and bounds where the truth is known."""

import math
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from timbre.config import Config
from timbre.models.conditions import Conditions
from timbre.models.flows import make_flow
from timbre.models.vae import VAE, Posterior
from timbre.training.batches import Batch

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from _hidden import HIDDEN, MEASURED, Hiding, Truth, bounds, started

DIM, NOTES = 3, 4


def batch_of(config: Config, seed: int = 0) -> Batch:
    levels = torch.randn(
        NOTES, config.spectrogram.bins, config.note_frames, generator=torch.Generator().manual_seed(seed)
    )
    controls = Conditions(torch.full((NOTES,), 60.0), torch.full((NOTES,), 0.5), torch.full((NOTES,), math.inf))
    spectrogram = 10.0 * levels - 60.0
    return Batch(spectrogram, controls, np.arange(NOTES), spectrogram)


def test_what_is_hidden_is_neither_seen_nor_evidence(tiny_config: Config) -> None:
    batch, hiding = batch_of(tiny_config), Hiding(tiny_config)
    x, middle = batch.spectrogram, tiny_config.note_frames // 2
    seen = hiding(batch, ["nothing", "pitch", "half", "noise"], np.random.default_rng(1))
    audible = x > x.amax((1, 2), keepdim=True) - tiny_config.training.audible_db
    torch.testing.assert_close(seen.levels[:2], x[:2].clamp_min(tiny_config.spectrogram.floor_db))
    assert torch.equal(seen.weight[:2].bool(), audible[:2])
    assert torch.equal(seen.conditions.pitch.isnan(), torch.tensor([False, True, False, False]))
    halves = [seen.levels[2, :, :middle], seen.levels[2, :, middle:]]
    hidden = [bool((half == tiny_config.spectrogram.floor_db).all()) for half in halves]
    assert sum(hidden) == 1
    weights = [seen.weight[2, :, :middle], seen.weight[2, :, middle:]]
    assert weights[hidden.index(True)].sum() == 0 < weights[hidden.index(False)].sum()
    assert (seen.levels[3] > x[3]).float().mean() > 0.9
    masked = seen.weight[3] < audible[3]
    assert x[3][masked].mean() < x[3][seen.weight[3].bool()].mean()
    assert seen.share[0] == 1.0
    assert ((seen.share[2:] > 0) & (seen.share[2:] < 1)).all()


class Linear:
    """A decoder that is linear in z, and the exact posterior of notes under it; one width for all values."""

    def __init__(self, config: Config, evidence: float, width: float, error: float = 0.0) -> None:
        self.frames, generator = config.note_frames, torch.Generator().manual_seed(3)
        self.matrix = 5.0 * torch.randn(DIM, config.spectrogram.bins, self.frames, generator=generator)
        self.evidence, self.width, self.error = torch.tensor(evidence), width, error
        self.batch, self.seen = batch_of(config), None

    def decode(self, z: Tensor, conditions: Any, frames: Tensor) -> Tensor:
        return torch.einsum("nd,dbf->nbf", z, self.matrix[:, :, frames]) - 60.0

    def parts(self, row: int) -> tuple[Tensor, Tensor, float]:
        """Precision (dim, dim) and linear term (dim,) of log p(y | z), and its value at z = 0."""
        frames = torch.arange(0, self.frames, MEASURED)
        weight = self.seen.weight[row][:, frames]
        scale = float(self.evidence * self.seen.share[row] / self.width**2) / float(weight.sum())
        a, x = self.matrix[:, :, frames], self.batch.spectrogram[row][:, frames] + 60.0
        number = float(self.evidence * self.seen.share[row]) * (math.log(2.0 * math.pi) + 2.0 * math.log(self.width))
        at_0 = -0.5 * (number + scale * float((weight * x.square()).sum()))
        return scale * torch.einsum("dbf,ebf,bf->de", a, a, weight), scale * (a * weight * x).sum((1, 2)), at_0

    def exact(self, row: int) -> float:
        """-log p(y), nats."""
        precision, term, at_0 = self.parts(row)
        both = torch.eye(DIM) + precision
        return -float(at_0 + 0.5 * term @ torch.linalg.solve(both, term) - 0.5 * torch.logdet(both))

    def posterior(self, levels: Tensor, conditions: Any) -> Posterior:
        means, stds = [], []
        for row in range(NOTES):
            precision, term, _ = self.parts(row)
            both = torch.eye(DIM) + precision
            means.append(torch.linalg.solve(both, term))
            stds.append(torch.linalg.cholesky(torch.linalg.inv(both)).diagonal())
        mean = torch.stack(means) + self.error
        return Posterior(mean, torch.stack(stds).log(), make_flow("planar", DIM, 0), None)


@pytest.mark.parametrize("kind", HIDDEN)
def test_bounds_meet_the_exact_likelihood_of_a_linear_decoder(tiny_config: Config, kind: str) -> None:
    model = Linear(tiny_config, 30.0, 20.0)
    model.matrix[1:, :, :] *= 0.0  # one direction is known, the others are the prior: the posterior is diagonal
    hiding = Hiding(tiny_config)
    model.seen = hiding(model.batch, [kind] * NOTES, np.random.default_rng(model.batch.rows.tolist()))
    notes = SimpleNamespace(in_order=lambda: iter([model.batch]))
    exact = np.mean([model.exact(row) for row in range(NOTES)])
    found = bounds(Truth(model, 20.0), model, notes, hiding, kind, 50)
    assert found["elbo_nats"] == pytest.approx(exact, abs=1e-2)
    assert found["gap_nats"] == pytest.approx(0.0, abs=1e-2)
    assert found["effective_samples"] == pytest.approx(50.0, rel=1e-2)
    model.error = 0.5
    worse = bounds(Truth(model, 20.0), model, notes, hiding, kind, 2000)
    assert worse["elbo_nats"] > exact + 0.2
    assert worse["iwae_nats"] == pytest.approx(exact, abs=0.5 * (worse["elbo_nats"] - exact))


def test_a_refitted_model_starts_from_the_trained_one(tiny_config: Config) -> None:
    old = VAE(tiny_config)
    model = replace(tiny_config.model, flow="sylvester", flows=2, amortised=True)
    new = started(old, replace(tiny_config, model=model), seed=0).eval()
    old.eval()
    batch = batch_of(tiny_config)
    before, after = (net.posterior(batch.spectrogram, batch.conditions) for net in (old, new))
    torch.testing.assert_close(after.mean, before.mean)
    torch.testing.assert_close(after.log_std, before.log_std)
    assert after.parameters is not None
