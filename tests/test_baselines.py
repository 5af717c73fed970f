"""The baselines of the ablation: exact densities, the published network, what it learns."""

import copy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from timbre.config import Config
from timbre.data import Library
from timbre.data.features.table import Features, features

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import _baselines
from _baselines import LATENTS, LOUD_DB, PCA, Dafx18, notes_of, student, sustained


def gaussian_notes(count: int, bins: int, frames: int, rank: int, seed: int) -> np.ndarray:
    """Notes around -40 dB with `rank` strong directions and noise."""
    random = np.random.default_rng(seed)
    mix = 5.0 * random.standard_normal((rank, bins * frames))
    flat = random.standard_normal((count, rank)) @ mix + random.standard_normal((count, bins * frames)) - 40.0
    return flat.reshape(count, bins, frames).astype(np.float32)


@pytest.fixture(scope="module")
def table(some_notes: Library, tiny_config: Config) -> Features:
    return features(some_notes, tiny_config)


# --- probabilistic PCA ---


@settings(max_examples=15)
@given(dim=st.integers(1, 5), width=st.floats(0.3, 20.0), seed=st.integers(0, 99))
def test_the_density_of_pca_is_that_of_its_covariance(dim: int, width: float, seed: int) -> None:
    notes = gaussian_notes(40, 4, 3, 3, seed)
    pca = PCA(notes[:30], notes[30:], dim)
    loaded = np.maximum(pca.deviations**2 - width**2, 0.0)
    covariance = (pca.components.T * loaded) @ pca.components + width**2 * np.eye(12)
    wanted = multivariate_normal(pca.mean, covariance).logpdf(notes.reshape(40, -1))
    np.testing.assert_allclose(pca.nats(notes, width), -wanted, rtol=1e-4)


def test_with_many_notes_pca_is_scikit_learn_s_with_few_its_noise_is_that_of_maximum_likelihood() -> None:
    from sklearn.decomposition import PCA as Principal

    notes = gaussian_notes(200, 4, 3, 3, 0)
    flat, pca, peer = notes.reshape(200, -1), PCA(notes, notes, 3), Principal(3, svd_solver="full")
    peer.fit(flat)
    assert pca.width_training == pytest.approx(np.sqrt(peer.noise_variance_), rel=1e-4)
    np.testing.assert_allclose(pca.nats(notes, pca.width_training), -peer.score_samples(flat), rtol=1e-4)
    np.testing.assert_allclose(np.abs(pca.encode(notes)), np.abs(peer.transform(flat)), atol=1e-3)

    few = gaussian_notes(12, 8, 5, 3, 1)  # of 40 values: scikit-learn shares the rest among 12 - 3 eigenvalues, not 37
    eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(few.reshape(12, -1).T)))
    assert PCA(few, few, 3).width_training == pytest.approx(np.sqrt(eigenvalues[:-3].mean()), rel=1e-4)


def test_no_other_width_is_as_likely_on_the_validation_notes() -> None:
    notes = gaussian_notes(60, 8, 5, 4, 0)
    pca = PCA(notes[:20], notes[20:], 3)
    assert pca.width > 1.2 * pca.width_training
    best = pca.nats(notes[20:]).mean()
    assert best < min(pca.nats(notes[20:], factor * pca.width).mean() for factor in (0.9, 0.99, 1.01, 1.1))


def test_pca_meets_notes_better_with_more_components_and_stays_above_the_floor(
    table: Features, tiny_config: Config
) -> None:
    train, test = notes_of(table, "train"), notes_of(table, "test")
    errors, bounds = [], []
    for dim in (1, 4, 12):
        pca = PCA.fit(table, replace(tiny_config, model=replace(tiny_config.model, dim=dim)))
        points = pca.encode(train)
        assert points.shape == (len(train), dim)
        np.testing.assert_allclose((points / pca.deviations).std(0, ddof=1), 1.0, rtol=1e-3)
        decoded = pca.reconstruct(test)
        assert decoded.min() >= tiny_config.spectrogram.floor_db
        np.testing.assert_array_equal(decoded, pca.decode(pca.encode(test)))
        errors.append(np.abs(decoded - test).mean())
        bounds.append(pca.nats(test).mean())
    assert errors == sorted(errors, reverse=True)
    assert bounds == sorted(bounds, reverse=True)


# --- DAFx-18 ---


def test_the_network_is_the_published_one() -> None:
    model = Dafx18(168, 10)  # its ERB scale had 168 bands
    sizes = [[m.in_features, m.out_features] for m in model.modules() if isinstance(m, torch.nn.Linear)]
    assert sizes == [
        *([168, 2000], [2000, 2000], [2000, 2000], [2000, 128]),
        *([64, 2000], [2000, 2000], [2000, 2000], [2000, 336]),
    ]
    assert sum(isinstance(m, torch.nn.ReLU) for m in model.modules()) == 6
    weights = 2 * (2 * 2000 * 2001) + 169 * 2000 + 2001 * 128 + 65 * 2000 + 2001 * 336
    assert sum(p.numel() for p in model.parameters()) == weights


def test_the_sustained_frame_is_in_the_middle_of_what_is_loud() -> None:
    note = np.full((4, 40), -80.0, np.float32)
    note[1, 10:31] = -20.0
    note[1, 12] = -20.0 + LOUD_DB - 0.1
    note[2] = np.arange(40) - 80.0
    np.testing.assert_array_equal(sustained(note[None])[0], note[:, 20])


