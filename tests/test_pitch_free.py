"""Pitch-free terms: laws on points of which all is known."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.kernel_ridge import KernelRidge
from torch import Tensor, nn

from timbre.models.regularizers.labels import Labels
from timbre.models.regularizers.pitch import PairTerm, PitchedNotes, contrast

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


def filled(term: nn.Module, z: Tensor, labels: Labels) -> float:
    """The term's mean over batches, once it has seen all notes."""
    with torch.no_grad():
        values = [float(term(z[at], some(labels, at))) for at in torch.arange(len(z)).repeat(2).split(64)]
    return float(np.mean(values[len(values) // 2 :]))


def test_the_adversary_is_a_kernel_ridge_regression() -> None:
    z, labels = planted(0, "square")
    term = AdversaryTerm(DIM, 256)
    known, asked = some(labels, torch.arange(256)), torch.arange(256, NOTES)
    term(z[:256], known)

    def kernel(points: Tensor, instrument: Tensor) -> np.ndarray:
        """With the kept notes, written out note by note."""
        kept, owner, deviation = z[:256].numpy(), known.instrument.numpy(), z[:256].std(0).numpy() + 1e-6
        mean = {i: kept[owner == i].mean(0) for i in set(owner.tolist())}
        away = np.stack([x - mean[int(i)] for x, i in zip(kept, owner, strict=True)])
        within = np.sqrt(np.square(away).mean(0)) + 1e-2 * deviation
        rows = []
        for x, i in zip(points.numpy(), instrument.numpy(), strict=True):
            u, v = (x - mean[int(i)]) / within, away / within
            linear = v @ u / DIM
            near = np.exp(-np.square(u - v).sum(1) / DIM) + np.exp(-np.square((x - kept) / deviation).sum(1) / DIM)
            rows.append((linear * (1.0 + (owner == i)) + near) / 4.0)
        return np.stack(rows)

    ridge = KernelRidge(alpha=1.0, kernel="precomputed")
    ridge.fit(kernel(z[:256], known.instrument), known.residual.numpy() / 10.0)
    expected = ridge.predict(kernel(z[asked], labels.instrument[asked]))
    np.testing.assert_allclose(term.read(z[asked], labels.instrument[asked]), expected, atol=2e-3)


@pytest.mark.parametrize("sources", [0, 1, 3])
def test_the_contrast_is_its_formula(sources: int) -> None:
    z, labels = planted(0, "linear")
    source = torch.arange(NOTES) % 5 % sources if sources else torch.full((NOTES,), -1)
    notes, others = (
        PitchedNotes(z[:count], labels.instrument[:count], labels.pitch[:count], source[:count]) for count in (40, 120)
    )
    scale, values = 2.0 * float(z[:120].var(0).mean()), []
    for point, instrument, pitch, origin in zip(*notes, strict=True):
        gap, same = (others.pitch - pitch).abs(), others.instrument == instrument
        near = torch.stack([-(point - other).square().sum() / scale for other in others.points]).exp()
        rivals = near[~same & (gap <= 7.0)].mean()
        kinds = (same & (gap >= 2.0), same & (gap <= 2.0) & (others.source != origin))
        values += [near[own].mean().log() - rivals.log() for own in kinds if own.any()]
    assert (len(values) > 40) is (sources > 1)
    expected = torch.nn.functional.softplus(2.0 - torch.stack(values)).mean()
    torch.testing.assert_close(contrast(notes, others), expected, rtol=1e-4, atol=1e-5)
    columns = [z[:40].double().requires_grad_(), *notes[1:]]
    constant = others._replace(points=others.points.double())
    assert torch.autograd.gradcheck(lambda points: contrast(PitchedNotes(points, *columns[1:]), constant), columns[0])


def test_one_instrument_from_two_sources_is_drawn_together() -> None:
    """Its notes at the same pitch, which nothing else compares, fall towards each other's source."""
    z, labels = planted(1, "none")
    labels = labels._replace(pitch=torch.full((NOTES,), 60.0), source=torch.arange(NOTES) % 2)
    moved = (z + 2.0 * labels.source[:, None] * torch.eye(DIM)[0]).requires_grad_()
    term = PairTerm(DIM, 384)
    filled(term, moved, labels)
    term(moved, labels).backward()
    assert moved.grad is not None
    towards = (moved.grad * (2.0 * labels.source[:, None] - 1.0))[:, 0]  # downhill is against the gradient
    assert towards.mean() > 0.0
    alone = labels._replace(source=torch.zeros(NOTES, dtype=torch.long))
    assert PairTerm(DIM, 384)(moved, alone).item() == 0.0


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
