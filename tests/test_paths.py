"""Paths: laws of their kinds, shapes, arithmetic and drawings."""

from pathlib import Path as FilePath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.interpolate import CubicSpline
from scipy.spatial import KDTree

from timbre.errors import ConfigError
from timbre.paths import Path
from timbre.paths.path import KINDS
from timbre.paths.routes import ROUTES, base_line
from timbre.shapes.arithmetic import combined, is_sum, library_point
from timbre.shapes.drawings import drawn, read_curve
from timbre.shapes.overview import overview
from timbre.shapes.shapes import circle_through, extended, orthonormal, plane_of, spiral, walk
from timbre.space import Space

NUMBERS = st.floats(-5, 5, width=32)


def points_of(rows: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float32, (rows, 3), elements=NUMBERS)


def spread(rows: int) -> np.ndarray:
    """Points that lie on no line."""
    return np.random.default_rng(rows).normal(size=(rows, 3)).astype(np.float32)


class TestKinds:
    @given(points=points_of(4), kind=st.sampled_from(KINDS))
    def test_a_path_gives_its_own_points_to_the_bit(self, points: np.ndarray, kind: str) -> None:
        path = Path(points, np.array([0.0, 0.2, 0.7, 1.0]), kind)
        np.testing.assert_array_equal(path.at(path.times), points.astype(np.float64))

    @given(points=points_of(4))
    def test_a_spline_is_that_of_scipy(self, points: np.ndarray) -> None:
        times, asked = np.array([0.0, 0.2, 0.7, 1.0]), np.linspace(0.0, 1.0, 23)
        wanted = CubicSpline(times, points.astype(np.float64), bc_type="natural")(asked)
        np.testing.assert_allclose(Path(points, times, "spline").at(asked), wanted, atol=1e-9)

    @pytest.mark.parametrize("kind", ROUTES)
    @pytest.mark.parametrize("even", [False, True])
    def test_every_kind_hits_its_points_to_the_bit(self, tiny_space: Space, kind: str, even: bool) -> None:
        points = tiny_space.atlas.points[[0, 25, 12]]
        path = tiny_space.path(*points, kind=kind, even=even)
        np.testing.assert_array_equal(path.at(np.array([0.0, 1.0])), points[[0, 2]])
        assert (path.points == points[1]).all(1).any()

    @pytest.mark.parametrize("kind", ROUTES)
    def test_one_point_is_a_place(self, tiny_space: Space, kind: str) -> None:
        path = tiny_space.path(np.ones(3), kind=kind, even=True)
        np.testing.assert_array_equal(path.at(np.array([0.0, 0.5])), np.ones((2, 3)))

    def test_base_lines_are_lines_before_the_flow(self, tiny_space: Space) -> None:
        import torch

        path = base_line(tiny_space.model.flow, tiny_space.atlas.points[[0, 30]].astype(np.float64))
        with torch.no_grad():
            base = tiny_space.model.flow.inverse(torch.from_numpy(path.points)).numpy()
        np.testing.assert_allclose(base, np.linspace(base[0], base[-1], len(base)), atol=1e-6)
        straight = np.linspace(path.points[0], path.points[-1], len(base))
        assert np.abs(path.points - straight).max() > 1e-4

    def test_what_cannot_be_is_refused(self, tiny_space: Space) -> None:
        with pytest.raises(ConfigError, match="must be one of line, slerp, spline, base, geodesic"):
            tiny_space.path(np.zeros(3), np.ones(3), kind="loop")
        with pytest.raises(ConfigError, match="one point or more"):
            tiny_space.path()


