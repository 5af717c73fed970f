"""Measures of a space's order: definitions counted out, references, laws, refusals, known answers."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import silhouette_samples, silhouette_score

from timbre.errors import ConfigError
from timbre.evaluation.metrics.latent import (
    active_units,
    collapsed,
    cross_pitch_consistency,
    monotonicity,
    neighbour_accuracy,
    residual_pitch,
    silhouette,
    silhouette_within_pitch,
    smoothness,
    straightness,
)

Notes = tuple[np.ndarray, np.ndarray, np.ndarray]


def notes(n: int, seed: int, dim: int = 3, kinds: int = 3, grid: bool = False) -> Notes:
    """Random points (n, dim), instruments and pitches, one in five unpitched; on a grid, many distances are equal."""
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 2, (n, dim)).astype(float) if grid else rng.standard_normal((n, dim))
    pitches = np.where(rng.random(n) < 0.2, np.nan, rng.integers(60, 68, n) + rng.uniform(-0.4, 0.4, n))
    return points, rng.choice([f"instrument {k}" for k in range(kinds)], n), pitches


drawn = st.builds(notes, st.integers(0, 14), st.integers(0, 10_000), grid=st.booleans())


def distance(points: np.ndarray, a: int, b: int) -> float:
    return float(np.sqrt(np.square(points[a] - points[b]).sum()))


# --- dimensions in use


def test_active_units_of_a_posterior_that_uses_five_dimensions() -> None:
    rng = np.random.default_rng(0)
    scale = np.r_[np.full(5, 0.9), np.full(11, 0.03)]
    means = 3.0 + scale * rng.standard_normal((2000, 16))
    assert active_units(means) == 5
    assert active_units(means, 1e-4) == 16
    assert active_units(means, 1.0) == 0
    assert active_units(np.full((4, 16), 2.0)) == 0


def test_active_units_take_variance_and_not_deviation() -> None:
    means = np.outer([-1.0, 1.0], np.sqrt([0.0101, 0.0099]))
    assert active_units(means) == 1


@pytest.mark.parametrize(
    ("active", "kl", "words"),
    [
        (16, 90.0, None),
        (8, 40.0, None),
        (16, None, None),
        (16, np.nan, None),
        (7, 40.0, "partly collapsed: 7 of 16"),
        (7, None, "partly collapsed: 7 of 16"),
        (16, 0.3, "has collapsed: 16 of 16 dimensions are in use and a note's point contains 0.3 nats;"),
        (0, 90.0, "has collapsed: 0 of 16"),
        (0, None, "has collapsed: 0 of 16 dimensions are in use;"),
    ],
)
def test_collapse_is_said_in_one_sentence(active: int, kl: float | None, words: str | None) -> None:
    said = collapsed(active, kl, 16)
    if words is None:
        assert said is None
    else:
        assert said is not None
        assert words in said


# --- groups


@given(drawn)
def test_silhouette_is_that_of_sklearn(some: Notes) -> None:
    points, labels, _ = some
    if 2 <= len(set(labels)) < len(labels):
        assert silhouette(points, labels) == pytest.approx(silhouette_score(points, labels))
    else:
        assert np.isnan(silhouette(points, labels))


@given(drawn, st.integers(0, 3))
def test_silhouettes_within_pitch_are_those_counted_one_by_one(some: Notes, width: int) -> None:
    points, labels, pitches = some
    found = []
    for i in range(len(points)):
        near = [j for j in range(len(points)) if j != i and abs(np.round(pitches[j]) - np.round(pitches[i])) <= width]
        to = {kind: [distance(points, i, j) for j in near if labels[j] == kind] for kind in set(labels)}
        others = [np.mean(values) for kind, values in to.items() if values and kind != labels[i]]
        if to[labels[i]] and others:
            a, b = np.mean(to[labels[i]]), min(others)
            found.append((b - a) / max(a, b) if max(a, b) else 0.0)
    expected = np.mean(found) if found else np.nan
    assert silhouette_within_pitch(points, labels, pitches, width) == pytest.approx(expected, nan_ok=True)


def test_within_pitch_is_plain_silhouette_where_all_notes_have_one_pitch() -> None:
    points, labels, _ = notes(1200, 1)  # more than are held at a time
    pitches = np.full(len(points), 60.2)
    assert silhouette_within_pitch(points, labels, pitches) == pytest.approx(silhouette_samples(points, labels).mean())


def test_an_instrument_strung_out_by_pitch_is_a_group_within_pitch_only() -> None:
    pitches = np.tile(np.arange(48.0, 72.0), 4)
    labels = np.repeat(["oboe", "oboe", "flute", "flute"], 24)
    points = np.c_[pitches, labels == "oboe", np.repeat([0, 0.1, 0, 0.1], 24)]
    assert silhouette(points, labels) < 0.1
    assert silhouette_within_pitch(points, labels, pitches, 0) > 0.8


@pytest.mark.parametrize("k", [1, 2, 5])
def test_neighbours_are_the_nearest(k: int) -> None:
    points, labels, _ = notes(60, 0)
    known, known_labels, _ = notes(80, 1)
    right = []
    for point, label in zip(points, labels, strict=True):
        votes = list(known_labels[np.argsort(np.square(known - point).sum(1))[:k]])
        right.append(min(set(votes), key=lambda kind: (-votes.count(kind), kind)) == label)
    assert neighbour_accuracy(points, labels, known, known_labels, k) == pytest.approx(np.mean(right))


def test_no_note_is_its_own_neighbour() -> None:
    points, labels, _ = notes(40, 0)
    apart = [np.delete(np.arange(40), i) for i in range(40)]
    each = [neighbour_accuracy(points[[i]], labels[[i]], points[r], labels[r]) for i, r in enumerate(apart)]
    assert neighbour_accuracy(points, labels, points, labels) == pytest.approx(np.mean(each))
    assert neighbour_accuracy(points, labels, points.copy(), labels) == pytest.approx(np.mean(each))
    assert np.mean(each) < 0.7
    assert neighbour_accuracy(points[:39], labels[:39], points, labels) == 1.0


def test_neighbours_that_are_not_there() -> None:
    points, _, _ = notes(6, 0)
    assert neighbour_accuracy(points, ["oboe"] * 6, points + 0.1, ["flute"] * 6) == 0.0
    assert np.isnan(neighbour_accuracy(points[:0], [], points, ["flute"] * 6))


# --- pitch


def test_residual_pitch_takes_the_mean_of_known_notes_off() -> None:
    pitches = [60.0, 64.0, np.nan, 40.0, 44.0, 70.0, np.nan]
    instruments = ["oboe", "oboe", "oboe", "tuba", "tuba", "flute", "gong"]
    np.testing.assert_allclose(residual_pitch(pitches, instruments), [-2, 2, np.nan, -2, 2, 0, np.nan])
    known = np.array([True, False, True, True, True, False, True])
    np.testing.assert_allclose(residual_pitch(pitches, instruments, known), [0, 4, np.nan, -2, 2, np.nan, np.nan])
    assert residual_pitch([], []).shape == (0,)


@given(drawn)
def test_residual_pitch_does_not_see_an_instruments_range(some: Notes) -> None:
    _, instruments, pitches = some
    lower = np.where(instruments == "instrument 1", pitches - 24, pitches)
    found = residual_pitch(pitches, instruments)
    np.testing.assert_allclose(residual_pitch(lower, instruments), found, atol=1e-9)
    for kind in set(instruments[np.isfinite(found)]):
        assert np.nanmean(found[instruments == kind]) == pytest.approx(0.0, abs=1e-9)


@given(drawn)
def test_cross_pitch_triplets_are_those_counted_one_by_one(some: Notes) -> None:
    points, instruments, pitches = some
    rounded, found = np.round(pitches), []
    for a, b, c in product(range(len(points)), repeat=3):
        own = instruments[a] == instruments[b] and abs(rounded[a] - rounded[b]) >= 3
        if own and instruments[a] != instruments[c] and abs(rounded[a] - rounded[c]) <= 2:
            near, far = distance(points, a, b), distance(points, a, c)
            found.append(0.5 if near == far else float(near < far))
    expected = np.mean(found) if found else np.nan
    assert cross_pitch_consistency(points, instruments, pitches) == pytest.approx(expected, nan_ok=True)


def test_spaces_of_pitch_and_of_instrument_are_the_two_ends() -> None:
    instruments = np.repeat(["oboe", "flute", "tuba"], 20)
    pitches = np.tile(np.arange(50.0, 70.0), 3)
    of_instrument = 10.0 * np.repeat(np.eye(3), 20, axis=0)
    of_pitch = np.c_[pitches, pitches]
    assert cross_pitch_consistency(of_instrument + 0.01 * of_pitch[:, :1], instruments, pitches) == 1.0
    assert cross_pitch_consistency(of_pitch + 1e-3 * of_instrument[:, :1], instruments, pitches) == 0.0
    assert cross_pitch_consistency(np.zeros((60, 2)), instruments, pitches) == 0.5
    rng = np.random.default_rng(0)
    random = [cross_pitch_consistency(rng.standard_normal((60, 4)), instruments, pitches) for _ in range(20)]
    assert np.mean(random) == pytest.approx(0.5, abs=0.03)


# --- paths


@given(st.integers(1, 4), st.integers(2, 9), st.integers(1, 5), st.integers(0, 1000))
def test_straightness_is_chord_over_way(n: int, steps: int, dim: int, seed: int) -> None:
    path = np.random.default_rng(seed).standard_normal((n, steps, dim))
    for one, found in zip(path, straightness(path), strict=True):
        way = sum(np.linalg.norm(one[k + 1] - one[k]) for k in range(steps - 1))
        assert found == pytest.approx(np.linalg.norm(one[-1] - one[0]) / way)
        assert 0 <= found <= 1


def test_straightness_by_hand() -> None:
    line = np.linspace(0, 1, 7)[:, None] ** 2 * [3.0, -1.0]
    bent, back, still = [[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]], [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]], np.ones((3, 2))
    assert straightness(line[None]) == pytest.approx([1.0])
    np.testing.assert_allclose(straightness([bent, back, still]), [5 / 7, 0.0, np.nan])


@given(st.integers(0, 4), st.integers(2, 9), st.integers(0, 1000))
def test_monotonicity_is_the_rank_correlation_with_the_step(n: int, steps: int, seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal((n, steps))
    expected = [stats.spearmanr(row, np.arange(steps)).statistic for row in values]
    np.testing.assert_allclose(monotonicity(values), expected, atol=1e-12)
    np.testing.assert_allclose(monotonicity(np.exp(values)), expected, atol=1e-12)
    np.testing.assert_allclose(monotonicity(-values), -monotonicity(values), atol=1e-12)


def test_monotonicity_by_hand() -> None:
    values = [[1, 2, 50, 51], [4, 3, 2, -9], [5, 5, 5, 5], [1, np.nan, 2, 3], [np.nan, np.nan, np.nan, 1]]
    np.testing.assert_allclose(monotonicity(values), [1, -1, np.nan, 1, np.nan])


def test_smoothness_by_hand() -> None:
    assert smoothness([[2.0, 2.0, 2.0], [7.0, 7.0, 7.0]]) == 0.0  # each path is even, however long
    assert smoothness([[0.0, 0.0, 6.0, 0.0, 0.0]]) == pytest.approx(np.sqrt(4))
    assert smoothness([[1.0, 3.0], [0.0, 0.0], [2.0, 2.0]]) == pytest.approx((0.5 + 0.0) / 2)
    assert np.isnan(smoothness([[0.0, 0.0]]))
    rows = np.random.default_rng(0).random((6, 9))
    assert smoothness(rows) == pytest.approx(stats.variation(rows, axis=1).mean())
    assert smoothness(10 * rows) == pytest.approx(smoothness(rows))


# --- laws, refusals

GROUPED: list[Callable[..., float]] = [
    lambda x, y, p: silhouette(x, y),
    silhouette_within_pitch,
    cross_pitch_consistency,
    lambda x, y, p: neighbour_accuracy(x, y, x, y),
]


@pytest.mark.parametrize("measure", GROUPED)
@given(seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_neither_order_of_notes_nor_a_turn_of_the_space_counts(measure: Callable[..., float], seed: int) -> None:
    points, labels, pitches = notes(25, seed)
    rng = np.random.default_rng(seed)
    order, turn = rng.permutation(25), np.linalg.qr(rng.standard_normal((3, 3)))[0]
    found = measure(points, labels, pitches)
    assert measure(points[order], labels[order], pitches[order]) == pytest.approx(found, nan_ok=True)
    assert measure(3 * points @ turn + 1, labels, pitches) == pytest.approx(found, nan_ok=True)
    numbers = np.unique(labels, return_inverse=True)[1]
    assert measure(points.tolist(), tuple(numbers), pitches) == pytest.approx(found, nan_ok=True)


@pytest.mark.parametrize("measure", GROUPED[1:3])
def test_unpitched_notes_do_not_count(measure: Callable[..., float]) -> None:
    points, labels, pitches = notes(40, 2)
    has = np.isfinite(pitches)
    assert measure(points, labels, pitches) == measure(points[has], labels[has], pitches[has])
    assert np.isnan(measure(points[~has], labels[~has], pitches[~has]))


@given(drawn)
def test_every_figure_is_within_its_range_or_is_nan(some: Notes) -> None:
    points, labels, pitches = some
    for found, low in (
        (silhouette(points, labels), -1.0),
        (silhouette_within_pitch(points, labels, pitches), -1.0),
        (cross_pitch_consistency(points, labels, pitches), 0.0),
        (neighbour_accuracy(points, labels, points, labels) if len(points) > 1 else np.nan, 0.0),
    ):
        assert np.isnan(found) or low <= found <= 1.0
    assert 0 <= active_units([*points, *points, [0.0] * 3, [1.0] * 3]) <= 3


@given(drawn)
def test_subtracting_means_never_widens_pitch(some: Notes) -> None:
    _, instruments, pitches = some
    if np.isfinite(pitches).any():
        assert np.nanvar(residual_pitch(pitches, instruments)) <= np.nanvar(pitches) + 1e-9


def test_neighbours_know_instruments_that_lie_apart_and_none_that_are_shuffled() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([f"instrument {k}" for k in range(5)], 60)
    apart = 10.0 * np.repeat(np.eye(5), 60, axis=0) + rng.standard_normal((300, 5))
    assert neighbour_accuracy(apart, labels, apart, labels) == 1.0
    assert silhouette(apart, labels) > 0.5
    shuffled = rng.permutation(labels)
    assert neighbour_accuracy(apart, shuffled, apart, shuffled) == pytest.approx(0.2, abs=0.08)
    assert silhouette(apart, shuffled) == pytest.approx(0.0, abs=0.1)


def test_what_cannot_be_is_refused() -> None:
    points, labels, pitches = notes(30, 0)
    broken = points.copy()
    broken[3, 1] = np.nan
    known = np.ones(30, bool)
    for call, words in (
        (lambda: active_units(points[:1]), "2 notes or more, got 1"),
        (lambda: active_units(points[0]), r"shape \(3,\)"),
        (lambda: active_units(broken), "NaN or infinite"),
        (lambda: silhouette(broken, labels), "NaN or infinite"),
        (lambda: silhouette(points, labels[1:]), r"30 notes must have one value each, got values of shape \(29,\)"),
        (lambda: silhouette_within_pitch(points, labels, pitches[1:]), r"shape \(29,\)"),
        (lambda: cross_pitch_consistency(points, labels[1:], pitches), r"shape \(29,\)"),
        (lambda: neighbour_accuracy(points, labels, points[:, :2], labels), "3 and 2 dimensions"),
        (lambda: neighbour_accuracy(points, labels, points[:0], []), "from 1 to 0"),
        (lambda: neighbour_accuracy(points, labels, points, labels, 30), "other notes, got 30"),
        (lambda: neighbour_accuracy(points, labels, points, labels, 0), "got 0"),
        (lambda: residual_pitch(points, labels), r"shape \(30, 3\)"),
        (lambda: residual_pitch(pitches, labels[1:]), r"shape \(29,\)"),
        (lambda: residual_pitch(pitches, labels, known[1:]), "a bool for each note"),
        (lambda: residual_pitch(pitches, labels, np.arange(30)), "a bool for each note"),
        (lambda: straightness(points), r"shape \(30, 3\)"),
        (lambda: straightness(points[:, None]), "2 steps"),
        (lambda: straightness(broken[None]), "finite"),
        (lambda: monotonicity(pitches), r"shape \(30,\)"),
        (lambda: smoothness(points), "negative or NaN"),
        (lambda: smoothness(pitches[:4, None]), "negative or NaN"),
    ):
        with np.errstate(divide="ignore"), pytest.raises(ConfigError, match=words):
            call()
