"""Paths as they sound: uniformity, geodesics, expression; and the command."""

import json
from pathlib import Path as FilePath

import numpy as np
import pytest
import torch

import timbre
from timbre.__main__ import main
from timbre.errors import ConfigError
from timbre.paths import Path
from timbre.paths.geodesic import _Chain, chain, geodesic
from timbre.paths.uniformity import Uniformity, even, uniformity
from timbre.shapes.expression import Excursion, excursion, expressive
from timbre.shapes.path_files import read_path
from timbre.space import Space
from timbre.spectral.auditory import AuditoryFeatures

FLUTE = FilePath(__file__).parents[1] / "datasets" / "orchestra" / "flute" / "flute_C5.ogg"


def measured(space: Space, path: Path, steps: int = 32) -> Uniformity:
    """Uniformity of a path, as a listener at middle C hears it."""
    return uniformity(space.listening(), path, steps)


def far_apart(space: Space) -> np.ndarray:
    """The two known points, of pitched notes, that are farthest from each other."""
    points = space.atlas.points.astype(np.float64)
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    return points[list(np.unravel_index(apart.argmax(), apart.shape))]


class TestListening:
    def test_every_frame_gives_the_picture_of_the_decoded_note(self, known_space: Space) -> None:
        points = known_space.atlas.points[:3]
        listening = known_space.listening(67, 0.5).sampled(None)
        with torch.no_grad():
            decoded = known_space.model.decode_points(torch.from_numpy(points), listening.conditions)
        picture = AuditoryFeatures(known_space.spectrogram, known_space.config.data.duration)
        np.testing.assert_allclose(listening.along(points), picture(decoded).numpy(), atol=1e-6)

    @pytest.mark.parametrize(("per_cell", "error"), [(1, 0.1), (2, 0.02)])
    def test_a_few_frames_tell_nearly_the_same_distances(self, known_space: Space, per_cell: int, error: float) -> None:
        points = known_space.atlas.points[::4]
        few, all_ = (
            np.linalg.norm(np.diff(known_space.listening().sampled(count).along(points), axis=0), axis=1)
            for count in (per_cell, None)
        )
        np.testing.assert_allclose(few, all_, rtol=error)


class TestEvenness:
    def test_it_is_what_it_says(self, known_space: Space) -> None:
        path = known_space.path(*far_apart(known_space))
        found = uniformity(known_space.listening(64), path, 10)
        pictures = known_space.listening(64).sampled(None).along(path.at(np.linspace(0, 1, 11)))
        steps = [np.linalg.norm(pictures[i + 1] - pictures[i]) for i in range(10)]
        np.testing.assert_allclose(found.steps, steps, rtol=1e-3)  # sizes of batches change the last digits
        np.testing.assert_allclose(found.length, found.steps.sum())
        np.testing.assert_allclose(found.unevenness, found.steps.std() / found.steps.mean())
        assert 0.5 < found.monotonic_fraction <= 1

    def test_there_and_back_is_not_monotonic(self, known_space: Space) -> None:
        a, b = far_apart(known_space)
        there, back = (measured(known_space, known_space.path(*way), 12) for way in ((a, b), (a, b, 0.9 * a + 0.1 * b)))
        assert back.monotonic_fraction < there.monotonic_fraction - 0.1

    def test_a_path_that_stands_still_is_even(self, known_space: Space) -> None:
        found = measured(known_space, known_space.path(np.zeros(3), np.zeros(3)), 4)
        assert (found.length, found.unevenness) == (0.0, 0.0)

    def test_evening_makes_even_and_keeps_the_curve(self, known_space: Space) -> None:
        a, b = far_apart(known_space)
        crooked = Path(np.stack([a, 0.9 * a + 0.1 * b, b]), np.array([0.0, 0.5, 1.0]))
        found = even(known_space.listening(), crooked)
        assert measured(known_space, found).unevenness < 0.1 * measured(known_space, crooked).unevenness
        share = (found.points - a) @ (b - a) / ((b - a) @ (b - a))
        np.testing.assert_allclose(found.points, a + share[:, None] * (b - a), atol=1e-9)
        np.testing.assert_array_equal(found.points[[0, -1]], [a, b])

    @pytest.mark.parametrize("times", [(0.0, 1.0), (0.25, 0.5)])
    def test_evening_keeps_when_a_path_begins_and_ends(self, known_space: Space, times: tuple[float, float]) -> None:
        found = even(known_space.listening(), Path(far_apart(known_space), np.array(times), "slerp"))
        assert (found.times[0], found.times[-1]) == times

    def test_a_path_where_nothing_is_heard_stays(self, known_space: Space) -> None:
        found = even(known_space.listening(), known_space.path(np.zeros(3), np.zeros(3)), steps=4)
        np.testing.assert_allclose(found.times, np.linspace(0, 1, 5))

    def test_what_cannot_be_measured_is_refused(self, known_space: Space) -> None:
        for path, steps in ((known_space.path(np.zeros(3)), 8), (known_space.path(np.zeros(3), np.ones(3)), 1)):
            with pytest.raises(ConfigError):
                measured(known_space, path, steps)
        with pytest.raises(ConfigError):
            uniformity(known_space.listening(300), known_space.path(np.zeros(3), np.ones(3)))


