"""Pitch-free terms: laws on points of which all is known."""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from timbre.models.regularizers.labels import Labels
from timbre.models.regularizers.pitch import PairTerm

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from _adversary import AdversaryTerm

DIM, INSTRUMENTS, NOTES = 6, 6, 384
TERMS = [PairTerm, AdversaryTerm]


def labelled(instrument: Tensor, residual: Tensor) -> Labels:
    size, pitch = len(instrument), 48.0 + 4.0 * instrument + residual
    nothing = torch.full((size,), -1)
    return Labels(
        instrument, nothing, pitch, residual, torch.full((size,), 0.5), torch.ones(size), torch.zeros(size, 0)
    )


def planted(seed: int, plant: str) -> tuple[Tensor, Labels]:
    """Clusters of instruments whose notes lie along a direction that says the residual: in what way, `plant` tells."""
    generator = torch.Generator().manual_seed(seed)
    place = 3.0 * torch.randn(INSTRUMENTS, DIM, generator=generator)
    instrument = torch.randint(INSTRUMENTS, (NOTES,), generator=generator)
    u = torch.rand(NOTES, generator=generator) * 2.0 - 1.0
    residual = {"linear": u, "square": 3.0 * u.square() - 1.0, "sign": u.sign(), "none": u}[plant] * 10.0
    means = torch.stack([residual[instrument == i].mean() for i in range(INSTRUMENTS)])
    noise = 0.3 * torch.randn(NOTES, DIM, generator=generator)
    z = place[instrument] + noise
    z[:, 0] = z[:, 0] * 0.2 + (0.0 if plant == "none" else 3.0) * u
    return z, labelled(instrument, residual - means[instrument])


def some(labels: Labels, at: Tensor) -> Labels:
    return Labels(*(field if field is None else field[at] for field in labels))


def descend(term: nn.Module, z: Tensor, labels: Labels, steps: int) -> Tensor:
    """Points after descent on the term alone, in batches."""
    z = z.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([z], lr=0.05)
    for step in range(steps):
        at = torch.from_numpy(np.random.default_rng(step).permutation(len(z))[:64])
        optimizer.zero_grad()
        term(z[at], some(labels, at)).backward()
        optimizer.step()
    return z.detach()


