"""Regularizers that follow listeners: zero where the space agrees, descent makes it agree, labels by number only."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist, squareform

from timbre.models.regularizers.labels import Labels
from timbre.models.regularizers.perceptual import (
    FORMS,
    KEPT,
    ItemPoints,
    MetricTerm,
    PriorTerm,
    RatingsTerm,
    SumOfTerms,
    distances,
)

ITEMS, DIM = 7, 5


def labels(item, features=None, pitch=None, duration=2.0):
    item = torch.as_tensor(item)
    unknown = torch.full((len(item),), torch.nan)
    pitch = unknown if pitch is None else torch.as_tensor(pitch, dtype=torch.float32)
    duration = torch.zeros(len(item)) + torch.as_tensor(duration)
    return Labels(item, item, pitch, unknown, unknown, duration, torch.zeros(len(item), 0), features)


def ratings(seed=0, items=ITEMS, dim=3):
    """Dissimilarities of random places, all equally reliable."""
    places = np.random.default_rng(seed).standard_normal((items, dim))
    return torch.from_numpy(squareform(pdist(places))), torch.ones(items, items, dtype=torch.float64)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_agree_with_finite_differences(form):
    target, weight = ratings()
    places = torch.randn(ITEMS, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    apart = weight * ~torch.eye(ITEMS, dtype=torch.bool)

    def value(z):
        return FORMS[form](distances(z, places), target, apart)

    assert torch.autograd.gradcheck(value, 0.5 * places + 1.0 + 0.1 * places.flip(0).requires_grad_())


@pytest.mark.parametrize("form", FORMS)
def test_other_dimensions_are_left_alone(form):
    target, weight = ratings()
    term, z = RatingsTerm(form, target, weight, DIM, 3), torch.randn(ITEMS, DIM, requires_grad=True)
    term(z, labels(range(ITEMS))).backward()
    assert (z.grad[:, :3] != 0.0).any()
    assert (z.grad[:, 3:] == 0.0).all()


@pytest.mark.parametrize("form", ["l2", "gaussian"])
def test_proportional_distances_cost_nothing(form):
    distance = torch.rand(ITEMS, ITEMS, dtype=torch.float64)
    assert float(FORMS[form](distance, 3.0 * distance, torch.ones(ITEMS, ITEMS))) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_a_space_that_agrees_costs_less_than_one_that_does_not(form):
    places = torch.randn(ITEMS, DIM, generator=torch.Generator().manual_seed(1))
    target = torch.cdist(places, places).double()
    costs = []
    for z in (places, places[torch.randperm(ITEMS, generator=torch.Generator().manual_seed(2))]):
        term = RatingsTerm(form, target, torch.ones_like(target), DIM)
        term(z, labels(range(ITEMS)))  # places are those that were seen last
        costs.append(float(term(z, labels(range(ITEMS)))))
    assert costs[0] < 0.5 * costs[1]


@pytest.mark.parametrize("form", FORMS)
def test_ratings_are_read_by_item_whatever_the_order_of_the_notes(form):
    target, weight = ratings(3)
    z = torch.randn(ITEMS, DIM)
    order = torch.randperm(ITEMS)
    values = []
    for number in (torch.arange(ITEMS), order):
        term = RatingsTerm(form, target, weight, DIM)
        term(z[number], labels(number))
        values.append(float(term(z[number], labels(number))))
    assert values[0] == pytest.approx(values[1], rel=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_unrated_pairs_and_notes_count_for_nothing(form):
    target, weight = ratings(4)
    target[0] = target[:, 0] = torch.nan
    z = torch.randn(ITEMS, DIM, requires_grad=True)
    term = RatingsTerm(form, target, weight, DIM)
    item = torch.arange(ITEMS)
    item[1] = -1
    term(z, labels(item))
    value = term(z, labels(item))
    value.backward()
    assert torch.isfinite(value)
    assert torch.equal(z.grad[:2], torch.zeros(2, DIM))  # the first is unrated, the second no item
    assert z.grad[2:].abs().sum() > 0


@pytest.mark.parametrize("form", FORMS)
def test_a_batch_without_rated_notes_is_free(form):
    target, weight = ratings()
    z = torch.randn(4, DIM, requires_grad=True)
    value = RatingsTerm(form, target, weight, DIM)(z, labels([-1] * 4))
    value.backward()
    assert float(value.detach()) == 0.0
    assert not z.grad.any()


@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10))
@settings(max_examples=20, deadline=None)
def test_the_unit_of_the_ratings_is_free(seed, scale):
    target, weight = ratings(seed)
    z = torch.randn(ITEMS, DIM, generator=torch.Generator().manual_seed(seed))
    for form in FORMS:
        values = []
        for factor in (1.0, scale):
            term = RatingsTerm(form, target * factor, weight, DIM)
            term(z, labels(range(ITEMS)))
            values.append(float(term(z, labels(range(ITEMS)))))
        if form != "rank":  # there, the ratings' own gaps are weights, of which only the ratio counts
            assert values[0] == pytest.approx(values[1], rel=1e-3, abs=1e-3)
        else:
            assert values[0] == pytest.approx(values[1], rel=1e-3)


def test_the_student_form_is_the_papers():
    """KL(D^z_i || D^T_i), D^z ~ exp(-d^2 / 2 s^2) with s^2 = 1/2, D^T ~ 1 / (1 + T^2), in units of mean distances."""
    target, weight = ratings(5)
    z = torch.randn(ITEMS, DIM, dtype=torch.float64)
    d, t = distances(z, z).numpy(), target.numpy()
    apart = ~np.eye(ITEMS, dtype=bool)
    d, t = d / d[apart].mean(), t / t[apart].mean()
    divergence = []
    for i in range(ITEMS):
        p, q = np.exp(-(d[i, apart[i]] ** 2)), 1 / (1 + t[i, apart[i]] ** 2)
        p, q = p / p.sum(), q / q.sum()
        divergence.append((p * np.log(p / q)).sum())
    weight = weight * torch.from_numpy(apart)
    assert float(FORMS["student"](distances(z, z), target, weight)) == pytest.approx(np.mean(divergence), rel=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_ratings_of_no_reliability_decide_nothing(form):
    target, _ = ratings(6)
    other, _ = ratings(7)
    trusted = torch.arange(ITEMS) < 4
    both = torch.outer(trusted, trusted)
    z = torch.randn(ITEMS, DIM, generator=torch.Generator().manual_seed(0))
    values = []
    for mixed in (target, torch.where(both, target, other)):
        term = RatingsTerm(form, mixed, both.double(), DIM)
        term(z, labels(range(ITEMS)))
        values.append(float(term(z, labels(range(ITEMS)))))
    assert values[0] == values[1] > 0


def test_places_remember_items_that_a_batch_does_not_hold():
    places = ItemPoints(3, 2, keep=0.5)
    places.update(torch.tensor([[1.0, 1.0], [3.0, 1.0]]), torch.tensor([0, 0]))
    places.update(torch.tensor([[4.0, 3.0], [9.0, 9.0]]), torch.tensor([0, -1]))
    assert places.points.tolist() == [[3.0, 2.0], [0.0, 0.0], [0.0, 0.0]]
    assert places.seen.tolist() == [1.0, 0.0, 0.0]


def test_the_prior_form_is_a_gaussian_around_each_items_place():
    places = torch.randn(ITEMS, 3)
    term = PriorTerm(places)
    z = torch.randn(ITEMS, DIM)
    centred = places - places.mean(0)
    unit = centred / centred.square().mean().sqrt()
    normal = torch.distributions.Normal
    gain = normal(0.0, 1.0).log_prob(z[:, :3]) - normal(unit, 1.0).log_prob(z[:, :3])
    assert float(term(z, labels(range(ITEMS)))) == pytest.approx(float(gain.sum(1).mean()), rel=1e-4)


def test_metric_is_least_where_distances_are_proportional_and_the_unit_is_free():
    torch.manual_seed(0)
    z, features, found = torch.randn(24, 8), torch.randn(24, 6) @ torch.randn(6, 40), []
    for seen, unit in ((features, 1.0), (features, 4.0), (5.0 * torch.nn.functional.pad(z, (0, 32)), 1.0)):
        term = MetricTerm(8, 40)
        for _ in range(2):  # the first time there is nothing to compare with
            value = term(unit * z, labels(range(24), seen, [60.0] * 24))
        found.append(float(value))
    assert found[1] == pytest.approx(found[0], rel=1e-3)
    assert 0.0 <= found[2] < 1e-3 * found[0]


def test_metric_compares_notes_near_in_pitch_and_duration_only():
    torch.manual_seed(0)
    pictures, z = torch.randn(8, 10), torch.randn(8, 4, requires_grad=True)
    far, near, long = [20.0 * k for k in range(8)], [60.0 + k for k in range(8)], [2.0] * 8
    shorter = [0.01 * 16.0**k for k in range(8)]
    for pitch, duration, compared in ((far, long, False), (near, long, True), (near, shorter, False)):
        term = MetricTerm(4, 10)
        term(z.detach(), labels(range(8), pictures, pitch, duration))
        value = term(z, labels(range(8), pictures, pitch, duration))
        (gradient,) = torch.autograd.grad(value, z)
        assert bool(gradient.abs().max() > 1e-3) == compared


def test_metric_keeps_the_latest_notes_and_resumes_exactly():
    torch.manual_seed(0)
    term = MetricTerm(3, 5)
    for _ in range(KEPT // 50 + 2):
        term(torch.randn(50, 3), labels(range(50), torch.randn(50, 5), [60.0] * 50))
    last = torch.randn(50, 3)
    term(last, labels(range(50), torch.randn(50, 5), [60.0] * 50))
    assert term.points.shape == (KEPT, 3)
    assert torch.equal(term.points[:50], last)
    again = MetricTerm(3, 5)
    again.load_state_dict(term.state_dict())
    batch = torch.randn(9, 3), labels(range(9), torch.randn(9, 5), [61.0] * 9)
    assert torch.equal(term(*batch), again(*batch))


def test_distances_are_euclidean_with_a_gradient_where_they_vanish():
    a = torch.randn(4, 3, requires_grad=True)
    found = distances(a, a)
    found.sum().backward()
    assert torch.isfinite(a.grad).all()
    np.testing.assert_allclose(found.detach(), cdist(a.detach(), a.detach()), atol=2e-3)


def test_terms_add_up():
    target, weight = ratings()
    pictures, z = torch.rand(ITEMS, 4), torch.randn(ITEMS, DIM, requires_grad=True)
    found = labels(range(ITEMS), features=pictures, pitch=[60.0] * ITEMS)

    def both():
        return MetricTerm(DIM, 4), RatingsTerm("rank", target, weight, DIM)

    together, apart = SumOfTerms(both()), both()
    for _ in range(2):  # the first time there is nothing to compare with
        value = together(z, found)
        expected = [term(z, found) for term in apart]
    assert all(part > 0 for part in expected)
    torch.testing.assert_close(value, sum(expected))
