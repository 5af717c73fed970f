"""Planes, descriptor topology maps, views and their files: laws, references, refusals."""

import copy
import csv
import json
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gaussian_kde
from sklearn.decomposition import PCA

from timbre.__main__ import main
from timbre.errors import ConfigError, TimbreError
from timbre.maps._partial_notes import WHOLE, Frames
from timbre.maps.embedding import embed, trust
from timbre.maps.map_files import changes, named, write_map, write_sounds
from timbre.maps.maps import SIX, Topology, density, natural, smoothness, topology
from timbre.maps.planes import plane, plane_through
from timbre.models.conditions import Conditions
from timbre.models.regularizers.axes import AXES
from timbre.space import Space
from timbre.spectral.auditory import AuditoryFeatures
from timbre.spectral.descriptors import DESCRIPTORS, describe

LATER = [name for name in DESCRIPTORS if name not in WHOLE]


@pytest.fixture(scope="module")
def named_space(known_space: Space) -> Space:
    """A space of random points, two of whose dimensions have names."""
    axes = (AXES["brightness"], AXES["attack"])
    return Space(known_space.config, known_space.model, known_space.atlas, known_space.report, axes)


@pytest.fixture(scope="module")
def moving_space(known_space: Space) -> Space:
    """A space of random points and known notes, which decay by 12 dB a second and darken at a rate of their own."""
    model = copy.deepcopy(known_space.model)
    slope = torch.linspace(0.0, 1.0, model.decoder.bins)

    def decode(z: torch.Tensor, conditions: Conditions, time: torch.Tensor) -> torch.Tensor:
        steady = known_space.model.decoder(z, conditions, time)
        rate = torch.exp(0.3 * z[..., -1].mean(1) if z.dim() == 3 else 0.3 * z[:, -1])
        return steady - 12.0 * time - 20.0 * slope[:, None] * (1.0 - torch.exp(-rate[:, None, None] * time))

    model.decoder.forward = decode  # type: ignore[method-assign]
    return Space(known_space.config, model, known_space.atlas, known_space.report)


@pytest.fixture(scope="module")
def found(moving_space: Space) -> Topology:
    return topology(moving_space, plane(moving_space), resolution=9, progress=False)


def planes_of(space: Space) -> dict[str, object]:
    return {
        "overview": plane(space),
        "families": plane(space, ["families"]),
        "heard": plane(space, ["heard"]),
        "pca": plane(space, ["pca"]),
        "axes": plane(space, ("brightness", "attack")),
        "mixed": plane(space, ("attack", "z2")),
        "dims": plane(space, ("z2", "z0")),
        "points": plane_through(space, list(space.atlas.points[[0, 15, 30]])),
    }


@pytest.mark.parametrize("kind", ["overview", "families", "heard", "pca", "axes", "mixed", "dims", "points"])
@given(u=st.floats(-9, 9), v=st.floats(-9, 9))
def test_a_place_of_a_plane_has_the_coordinates_that_it_was_made_from(named_space, kind, u, v):
    made = planes_of(named_space)[kind]
    z = made.at(u, v)
    assert np.allclose(made.coordinates(z), [u, v], atol=1e-9)
    assert made.distance(z) < 1e-9


def test_the_plane_pca_is_that_of_principal_component_analysis(known_space):
    points = known_space.atlas.points.astype(np.float64)
    made, reference = plane(known_space, ["pca"]), PCA(2).fit(points)
    assert np.allclose(np.abs(made.coordinates(points)), np.abs(reference.transform(points)), atol=1e-6)
    projected = reference.inverse_transform(reference.transform(points))
    assert np.allclose(made.at(*made.coordinates(points).T), projected, atol=1e-6)
    assert np.allclose(made.distance(points), np.linalg.norm(points - projected, axis=1), atol=1e-6)
    assert f"({reference.explained_variance_ratio_[0]:.0%} of the variance)" in made.labels[0]


def test_the_mean_of_the_library_notes_has_their_mean_values_in_a_plane_of_named_axes(named_space):
    controls, made = named_space.axis_controls, plane(named_space, ("attack", "brightness"))
    assert np.allclose(made.coordinates(named_space.atlas.points.mean(0)), controls.means[::-1], atol=1e-5)
    assert np.allclose(made.directions, controls.directions.flip(0))


