"""The search for neighbours: exact, whatever the points are like."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from timbre.errors import ConfigError
from timbre.space import neighbours
from timbre.space.neighbours import Neighbours


def brute(points: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Every distance, float64; equal ones by number."""
    squares = np.square(queries[:, None] - points).sum(2)
    numbers = np.argsort(squares, axis=1, kind="stable")[:, :k]
    return np.sqrt(np.take_along_axis(squares, numbers, 1)), numbers


def clustered(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(60, 16))[rng.integers(60, size=count)] + 0.3 * rng.normal(size=(count, 16))


class TestExactness:
    @settings(max_examples=40)
    @given(
        count=st.integers(1, 400), dim=st.integers(1, 5), k=st.integers(1, 12), seed=st.integers(0, 99),
        group=st.sampled_from([1, 2, 4, 16]), apart=st.sampled_from([1, 3, 16]), levels=st.integers(1, 6),
    )  # fmt: skip
    def test_on_a_grid_full_of_equal_distances(
        self, count: int, dim: int, k: int, seed: int, group: int, apart: int, levels: int
    ) -> None:
        rng = np.random.default_rng(seed)
        points = rng.integers(0, levels, (count, dim)).astype(float)
        queries = np.concatenate([points[:5], rng.integers(-2, levels + 2, (5, dim))])
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {"_GROUP": group, "_APART": apart, "_TILE": group * apart}.items():
                patch.setattr(neighbours, name, value)
            found = Neighbours(points).nearest(queries, k)
        distances, numbers = brute(points, queries, k)
        np.testing.assert_array_equal(found.indices, numbers)
        np.testing.assert_array_equal(found.distances, distances)

    @pytest.mark.parametrize("count", [300, 9000])
    @pytest.mark.parametrize("shift", [0.0, 1e4])
    def test_like_brute_force_and_scipy(self, count: int, shift: float) -> None:
        points = clustered(count, 0) + shift
        queries = np.concatenate([clustered(200, 1)[:150] + shift, points[:20], points[:5] + 50])
        found = Neighbours(points).nearest(queries, 8)
        distances, numbers = brute(points, queries, 8)
        np.testing.assert_array_equal(found.indices, numbers)
        np.testing.assert_allclose(found.distances, distances, rtol=1e-12)
        np.testing.assert_allclose(found.distances, cKDTree(points).query(queries, 8)[0], rtol=1e-9)

    def test_many_equal_points(self) -> None:
        found = Neighbours(np.zeros((5000, 3))).nearest(np.array([[0.0, 0, 0], [1, 2, 2]]), 3)
        np.testing.assert_array_equal(found.indices, [[0, 1, 2], [0, 1, 2]])
        np.testing.assert_array_equal(found.distances, [[0, 0, 0], [3, 3, 3]])

    def test_a_point_that_lies_far_off_all_others(self) -> None:
        points = clustered(5000, 2)
        points[777] += 1e6
        found = Neighbours(points).nearest(points[[777, 3]], 2)
        np.testing.assert_array_equal(found.indices, brute(points, points[[777, 3]], 2)[1])


class TestShapes:
    def test_one_point_is_a_batch_of_one(self) -> None:
        assert Neighbours(clustered(50, 0)).nearest(np.zeros(16), 4).indices.shape == (1, 4)

    def test_fewer_points_than_asked_for(self) -> None:
        assert Neighbours(clustered(3, 0)).nearest(np.zeros((2, 16)), 8).distances.shape == (2, 3)

    @pytest.mark.parametrize("count", [10, 5000])
    def test_no_queries(self, count: int) -> None:
        assert Neighbours(clustered(count, 0)).nearest(np.zeros((0, 16)), 8).indices.shape == (0, 8)

    @pytest.mark.parametrize(
        ("queries", "k", "match"),
        [
            (np.zeros((2, 16)), 0, "1 or more, got 0"),
            (np.zeros((2, 5)), 3, "must have 16 dimensions, got 5"),
            (np.full(16, np.nan), 3, "finite numbers"),
            (np.full(16, 1e30), 3, "below 1e"),
        ],
    )
    def test_what_is_refused(self, queries: np.ndarray, k: int, match: str) -> None:
        with pytest.raises(ConfigError, match=match):
            Neighbours(clustered(50, 0)).nearest(queries, k)

    @pytest.mark.parametrize("points", [np.zeros(4), np.full((3, 2), np.inf), np.array([["a", "b"]])])
    def test_points_that_are_none(self, points: np.ndarray) -> None:
        with pytest.raises(ConfigError, match="finite numbers"):
            Neighbours(points)
