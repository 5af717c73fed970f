"""The atlas: names, filters, centroids, stds, and files that are whole or refused."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.numpy import load as parse_safetensors
from safetensors.numpy import save as safetensors_bytes

import timbre
from timbre.cli.points import find_pitch
from timbre.data import Library
from timbre.data.features.example import example
from timbre.errors import CheckpointError, ConfigError
from timbre.models.conditions import Conditions
from timbre.models.refinement import posterior_std
from timbre.models.vae import Posterior
from timbre.space import Atlas, Space


@pytest.fixture
def atlas() -> Atlas:
    """Five notes at places that are easily counted."""
    points = np.array([[0, 0], [2, 0], [0, 3], [4, 4], [9, 9]], np.float32)
    pitches = np.array([60, 62, 64.4, np.nan, 72], np.float32)
    instruments = ("flute", "flute", "oboe", "snare_drum", "oboe")
    return Atlas(
        points, pitches, np.full(5, np.nan, np.float32), ("a", "b", "c", "d", "e"), instruments,
        ("woodwinds",) * 3 + ("percussion", "woodwinds"), ("x.wav",) * 5, ("train", "train", "test", "valid", "train"),
        np.full((5, 2), 0.1, np.float32), np.array([np.nan, np.nan, 3, 4, np.nan], np.float32),
    )  # fmt: skip


class TestNames:
    def test_a_name_is_a_point(self, atlas: Atlas) -> None:
        np.testing.assert_array_equal(atlas["c"], [0, 3])
        assert "c" in atlas
        assert "f" not in atlas
        assert dict(atlas).keys() == {"a", "b", "c", "d", "e"}

    @pytest.mark.parametrize(("text", "pitch"), [("b", 62.0), ("d", np.nan), ("snare_drum", np.nan), ("oboe", None)])
    def test_a_name_has_a_pitch(self, atlas: Atlas, text: str, pitch: float | None) -> None:
        """Of an instrument: none if its notes differ, and no pitch if none of them has one."""
        found = find_pitch(SimpleNamespace(atlas=atlas), text)
        assert found == pitch or (np.isnan(found) and np.isnan(pitch))

    def test_another_name_is_refused_with_close_ones(self, tiny_space: Space) -> None:
        with pytest.raises(ConfigError, match="similar names: flute-A4"):
            tiny_space.atlas["flute-A44"]


class TestFilters:
    @pytest.mark.parametrize(
        ("wanted", "names"),
        [
            ({"instrument": "Flute"}, "ab"),
            ({"instrument": ["flute", "Snare Drum"]}, "abd"),
            ({"family": "woodwinds", "split": "train"}, "abe"),
            ({"split": ("valid", "test")}, "cd"),
            ({"pitch": (60, "E4")}, "abc"),
            ({"pitch": "C5"}, "e"),
            ({"pitch": 64}, "c"),
            ({}, "abcde"),
        ],
    )
    def test_what_is_kept(self, atlas: Atlas, wanted: dict[str, object], names: str) -> None:
        assert "".join(atlas.filter(**wanted)) == names

    def test_everything_of_a_note_goes_with_it(self, atlas: Atlas) -> None:
        kept = atlas.filter(instrument="oboe")
        np.testing.assert_array_equal(kept["e"], atlas["e"])
        np.testing.assert_array_equal(kept.errors, [3, np.nan])
        assert kept.stds is not None
        assert kept.stds.shape == (2, 2)
        assert kept.splits == ("test", "train")

    @pytest.mark.parametrize(
        ("wanted", "match"),
        [
            ({"instrument": "flutes"}, "instrument='flutes'; there are flute"),
            ({"family": ["woodwinds", "brass"]}, "family='brass'"),
            ({"split": "train", "instrument": "snare_drum"}, "all of these values; its pitches are C4 to C5"),
            ({"pitch": (100, 110)}, "all of these values"),
        ],
    )
    def test_what_matches_nothing_is_refused(self, atlas: Atlas, wanted: dict[str, object], match: str) -> None:
        with pytest.raises(ConfigError, match=match):
            atlas.filter(**wanted)


class TestCentroids:
    def test_each_note_counts_once(self, atlas: Atlas) -> None:
        names, points, counts = atlas.centroids
        assert names == ("flute", "oboe", "snare_drum")
        np.testing.assert_array_equal(points, [[1, 0], [4.5, 6], [4, 4]])
        np.testing.assert_array_equal(counts, [2, 2, 1])

    def test_of_real_notes(self, tiny_space: Space) -> None:
        own = tiny_space.atlas
        names, points, counts = own.centroids
        assert counts.sum() == len(own)
        assert names == ("clarinet", "flute", "trumpet", "violin")
        np.testing.assert_allclose(points[1], own.filter(instrument="flute").points.mean(0), rtol=1e-5)


class TestSpreads:
    def test_without_a_flow_they_are_the_bases_own(self, tiny_space: Space) -> None:
        class Still:
            @staticmethod
            def from_latent(z: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
                return z

        class Same(torch.nn.Module):
            def forward(self, z: torch.Tensor, parameters: None) -> tuple[torch.Tensor, torch.Tensor]:
                return z, torch.zeros(len(z))

        log_std = torch.tensor([[-1.0, 0.5], [0.2, -3.0]])
        posterior = Posterior(torch.randn(2, 2), log_std, Same(), None)  # type: ignore[arg-type]
        found = posterior_std(Still(), posterior, torch.tensor([60.0, 50.0]))  # type: ignore[arg-type]
        torch.testing.assert_close(found, log_std.exp(), rtol=1e-4, atol=1e-5)

    def test_the_atlas_holds_those_of_many_draws(self, tiny_space: Space, some_notes: Library) -> None:
        own = tiny_space.atlas
        assert own.stds is not None
        for name in list(own)[::13]:
            note = some_notes[name]
            heard = example(
                timbre.read(note.file), tiny_space.spectrogram, tiny_space.config, note.pitch, note.velocity
            )
            controls = Conditions(*(torch.tensor([x]) for x in (heard.pitch, heard.velocity, heard.release)))
            model = tiny_space.model
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                torch.manual_seed(5)
                one = model.posterior(torch.from_numpy(heard.spectrogram)[None], controls)
                draws = Posterior(one.mean.expand(2000, -1), one.log_std.expand(2000, -1), one.flow, None).sample()[0]
                draws = model.from_latent(draws, controls.pitch)
            np.testing.assert_allclose(own.stds[own.index(name)], draws.std(0).numpy(), rtol=0.25)

    def test_errors_are_those_of_held_out_notes(self, tiny_space: Space) -> None:
        own = tiny_space.atlas
        assert own.errors is not None
        np.testing.assert_array_equal(np.isnan(own.errors), np.array(own.splits) == "train")
        test = own.errors[np.array(own.splits) == "test"]
        assert test.mean() == pytest.approx(tiny_space.report["test_l1_db"], rel=0.02)


class TestFiles:
    def test_back_and_forth(self, atlas: Atlas) -> None:
        again = Atlas.from_files(atlas.to_files())
        for field in ("points", "pitches", "velocities", "stds", "errors"):
            np.testing.assert_array_equal(getattr(again, field), getattr(atlas, field))
        assert (again.names, again.instruments, again.splits) == (atlas.names, atlas.instruments, atlas.splits)

    def test_centroids_are_there_for_other_programs(self, atlas: Atlas) -> None:
        files = atlas.to_files()
        np.testing.assert_array_equal(
            parse_safetensors(files["atlas.safetensors"])["centroids"], atlas.centroids.points
        )
        assert json.loads(files["atlas.json"])["centroids"] == ["flute", "oboe", "snare_drum"]

    def test_what_earlier_versions_wrote(self, atlas: Atlas) -> None:
        files = atlas.to_files()
        numbers = parse_safetensors(files["atlas.safetensors"])
        old = {name: numbers[name] for name in ("points", "pitches", "velocities")}
        again = Atlas.from_files(files | {"atlas.safetensors": safetensors_bytes(old)})
        assert again.stds is None
        assert again.errors is None
        assert list(again.take(np.array([1, 0]))) == ["b", "a"]
        assert set(parse_safetensors(again.to_files()["atlas.safetensors"])) >= {"points", "centroids"}

    def test_the_name_of_stds_in_version_0_1(self, atlas: Atlas) -> None:
        files = atlas.to_files()
        numbers = parse_safetensors(files["atlas.safetensors"])
        numbers["spreads"] = numbers.pop("stds")
        again = Atlas.from_files(files | {"atlas.safetensors": safetensors_bytes(numbers)})
        np.testing.assert_array_equal(again.stds, atlas.stds)
        assert "stds" in parse_safetensors(again.to_files()["atlas.safetensors"])

    def test_no_notes(self) -> None:
        again = Atlas.from_files(Atlas.empty(4).to_files())
        assert again.points.shape == (0, 4)
        assert again.centroids.names == ()

    @pytest.mark.parametrize("name", ["points", "pitches", "stds", "errors"])
    def test_numbers_of_another_shape(self, atlas: Atlas, name: str) -> None:
        files = atlas.to_files()
        numbers = parse_safetensors(files["atlas.safetensors"])
        for bad in (numbers[name][:3], numbers[name].astype(np.float64)):
            with pytest.raises(CheckpointError, match=f"its {name} are"):
                Atlas.from_files(files | {"atlas.safetensors": safetensors_bytes(numbers | {name: bad.copy()})})

    @pytest.mark.parametrize(
        ("name", "value"),
        [("points", np.nan), ("points", 1e30), ("stds", np.inf), ("stds", -1.0), ("pitches", np.inf),
         ("velocities", 1.5), ("errors", -1.0)],
    )  # fmt: skip
    def test_numbers_that_cannot_be(self, atlas: Atlas, name: str, value: float) -> None:
        files = atlas.to_files()
        numbers = parse_safetensors(files["atlas.safetensors"])
        bad = numbers[name].copy()
        bad.flat[1] = value
        with pytest.raises(CheckpointError, match=f"its {name} must be finite numbers from"):
            Atlas.from_files(files | {"atlas.safetensors": safetensors_bytes(numbers | {name: bad})})

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"names": ["a", "a", "c", "d", "e"]}, "a unique name"),
            ({"families": ["x"]}, "one text of each kind"),
            ({"splits": ["train"] * 4 + ["trial"]}, "splits must be train, valid, test"),
            ({"files": [1, 2, 3, 4, 5]}, "no list of texts files"),
        ],
    )
    def test_texts_that_do_not_fit(self, atlas: Atlas, change: dict[str, object], match: str) -> None:
        files = atlas.to_files()
        texts = json.loads(files["atlas.json"]) | change
        with pytest.raises(CheckpointError, match=match):
            Atlas.from_files(files | {"atlas.json": json.dumps(texts).encode()})

    def test_files_that_are_cut_or_missing(self, atlas: Atlas) -> None:
        files = atlas.to_files()
        for name, match in (("atlas.json", "not valid JSON"), ("atlas.safetensors", "not a safetensors file")):
            for body in (files[name][:-40], b""):
                with pytest.raises(CheckpointError, match=match):
                    Atlas.from_files(files | {name: body})
            with pytest.raises(CheckpointError, match=name):
                Atlas.from_files({other: body for other, body in files.items() if other != name})
        without = {"points": atlas.points}
        with pytest.raises(CheckpointError, match="no pitches and no velocities"):
            Atlas.from_files(files | {"atlas.safetensors": safetensors_bytes(without)})