def test_in_a_plane_of_dimensions_the_rest_is_that_of_the_mean(known_space):
    mean = known_space.atlas.points.mean(0)
    assert np.allclose(plane(known_space, ("z2", "z0")).at(0.5, -0.25), [-0.25, mean[1], 0.5], atol=1e-6)


def test_a_plane_through_places_holds_them_at_their_distances(known_space):
    corners = known_space.atlas.points[[0, 15, 30]].astype(np.float64)
    made = plane_through(known_space, list(corners))
    seen = made.coordinates(corners)
    assert np.allclose(seen[0], 0.0, atol=1e-9)
    assert seen[1, 1] == pytest.approx(0.0, abs=1e-6)
    assert seen[2, 1] > 0
    assert made.distance(corners).max() < 1e-6
    assert np.linalg.norm(seen[1] - seen[2]) == pytest.approx(np.linalg.norm(corners[1] - corners[2]), rel=1e-6)


def test_every_known_sound_is_within_the_extent(named_space):
    for made in planes_of(named_space).values():
        seen = made.coordinates(named_space.atlas.points)
        assert (seen > made.extent[:, 0]).all()
        assert (seen < made.extent[:, 1]).all()


def test_planes_that_are_none_are_refused(named_space):
    a, b, _ = named_space.atlas.points[:3]
    with pytest.raises(ConfigError, match="not parallel"):
        plane(named_space, ("brightness", "brightness"))
    with pytest.raises(ConfigError, match="not on a line"):
        plane_through(named_space, [a, b, 2 * b - a])
    with pytest.raises(ConfigError, match="3 points, got 2"):
        plane_through(named_space, [a, b])
    lonely = Space(named_space.config, named_space.model, named_space.atlas.take(np.arange(2)), {})
    with pytest.raises(ConfigError, match="3 library notes or more"):
        plane(lonely)