def filled(term: nn.Module, z: Tensor, labels: Labels) -> float:
    """The term's mean over batches, once it has seen all notes."""
    with torch.no_grad():
        values = [float(term(z[at], some(labels, at))) for at in torch.arange(len(z)).repeat(2).split(64)]
    return float(np.mean(values[len(values) // 2 :]))


def r2(z: Tensor, labels: Labels, kind: str) -> float:
    """R^2 on every third note of a probe fitted on the others."""
    x, y = StandardScaler().fit_transform(z.numpy()), labels.residual.numpy() / 10.0
    test = np.arange(len(x)) % 3 == 0
    mlp = MLPRegressor(hidden_layer_sizes=(64, 64), alpha=0.1, solver="lbfgs", max_iter=200, random_state=0)
    probe = RidgeCV(np.logspace(-2, 3, 6)) if kind == "linear" else mlp
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return float(probe.fit(x[~test], y[~test]).score(x[test], y[test]))


def neighbours(z: Tensor, instrument: Tensor) -> float:
    """Share of notes whose nearest other note is of the same instrument."""
    distance = torch.cdist(z, z).fill_diagonal_(torch.inf)
    return float((instrument[distance.argmin(1)] == instrument).float().mean())


@pytest.mark.parametrize(("plant", "kind"), [("linear", "linear"), ("square", "mlp"), ("sign", "mlp")])
def test_an_adversary_takes_planted_pitch_out_and_leaves_the_instruments(plant: str, kind: str) -> None:
    z, labels = planted(0, plant)
    assert r2(z, labels, kind) > 0.8
    moved = descend(AdversaryTerm(DIM, 256), z, labels, 200)
    assert r2(moved, labels, "linear") < 0.1
    assert r2(moved, labels, "mlp") < 0.1
    assert neighbours(moved, labels.instrument) > 0.95


def test_pairs_bring_the_pitches_of_an_instrument_together() -> None:
    z, labels = planted(0, "linear")
    z[:, 0] *= 3.0  # neighbours are now those of the same pitch, whatever the instrument
    moved = descend(PairTerm(DIM, 384), z, labels, 400)
    far = (labels.residual.unsqueeze(1) - labels.residual).abs() > 6.0
    same = labels.instrument.unsqueeze(1) == labels.instrument

    def share(points: Tensor) -> float:
        distance = torch.cdist(points, points)
        return float(distance[same & far].mean() / distance[~same].mean())

    assert share(moved) < 0.6 * share(z)
    assert neighbours(moved, labels.instrument) > 0.95


def test_an_adversary_without_anything_to_read_costs_next_to_nothing() -> None:
    cost = {}
    for plant in ("linear", "none"):
        z, labels = planted(1, plant)
        cost[plant] = filled(AdversaryTerm(DIM, 384), z, labels) - filled(PairTerm(DIM, 384), z, labels)
    assert cost["linear"] > 100.0
    assert 0.0 <= cost["none"] < 0.15 * cost["linear"]  # not 0: it has seen these notes before


@pytest.mark.parametrize("kind", TERMS)
@settings(max_examples=10)
@given(scale=st.floats(0.05, 50.0), shift=st.floats(-3.0, 3.0))
def test_the_size_and_the_place_of_the_space_do_not_matter(
    kind: Callable[..., nn.Module], scale: float, shift: float
) -> None:
    z, labels = planted(2, "linear")
    assert filled(kind(DIM, 384), scale * (z + shift), labels) == pytest.approx(
        filled(kind(DIM, 384), z, labels), rel=0.02
    )


@pytest.mark.parametrize("kind", TERMS)
def test_a_batch_without_pitch_gives_zero_and_no_gradient(kind: Callable[..., nn.Module]) -> None:
    z, labels = planted(3, "linear")
    term = kind(DIM, 384)
    for unknown in (
        labels._replace(pitch=torch.full((NOTES,), torch.nan), residual=torch.full((NOTES,), torch.nan)),
        labels._replace(instrument=torch.full((NOTES,), -1)),
    ):
        before = {name: value.clone() for name, value in term.state_dict().items()}
        points = z.clone().requires_grad_(True)
        value = term(points, unknown)
        value.backward()
        assert value.item() == 0.0
        assert not points.grad.any()
        assert all(torch.equal(before[name], value) for name, value in term.state_dict().items())
        filled(term, z, labels)  # the same holds with a full memory


@pytest.mark.parametrize("kind", TERMS)
def test_notes_of_unknown_pitch_or_instrument_are_passed_over(kind: Callable[..., nn.Module]) -> None:
    z, labels = planted(4, "linear")
    hidden = torch.arange(NOTES) % 4 == 0
    nowhere = labels.residual.masked_fill(hidden, torch.nan)
    strangers = labels.instrument.masked_fill(torch.arange(NOTES) % 4 == 1, -1)
    marked = labels._replace(residual=nowhere, instrument=strangers)
    kept = torch.arange(NOTES) % 4 >= 2
    points = z.clone().requires_grad_(True)
    one, other = kind(DIM, 384), kind(DIM, 384)
    value = one(points, marked)
    assert 2.0 * value.item() == pytest.approx(other(z[kept], some(labels, kept)).item(), rel=1e-5)
    value.backward()
    assert points.grad[kept].any(1).all()
    assert not points.grad[~kept].any()
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("kind", TERMS)
def test_a_term_goes_on_from_its_state(kind: Callable[..., nn.Module]) -> None:
    z, labels = planted(5, "sign")
    one, other = kind(DIM, 100), kind(DIM, 100)  # smaller than the notes: the oldest are written over
    filled(one, z, labels)
    other.load_state_dict(one.state_dict())
    for at in torch.arange(NOTES).split(50):
        gradients = []
        for term in (one, other):
            points = z[at].clone().requires_grad_(True)
            term(points, some(labels, at)).backward()
            gradients.append(points.grad)
        assert torch.equal(*gradients)
        assert gradients[0].any()
    assert not list(one.parameters())  # nothing for the model's optimizer to find


def test_the_memory_holds_the_last_notes() -> None:
    z, labels = planted(6, "none")
    term = PairTerm(DIM, 100)
    term(z, labels)
    assert term.recent.count == 100
    assert {tuple(row) for row in term.recent.points.tolist()} == {tuple(row) for row in z[-100:].tolist()}