@settings(max_examples=20)
@given(count=st.integers(2, 7), seed=st.integers(0, 99))
def test_the_regularizer_is_its_formula(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    z, target = random.standard_normal((count, 5)), random.standard_normal((count, 3))
    wanted, s = 0.0, 1.0 / np.sqrt(2.0)
    for i in range(count):
        others = [j for j in range(count) if j != i]
        own = np.array([np.exp(-np.sum((z[i] - z[j]) ** 2) / (2.0 * s**2)) for j in others])
        rated = np.array([1.0 / (1.0 + np.sum((target[i] - target[j]) ** 2)) for j in others])
        own, rated = own / own.sum(), rated / rated.sum()
        wanted += np.sum(own * np.log(own / rated))
    found = student(torch.from_numpy(z), torch.from_numpy(target))
    assert float(found) == pytest.approx(wanted, abs=1e-9)
    assert float(student(torch.from_numpy(z[:1]), torch.from_numpy(target[:1]))) == 0.0


@pytest.fixture(scope="module")
def trained(table: Features, tiny_config: Config) -> Dafx18:
    """Smaller than the published one, and hardly trained, so that the test is quick."""
    return Dafx18.fit(table, tiny_config, 0, epochs=3, units=128)


def test_its_loss_is_the_bound_and_the_seed_decides(trained: Dafx18, table: Features, tiny_config: Config) -> None:
    frames = torch.from_numpy(sustained(notes_of(table, "test")))
    torch.manual_seed(0)
    loss, points = trained.loss(frames, 2.0)
    torch.manual_seed(0)
    mean, log_std = trained.posterior(frames)
    posterior, prior = torch.distributions.Normal(mean, log_std.exp()), torch.distributions.Normal(0.0, 1.0)
    likelihood = torch.distributions.Normal(*trained.predict(mean + log_std.exp() * torch.randn_like(mean)))
    kl = torch.distributions.kl_divergence(posterior, prior).sum(-1)
    torch.testing.assert_close(loss, (2.0 * kl - likelihood.log_prob(frames).sum(-1)).mean(), rtol=1e-4, atol=1e-3)
    assert torch.equal(points, mean)
    one, same, other = (Dafx18.fit(table, tiny_config, seed, epochs=2, units=16).losses for seed in (0, 0, 1))
    assert one == same != other


def test_a_note_is_the_path_of_its_frames_or_one_point_held(trained: Dafx18, table: Features) -> None:
    test = notes_of(table, "test")
    points, count = trained.encode(test), test.shape[2]
    assert points.shape == (len(test), LATENTS)
    held = trained.decode(points)
    assert held.shape == test.shape
    np.testing.assert_array_equal(held, held[:, :, :1].repeat(count, 2))
    np.testing.assert_allclose(trained.decode(points[:, None].repeat(count, 1)), held, atol=1e-3)
    still = sustained(test)[:, :, None].repeat(count, 2)
    np.testing.assert_allclose(trained.reconstruct(still), held, atol=1e-3)
    errors, path = trained.errors(test), trained.reconstruct(test)
    assert errors["frame_l1_db"] == pytest.approx(np.abs(held[:, :, 0] - sustained(test)).mean(), rel=1e-5)
    assert errors["path_rmse_db"] == pytest.approx(np.sqrt(np.square(path - test).mean()), rel=1e-4)


def test_its_bound_is_that_of_importance_weighting(trained: Dafx18, table: Features) -> None:
    """Written out with torch's densities; and at most the mean of the bounds of its draws one by one (Jensen)."""
    note, normal = notes_of(table, "test")[0], torch.distributions.Normal
    frames = torch.from_numpy(note.T)
    mean, log_std = trained.posterior(frames)
    noise = torch.randn(16, *mean.shape, generator=torch.Generator().manual_seed(0))
    z = mean + log_std.exp() * noise
    weight = normal(trained.predict(z)[0], trained.width).log_prob(frames).double().sum(-1)
    weight = weight + (normal(0.0, 1.0).log_prob(z) - normal(mean, log_std.exp()).log_prob(z)).double().sum(-1)
    bound = float(trained.nats(note[None], 16)[0])
    assert bound == pytest.approx(float((np.log(16) - weight.logsumexp(0)).sum()), rel=1e-4)
    assert bound <= float(-weight.mean(0).sum()) + 1e-3


def test_the_second_stage_adds_the_ratings_to_the_loss(
    table: Features, tiny_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_baselines, "BATCH", 1000)  # one step
    frames = torch.from_numpy(sustained(notes_of(table, "train")))
    target = torch.randn(len(frames), 2, generator=torch.Generator().manual_seed(0))
    target[::3] = torch.nan
    model = Dafx18.fit(table, tiny_config, 0, epochs=1, units=16).requires_grad_(True)
    other = copy.deepcopy(model)
    torch.manual_seed(4)
    model._learn(frames, 1, target)
    torch.manual_seed(4)
    order, rated = torch.randperm(len(frames)), ~target.isnan().any(1)
    loss, points = other.loss(frames[order], _baselines.BETA)
    chosen = rated[order]
    loss = loss + _baselines.ALPHA * student(points[chosen], target[order][chosen]) / len(frames)
    optimizer = torch.optim.Adam(other.parameters(), lr=_baselines.RATE, fused=True)
    loss.backward()
    optimizer.step()
    for mine, reference in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, reference, rtol=0, atol=1e-6)
