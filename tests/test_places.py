"""Placing unheard sounds: what is likely, how unlike instruments are, refining; the commands."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import timbre
from timbre.__main__ import main
from timbre.audio import Audio
from timbre.data import Library
from timbre.errors import AudioError, ConfigError
from timbre.space import Atlas, Space
from timbre.space.locating import Locator, locate


def atlas_of(points: np.ndarray, instruments: list[str], stds: np.ndarray | None = None) -> Atlas:
    count = len(points)
    names, words = tuple(f"n{number}" for number in range(count)), ("x",) * count
    none = np.full(count, np.nan, np.float32)
    placed = points.astype(np.float32)
    return Atlas(placed, none, none, names, tuple(instruments), words, words, ("train",) * count, stds)


def groups(seed: int = 0, dim: int = 4, each: int = 40) -> Atlas:
    """Five instruments, as far apart as they are wide."""
    rng = np.random.default_rng(seed)
    points = np.repeat(rng.normal(size=(5, dim)), each, 0) + rng.normal(size=(5 * each, dim))
    return atlas_of(points, [f"i{number}" for number in np.repeat(np.arange(5), each)])


@pytest.fixture(scope="module")
def locator(tiny_space: Space) -> Locator:
    return Locator(tiny_space)


@pytest.fixture(scope="module")
def oboe(orchestra: Library) -> Audio:
    """A note of an instrument that the space does not know."""
    return next(note for note in orchestra.filter(instrument="oboe")).audio()


class TestAggregate:
    def test_the_mixture_is_what_it_says(self) -> None:
        atlas = groups(dim=2, each=6)
        stds = np.abs(np.random.default_rng(1).normal(size=atlas.points.shape)).astype(np.float32)
        found = replace(atlas, stds=stds).aggregate
        widths = np.square(stds) + np.square(found.bandwidth * atlas.points.std(0))
        point = np.array([0.3, -1.2])
        parts = [
            multivariate_normal(mean, np.diag(width)).pdf(point)
            for mean, width in zip(atlas.points, widths, strict=True)
        ]
        assert found.log_likelihood(point[None])[0] == pytest.approx(np.log(np.mean(parts)), abs=1e-5)

    def test_it_is_a_density(self) -> None:
        found = groups(dim=1, each=8).aggregate
        line = np.linspace(-20, 20, 20001)
        assert np.exp(found.log_likelihood(line[:, None])).sum() * (line[1] - line[0]) == pytest.approx(1, abs=1e-6)

    def test_the_bandwidth_is_the_likeliest_with_instruments_left_out(self) -> None:
        atlas = groups()
        found = atlas.aggregate
        own = np.array(atlas.instruments)

        def left_out(bandwidth: float) -> float:
            width, total = np.square(bandwidth * atlas.points.std(0)), 0.0
            for point, instrument in zip(atlas.points, own, strict=True):
                others = atlas.points[own != instrument]
                logs = -0.5 * (np.square(others - point) / width + np.log(2 * np.pi * width)).sum(1)
                total += np.log(np.exp(logs).mean())
            return total / len(own)

        best = left_out(found.bandwidth)
        assert found.reference.mean() == pytest.approx(best, abs=1e-4)
        assert found.left_out == "instrument"
        assert max(left_out(found.bandwidth * share) for share in (0.5, 0.8, 1.25, 2.0)) < best

    def test_few_notes_of_the_same_kind_are_strange(self) -> None:
        train, same = groups(0), groups(0)
        found = train.aggregate
        jitter = np.random.default_rng(3).normal(size=same.points.shape) * 0.1
        assert (found.percentile(same.points + jitter) < 5).mean() < 0.06
        assert (found.percentile(same.points + 8) < 5).all()
        assert found.percentile(np.full((1, 4), 99.0))[0] == pytest.approx(100 / 201)

    def test_one_instrument_is_left_out_note_by_note(self) -> None:
        found = atlas_of(np.random.default_rng(0).normal(size=(30, 3)), ["flute"] * 30).aggregate
        assert found.left_out == "note"
        assert np.isfinite(found.reference).all()

    def test_notes_at_one_place_and_dimensions_that_are_not_used(self) -> None:
        points = np.zeros((12, 3))
        points[:, 0] = np.arange(12)
        assert np.isfinite(atlas_of(points, list("aabbccddeeff")).aggregate.reference).all()
        assert np.isfinite(atlas_of(0 * points, list("aabbccddeeff")).aggregate.reference).all()

    def test_an_atlas_without_training_notes_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"2 training notes or more.*got 0"):
            Atlas.empty(3).aggregate  # noqa: B018


class TestPlacing:
    def test_a_known_note_lies_where_it_lay(self, tiny_space: Space, some_notes: Library) -> None:
        name, atlas = "flute-C4", tiny_space.atlas
        others = np.random.default_rng(0).normal(size=atlas.points.shape)
        others[atlas.index(name)] = 0.0  # in the middle of the others, 0.2 or more from each
        around = replace(atlas, points=(atlas[name] + others).astype(np.float32))
        space = Space(tiny_space.config, tiny_space.model, around, {})
        found = locate(space, some_notes[name].audio(), velocity=some_notes[name].velocity)
        np.testing.assert_allclose(found.point, atlas[name], atol=0.02)
        assert next(iter(found.neighbours)) == name
        assert found.pitch == pytest.approx(60, abs=0.5)
        assert atlas.stds is not None
        np.testing.assert_allclose(found.std, atlas.stds[atlas.index(name)], rtol=0.02)
        assert not found.unlikely
        assert found.elbo is None
        assert found.to_dict()["elbo_after_nats"] is None

    def test_it_is_what_encoding_gives(self, locator: Locator, oboe: Audio) -> None:
        found = locator(oboe, pitch=57.0, velocity=0.5)
        np.testing.assert_allclose(found.point, locator.space.encode(oboe, 57.0, 0.5), atol=1e-6)
        assert list(found.dissimilarities.values()) == sorted(found.dissimilarities.values())
        assert set(found.dissimilarities) == {"flute", "clarinet", "trumpet", "violin"}
        near = locator.space.nearest(found.point, pitch=found.pitch)
        assert list(found.neighbours) == [locator.space.atlas.names[index] for index in near.indices]
        np.testing.assert_allclose(list(found.neighbours.values()), near.distances)
        assert next(iter(found.dissimilarities.values())) == near.distances[0]

    def test_every_instrument_weighs_the_same_in_the_percentile_of_an_error(
        self, tiny_space: Space, oboe: Audio
    ) -> None:
        atlas = tiny_space.atlas
        errors = np.full(len(atlas), np.nan, np.float32)
        flutes, others = (np.flatnonzero((np.array(atlas.instruments) == "flute") == is_flute) for is_flute in (1, 0))
        errors[flutes[:5]], errors[others[:1]] = 0.0, 900.0
        one = locate(Space(tiny_space.config, tiny_space.model, replace(atlas, errors=errors), {}), oboe)
        assert one.error_percentile == pytest.approx(100 * (1 + 6 / 2) / 7)

    def test_refining_gains_and_repeats(self, known_space: Space, oboe: Audio) -> None:
        # The encoder belongs to another decoder than the known one, so there is much to gain.
        before, first, second = (locate(known_space, oboe, refine=steps) for steps in (0, 12, 12))
        assert first.elbo is not None
        assert first.error_refined_db is not None
        assert first.elbo[1] > first.elbo[0]
        assert first.error_refined_db < first.error_db == before.error_db
        np.testing.assert_array_equal(first.point, second.point)
        assert np.abs(first.point - before.point).max() > 1e-3
        assert first.percentile == before.percentile

    def test_noise_is_unfamiliar_where_held_out_notes_tell(self, tiny_space: Space) -> None:
        noise = Audio(np.random.default_rng(0).normal(size=22050).astype(np.float32) * 0.1, 22050)
        errors = np.full(len(tiny_space.atlas), np.nan, np.float32)
        errors[:30] = np.linspace(0.1, 1, 30)  # as many as a larger library holds out; no decoder meets noise so well
        atlas = replace(tiny_space.atlas, errors=errors)
        found = locate(Space(tiny_space.config, tiny_space.model, atlas, {}), noise)
        assert np.isnan(found.pitch)
        assert found.error_percentile == pytest.approx(100 / 31)
        assert found.out_of_distribution

    def test_a_space_of_an_earlier_version(self, tiny_space: Space, oboe: Audio) -> None:
        atlas = replace(tiny_space.atlas, stds=None, errors=None)
        found = locate(Space(tiny_space.config, tiny_space.model, atlas, {}), oboe)
        assert found.error_percentile is None
        assert not found.high_error
        assert 0 < found.percentile <= 100

    @pytest.mark.parametrize(
        ("arguments", "match"),
        [({"pitch": 300}, "12 to 127"), ({"velocity": 2}, "from 0 to 1"), ({"refine": -1}, "0 or more, got -1")],
    )
    def test_bad_arguments_are_refused(self, locator: Locator, oboe: Audio, arguments: dict[str, float], match: str):
        with pytest.raises(ConfigError, match=match):
            locator(oboe, **arguments)

    def test_silence_is_refused(self, locator: Locator) -> None:
        with pytest.raises(AudioError, match="silent"):
            locator(Audio(np.zeros(22050, np.float32), 22050))


class TestCommands:
    def test_nearest(self, tiny_folder: Path, tiny_space: Space, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["nearest", str(tiny_folder), "flute-C4", "-k", "3", "--format", "json"]) == 0
        rows = json.loads(capsys.readouterr().out)
        near = tiny_space.nearest(tiny_space.atlas["flute-C4"], 3, 60, besides="flute-C4")
        assert [row["sound"] for row in rows] == [tiny_space.atlas.names[index] for index in near.indices]
        np.testing.assert_allclose([row["dissimilarity"] for row in rows], near.distances, rtol=1e-4)
        assert main(["nearest", str(tiny_folder), "0,0,0", "--instruments", "--format", "csv"]) == 0
        table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert {row["instrument"] for row in table} == {"flute", "clarinet", "trumpet", "violin"}
        assert main(["nearest", str(tiny_folder), "-1,0,0", "--count", "2"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 3

    def test_place(
        self, tiny_folder: Path, some_notes: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file, target = str(some_notes["violin-A3"].file), tmp_path / "found.json"
        assert main(["locate", str(tiny_folder), file, "--refine", "3", "--json", str(target)]) == 0
        page = capsys.readouterr().out
        assert all(word in page for word in ("refined in 3 steps", "dissimilarity", "violin_A3", " MIDI)"))
        (row,) = json.loads(target.read_text())
        assert row["elbo_after_nats"] >= row["elbo_before_nats"]
        assert len(row["point"]) == len(row["std"]) == 3
        assert main(["locate", str(tiny_folder), file, "--pitch", "unknown"]) == 0
        assert "without pitch" in capsys.readouterr().out

    def test_a_file_that_is_no_note_is_named(
        self, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        timbre.write(tmp_path / "nothing.wav", Audio(np.zeros(22050, np.float32), 22050))
        assert main(["locate", str(tiny_folder), str(tmp_path / "nothing.wav")]) == 1
        assert "skipped" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("words", "match"),
        [
            (["nearest", "SPACE", "flute-C4", "-k", "0"], "1 or more"),
            (["nearest", "SPACE", "flut-C4"], "must be coordinates, a library note"),
            (["locate", "SPACE"], "No sound files"),
            (["locate", "SPACE", "a.wav", "--refine", "-2"], "must be 0 or more, got -2"),
            (["locate", "SPACE", "a.wav", "--json", "no/such/folder/x.json"], "there is no folder"),
        ],
    )
    def test_what_is_refused(
        self, tiny_folder: Path, words: list[str], match: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([str(tiny_folder) if word == "SPACE" else word for word in words]) == 1
        assert match in capsys.readouterr().err
