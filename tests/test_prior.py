"""Random points of a space: draws of its prior, anywhere or near a point, and the command that makes them sound."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

import timbre
from timbre.__main__ import main
from timbre.errors import ConfigError
from timbre.space import Space
from timbre.space.prior import MOST, Prior

MANY = 20_000


def cloud(count: int = 500, dim: int = 4) -> np.ndarray:
    random = np.random.default_rng(1)
    mixed = random.standard_normal((count, dim)) @ random.standard_normal((dim, dim)) + 3.0
    return mixed.astype(np.float32)


def test_draws_have_the_mean_and_covariance_of_the_points() -> None:
    points = cloud()
    drawn = Prior(points).draw(MANY)
    np.testing.assert_allclose(drawn.mean(0), points.mean(0), atol=0.15)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(points.T), rtol=0.2, atol=0.3)


def test_draws_are_where_points_are_and_not_between_clusters() -> None:
    clusters = np.random.default_rng(0).choice([-10.0, 10.0], (400, 1)) + 0.1 * cloud(400)
    drawn = Prior(clusters).draw(2000)
    assert (cdist(drawn, clusters).min(1) < 2.0).all()
    assert 0.4 < (drawn[:, 0] > 0).mean() < 0.6


def test_draws_are_new_points() -> None:
    points = cloud(200)
    drawn, held_out = Prior(points[:100]).draw(100), points[100:]
    nearest = [np.median(cdist(some, points[:100]).min(1)) for some in (drawn, held_out)]
    assert nearest[0] > 0.5 * nearest[1]


def test_without_two_points_it_is_the_standard_normal() -> None:
    for few in (np.zeros((0, 3)), np.full((1, 3), 7.0)):
        drawn = Prior(few).draw(MANY)
        np.testing.assert_allclose(np.cov(drawn.T), np.eye(3), atol=0.05)
        np.testing.assert_allclose(drawn.mean(0), 0.0, atol=0.03)


def test_points_on_a_line_of_one_dimension_and_two_points_are_enough() -> None:
    line = np.arange(6.0)[:, None] * [1.0, 2.0]
    drawn = Prior(line).draw(50)
    np.testing.assert_allclose(drawn[:, 1], 2.0 * drawn[:, 0], atol=1e-4)
    assert Prior(np.arange(2.0)[:, None]).draw(2).shape == (2, 1)


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(0, 99), st.floats(0.0, 1.0))
def test_a_seed_gives_the_same_points_however_many_are_asked_for(count: int, seed: int, spread: float) -> None:
    prior, near = Prior(cloud()), np.arange(4.0)
    drawn = prior.draw(count, seed, near, spread)
    assert drawn.dtype == np.float32
    assert drawn.shape == (count, 4)
    assert np.array_equal(prior.draw(count + 300, seed, near, spread)[:count], drawn)


@pytest.mark.parametrize("spread", [0.1, 0.5, 0.9])
def test_draws_near_draws_have_the_covariance_of_draws(spread: float) -> None:
    prior = Prior(cloud())
    near = prior.draw(MANY, 1)
    moved = np.stack([prior.draw(1, seed, point, spread)[0] for seed, point in enumerate(near[:3000])])
    np.testing.assert_allclose(moved.mean(0), prior.points.mean(0), atol=0.2)
    np.testing.assert_allclose(np.cov(moved.T), np.cov(prior.points.T), rtol=0.2, atol=0.5)
    stay = np.corrcoef(moved[:, 0], near[:3000, 0])[0, 1]
    assert stay == pytest.approx(np.sqrt(1 - spread**2), abs=0.05)


def test_spread_goes_from_the_point_to_anywhere() -> None:
    prior, near = Prior(cloud()), np.arange(4, dtype=np.float32)
    np.testing.assert_allclose(prior.draw(3, 0, near, 0.0), np.tile(near, (3, 1)), atol=1e-5)
    np.testing.assert_allclose(prior.draw(3, 0, near, 1.0), prior.draw(3, 0), atol=1e-5)


def test_a_space_draws_from_its_training_notes(tiny_space: Space) -> None:
    train = np.array(tiny_space.atlas.splits) == "train"
    far = np.where(train[:, None], 10.0 + tiny_space.atlas.points, -1000.0).astype(np.float32)
    space = Space(tiny_space.config, tiny_space.model, replace(tiny_space.atlas, points=far), tiny_space.report)
    np.testing.assert_allclose(space.draw(MANY).mean(0), far[train].mean(0), atol=0.3)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"n": 0}, "1 to 100,000, got 0"),
        ({"n": MOST + 1}, "got 100001"),
        ({"n": 1.5}, "got 1.5"),
        ({"n": 1, "seed": -1}, "seed must be 0 or more, got -1"),
        ({"n": 1, "near": [0.0, 1.0, 2.0], "spread": 1.5}, "spread must be 0 to 1, got 1.5"),
        ({"n": 1, "near": [0.0, 1.0, 2.0], "spread": float("nan")}, "spread must be 0 to 1, got nan"),
        ({"n": 1, "near": [0.0]}, "must have 3 numbers"),
        ({"n": 1, "near": [0.0, 1.0, float("inf")]}, "finite"),
    ],
)
def test_what_cannot_be_drawn_is_refused(tiny_space: Space, arguments: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        tiny_space.draw(**arguments)  # type: ignore[arg-type]


class TestCommand:
    """`timbre synth --random`."""

    @pytest.fixture(autouse=True)
    def _here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

    def test_it_writes_sounds_of_drawn_points_and_says_where_they_are(
        self, tiny_folder: Path, tiny_space: Space, capsys: pytest.CaptureFixture[str]
    ) -> None:
        common = ["--pitch", "A3", "--velocity", "0.6", "--duration", "0.3"]
        words = ["synth", str(tiny_folder), "--random", "10", "--seed", "4", *common, "-o", "r.wav"]
        assert main(words) == 0
        lines = capsys.readouterr().out.splitlines()
        files = sorted(Path().iterdir())
        assert [file.name for file in files] == [f"r-{number:02}.wav" for number in range(1, 11)]
        points = tiny_space.draw(10, seed=4)
        for file, point in zip(files, points, strict=True):
            wanted = tiny_space.decode(point, 57, 0.6, 0.3, seed=4)
            np.testing.assert_allclose(timbre.read(file).samples, wanted.samples, atol=2**-22)
        assert not np.array_equal(*(timbre.read(file).samples for file in files[:2]))
        again = lines[1].strip()
        assert again == "--at=" + ",".join(f"{value:.4f}" for value in points[0])
        assert main(["synth", str(tiny_folder), again, "--seed", "4", *common, "-o", "again.wav"]) == 0
        np.testing.assert_allclose(timbre.read("again.wav").samples, timbre.read("r-01.wav").samples, atol=0.05)

    def test_near_a_note_they_are_like_it(self, tiny_folder: Path, tiny_space: Space) -> None:
        note = next(iter(tiny_space.atlas))
        common = ["synth", str(tiny_folder), "--random", "2", "--at", note, "--duration", "0.3"]
        assert main([*common, "--spread", "0", "-o", "same.wav"]) == 0
        assert main([*common, "-o", "near.wav"]) == 0
        own = tiny_space.decode(tiny_space.atlas[note], duration=0.3).samples
        np.testing.assert_allclose(timbre.read("same-2.wav").samples, own, atol=1e-3)
        wanted = tiny_space.decode(tiny_space.draw(2, 0, tiny_space.atlas[note], 0.3)[1], duration=0.3)
        np.testing.assert_allclose(timbre.read("near-2.wav").samples, wanted.samples, atol=2**-22)

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            ("--random 0", "--random must be 1 to 1000, got 0"),
            ("--random 1001", "--random must be 1 to 1000, got 1001"),
            ("--random 2 --spread 0.5", "--spread must come with --random N and --at POINT"),
            ("--at 1,2,3 --spread 0.5", "--spread must come with --random N and --at POINT"),
            ("--random 2 --at 1,2,3 --spread 2", "--spread must be 0 to 1, got 2.0"),
            ("--random 2 --from 1,2,3 --to 1,2,3", "--random N"),
            ("--random 2 --at 1,2,3 --steps 3", "--random N"),
            ("--random 2 --seed -1", "The seed must be 0 or more, got -1"),
        ],
    )
    def test_refusals(self, tiny_folder: Path, capsys: pytest.CaptureFixture[str], words: str, sentence: str) -> None:
        assert main(["synth", str(tiny_folder), *words.split()]) == 1
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert sentence in lines[0]
        assert not list(Path().iterdir())