def every_frame(space: Space, points: np.ndarray, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Descriptors and auditory features, from all frames."""
    controls = (torch.tensor([value]) for value in (57.0, 0.8, np.inf))
    with torch.no_grad():
        decibels = space.model.decode_points(
            torch.from_numpy(points.astype(np.float32)), Conditions(*(c.float() for c in controls))
        )
        values = describe(decibels, space.spectrogram, torch.full((len(points),), 57.0), names, natural=True)
        picture = AuditoryFeatures(space.spectrogram, space.config.data.duration)
        return values.double().numpy(), picture(decibels).double().numpy()


def test_a_map_reads_what_all_frames_of_its_places_do(moving_space):
    made = plane(moving_space)
    drawn = topology(moving_space, made, LATER, 7, progress=False)
    assert drawn.frames[0] < drawn.frames[1]
    points = made.at(drawn.u, drawn.v[:, None]).reshape(-1, moving_space.dim)
    values, pictures = every_frame(moving_space, points, LATER)
    for name, column in zip(LATER, values.T, strict=True):
        away = np.abs(natural(name, drawn.values[name]).ravel() - column).mean()
        assert away < 0.03 * max(column.std(), 0.02 * np.abs(column).max()), name
    pictures = pictures.reshape(7, 7, -1)
    assert np.allclose(drawn.right, np.linalg.norm(np.diff(pictures, axis=1), axis=2), rtol=0.05, atol=1e-4)
    assert np.allclose(drawn.up, np.linalg.norm(np.diff(pictures, axis=0), axis=2), rtol=0.05, atol=1e-4)


def test_what_needs_every_frame_has_every_frame(moving_space):
    made = plane(moving_space)
    drawn = topology(moving_space, made, (*WHOLE, "centroid"), 3, progress=False)
    assert drawn.frames[0] == drawn.frames[1]
    points = made.at(drawn.u, drawn.v[:, None]).reshape(-1, moving_space.dim)
    values, _ = every_frame(moving_space, points, [*WHOLE, "centroid"])
    for name, column in zip((*WHOLE, "centroid"), values.T, strict=True):
        assert np.allclose(natural(name, drawn.values[name]).ravel(), column, rtol=1e-3, atol=1e-3), name


@given(count=st.integers(1, 400))
def test_a_line_stands_in_for_frames_that_are_left_out(count):
    frames = Frames(count, every=False)
    assert frames.numbers[0] == 0
    assert frames.numbers[-1] == count - 1
    line = 3.0 - 0.5 * frames.numbers.float()
    assert torch.allclose(frames.between @ line, 3.0 - 0.5 * torch.arange(count), atol=1e-3)


def test_each_value_stands_at_its_place(moving_space, found):
    corner = found.plane.at(found.u[0], found.v[-1])
    values, _ = every_frame(moving_space, corner[None], ["centroid"])
    assert found.values["centroid"][-1, 0] == pytest.approx(2 ** values[0, 0], rel=0.01)
    assert found.nearest[-1, 0] == pytest.approx(moving_space.dissimilarity(moving_space.atlas.points, corner).min())
    assert found.likelihood[-1, 0] == pytest.approx(moving_space.atlas.aggregate.log_likelihood(corner[None])[0])


def test_evidence_ends_where_five_in_a_hundred_left_out_notes_lie(moving_space, found):
    reference = moving_space.atlas.aggregate.reference
    assert (reference < found.least).mean() == pytest.approx(0.05, abs=1.0 / len(reference))
    assert np.array_equal(found.evidence, found.likelihood >= found.least)


def test_density_is_that_of_scipy_and_sums_to_one():
    seen = np.random.default_rng(0).standard_normal((200, 2)) * [3.0, 0.5]
    seen -= seen.mean(0)
    seen[:, 1] -= seen[:, 0] * (seen[:, 0] @ seen[:, 1]) / (seen[:, 0] @ seen[:, 0])  # scipy's kernel turns with them
    u, v = np.linspace(-18, 18, 73), np.linspace(-4, 4, 51)
    grid = np.stack(np.meshgrid(u, v)).reshape(2, -1)
    ours = density(seen, u, v)
    assert np.allclose(ours, gaussian_kde(seen.T)(grid).reshape(51, 73), rtol=1e-6, atol=1e-12)
    assert ours.sum() * (u[1] - u[0]) * (v[1] - v[0]) == pytest.approx(1.0, abs=1e-3)


@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(0.1, 10), shift=st.floats(-100, 100))
def test_smoothness_knows_no_unit_and_noise_has_none(seed, factor, shift):
    noise = np.random.default_rng(seed).standard_normal((40, 40))
    first, second = smoothness(noise), smoothness(factor * noise + shift)
    assert second.step == pytest.approx(factor * first.step)
    assert second[1:] == pytest.approx(first[1:])
    assert first.geary == pytest.approx(1.0, abs=0.15)


def test_smoothness_of_a_ramp_is_what_the_formula_gives():
    ramp = np.tile(np.arange(10.0), (4, 1))
    steps, pairs = 4 * 9, 4 * 9 + 3 * 10
    assert smoothness(ramp).step == pytest.approx(steps / pairs)
    assert smoothness(ramp).geary == pytest.approx(steps / pairs / (2 * ramp.var(ddof=1)))
    assert smoothness(np.full((4, 4), 2.0)) == (0.0, 0.0, 0.0)


def test_maps_that_cannot_be_made_are_refused(tiny_space):
    made = plane(tiny_space)
    for names, wanted in ((("brilliance",), "got .'brilliance'"), ((), "got none")):
        with pytest.raises(ConfigError, match=wanted):
            topology(tiny_space, made, names)
    for resolution in (1, 0, -5, 1001, 10**9):
        with pytest.raises(ConfigError, match="2 to 1000"):
            topology(tiny_space, made, resolution=resolution)
    with pytest.raises(ConfigError, match="odd_even is a descriptor of partials"):
        topology(tiny_space, made, ("centroid", "odd_even"), pitch=None)
    with pytest.raises(ConfigError, match="pitch"):
        topology(tiny_space, made, pitch=200.0)


def test_ctrl_c_stops_a_map_and_breaks_nothing(tiny_folder, tiny_space, tmp_path, capsys):
    point = tiny_space.atlas.points[0]
    before = tiny_space.spectrum(point[None], 57, 0.8, 0.5)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    ours = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(KeyboardInterrupt):
            topology(tiny_space, plane(tiny_space), resolution=1000, progress=False)
        signal.setitimer(signal.ITIMER_REAL, 1.0)
        assert main(["map", str(tiny_folder), "--resolution", "1000", "-o", str(tmp_path / "out")]) == 130
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, ours)
    assert capsys.readouterr().err.endswith("timbre: stopped.\n")
    assert not list(tmp_path.rglob("*.*"))
    assert torch.is_grad_enabled()
    assert torch.equal(tiny_space.spectrum(point[None], 57, 0.8, 0.5), before)


def test_change_is_the_mean_distance_to_the_neighbours(found):
    mean = changes(found)
    assert mean[0, 0] == pytest.approx((found.right[0, 0] + found.up[0, 0]) / 2)
    four = (found.right[4, 3], found.right[4, 4], found.up[3, 4], found.up[4, 4])
    assert mean[4, 4] == pytest.approx(np.mean(four))


def test_what_is_written_is_read_back_by_others(moving_space, found, tmp_path):
    files = write_map(tmp_path, found)
    header = json.loads(files[1].read_text())
    cells = np.genfromtxt(files[0], delimiter=",", names=True)
    assert next(csv.reader(files[0].read_text().splitlines())) == header["columns"]
    assert np.array_equal(cells["centroid_Hz"].reshape(9, 9), found.values["centroid"])
    assert np.array_equal(cells["evidence"].reshape(9, 9) == 1, found.evidence)
    origin, directions = (np.array(header["plane"][key]) for key in ("origin", "directions"))
    seen = np.stack([cells["u"], cells["v"]], 1)
    assert np.allclose(origin + seen @ directions, found.plane.at(cells["u"], cells["v"]))
    assert header["smoothness"]["attack"]["geary"] == pytest.approx(found.smoothness("attack").geary)
    sounds = write_sounds(tmp_path / "s.csv", moving_space.atlas, seen[:40], found.plane)
    rows = list(csv.DictReader(sounds.read_text().splitlines()))
    assert [row["name"] for row in rows] == list(moving_space.atlas.names)
    assert float(rows[7]["distance_from_plane"]) == pytest.approx(found.plane.distance(moving_space.atlas.points[7]))


def flat_points() -> np.ndarray:
    """40 points of a plane, turned into five dimensions."""
    random = np.random.default_rng(0)
    return random.standard_normal((40, 2)) @ random.standard_normal((2, 5))


@pytest.mark.parametrize("view", ["pca", "tsne"])
def test_a_view_is_the_same_for_a_seed_and_keeps_neighbours(view):
    points = flat_points()
    seen = embed(points, view, seed=3)
    assert np.array_equal(seen, embed(points, view, seed=3))
    assert seen.shape == (40, 2)
    scrambled = np.random.default_rng(0).permutation(seen)
    assert trust(points, seen) > (0.999 if view == "pca" else 0.9) > 0.8 > trust(points, scrambled)


def test_the_view_of_principal_components_is_their_plane(known_space):
    points = known_space.atlas.points
    assert np.allclose(embed(points, "pca"), plane(known_space, ["pca"]).coordinates(points), atol=1e-5)


@pytest.mark.parametrize("count", [4, 5, 7])
def test_few_sounds_have_a_view_and_fewer_none(count):
    points = np.random.default_rng(0).standard_normal((count, 5))
    assert np.isfinite(embed(points, "tsne")).all()
    with pytest.raises(ConfigError, match="4 finite points or more"):
        embed(points[:3], "tsne")
    with pytest.raises(ConfigError, match="less than"):
        embed(points, "tsne", neighbours=count)
    with pytest.raises(ConfigError, match=f"from 2 to {count - 1}"):
        embed(points, "umap", neighbours=count)
    with pytest.raises(ConfigError, match="one of pca, umap, tsne"):
        embed(points, "isomap")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ImportWarning")
def test_umap_is_the_same_for_a_seed_and_keeps_neighbours():
    points = flat_points()
    seen = embed(points, "umap")
    assert np.array_equal(seen, embed(points, "umap"))
    assert trust(points, seen) > 0.8
    assert embed(points[:4], "umap").shape == (4, 2)


def test_umap_says_what_to_install(monkeypatch, tiny_folder, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(TimbreError, match="pip install umap-learn"):
        embed(np.eye(5), "umap")
    assert main(["map", str(tiny_folder), "--view", "umap", "-o", str(tmp_path / "out")]) == 1
    assert "needs the package umap-learn" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def command(folder: Path, out: Path, *words: str) -> int:
    return main(["map", str(folder), *words, "--resolution", "6", "-o", str(out)])


def test_the_command_draws_and_writes_everything(tiny_folder, tmp_path, capsys):
    assert command(tiny_folder, tmp_path / "out", "--view", "tsne") == 0
    wanted = ["descriptors.png", "map.csv", "map.json", "sounds.csv", "sounds.png", "tsne.csv", "tsne.png"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == wanted
    for name in wanted:
        if name.endswith("png"):
            assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr()
    assert all(name in printed.out for name in (*SIX, *wanted, "trustworthiness"))
    assert printed.err == ""


def test_the_command_takes_any_plane(tiny_folder, tiny_space, tmp_path):
    a, b, c = [tiny_space.atlas.names[n] for n in (0, 15, 30)]
    corners = [tiny_space.atlas[name] for name in (a, b, c)]
    for number, (words, wanted) in enumerate(
        (
            (("dims", "0", "2"), plane(tiny_space, ("z0", "z2"))),
            (("z1", "z2"), plane(tiny_space, ("z1", "z2"))),
            (("points", a, b, c), plane_through(tiny_space, corners)),
            (("places", a, b, " -1,-2,3"), plane_through(tiny_space, [*corners[:2], np.array([-1.0, -2.0, 3.0])])),
        )
    ):
        out = tmp_path / str(number)
        assert command(tiny_folder, out, "--descriptors", "flux", "--plane", *words) == 0
        assert (out / "flux.png").exists()
        cells = np.genfromtxt(out / "map.csv", delimiter=",", names=True)
        assert named("flux") == "flux [dB]"
        values = topology(tiny_space, wanted, ("flux",), 6, progress=False).values["flux"]
        assert np.allclose(cells["flux_dB"].reshape(6, 6), values)


def test_a_grid_on_a_plane_covers_its_extent(tiny_folder, tiny_space, tmp_path):
    words = ["--grid", "3x2", "--plane", "dims", "0", "2", "--duration", "0.1", "-o", str(tmp_path / "grid")]
    assert main(["render", str(tiny_folder), *words]) == 0
    rows = np.genfromtxt(tmp_path / "grid" / "index.csv", delimiter=",", skip_header=1)
    seen, (left, right), (low, high) = plane(tiny_space, ("z0", "z2")), *plane(tiny_space, ("z0", "z2")).extent
    coordinates = [[u, v] for v in (low, high) for u in (left, (left + right) / 2, right)]
    np.testing.assert_allclose(seen.coordinates(rows[:, 3:]), coordinates, rtol=1e-5)
    assert seen.distance(rows[:, 3:]).max() < 1e-5


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--plane", "dims", "0"), "dims I J"),
        (("--plane", "dims", "0", "3"), "z0 to z2"),
        (("--plane", "axes", "warmth", "z1"), "got 'warmth'"),
        (("--plane", "places", "a", "b", "c"), "must be coordinates, a library note"),
        (("--view", "isomap"), "got 'isomap'"),
        (("--descriptors", "brilliance"), "got ['brilliance']"),
        (("--pitch", "unknown", "--descriptors", "tristimulus_1"), "descriptor of partials"),
    ],
)
def test_the_command_refuses_what_is_not_there(tiny_folder, tmp_path, capsys, words, wanted):
    assert command(tiny_folder, tmp_path / "out", *words) == 1
    assert wanted in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.*"))