class TestShapes:
    @given(turns=st.floats(0.1, 4), radius=st.floats(0.1, 5))
    def test_a_circle_keeps_its_distance(self, turns: float, radius: float) -> None:
        center, plane = np.array([1.0, -2.0, 0.5]), orthonormal(spread(2))
        path = spiral(center, plane, radius, turns=turns)
        np.testing.assert_allclose(np.linalg.norm(path.points - center, axis=1), radius)
        np.testing.assert_allclose(np.cross(*plane) @ (path.points - center).T, 0.0, atol=1e-9)

    def test_a_whole_circle_closes_and_a_spiral_ends_at_its_middle(self) -> None:
        plane = orthonormal(spread(2))
        circle = spiral(np.zeros(3), plane, 2.0)
        np.testing.assert_array_equal(circle.points[0], circle.points[-1])
        inward = spiral(np.zeros(3), plane, 2.0, 0.0, turns=3)
        np.testing.assert_array_equal(inward.points[-1], np.zeros(3))
        assert (np.diff(np.linalg.norm(inward.points, axis=1)) < 0).all()

    @given(seed=st.integers(0, 99))
    def test_a_circle_through_three_points_hits_them_in_their_order(self, seed: int) -> None:
        corners = np.random.default_rng(seed).normal(size=(3, 4))
        path = circle_through(*corners)
        rows = [int(np.flatnonzero((path.points == corner).all(1))[0]) for corner in corners]
        assert rows[0] == 0 < rows[1] < rows[2] < len(path.points) - 1
        np.testing.assert_array_equal(path.points[-1], corners[0])
        steps = np.linalg.norm(np.diff(path.points, axis=0), axis=1) / np.diff(path.times)
        np.testing.assert_allclose(steps, steps.mean(), rtol=2e-3)

    def test_three_points_of_a_line_have_no_circle(self) -> None:
        with pytest.raises(ConfigError, match="not on a line"):
            circle_through(np.zeros(3), np.ones(3), 2 * np.ones(3))

    @given(before=st.floats(0, 2), after=st.floats(0, 2))
    def test_a_line_goes_on_as_a_line(self, before: float, after: float) -> None:
        a, b = spread(2).astype(np.float64)
        path = extended(Path(np.stack([a, b]), np.array([0.0, 1.0])), before, after)
        np.testing.assert_allclose(path.points[0], a - before * (b - a), atol=1e-6)
        np.testing.assert_allclose(path.points[-1], b + after * (b - a), atol=1e-6)
        middle = (before + 0.5) / (1.0 + before + after)
        np.testing.assert_allclose(path.at(np.array([middle]))[0], 0.5 * (a + b), atol=1e-6)

    def test_a_curve_goes_on_at_its_own_slope(self) -> None:
        path = Path(spread(4), np.linspace(0.0, 1.0, 4), "spline")
        longer = extended(path, after=0.5)
        slope = (path.at(np.array([1.0])) - path.at(np.array([1.0 - 1e-6]))) / 1e-6
        np.testing.assert_allclose(longer.points[-1], path.points[-1] + 0.5 * slope[0], rtol=0.05, atol=0.05)

    def test_planes(self, tiny_space: Space) -> None:
        default, directions = plane_of(tiny_space), overview(tiny_space).plane.directions
        np.testing.assert_allclose(default @ default.T, np.eye(2), atol=1e-9)
        assert np.linalg.matrix_rank(np.concatenate([default, directions]), 1e-6) == 2  # they span the same plane
        np.testing.assert_array_equal(plane_of(tiny_space, ["z2", "z0"]), np.eye(3)[[2, 0]])
        for axes in (["z0"], ["z0", "z0"], ["z0", "z3"], ["loud", "z1"]):
            with pytest.raises(ConfigError):
                plane_of(tiny_space, axes)

    def test_a_walk_stays_where_there_are_notes(self, tiny_space: Space) -> None:
        known = tiny_space.atlas.points.astype(np.float64)
        path = walk(tiny_space, known[3], 80, stride=0.5, seed=5)
        heard = tiny_space.hearing.at_middle_c
        reach = np.quantile(KDTree(heard).query(heard, k=2)[0][:, 1], 0.95)
        assert KDTree(heard).query(tiny_space.hearing.heard(path.points))[0].max() <= reach + 1e-6
        assert len(path.points) == 81
        np.testing.assert_array_equal(path.points[0], known[3])
        np.testing.assert_array_equal(path.points, walk(tiny_space, known[3], 80, stride=0.5, seed=5).points)
        assert not np.array_equal(path.points, walk(tiny_space, known[3], 80, stride=0.5, seed=6).points)
        assert np.linalg.norm(path.points[1:] - path.points[:-1], axis=1).min() > 0

    def test_a_walk_does_not_begin_in_the_dark(self, tiny_space: Space) -> None:
        with pytest.raises(ConfigError, match="of a library note, got"):
            walk(tiny_space, np.full(3, 100.0))