class TestGeodesic:
    def test_the_energy_falls_and_the_way_is_shorter_for_the_ear(self, known_space: Space) -> None:
        a, b = 2.0 * far_apart(known_space)
        listening = known_space.listening().sampled(1)
        line = np.linspace(a, b, 9)
        found = chain(listening, a, b)
        np.testing.assert_array_equal(found[[0, -1]], [a, b])
        problem = _Chain(listening, line)
        energies = [
            problem.energy(inner, problem.features(inner)) for inner in map(torch.from_numpy, (found[1:-1], line[1:-1]))
        ]
        assert energies[0] < energies[1]
        lengths = [measured(known_space, known_space.path(a, b, kind=kind)).length for kind in ("geodesic", "line")]
        assert lengths[0] < lengths[1]

    def test_steps_are_those_of_the_gradient(self, known_space: Space) -> None:
        """A Gauss-Newton step goes down: against the gradient that autograd finds of the energy."""
        a, b = 2.0 * far_apart(known_space)
        listening = known_space.listening().sampled(1)
        problem = _Chain(listening, np.linspace(a, b, 9))
        inner = torch.from_numpy(np.linspace(a, b, 9)[1:-1] + 0.1).requires_grad_(True)
        chained = torch.cat([problem.end_features[:1], listening.features(inner.float()), problem.end_features[1:]])
        places = torch.cat([problem.ends[:1], inner, problem.ends[1:]])
        energy = chained.diff(dim=0).square().sum() + problem.weight * places.diff(dim=0).square().sum()
        (gradient,) = torch.autograd.grad(energy, inner)
        with torch.no_grad():
            step = problem.step(inner, problem.features(inner))
        assert float((gradient * step).sum()) < 0

    def test_slopes_are_those_of_autograd(self, known_space: Space) -> None:
        a, b = 2.0 * far_apart(known_space)
        listening = known_space.listening().sampled(1)
        problem, inner = _Chain(listening, np.linspace(a, b, 9)), torch.from_numpy(np.linspace(a, b, 9)[1:-1])
        one = inner[2].float()
        exact = torch.autograd.functional.jacobian(lambda z: listening.features(z[None])[0], one).double()
        found = problem._slopes(inner, problem.features(inner))[2]
        assert float((found - exact).norm() / exact.norm()) < 0.01

    def test_it_is_a_third_more_even_than_the_line_at_least(self, known_space: Space) -> None:
        a, b = 2.0 * far_apart(known_space)
        line, found = (measured(known_space, known_space.path(a, b, kind=kind)) for kind in ("line", "geodesic"))
        assert found.unevenness < 0.7 * line.unevenness

    def test_the_same_place_twice(self, known_space: Space) -> None:
        path = geodesic(known_space.listening(), np.zeros((2, 3)))
        np.testing.assert_allclose(path.points, 0.0, atol=1e-12)

    def test_it_can_be_rendered(self, known_space: Space) -> None:
        audio = timbre.render(known_space, known_space.path(*far_apart(known_space), kind="geodesic"), duration=0.5)
        assert audio.peak > 0.01


@pytest.fixture(scope="module")
def carried(known_space: Space) -> Excursion:
    return excursion(known_space, timbre.read(FLUTE), 72)


