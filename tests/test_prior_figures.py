"""Figures of the prior: distances of distributions against references, laws of the KL bound, and faulty sounds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist

from timbre.errors import ConfigError
from timbre.evaluation._geometry import source_out
from timbre.evaluation.metrics.distributions import density_coverage, frechet, gaussian_kl
from timbre.evaluation.metrics.sounds import loudest_db
from timbre.evaluation.notes import QUICK
from timbre.evaluation.prior import LibraryFeatures, faulty, mean_std, midpoints, prior_figures
from timbre.space import Atlas, Space
from timbre.space.aggregate import AggregatePosterior

RATE = 22050
LIBRARY = [
    0.1 * np.random.default_rng(seed).standard_normal(RATE) * np.exp(-np.linspace(0, 3, RATE)) for seed in range(12)
]


def normal(count: int, dim: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dim))


def turned(points: np.ndarray, seed: int) -> np.ndarray:
    turn, _ = np.linalg.qr(normal(points.shape[1], points.shape[1], seed))
    return points @ turn


class TestFrechet:
    @pytest.mark.parametrize(("dim", "count"), [(1, 5), (3, 40), (6, 4)])
    def test_it_is_the_formula_with_scipys_root(self, dim: int, count: int) -> None:
        x, y = normal(count, dim) * np.arange(1, dim + 1), turned(normal(2 * count, dim, 1), 2) + 0.5
        a, b = (np.atleast_2d(np.cov(points.T, bias=True)) for points in (x, y))
        wanted = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b - 2.0 * sqrtm(a @ b).real)
        assert frechet(x, y) == pytest.approx(wanted, abs=1e-6)

    @settings(max_examples=20)
    @given(st.integers(2, 30), st.integers(1, 4), st.integers(0, 99), st.floats(-3.0, 3.0))
    def test_laws(self, count: int, dim: int, seed: int, shift: float) -> None:
        x, y = normal(count, dim, seed), 2.0 * normal(count + 3, dim, seed + 1) + 1.0
        assert frechet(x, x) == pytest.approx(0.0, abs=1e-9)
        assert frechet(x, y) == pytest.approx(frechet(y, x), abs=1e-9)
        assert frechet(turned(x, seed), turned(y, seed)) == pytest.approx(frechet(x, y), abs=1e-8)
        assert frechet(x, x + shift) == pytest.approx(dim * shift**2, abs=1e-8)

    def test_two_halves_of_a_gaussian_are_as_far_apart_as_the_docstring_says(self) -> None:
        dim, count = 8, 250
        found = np.mean([frechet(normal(count, dim, n), normal(count, dim, 100 + n)) for n in range(20)]) / dim
        assert found == pytest.approx((1 + (dim + 1) / 4) * 2 / count, rel=0.15)

    def test_twice_the_width_is_told_apart(self) -> None:
        assert frechet(normal(4000), 2.0 * normal(4000, seed=1)) == pytest.approx(3.0, abs=0.2)


class TestDensityAndCoverage:
    @pytest.mark.parametrize("k", [1, 5])
    def test_they_are_the_formulas_of_the_paper(self, k: int) -> None:
        real, made = normal(30), 1.5 * normal(40, seed=1)
        apart, between = cdist(real, real), cdist(real, made)
        inside = [[between[i, j] <= np.sort(apart[i])[k] for j in range(40)] for i in range(30)]
        density, coverage = density_coverage(real, made, k)
        assert density == pytest.approx(np.sum(inside) / (k * 40))
        assert coverage == pytest.approx(np.mean([any(row) for row in inside]))

    def test_by_hand(self) -> None:
        real = np.array([[0.0], [1.0], [3.0]])  # balls of one neighbour: radii 1, 1 and 2
        assert density_coverage(real, [[0.5], [4.5]], 1) == (3 / 2, 1.0)
        assert density_coverage(real, [[0.5], [6.0]], 1) == (1.0, 2 / 3)
        assert density_coverage(real, [[9.0]], 2) == (0.0, 0.0)

    def test_points_of_the_same_distribution_have_what_the_docstring_says(self) -> None:
        density, coverage = np.mean([density_coverage(normal(500), normal(500, seed=n)) for n in (1, 2, 3)], axis=0)
        assert density == pytest.approx(1.0, abs=0.1)
        assert coverage == pytest.approx(1 - 2**-5, abs=0.02)

    def test_a_part_that_is_never_generated_is_not_covered(self) -> None:
        real = np.concatenate([normal(100), normal(100, seed=1) + 50.0])
        density, coverage = density_coverage(real, normal(200, seed=2))
        assert coverage < 0.55
        assert density > 0.8


class TestGaussianKL:
    def test_by_hand(self) -> None:
        assert gaussian_kl([[-1.0], [1.0]]) == pytest.approx(0.0)
        assert gaussian_kl([[-2.0 + 3.0], [2.0 + 3.0]]) == pytest.approx(0.5 * (4.0 + 9.0 - 1.0 - np.log(4.0)))

    def test_whitened_points_have_none_and_a_turn_changes_nothing(self) -> None:
        x = normal(60, 4) @ normal(4, 4, 1) + 1.0
        white = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T, bias=True))).T
        assert gaussian_kl(white) == pytest.approx(0.0, abs=1e-9)
        assert gaussian_kl(turned(x, 3)) == pytest.approx(gaussian_kl(x))

    def test_points_without_volume_have_none(self) -> None:
        assert np.isnan(gaussian_kl(normal(3, 3)))
        assert np.isnan(gaussian_kl(np.zeros((9, 2))))


@pytest.mark.parametrize("wrong", [np.zeros(3), np.full((9, 3), np.nan), np.zeros((9, 2)), np.zeros((1, 3))])
def test_points_that_cannot_be_compared_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ConfigError):
        frechet(normal(9), wrong)
    with pytest.raises(ConfigError):
        density_coverage(wrong, normal(9))


class TestAggregate:
    """KL of the aggregate to the prior."""

    def kl(self, points: np.ndarray, std: float = 0.3) -> float:
        instruments = np.array([f"i{n % 20}" for n in range(len(points))])
        return AggregatePosterior(points, instruments, np.full(points.shape, std)).kl_nats()

    def test_notes_that_fill_the_prior_have_none(self) -> None:
        assert self.kl(np.sqrt(1 - 0.3**2) * normal(600, 6)) < 0.15

    def test_it_is_near_the_truth_for_a_shifted_narrow_gaussian_and_not_above(self) -> None:
        width, shift, dim = 0.5, 1.5, 2
        points = np.sqrt(width**2 - 0.1**2) * normal(1500, dim) + shift
        true = 0.5 * dim * (width**2 + shift**2 - 1.0 - 2.0 * np.log(width))
        assert true - 0.3 < self.kl(points, 0.1) < true + 0.05

    def test_two_clouds_of_the_priors_mean_and_covariance_are_told_from_it(self) -> None:
        side = np.random.default_rng(5).choice([-1.0, 1.0], 800)
        points = np.stack([0.95 * side + 0.3 * normal(800, 1)[:, 0], normal(800, 1, 1)[:, 0]], 1)
        assert gaussian_kl(points) < 0.05
        assert self.kl(points, 0.05) > 0.3


def test_the_width_of_posteriors_is_a_root_mean_square_over_dimensions() -> None:
    assert mean_std(np.array([[3.0, 4.0], [1.0, 1.0]])) == pytest.approx((np.sqrt(12.5) + 1.0) / 2)


def test_midpoints_of_lines_and_arcs() -> None:
    ends = np.array([[[2.0, 0.0], [0.0, 4.0]]])
    np.testing.assert_allclose(midpoints(ends, "line"), [[1.0, 2.0]])
    np.testing.assert_allclose(midpoints(ends, "slerp"), [[3.0 / np.sqrt(2.0)] * 2])


class TestFaulty:
    """Sounds that click or are silent."""

    def test_sounds_like_the_librarys_are_not(self) -> None:
        assert not faulty(LIBRARY, LIBRARY, RATE).any()

    def test_silence_a_click_and_nan_are(self) -> None:
        clicking, broken, faint = (LIBRARY[0].copy() for _ in range(3))
        clicking[RATE // 2] += 1.0
        broken[100] = np.nan
        found = faulty([0 * faint, 0.002 * faint, 0.05 * faint, clicking, broken], LIBRARY, RATE)
        assert found.tolist() == [True, True, False, True, True]

    def test_the_level_is_that_of_the_loudest_50_ms(self) -> None:
        sound = np.zeros(RATE)
        sound[5000:5551] = 0.5  # half of them
        assert loudest_db(sound, RATE) == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.02)
        assert loudest_db(0 * sound, RATE) == -np.inf
        assert loudest_db([1.0], RATE) == 0.0


@pytest.fixture(scope="module")
def found(tiny_space: Space) -> dict[str, float | None]:
    return prior_figures(tiny_space, QUICK, 0)


class TestOfASpace:
    """The figures of a small space."""

    def test_all_are_there_and_the_same_again(self, found: dict[str, float | None], tiny_space: Space) -> None:
        assert None not in found.values()
        assert found == prior_figures(tiny_space, QUICK, 0)
        assert found["posterior_std"] == pytest.approx(mean_std(tiny_space.atlas.stds))
        assert 0.0 <= found["draws_faulty"] <= 1.0

    def test_the_library_itself_is_no_distance_away_and_a_far_point_is(self, known_space: Space) -> None:
        points = known_space.atlas.points
        features = LibraryFeatures(known_space, points)
        assert features.share(features(points)) == pytest.approx(0.0, abs=1e-6)
        assert features.share(features(points + 0.5)) > 0.05

    def test_a_space_with_few_notes_or_none_has_fewer(self, tiny_space: Space) -> None:
        few = Space(tiny_space.config, tiny_space.model, tiny_space.atlas.take(np.arange(6)), {})
        assert "draws_frechet" not in prior_figures(few, QUICK, 0)
        none = Space(tiny_space.config, tiny_space.model, Atlas.empty(tiny_space.dim), {})
        assert set(prior_figures(none, QUICK, 0).values()) == {None}


def test_only_notes_of_sources_left_out_are_counted(tiny_space: Space) -> None:
    points = np.array([[0.0], [1.0], [0.1], [0.9], [0.2]], np.float32) * np.ones((1, tiny_space.dim), np.float32)
    atlas = replace(
        tiny_space.atlas.take(np.arange(5)),
        points=points,
        stds=None,
        instruments=("oboe", "horn", "oboe", "oboe", "harp"),
        splits=("train", "train", "test", "test", "test"),
    )
    space = Space(tiny_space.config, tiny_space.model, atlas, {})
    assert source_out(space, ["a", "a", "b", "b", "b"]) == 0.5  # no harp was trained on
    assert source_out(space, ["a", "a", "b", "a", "b"]) == 1.0
    assert source_out(space, ["a", "a", None, "a", "a"]) is None
    assert source_out(space, ["a", "b", "a", "b", "a"]) is None