class TestArithmetic:
    def test_sums_of_instruments_and_notes(self, tiny_space: Space) -> None:
        atlas = tiny_space.atlas
        flute = atlas.points[[name == "flute" for name in atlas.instruments]].mean(0, dtype=np.float64)
        np.testing.assert_allclose(library_point(tiny_space, "flute"), flute)
        note = atlas.names[7]
        wanted = flute - atlas.points[7] + library_point(tiny_space, "violin")
        np.testing.assert_allclose(combined(tiny_space, f"flute - {note} + violin"), wanted)
        np.testing.assert_allclose(
            combined(tiny_space, f"0.25 * flute + .75 * {note}"), 0.25 * flute + 0.75 * atlas.points[7]
        )

    def test_a_hyphen_in_a_name_is_no_minus(self) -> None:
        assert not is_sum("flute-C4")
        assert is_sum("flute - oboe + clarinet")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("flute - violin", r"add up to 1, .* got 0"),
            ("flute + violin", r"add up to 1, .* got 2"),
            ("flute - kazoo + violin", "kazoo"),
            ("flute - ", "name after it"),
            ("2 * ", "note, an instrument"),
        ],
    )
    def test_what_is_no_place_is_refused(self, tiny_space: Space, text: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            combined(tiny_space, text)


class TestDrawings:
    def test_an_svg_circle_is_round_upright_and_even(self, tmp_path: FilePath) -> None:
        file = tmp_path / "curve.svg"
        file.write_text('<svg xmlns="http://www.w3.org/2000/svg"><circle cx="50" cy="80" r="30"/></svg>')
        times, places = read_curve(file)
        np.testing.assert_allclose(np.hypot(*places.T), 1.0, atol=1e-3)
        steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
        assert steps.std() / steps.mean() < 0.01
        assert (times[0], times[-1], len(times)) == (0.0, 1.0, len(places))

    def test_up_is_up_and_transforms_count(self, tmp_path: FilePath) -> None:
        file = tmp_path / "curve.svg"
        file.write_text(
            '<svg xmlns="http://www.w3.org/2000/svg"><g transform="translate(5 5) scale(2)">'
            '<polyline points="0,10 20,0" fill="none"/></g></svg>'
        )
        np.testing.assert_allclose(read_curve(file)[1][[0, -1]], [[-1.0, -0.5], [1.0, 0.5]], atol=1e-6)

    def test_a_curve_lies_in_its_plane(self, tmp_path: FilePath) -> None:
        file, plane, center = tmp_path / "curve.csv", spread(2), np.array([1.0, 2.0, 3.0])
        file.write_text("time,x,y\n0,0,0\n0.25,1,0\n1,1,-2\n")
        path = drawn(file, center, plane, 0.5)
        np.testing.assert_allclose(
            path.points, center + 0.5 * np.array([0 * plane[0], plane[0], plane[0] - 2 * plane[1]])
        )
        np.testing.assert_array_equal(path.times, [0.0, 0.25, 1.0])

    def test_json_and_csv_say_the_same(self, tmp_path: FilePath) -> None:
        (tmp_path / "a.json").write_text("[[0, 1], [2, 3], [4, 4.5]]")
        (tmp_path / "a.csv").write_text("x,y\n0,1\n2,3\n\n4,4.5\n")
        for one, other in zip(read_curve(tmp_path / "a.json"), read_curve(tmp_path / "a.csv"), strict=True):
            np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("a.svg", "<svg>"),
            ("a.svg", "no drawing"),
            ("a.svg", '<svg xmlns="http://www.w3.org/2000/svg"/>'),
            ("a.svg", '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0 L1 1 M2 2 L3 3"/></svg>'),
            ("a.svg", '<svg xmlns="http://www.w3.org/2000/svg"><path d="M1 1 L1 1"/></svg>'),
            ("a.svg", '<svg xmlns="http://www.w3.org/2000/svg"><path d="M1 1 Q zz"/></svg>'),
            ("a.csv", "a,b\n1,2\n2,3\n"),
            ("a.csv", "x,y\n1,2\n"),
            ("a.csv", "x,y\n1,2\n2\n"),
            ("a.csv", "x,y\n1,2\n2,nan\n"),
            ("a.csv", ""),
            ("a.json", "[[1, 2, 3], [1, 2, 3]]"),
            ("a.json", "[[1, 2], [NaN, 3]]"),
            ("a.json", "{}"),
            ("a.txt", "x,y\n1,2\n2,3\n"),
        ],
    )
    def test_what_is_no_curve_is_refused(self, tmp_path: FilePath, name: str, text: str) -> None:
        (tmp_path / name).write_text(text)
        with pytest.raises(ConfigError):
            read_curve(tmp_path / name)
