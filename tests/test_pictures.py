"""Principal components against scikit-learn's, and what all pictures share."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

from timbre.config import SpectrogramConfig
from timbre.errors import TimbreError
from timbre.evaluation.decoding import Reconstruction
from timbre.maps.maps import topology
from timbre.maps.planes import plane
from timbre.report.evaluation_pictures import draw_spectrograms
from timbre.report.map_pictures import draw_descriptors
from timbre.report.pictures import save_png, scatter_families
from timbre.shapes.components import principal
from timbre.space import Space


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(3, 40), dim=st.integers(2, 12))
def test_the_plane_is_that_of_principal_component_analysis(seed, count, dim):
    points = np.random.default_rng(seed).standard_normal((count, dim)) * np.arange(dim, 0, -1) + 5.0
    plane, reference = principal(points), PCA(2).fit(points)
    assert np.allclose(np.abs(plane.coordinates), np.abs(reference.transform(points)), atol=1e-6)
    assert np.allclose(plane.shares, reference.explained_variance_ratio_, atol=1e-9)


def test_turning_the_points_round_turns_the_picture_round():
    points = np.random.default_rng(0).standard_normal((20, 4)) * [4, 3, 2, 1]
    assert np.allclose(principal(-points).coordinates, -principal(points).coordinates)


@pytest.mark.parametrize("shape", [(1, 3), (2, 1), (5, 1)])
def test_few_points_or_dimensions_will_do(shape):
    points = np.random.default_rng(0).standard_normal(shape)
    assert principal(points).coordinates.shape == (shape[0], 2)


@pytest.mark.parametrize("count", [1, 8, 9, 20])
def test_no_two_families_look_alike_and_small_ones_are_not_hidden(count):
    families = [f"family {number:02}" for number in range(count) for _ in range(number + 1)] + [None]
    axes = Figure().add_subplot()
    scatter_families(axes, np.random.default_rng(0).standard_normal((len(families), 2)), families)
    drawn = {one.get_label(): one for one in axes.collections}
    assert len({(one.get_facecolor().tobytes(), one.get_paths()[0].vertices.tobytes()) for one in drawn.values()}) == (
        len(drawn)
    )
    assert sum(len(one.get_offsets()) for one in drawn.values()) == len(families)
    assert ("other families" in drawn) == (count > 8)
    known = sorted((one for name, one in drawn.items() if name != "unknown"), key=lambda one: len(one.get_offsets()))
    heights = [one.get_zorder() for one in known]
    assert heights == sorted(heights, reverse=True)


@pytest.mark.parametrize("kind", ["mel", "linear"])
def test_spectrograms_are_drawn_on_either_scale(tmp_path, kind):
    config = SpectrogramConfig(kind=kind)
    picture = np.full((config.bins, 9), -40.0)
    path = save_png(draw_spectrograms([Reconstruction("oboe-A4", picture, picture)], config), tmp_path / "pair.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [file.name for file in tmp_path.iterdir()] == ["pair.png"]


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(TimbreError, match="cannot be written"):
        save_png(Figure(), tmp_path / "none" / "space.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("share", "words"), [(0.5, "Dark line: no"), (-1.0, "No point is"), (2.0, "All points are")])
def test_a_caption_names_the_line_that_is_drawn(known_space: Space, share: float, words: str):
    found = topology(known_space, plane(known_space), ["centroid"], 3, progress=False)
    low, high = found.likelihood.min(), found.likelihood.max()
    shown = found.plane.coordinates(known_space.atlas.points)
    figure = draw_descriptors(replace(found, least=float(low + share * (high - low))), shown)
    assert words in " ".join(" ".join(text.get_text() for text in figure.texts).split())