class TestExpression:
    def test_a_note_moves_about_its_middle_and_is_met_better(self, known_space: Space, carried: Excursion) -> None:
        np.testing.assert_allclose(carried.offsets.mean(0), 0.0, atol=1e-6)
        assert carried.error_db < carried.still_db
        assert carried.times[0] == 0.0
        assert carried.times[-1] <= known_space.config.data.duration
        np.testing.assert_array_equal(carried.at(carried.times), carried.offsets)

    def test_a_path_carries_it(self, known_space: Space, carried: Excursion) -> None:
        path = known_space.path(*far_apart(known_space))
        moved = expressive(path, carried, 2.0, 0.5)
        np.testing.assert_allclose(moved.points - path.at(moved.times), 0.5 * carried.at(2.0 * moved.times), atol=1e-9)
        np.testing.assert_allclose(expressive(path, carried, 2.0, 0.0).points, path.at(moved.times))
        with pytest.raises(ConfigError):
            expressive(path, carried, 0.0)

    def test_it_goes_back_and_forth_beyond_its_end_without_a_jump(self, carried: Excursion) -> None:
        steps = np.abs(np.diff(carried.at(np.linspace(0, 10 * carried.times[-1], 4000)), axis=0)).max()
        assert steps < 1.1 * np.abs(np.diff(carried.offsets, axis=0)).max()


class TestCommand:
    @pytest.mark.parametrize(
        "words",
        [
            "--from flute-C4 --to violin-G4 --even",
            "--kind geodesic --from flute --through 0,0.5,-0.5 --to -1,0.5,0",
            "--kind circle --from flute --through violin --to clarinet",
            "--kind circle --center flute --radius 0.5 --plane z0 z2",
            "--kind spiral --end-radius 0.5 --turns -2",
            "--kind walk --from flute-C4 --steps 9 --stride 0.1 --seed 3",
            "--curve curve.csv --scale 0.5 --center violin",
            "--kind slerp --from flute --to violin --before 0.1 --after 0.2",
        ],
    )
    def test_every_kind_is_written_and_read(
        self, known_space: Space, tiny_folder: FilePath, tmp_path: FilePath, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch, words: str,
    ) -> None:  # fmt: skip
        monkeypatch.chdir(tmp_path)
        (tmp_path / "curve.csv").write_text("x,y\n0,0\n1,0\n1,1\n")
        known = [name for name in known_space.atlas.names if name.startswith("violin")]
        words = words.replace("violin-G4", known[0])
        assert main(["path", str(tiny_folder), *words.split(), "-o", "p.json"]) == 0
        assert "unevenness" in capsys.readouterr().out
        path = read_path("p.json", known_space)
        assert (path.times[0], path.times[-1]) == (0.0, 1.0)

    def test_sums_expression_and_paths_again(
        self, known_space: Space, tiny_folder: FilePath, tmp_path: FilePath
    ) -> None:
        file, again = tmp_path / "p.json", tmp_path / "q.csv"
        words = ["--from", "flute - violin + clarinet", "--to", "trumpet", "--expression", str(FLUTE), "-o", str(file)]
        assert main(["path", str(tiny_folder), *words]) == 0
        assert len(json.loads(file.read_text())["times"]) == 51
        assert main(["path", str(tiny_folder), "--curve", str(file), "--even", "-o", str(again)]) == 0
        np.testing.assert_array_equal(
            read_path(again, known_space).points[[0, -1]], read_path(file, known_space).points[[0, -1]]
        )

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ("--from flute", "needs --to"),
            ("--kind zig", "--kind must be one of line"),
            ("--kind walk --from flute --to violin", "has no --to"),
            ("--from flute --to violin -o p.wav", "got .wav"),
            ("--from flute --to violin -o no/p.json", "no folder"),
            ("--kind circle --from flute --to violin", "one --through"),
            ("--kind circle --plane z0", "must have two axes"),
            ("--from flute --to kazoo", "kazoo"),
            ("--curve no.svg", "no.svg"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, tiny_folder: FilePath, tmp_path: FilePath, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch, words: str, message: str,
    ) -> None:  # fmt: skip
        monkeypatch.chdir(tmp_path)
        assert main(["path", str(tiny_folder), *words.split()]) == 1
        assert message in capsys.readouterr().err
        assert not list(tmp_path.iterdir())
