"""DCI, SAP and MIG: perfect, turned and random codes, and values by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from timbre.data import Library
from timbre.errors import ConfigError
from timbre.evaluation.metrics.disentanglement import dci, mig, sap
from timbre.evaluation.movement import axis_codes, separation
from timbre.evaluation.notes import prepare_notes
from timbre.models.regularizers.axes import axis_values, find_axes
from timbre.space import Space


def factors(count: int = 400, size: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (count, size))


def test_a_code_of_one_coordinate_for_each_factor_is_perfect() -> None:
    code = factors()[:, [2, 0, 1]] * [3.0, -1.0, 0.1]
    found = dci(code, factors())
    assert min(found) > 0.95
    assert sap(code, factors()) > 0.95
    assert mig(code, factors()) > 0.75


def test_more_coordinates_than_factors_are_no_harm_but_two_for_one_factor_are() -> None:
    noise = factors(seed=5)
    assert min(dci(np.hstack([factors(), noise]), factors())) > 0.9
    twice = np.hstack([factors(), factors()])
    found = dci(twice, factors())
    assert found.disentanglement > 0.9
    assert sap(twice, factors()) == pytest.approx(0.0, abs=1e-9)
    assert mig(twice, factors()) == pytest.approx(0.0, abs=1e-9)


def test_a_turned_code_knows_all_and_separates_nothing() -> None:
    turn, _ = np.linalg.qr(np.array([[1.0, 1.0, 1.0], [1.0, -1.0, 0.2], [0.5, 0.1, -1.0]]))
    found = dci(factors() @ turn, factors())
    assert found.informativeness > 0.8
    assert found.disentanglement < 0.5
    assert sap(factors() @ turn, factors()) < 0.6


def test_a_random_code_knows_nothing() -> None:
    found = dci(factors(seed=9), factors())
    assert found.informativeness < 0.1
    assert sap(factors(seed=9), factors()) < 0.05
    assert mig(factors(seed=9), factors()) < 0.1


def test_sap_by_hand() -> None:
    code = np.array([[n, (-1.0) ** n] for n in range(20)])
    second = np.corrcoef(code[:, 0], code[:, 1])[0, 1] ** 2
    assert sap(code, code[:, :1]) == pytest.approx(1.0 - second)
    assert sap(code[:, :1], code[:, :1]) == pytest.approx(1.0)


def test_mig_is_the_published_formula() -> None:
    """(I(z1; v) - I(z2; v)) / H(v), of values that lie in four equal bins each."""
    code = np.array([[n % 4, n % 2] for n in range(20)], float)
    gap = mutual_info_score(code[:, 0], code[:, 0]) - mutual_info_score(code[:, 1], code[:, 0])
    assert mig(code, code[:, :1]) == pytest.approx(gap / np.log(4.0))
    assert gap == pytest.approx(np.log(4.0) - np.log(2.0))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 50), st.floats(0.1, 9.0), st.floats(-5.0, 5.0))
def test_scale_and_order_of_coordinates_do_not_count(seed: int, scale: float, shift: float) -> None:
    code, truth = factors(60, 2, seed), factors(60, 2, seed + 1)
    other = code[:, ::-1] * scale + shift
    assert sap(other, truth) == pytest.approx(sap(code, truth), abs=1e-9)
    assert mig(other, truth) == pytest.approx(mig(code, truth), abs=0.05)


def test_notes_without_a_factor_do_not_count() -> None:
    truth = factors()
    truth[::2, 0] = np.nan
    truth[:, 1] = 4.0  # the same for all
    truth[15:, 2] = np.nan  # too few
    assert min(dci(factors(), truth)) > 0.95
    assert sap(factors(), truth) == pytest.approx(sap(factors()[1::2], truth[1::2, :1]))
    assert np.isnan(sap(factors(), truth[:, 1:]))
    assert np.isnan(mig(factors(), truth[:, 1:]))
    assert np.isnan(dci(factors(), truth[:, 1:])).all()


@pytest.mark.parametrize("wrong", [np.zeros(9), np.zeros((8, 2)), np.full((9, 2), np.inf)])
def test_other_shapes_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ConfigError):
        sap(np.zeros((9, 2)), wrong)


def test_those_of_a_space_are_of_its_axes_and_of_the_recordings(tiny_space: Space, some_notes: Library) -> None:
    axes = find_axes(["brightness", "sustain"])
    space = Space(tiny_space.config, tiny_space.model, tiny_space.atlas, tiny_space.report, axes)
    notes = prepare_notes(space, list(some_notes)[:25])
    points = notes.points(space)
    codes, factors = axis_codes(space, notes, points)
    recorded = axis_values(notes.spectrogram, space.spectrogram, notes.conditions.pitch, axes)
    np.testing.assert_allclose(factors, recorded.numpy(), atol=1e-5)
    own = space.axis_controls.values(torch.from_numpy(points[[3]]), notes.take(np.array([3])).conditions)
    np.testing.assert_allclose(codes[[3]], own.numpy(), atol=1e-4)
    found = separation(space, notes, points, 0)
    assert found["axes_sap"] == sap(codes, factors)
    assert set(found) == {*(f"axes_dci_{name}" for name in dci(codes, factors)._fields), "axes_sap", "axes_mig"}
    assert separation(tiny_space, notes, points, 0) == {}
