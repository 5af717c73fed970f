"""Agreement with listeners: definitions counted out by hand, references, laws, refusals, known answers."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import ndcg_score, pairwise_distances

from timbre.errors import ConfigError
from timbre.evaluation.metrics.agreement import (
    Agreement,
    agreement,
    euclidean,
    kendall,
    ndcg,
    pearson,
    permutation_p,
    spearman,
    triplet_agreement,
)

RANKED = [spearman, kendall, triplet_agreement, ndcg]
EVERY = [pearson, *RANKED]
NAMES = ["pearson", "spearman", "kendall", "triplet_agreement", "ndcg"]


def symmetric(n: int, seed: int, ties: bool = False, unrated: float = 0.0) -> np.ndarray:
    """A random symmetric matrix (n, n) with zeros on its diagonal; with ties, of whole numbers; NaN where unrated."""
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.integers(0, 5, (n, n)).astype(float) if ties else rng.random((n, n)), 1)
    upper[np.triu(rng.random((n, n)) < unrated, 1)] = np.nan
    return upper + upper.T


def pairs(distances: np.ndarray, rated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kept = [(i, j) for i, j in combinations(range(len(rated)), 2) if not np.isnan(rated[i, j])]
    return np.array([distances[i, j] for i, j in kept]), np.array([rated[i, j] for i, j in kept])


def triplets(distances: np.ndarray, rated: np.ndarray, threshold: float) -> list[list[float]]:
    """Every triplet, one by one, by anchor."""
    low, high = np.nanmin(pairs(distances, rated)[1]), np.nanmax(pairs(distances, rated)[1])
    every = []
    for anchor in range(len(rated)):
        agreed: list[float] = []
        for b, c in combinations([k for k in range(len(rated)) if k != anchor], 2):
            difference = (rated[anchor, b] - rated[anchor, c]) / (high - low)
            if np.isnan(difference) or abs(difference) <= threshold + 1e-9:
                continue
            seen = np.sign(distances[anchor, b] - distances[anchor, c])
            agreed.append(0.5 if seen == 0 else float(seen == np.sign(difference)))
        every.append(agreed)
    return every


def share(triplets_by_anchor: list[list[float]]) -> float:
    found = [value for one in triplets_by_anchor for value in one]
    return float(np.mean(found)) if found else np.nan


studies = st.tuples(st.integers(4, 9), st.integers(0, 10_000), st.booleans(), st.sampled_from([0.0, 0.3]))


def drawn(study: tuple[int, int, bool, float]) -> tuple[np.ndarray, np.ndarray]:
    n, seed, ties, unrated = study
    return symmetric(n, seed, ties), symmetric(n, seed + 1, ties, unrated)


# --- definitions and references


@given(studies)
@settings(max_examples=50)
def test_correlations_are_those_of_scipy_over_the_rated_pairs(study: tuple[int, int, bool, float]) -> None:
    near, rated = drawn(study)
    first, second = pairs(near, rated)
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        assert np.isnan([pearson(near, rated), spearman(near, rated), kendall(near, rated)]).all()
        return
    assert pearson(near, rated) == pytest.approx(stats.pearsonr(first, second).statistic, abs=1e-12)
    assert spearman(near, rated) == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-12)
    assert kendall(near, rated) == pytest.approx(stats.kendalltau(first, second).statistic, abs=1e-12)


@given(studies, st.sampled_from([0.0, 0.1, 0.25, 0.5]))
def test_triplets_are_those_counted_one_by_one(study: tuple[int, int, bool, float], threshold: float) -> None:
    near, rated = drawn(study)
    known = pairs(near, rated)[1]
    if len(known) < 2 or np.ptp(known) == 0:
        assert np.isnan(triplet_agreement(near, rated, threshold))
    else:
        expected = share(triplets(near, rated, threshold))
        assert triplet_agreement(near, rated, threshold) == pytest.approx(expected, nan_ok=True)


def test_triplets_are_a_mean_over_triplets_not_over_anchors() -> None:
    near, rated = symmetric(8, 0), symmetric(8, 1)
    rated[0, 3:] = rated[3:, 0] = np.nan  # two rated pairs, and so one triplet, of anchor 0
    every = triplets(near, rated, 0.1)
    assert triplet_agreement(near, rated) == pytest.approx(share(every))
    assert abs(share(every) - np.mean([np.mean(one) for one in every if one])) > 0.01


def test_triplets_at_exactly_the_threshold_do_not_count() -> None:
    assert 0.4 - 0.3 > 0.1  # in binary
    none = np.nan
    rated = np.array([[0, 0, 0.4, 0.3], [0, 0, 1.0, none], [0.4, 1.0, 0, none], [0.3, none, none, 0]])
    near = np.array([[0, 1.0, 0.95, 0.9], [1.0, 0, 0.1, 1.0], [0.95, 0.1, 0, 1.0], [0.9, 1.0, 1.0, 0]])
    assert triplet_agreement(near, rated, 0.1) == 0.0  # of anchor 0, only 2 and 3 stand as listeners have them
    assert triplet_agreement(near, rated, 0.09) == 0.2


@given(st.integers(4, 9), st.integers(0, 10_000), st.booleans())
@settings(max_examples=30)
def test_ndcg_is_that_of_sklearn_over_all_anchors(n: int, seed: int, ties: bool) -> None:
    near, rated = symmetric(n, seed, ties), symmetric(n, seed + 1)
    off = ~np.eye(n, dtype=bool)
    low, high = rated[off].min(), rated[off].max()
    gains = 1 - (rated[off].reshape(n, -1) - low) / (high - low)
    assert ndcg(near, rated) == pytest.approx(ndcg_score(gains, -near[off].reshape(n, -1)))


def test_ndcg_by_hand() -> None:
    rated = np.array([[0, 0.0, 0.5, 1.0], [0.0, 0, np.nan, np.nan], [0.5, np.nan, 0, np.nan], [1.0, np.nan, np.nan, 0]])
    near = np.array([[0, 3.0, 2.0, 1.0], [3.0, 0, 1.0, 1.0], [2.0, 1.0, 0, 1.0], [1.0, 1.0, 1.0, 0]])
    best = 1.0 + 0.5 / np.log2(3)  # gains 1, .5 and 0 of the first anchor; the others have one rated item each
    assert ndcg(near, rated) == pytest.approx((0.5 / np.log2(3) + 1.0 / np.log2(4)) / best)


def test_chance_of_ndcg_is_high() -> None:
    found = [ndcg(symmetric(16, seed), symmetric(16, 1000 + seed)) for seed in range(20)]
    assert 0.75 < np.mean(found) < 0.9


@given(st.integers(2, 12), st.integers(1, 6), st.integers(0, 1000))
def test_euclidean_is_that_of_sklearn(n: int, dim: int, seed: int) -> None:
    points = np.random.default_rng(seed).standard_normal((n, dim))
    np.testing.assert_allclose(euclidean(points), pairwise_distances(points, metric="l1" if dim == 1 else "euclidean"))
    np.testing.assert_array_equal(euclidean(points, dim), euclidean(points, 0))
    np.testing.assert_array_equal(euclidean(np.c_[points, points], dim), euclidean(points))
    assert euclidean(points[:0]).shape == (0, 0)


# --- known answers


def test_the_best_and_the_worst_spaces() -> None:
    rated = symmetric(12, 0)
    assert agreement(rated, rated) == Agreement(*[pytest.approx(1.0)] * 5)
    worst = agreement(2.0 - rated, rated)
    assert worst.triplet_agreement == 0.0
    assert (worst.pearson, worst.spearman, worst.kendall) == (pytest.approx(-1.0),) * 3
    assert worst.ndcg < 0.8


def test_random_spaces_agree_by_chance() -> None:
    rng = np.random.default_rng(0)
    found = [agreement(euclidean(rng.standard_normal((16, 4))), symmetric(16, seed)) for seed in range(30)]
    assert np.mean([one.triplet_agreement for one in found]) == pytest.approx(0.5, abs=0.03)
    for name in ("pearson", "spearman", "kendall"):
        assert np.mean([getattr(one, name) for one in found]) == pytest.approx(0.0, abs=0.05)


def test_agreement_holds_every_measure() -> None:
    near, rated = symmetric(7, 3), symmetric(7, 4, unrated=0.2)
    found = agreement(near, rated)
    assert [getattr(found, name) for name in NAMES] == [measure(near, rated) for measure in EVERY]


def test_a_collapsed_space_says_nothing() -> None:
    rated, nothing = symmetric(6, 0), np.zeros((6, 6))
    found = agreement(nothing, rated)
    assert np.isnan([found.pearson, found.spearman, found.kendall]).all()
    assert found.triplet_agreement == 0.5
    assert np.isnan([measure(rated, nothing) for measure in EVERY]).all()
    assert np.isnan([measure(rated, np.full((6, 6), np.nan)) for measure in EVERY]).all()
    assert np.isnan(permutation_p(nothing, rated, 9))


# --- laws


@pytest.mark.parametrize("measure", RANKED)
@pytest.mark.parametrize(
    "change", [np.sqrt, np.square, np.log1p, lambda d: 7 * d + 2], ids=["sqrt", "square", "log1p", "affine"]
)
@given(study=studies)
@settings(max_examples=15)
def test_order_alone_counts(
    measure: Callable[..., float], change: Callable[[np.ndarray], np.ndarray], study: tuple[int, int, bool, float]
) -> None:
    near, rated = drawn(study)
    assert measure(change(near), rated) == pytest.approx(measure(near, rated), abs=1e-12, nan_ok=True)


def test_pearson_does_not_only_count_order() -> None:
    near, rated = symmetric(9, 0), symmetric(9, 1)
    assert abs(pearson(np.exp(4 * near), rated) - pearson(near, rated)) > 0.01


@pytest.mark.parametrize("measure", EVERY)
@given(study=studies, seed=st.integers(0, 100))
@settings(max_examples=15)
def test_neither_order_of_items_nor_the_listeners_scale_counts(
    measure: Callable[..., float], study: tuple[int, int, bool, float], seed: int
) -> None:
    near, rated = drawn(study)
    found = measure(near, rated)
    order = np.random.default_rng(seed).permutation(len(near))
    moved = np.ix_(order, order)
    assert measure(near[moved], rated[moved]) == pytest.approx(found, nan_ok=True)
    assert measure(near, 8 * rated) == pytest.approx(found, nan_ok=True)
    assert measure(near.astype(np.float32), rated) == pytest.approx(found, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("measure", EVERY)
def test_the_diagonal_is_not_looked_at(measure: Callable[..., float]) -> None:
    near, rated = symmetric(6, 0), symmetric(6, 1)
    found = measure(near, rated)
    np.fill_diagonal(rated, np.nan)
    np.fill_diagonal(near, 5.0)
    assert measure(near, rated) == found
    np.fill_diagonal(rated, 9.0)
    assert measure(near, rated) == found


# --- the permutation test


def test_permutations_find_what_is_there_and_no_more() -> None:
    rated = symmetric(10, 0)
    assert permutation_p(rated, rated, 199) == pytest.approx(1 / 200)
    assert permutation_p(1 - rated, rated, 199) == pytest.approx(1.0)
    assert permutation_p(rated, rated, 199, seed=1) == permutation_p(rated, rated, 199, seed=1)


def test_permutations_of_unrelated_spaces_are_uniform() -> None:
    found = [permutation_p(symmetric(7, s), symmetric(7, 500 + s, unrated=0.2), 39, seed=s) for s in range(60)]
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_permutations_are_those_of_the_items() -> None:
    """With four items all 24 orders can be listed; the share that does as well is what the sample estimates."""
    from itertools import permutations

    near, rated = symmetric(4, 3), symmetric(4, 8)
    true = spearman(near, rated)
    every = [spearman(near[np.ix_(order, order)], rated) for order in permutations(range(4))]
    expected = np.mean(np.array(every) >= true - 1e-12)
    assert 0 < expected < 1
    assert permutation_p(near, rated, 1000) == pytest.approx(expected, abs=0.04)


@pytest.mark.parametrize("unrated", [0.0, 0.3])
def test_permutations_see_order_alone(unrated: float) -> None:
    for seed in range(3):
        near, rated = symmetric(8, seed), symmetric(8, 90 + seed, unrated=unrated)
        assert permutation_p(np.exp(9 * near), rated, 99) == permutation_p(near, rated, 99)
        assert permutation_p(near, rated**5, 99) == permutation_p(near, rated, 99)


# --- refusals


@pytest.mark.parametrize("measure", [*EVERY, agreement, permutation_p])
def test_matrices_that_cannot_be_are_refused(measure: Callable[..., object]) -> None:
    good = symmetric(5, 0)
    crooked, infinite, unknown = good.copy(), good.copy(), good.copy()
    crooked[0, 1] += 0.1
    infinite[0, 1] = infinite[1, 0] = np.inf
    unknown[0, 1] = unknown[1, 0] = np.nan
    half = good.copy()
    half[0, 1] = np.nan
    for near, rated, words in (
        (good[:4], good, r"distances must be a square matrix \(n, n\), got shape \(4, 5\)"),
        (good, good[0], r"dissimilarities must be a square matrix \(n, n\), got shape \(5,\)"),
        (good, symmetric(6, 0), "the same items, got 5 and 6"),
        (crooked, good, "distances must be symmetric"),
        (good, crooked, "dissimilarities must be symmetric"),
        (good, half, "dissimilarities must be symmetric"),
        (infinite, good, "distances must be finite, got inf"),
        (good, infinite, "dissimilarities must be finite, got inf"),
        (unknown, good, "Distances must be finite, got NaN"),
    ):
        with pytest.raises(ConfigError, match=words):
            measure(near, rated)


def test_few_items_and_odd_arguments_are_refused() -> None:
    few, good = symmetric(3, 0), symmetric(5, 0)
    with pytest.raises(ConfigError, match="4 items or more, got 3"):
        agreement(few, few)
    assert spearman(few, few) == pytest.approx(1.0)
    for threshold in (-0.1, 1.0, np.nan):
        with pytest.raises(ConfigError, match="threshold must be"):
            triplet_agreement(good, good, threshold)
    with pytest.raises(ConfigError, match="1 or more, got 0"):
        permutation_p(good, good, 0)
    for points, dims in ((np.zeros(3), None), (np.full((3, 2), np.nan), None), (np.zeros((3, 2)), 3), (np.eye(2), -1)):
        with pytest.raises(ConfigError):
            euclidean(points, dims)
