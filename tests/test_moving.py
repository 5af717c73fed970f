"""Named axes as controls: steps that are kept, what stays, what is out of reach, curves for live play, refusals."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import timbre
from timbre.app import jobs
from timbre.errors import ConfigError
from timbre.models.conditions import Conditions
from timbre.models.regularizers.axes import AXES, Axis, bend, unbend
from timbre.space import Space
from timbre.space.gauss_newton import Problem, solve
from timbre.space.region import Region
from timbre.synth.axis_curve import AxisCurve

NOTES = 8


@pytest.fixture(scope="module")
def shipped() -> Space:
    return timbre.load("orchestra")


@pytest.fixture(scope="module")
def points(shipped: Space) -> np.ndarray:
    return shipped.atlas.points[np.random.default_rng(1).permutation(len(shipped.atlas))[:NOTES]]


def of(space: Space, name: str) -> int:
    return [axis.name for axis in space.axes].index(name)


@pytest.mark.parametrize("name", ["brightness", "odd_even", "sustain"])
def test_a_step_changes_the_sound_by_what_it_says(shipped: Space, points: np.ndarray, name: str):
    controls, index = shipped.axis_controls, of(shipped, name)
    note = Conditions(*(torch.full((NOTES,), value) for value in (60.0, 0.8, math.inf)))
    own = controls.values(torch.from_numpy(points), note)
    step = torch.where(own[:, index] > 0, -0.75, 0.75)  # towards the middle, which all sounds can do
    steps = torch.zeros_like(own)
    steps[:, index] = step
    moved = controls.moved(torch.from_numpy(points), note, steps)
    change = controls.values(moved, note) - own
    kept = (change[:, index] / step - 1.0).abs() < 0.2
    assert kept.sum() >= NOTES - 1
    others = [k for k in range(len(shipped.axes)) if k != index]
    assert change[:, others].abs().nanmean() < 0.3


def test_one_point_moves_as_many_do_and_the_same_every_time(shipped: Space, points: np.ndarray):
    moved = shipped.move(points[0], pitch=62, brightness=0.5)
    assert (moved == shipped.move(points[0], pitch=62, brightness=0.5)).all()
    notes = Conditions(*(torch.full((2,), value) for value in (62.0, 0.8, math.inf)))
    many = shipped.axis_controls.moved(torch.from_numpy(points[:2]), notes, 0.5 * torch.eye(1, 5).repeat(2, 1))
    np.testing.assert_allclose(shipped.axis_values(moved, 62), shipped.axis_values(many[0].numpy(), 62), atol=0.1)


def test_two_axes_move_together(shipped: Space, points: np.ndarray):
    point = shipped.atlas["violin-A3"] if "violin-A3" in shipped.atlas else points[0]
    change = shipped.axis_values(shipped.move(point, brightness=0.4, noisiness=-0.4)) - shipped.axis_values(point)
    assert change[of(shipped, "brightness")] == pytest.approx(0.4, abs=0.1)
    assert change[of(shipped, "noisiness")] == pytest.approx(-0.4, abs=0.1)


def test_a_step_of_zero_is_no_step(shipped: Space, points: np.ndarray):
    assert (shipped.move(points[0], brightness=0.0, attack=0) == points[0]).all()
    assert (shipped.move(points[0]) == points[0]).all()


@pytest.mark.parametrize("step", [1e6, -1e6])
def test_a_step_beyond_everything_stays_among_the_library_notes(shipped: Space, points: np.ndarray, step: float):
    region = shipped.axis_controls.region
    moved = shipped.move(points[0], attack=step)
    assert region.whitened(torch.from_numpy(moved)).norm() <= max(
        region.radius, region.whitened(torch.from_numpy(points[0])).norm()
    ) * (1 + 1e-4)
    index = of(shipped, "attack")
    assert (shipped.axis_values(moved)[index] - shipped.axis_values(points[0])[index]) * step >= 0.0


def test_what_cannot_be_moved_is_refused(shipped: Space, known_space: Space, points: np.ndarray):
    with pytest.raises(ConfigError, match="no axis 'warmth'; its axes are brightness, attack"):
        shipped.move(points[0], warmth=1.0)
    with pytest.raises(ConfigError, match="it has no named axes"):
        known_space.move(known_space.atlas.points[0], brightness=1.0)
    for wrong in (math.nan, math.inf, -1e9):
        with pytest.raises(ConfigError, match="step along brightness must be a number up to"):
            shipped.move(points[0], brightness=wrong)
    with pytest.raises(ConfigError, match="odd_even has no value for this sound"):
        shipped.move(points[0], pitch=None, odd_even=1.0)
    with pytest.raises(ConfigError, match="must be a MIDI number"):
        shipped.move(points[0], pitch=200, brightness=1.0)
    with pytest.raises(ConfigError, match="no axis"):
        AxisCurve(shipped, "pitch", points[0], 60)
    assert np.isnan(shipped.axis_values(points[0], None)[of(shipped, "odd_even")])


def test_a_space_without_notes_has_axes_too(known_space: Space):
    empty = Space(
        known_space.config, known_space.model, known_space.atlas.take(np.arange(0)), {}, (AXES["brightness"],)
    )
    point = np.zeros(empty.dim, np.float32)
    assert np.isfinite(empty.move(point, brightness=-0.5)).all()
    assert empty.axis_controls.ranges.tolist() == [[-2.0, 2.0]]


def test_a_control_that_returns_gives_the_same_sound(shipped: Space, points: np.ndarray):
    curve = AxisCurve(shipped, "brightness", points[1], 60)
    there = curve.at(curve.value + 0.3)
    np.testing.assert_allclose(curve.at(curve.value), points[1], atol=1e-5)
    assert (curve.at(curve.value + 0.3) == there).all()
    assert shipped.axis_values(there)[0] == pytest.approx(curve.value + 0.3, abs=0.15)


def test_the_page_is_told_the_values_and_the_point(shipped: Space, points: np.ndarray):
    before = jobs.axes(shipped, points[1], None, "", 0.0)
    assert before["point"] == points[1].tolist()
    assert before["values"][of(shipped, "odd_even")] is None
    wanted = round(before["values"][0] * 0.8, 2)
    after = jobs.axes(shipped, points[1], None, "brightness", wanted)
    assert after["values"][0] == pytest.approx(wanted, abs=0.1)


@given(st.floats(-2.9, 2.9))
def test_bending_is_undone(value: float):
    bent = torch.tensor(value, dtype=torch.float64)
    assert float(bend(unbend(bent))) == pytest.approx(value, abs=1e-9)


@settings(max_examples=20)
@given(st.integers(0, 2**31))
def test_a_region_whitens_its_notes_and_keeps_points_inside(seed: int):
    random = np.random.default_rng(seed)
    notes = (random.standard_normal((200, 3)) @ random.standard_normal((3, 3)) + 5.0).astype(np.float32)
    region = Region.of(notes)
    white = region.whitened(torch.from_numpy(notes))
    torch.testing.assert_close(region.points(white), torch.from_numpy(notes), rtol=1e-3, atol=1e-3)
    far = torch.from_numpy(notes * 100.0)
    inside = region.bound(torch.from_numpy(notes[0]))(far)
    radius = max(region.radius, float(white[0].norm()))
    assert float(region.whitened(inside).norm(dim=1).max()) <= radius * 1.01


def test_a_region_of_few_notes_has_a_limit():
    notes = np.diag([1.0, 2.0, 30.0]).astype(np.float32)
    region = Region.of(notes)
    far = torch.full((1, 3), 1e6)
    assert float(region.bound(torch.zeros(3))(far).norm()) == pytest.approx(30.0, rel=1e-4)
    assert Region.of(notes[:0]).radius == pytest.approx(2.0 * 3**0.5)


class Cliff:
    """A descriptor that is the first coordinate, and has no slope above 0.5."""

    scale = torch.ones(1)

    def values(self, points: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        return points[:, :1]

    def slopes(self, points: torch.Tensor, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        slopes = torch.eye(2)[:1].expand(len(points), 1, 2)
        return self.values(points, frames), torch.where(points[:, :1, None] > 0.5, torch.inf, slopes)


def test_slopes_that_are_infinite_end_the_way_and_not_the_command():
    ones = torch.ones(3)
    found = solve(
        Problem(
            Cliff(), torch.arange(3), torch.zeros(2), ones[:, None], ones, 1e-3, 0.0, lambda z: z, torch.zeros(0, 2)
        ),
        20,
    )
    assert torch.isfinite(found).all()
    assert float(found[:, 0].min()) > 0.5


def test_slopes_are_those_of_the_point_and_not_of_the_pitch(shipped: Space):
    """Notes that lie at one point, and differ in pitch only, tell nothing."""
    same = shipped.atlas.take(np.arange(40))
    same = replace(same, points=np.tile(same.points[:1], (40, 1)), pitches=np.linspace(40, 90, 40, dtype=np.float32))
    controls = Space(shipped.config, shipped.model, same, {}, shipped.axes).axis_controls
    assert float(controls.library[1].std(0).nan_to_num().max()) < 1e-4
    assert float(controls.slopes.abs().max()) < 1e-3


def test_an_axis_may_have_any_name(shipped: Space, points: np.ndarray):
    """Also one that is an argument of `Space.move`: live play goes by another way."""
    odd = Axis("pitch", "centroid", "log2 Hz", 10.1, 1.1, 0.4)
    space = Space(shipped.config, shipped.model, shipped.atlas, {}, (odd,))
    assert not (AxisCurve(space, "pitch", points[0], 60).at(0.0) == points[0]).all()
