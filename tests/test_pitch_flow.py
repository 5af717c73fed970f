"""The flow that takes pitch out of a space: laws, and what it learns from points of which all is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import timbre
from timbre.config import Config
from timbre.data import Library
from timbre.models.pitch_flow import MIDDLE_C, PitchFlow
from timbre.models.regularizers.pitch import PitchedNotes
from timbre.models.vae import VAE
from timbre.space import Space
from timbre.training import pitch_flow
from timbre.training.pitch_flow import FEWEST, _objective, _read, _stretched, fit_pitch_flow

DIM = 5


def disturbed(dim: int = DIM, named: int = 0, seed: int = 0, size: float = 0.15) -> PitchFlow:
    """A flow far from the identity."""
    torch.manual_seed(seed)
    flow = PitchFlow(dim, named)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += size * torch.randn_like(parameter)
    return flow.requires_grad_(False)


def planted(seed: int = 0, notes: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Notes of 20 instruments, each strung out along pitch, in a direction that depends on where it lies: points,
    instruments, pitches."""
    random = np.random.default_rng(seed)
    place = 1.5 * random.normal(size=(20, DIM))
    way = 0.6 + 0.5 * np.sin(np.roll(place, 1, axis=1))
    instrument, octaves = random.integers(20, size=notes), random.uniform(-1.5, 1.5, notes)
    points = place[instrument] + octaves[:, None] * way[instrument] + 0.2 * random.normal(size=(notes, DIM))
    return points, instrument, 60.0 + 12.0 * octaves


@given(st.integers(0, 10_000), st.integers(1, 6), st.floats(12.0, 120.0))
def test_the_inverse_undoes_it_at_every_pitch(seed: int, dim: int, pitch: float) -> None:
    flow, z = disturbed(dim, seed=seed), torch.randn(7, dim, dtype=torch.float64)
    flow.double()
    at = torch.full((7,), pitch, dtype=torch.float64)
    flow.most = float("inf")  # tests/test_limits.py has its reach
    torch.testing.assert_close(flow.inverse(flow(z, at), at), z, rtol=0, atol=1e-6)
    torch.testing.assert_close(flow(flow.inverse(z, at), at), z, rtol=0, atol=1e-6)


def test_it_begins_as_the_identity_and_is_one_at_middle_c_and_where_the_pitch_is_unknown() -> None:
    z, every = torch.randn(4, DIM), torch.tensor([20.0, 60.0, 100.0, torch.nan])
    torch.testing.assert_close(PitchFlow(DIM)(z, every), z)
    moved = (disturbed()(z, every) - z).abs().amax(1)
    assert moved[[0, 2]].min() > 1e-2
    assert moved[[1, 3]].max() < 1e-6
    assert MIDDLE_C == 60.0


@pytest.mark.parametrize("named", [1, 2, DIM])
def test_a_step_along_a_named_axis_is_the_same_step_at_every_pitch_and_no_other_dimension_moves(named: int) -> None:
    flow, places, pitch = disturbed(named=named), torch.randn(50, DIM), torch.linspace(30, 90, 50)
    step = torch.zeros(DIM)
    step[:named] = torch.tensor([1.0, -0.5, 2.0, 0.7, 1.5])[:named]
    for way in (flow, flow.inverse):
        torch.testing.assert_close(
            way(places + step, pitch) - way(places, pitch), step.expand(50, -1), rtol=0, atol=1e-4
        )
    moved = (flow(places, pitch) - places).abs().amax(0)
    assert moved.min() > 1e-2
    torch.testing.assert_close(flow.inverse(flow(places, pitch), pitch), places, rtol=0, atol=1e-3)


def test_a_place_is_carried_along_a_line_of_pitches_frame_by_frame() -> None:
    flow, place, line = disturbed(), torch.randn(1, 1, DIM), torch.linspace(40, 80, 9)[None]
    whole = flow.inverse(place, line)
    assert whole.shape == (1, 9, DIM)
    for frame in range(9):
        torch.testing.assert_close(whole[:, frame], flow.inverse(place[:, 0], line[:, frame]))


def test_it_does_not_change_what_else_is_drawn_by_chance() -> None:
    flowing = Config()
    plain = replace(flowing, regularization=replace(flowing.regularization, pitch="none"))
    torch.manual_seed(3)
    one, then = VAE(plain), torch.rand(1)
    torch.manual_seed(3)
    other, also = VAE(flowing), torch.rand(1)
    assert torch.equal(then, also)
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


def test_the_readable_share_of_pitch_is_none_for_points_without_pitch_and_all_for_points_that_are_pitch() -> None:
    _, instrument, pitch = planted()
    generator = torch.Generator().manual_seed(0)
    number, heights = torch.from_numpy(instrument), torch.from_numpy(pitch).float()
    random = torch.randn(20, DIM, generator=generator)[number]
    away = heights - torch.stack([heights[number == i].mean() for i in range(20)])[number]
    shares = []
    for points in (random, random + away[:, None] / 10.0):
        notes = PitchedNotes(points, number, heights, number)
        shares.append(float(_read(PitchedNotes(*(column[:200] for column in notes)), notes)))
    assert shares[0] < 0.1  # 20 means of 400 notes explain a twentieth by chance
    assert shares[1] == pytest.approx(1.0, abs=0.1)


