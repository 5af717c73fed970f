"""The plane that shows what lies where: laws of predictive planes, and the choice among planes on known spaces."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timbre.errors import ConfigError
from timbre.maps.planes import plane
from timbre.report.map_pictures import draw_sounds
from timbre.report.pictures import save_png
from timbre.shapes.components import predictive, principal
from timbre.shapes.overview import KINDS, measured, overview, plane_of_kind
from timbre.shapes.shapes import orthonormal, plane_of
from timbre.space import Space

COUNT, DIM = 400, 3


def of(known_space: Space, points: np.ndarray, families: np.ndarray, instruments: np.ndarray) -> Space:
    """A space with these notes: as known_space decodes, with heard coordinates that are the points."""
    first = known_space.atlas.take(np.zeros(len(points), int))
    names = {"families": tuple(map(str, families)), "instruments": tuple(map(str, instruments))}
    names["names"] = tuple(f"note {n}" for n in range(len(points)))
    atlas = replace(first, points=points.astype(np.float32), stds=None, **names)
    return Space(known_space.config, known_space.model, atlas, known_space.report)


@pytest.fixture(scope="module")
def hidden(known_space: Space) -> Space:
    """Five families of ten instruments that lie apart in the last dimension only, in which points vary least."""
    random = np.random.default_rng(0)
    instruments = np.arange(COUNT) % 50
    points = random.standard_normal((COUNT, DIM)) * [3.0, 2.0, 0.05]
    points[:, 2] += instruments % 5
    return of(known_space, points, instruments % 5, instruments)


@given(seed=st.integers(0, 2**32 - 1), dim=st.integers(2, 7), size=st.integers(2, 9))
def test_no_plane_predicts_more_of_the_targets(seed, dim, size):
    random = np.random.default_rng(seed)
    points, targets = random.standard_normal((60, dim)) * np.arange(1, dim + 1), random.standard_normal((60, size))
    found = predictive(points, targets, targets)
    assert np.allclose(found.readout @ found.directions.T, np.eye(2), atol=1e-9)

    def left_over(readout: np.ndarray) -> float:
        seen, wanted = ((rows - rows.mean(0)) for rows in (points @ readout.T, targets))
        return float(np.square(wanted - seen @ np.linalg.lstsq(seen, wanted, rcond=None)[0]).sum())

    least, whole = left_over(found.readout), float(np.square(targets - targets.mean(0)).sum())
    assert 1.0 - least / whole == pytest.approx(float(found.shares.sum()), abs=1e-9)
    for _ in range(20):
        assert least <= left_over(random.standard_normal((2, dim))) + 1e-9


@given(seed=st.integers(0, 2**32 - 1))
def test_distances_are_those_of_what_is_heard_and_points_those_of_the_notes_there(seed):
    random = np.random.default_rng(seed)
    points = random.standard_normal((50, 6)) @ random.standard_normal((6, 6))
    heard = points @ random.standard_normal((6, 2)) @ np.linalg.qr(random.standard_normal((5, 5)))[0][:2] + 3.0
    found = predictive(points, heard, heard)
    seen, centred = points @ found.readout.T, points - points.mean(0)
    gaps = [np.linalg.norm(rows[:, None] - rows[None], axis=-1) for rows in (seen, heard)]
    assert np.allclose(*gaps, rtol=1e-6, atol=1e-8)
    assert found.shares.sum() == pytest.approx(1.0)
    left = centred - (seen - seen.mean(0)) @ found.directions
    assert np.allclose((seen - seen.mean(0)).T @ left, 0.0, atol=1e-6)  # a regression: nothing left to explain


def test_points_predict_themselves_best_by_their_principal_components():
    points = np.random.default_rng(0).standard_normal((40, 5)) * [5, 4, 3, 2, 1]
    found, reference = predictive(points, points, points), principal(points)
    assert np.allclose(found.readout, reference.directions, atol=1e-9)
    assert np.allclose(found.directions, reference.directions, atol=1e-9)
    assert np.allclose(found.shares, reference.shares)


def test_the_default_plane_shows_families_where_principal_components_do_not(hidden):
    chosen = overview(hidden)
    assert chosen.kind == "families"
    assert set(chosen.figures) == set(KINDS)
    assert chosen.figures["families"].apart > 0.7
    assert chosen.figures["pca"].apart < 0.4
    assert plane(hidden).kind == "families"
    assert overview(hidden) is chosen
    directions = plane_of(hidden)
    assert np.allclose(directions @ directions.T, np.eye(2))
    assert np.allclose(directions, orthonormal(plane(hidden).directions))


def test_of_planes_that_show_families_equally_the_one_that_keeps_more_of_what_is_heard_is_taken(known_space):
    random, instruments = np.random.default_rng(1), np.arange(COUNT) % 50
    points = random.standard_normal((COUNT, DIM)) * [0.1, 0.1, 2.0]
    points[:, 0] += instruments % 5  # families lie apart in whatever plane
    space = of(known_space, points, instruments % 5, instruments)
    figures = overview(space).figures
    best = max(one.apart for one in figures.values())
    equal = {kind: one.kept for kind, one in figures.items() if one.apart >= best - 0.02}
    assert len(equal) > 1
    assert overview(space).kind == max(equal, key=lambda kind: equal[kind])


def test_notes_of_an_instrument_do_not_determine_the_plane_that_they_are_measured_in(hidden):
    """Families by chance lie apart for those who have seen the instruments, and not in these figures."""
    instruments = np.array(hidden.atlas.instruments).astype(int)
    chance = np.random.default_rng(3).integers(0, 2, 50)[instruments]
    points = 0.1 * np.random.default_rng(4).standard_normal((COUNT, DIM))
    points += np.random.default_rng(5).standard_normal((50, DIM))[instruments]
    space = of(hidden, points, chance, instruments)
    asked: list[set[int]] = []

    def determine(notes: np.ndarray):
        asked.append(set(instruments[notes]))
        return plane_of_kind(space, "families", notes)

    assert measured(space, determine).apart < 0.65
    assert len(asked) == 5
    for one in range(50):
        assert sum(one not in known for known in asked) == 1


def test_in_a_space_of_one_family_instruments_count(known_space):
    random, instruments = np.random.default_rng(0), np.arange(COUNT) % 4
    points = random.standard_normal((COUNT, DIM)) * [3.0, 2.0, 0.05] + instruments[:, None] * [0, 0, 1]
    assert overview(of(known_space, points, np.zeros(COUNT, int), instruments)).figures["families"].apart > 0.7


@pytest.mark.parametrize("points", [np.zeros((9, DIM)), np.outer(np.arange(9), np.ones(DIM)), np.eye(3)])
def test_few_notes_or_directions_leave_the_principal_components(known_space, points, tmp_path):
    space = of(known_space, points, np.zeros(len(points), int), np.zeros(len(points), int))
    assert plane(space).kind in KINDS
    if not points.any() or len(points) == 9:
        assert plane(space).kind == "pca"
        with pytest.raises(ConfigError, match="two directions for the plane heard; choose another"):
            plane(space, ["heard"])
    seen = plane(space).coordinates(points)
    path = save_png(draw_sounds(seen, space.atlas, plane(space).labels), tmp_path / "space.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_plane_of_another_kind_is_refused(known_space):
    with pytest.raises(ConfigError, match="two axes, got 1"):
        plane(known_space, ["umap"])