def test_distances_in_proportion_are_not_stretched() -> None:
    points, instrument, pitch = planted()
    z = torch.from_numpy(points).float()
    for factor, least, most in ((3.0, 0.0, 1e-3), (torch.linspace(0.2, 3.0, DIM), 0.1, 10.0)):
        number = torch.from_numpy(instrument)
        others = PitchedNotes(factor * z, number, torch.from_numpy(pitch), number)
        own = PitchedNotes(*(column[:200] for column in others))
        assert least <= float(_stretched(own, others, torch.ones(DIM), z)) < most


def test_fitting_lowers_the_objective_and_keeps_the_inverse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pitch_flow, "STEPS", 40)
    points, instrument, pitch = planted(notes=300)
    flow = PitchFlow(DIM)
    assert fit_pitch_flow(flow, points, instrument, pitch) == {"pitch_flow_notes": 300}
    number = torch.from_numpy(instrument)
    notes = PitchedNotes(torch.from_numpy(points).float(), number, torch.from_numpy(pitch).float(), number)
    begun = PitchFlow(DIM)
    begun.center.copy_(flow.center)
    begun.scale.copy_(flow.scale)
    values = []
    for each in (begun, flow):
        torch.manual_seed(1)
        values.append(float(_objective(each, notes, 1.0)))
    assert values[1] < values[0]
    torch.testing.assert_close(
        flow.inverse(flow(notes.points, notes.pitch), notes.pitch), notes.points, rtol=0, atol=1e-3
    )


def test_learning_is_the_same_every_time_and_leaves_the_callers_chance_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pitch_flow, "STEPS", 20)
    points, instrument, pitch = planted(notes=200)
    found: list[Tensor] = []
    for _ in range(2):
        flow = PitchFlow(DIM)
        torch.manual_seed(5)
        fit_pitch_flow(flow, points, instrument, pitch, seed=1)
        found += [flow.inverse(torch.ones(1, DIM), torch.tensor([72.0])), torch.rand(1)]
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[1], found[3])


@pytest.mark.parametrize("spoilt", ["few", "no pitch", "one of each"])
def test_with_too_little_to_learn_from_it_stays_the_identity(spoilt: str) -> None:
    points, instrument, pitch = planted(notes=FEWEST - 1 if spoilt == "few" else 300)
    if spoilt == "no pitch":
        pitch[:] = np.nan
    if spoilt == "one of each":
        instrument = np.arange(300)
    flow = PitchFlow(DIM)
    assert fit_pitch_flow(flow, points, instrument, pitch) == {"pitch_flow_notes": 0}
    z = torch.randn(3, DIM)
    assert torch.equal(flow(z, torch.full((3,), 80.0)), z)


def with_flow(space: Space) -> Space:
    """The same space, its pitch taken out by some flow."""
    config = replace(space.config, regularization=replace(space.config.regularization, pitch="flow"))
    model = VAE(config)
    weights = {f"pitch_flow.{name}": value for name, value in disturbed(space.dim).state_dict().items()}
    model.load_state_dict({**space.model.state_dict(), **weights})
    return Space(config, model.eval(), space.atlas, space.report, space.axes)


def test_a_space_places_notes_elsewhere_and_decodes_them_as_before(
    tiny_space: Space, some_notes: Library, tmp_path: Path
) -> None:
    other = with_flow(tiny_space)
    again = timbre.load(other.save(tmp_path / "space"))
    for note in [note for note in some_notes if note.pitch is not None and abs(note.pitch - 60) > 6][:3]:
        audio, pitch = timbre.read(note.file), note.pitch
        before, after = tiny_space.encode(audio, pitch), other.encode(audio, pitch)
        assert np.abs(before - after).max() > 0.05
        np.testing.assert_array_equal(after, again.encode(audio, pitch))
        wanted, found = (
            space.spectrum(point[None], pitch, 0.8, 1.0) for space, point in ((tiny_space, before), (again, after))
        )
        torch.testing.assert_close(found, wanted, rtol=0, atol=0.02)  # dB


def test_training_learns_it_and_the_atlas_holds_what_encoding_gives(
    some_notes: Library, tiny_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pitch_flow, "FEWEST", 10)
    monkeypatch.setattr(pitch_flow, "STEPS", 30)
    assert tiny_config.regularization.pitch == "flow"
    space = timbre.train(some_notes, tiny_config, progress=False)
    assert space.report["pitch_flow_notes"] >= 10
    for note in some_notes[:4]:
        point = space.encode(timbre.read(note.file), note.pitch, note.velocity)
        np.testing.assert_allclose(point, space.atlas[note.name], atol=0.03)
    z, pitch = torch.zeros(2, space.dim), torch.tensor([48.0, 72.0])
    assert (space.model.latent(z, pitch) - z).abs().min() > 1e-4
