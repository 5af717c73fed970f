"""Presets, path files and addresses that were made with another space."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import pytest
import torch

import timbre
from timbre.__main__ import main
from timbre.config import Config
from timbre.errors import ConfigError
from timbre.models.vae import VAE
from timbre.shapes.path_files import read_path, write_path
from timbre.shapes.presets import FILE, Preset, Presets, read_presets, write_presets
from timbre.space import Atlas, Space, names
from timbre.space.identity import Identity, read_identity

RATE = 22050
PATH_1 = {"format": "timbre-path", "version": 1, "kind": "line", "dim": 2, "times": [0, 1], "points": [[0, 0], [1, 2]]}
VALUES = {"name": "near", "dim": 3, "sample_rate": RATE, "digest": "0123456789ab"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an empty working folder, data folder and folder of shipped spaces."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("TIMBRE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(platformdirs, "user_data_dir", lambda _: str(tmp_path / "data"))
    monkeypatch.setattr(names, "SHIPPED", (tmp_path / "shipped",))
    return tmp_path


@pytest.fixture
def own(home: Path, tiny_space: Space) -> Space:
    """A space of 3 dimensions that comes with timbre, orchestra."""
    return timbre.load(tiny_space.save(home / "shipped" / "orchestra"))


@pytest.fixture
def other(home: Path, tiny_config: Config) -> Space:
    """One of 2 dimensions, orchestra-22k."""
    return timbre.load(fresh(tiny_config, dim=2).save(home / "shipped" / "orchestra-22k"))


def fresh(config: Config, dim: int = 3, seed: int = 0) -> Space:
    """A space that was not trained."""
    values = config.to_dict()
    config = Config.from_dict(values | {"model": values["model"] | {"dim": dim}})
    torch.manual_seed(seed)
    return Space(config, VAE(config).eval(), Atlas.empty(dim), {})


def made(space: Space, name: str) -> Presets:
    return Presets([Preset(name, space.path(np.zeros(space.dim), np.ones(space.dim)))])


class TestIdentities:
    def test_what_decodes_counts(self, own: Space, tmp_path: Path):
        assert str(own.identity) == "orchestra (22,050 Hz, 3 dimensions)"
        half = timbre.load(own.save(tmp_path / "half", half=True))
        assert half.identity.digest == own.identity.digest
        with torch.no_grad():
            half.model.encoder.head.weight[:] = 0.0
            assert half.identity.is_of(own.identity)
            half.model.decoder.head.weight[0, 0] += 1.0
        assert not half.identity.is_of(own.identity)
        assert not own.identity.is_of(half.identity)

    def test_without_more_the_dimensions_count(self, own: Space):
        assert Identity(3).is_of(own.identity)
        assert not Identity(2).is_of(own.identity)

    def test_they_are_read_back(self, own: Space):
        values = json.loads(json.dumps(own.identity.to_dict()))
        assert read_identity(values, 3, "x") == own.identity
        assert read_identity(None, 3, "x") == Identity(3)

    @pytest.mark.parametrize(
        "values",
        [
            [], "near", {}, 0, False, VALUES | {"dim": 2}, VALUES | {"dim": True}, VALUES | {"more": 1},
            VALUES | {"name": 3}, VALUES | {"name": "a\nb"}, VALUES | {"name": "x" * 101}, VALUES | {"name": None},
            VALUES | {"sample_rate": -1}, VALUES | {"sample_rate": 1.5}, VALUES | {"sample_rate": 10**12},
            VALUES | {"digest": ""}, VALUES | {"digest": "0123456789aB"}, VALUES | {"digest": 1},
            VALUES | {"digest": "0123456789ab\n"},
        ],
    )  # fmt: skip
    def test_others_are_refused(self, values: Any):
        with pytest.raises(ConfigError, match="a file must name its space by digest, dim, name, sample_rate, got"):
            read_identity(values, 3, "a file")


class TestPathFiles:
    def test_one_of_another_space_says_which(self, own: Space, other: Space):
        write_path("way.json", own.path([0.0, 0.0, 0.0], [1.0, 1.0, 1.0]), own)
        assert read_path("way.json", own).dim == 3
        told = (
            r"^way\.json was made with orchestra \(22,050 Hz, 3 dimensions\), and this is orchestra-22k \(22,050 Hz, "
            r"2 dimensions\); load it with orchestra\.$"
        )
        with pytest.raises(ConfigError, match=told):
            read_path("way.json", other)

    def test_one_of_the_same_dimensions_sounds_otherwise(self, own: Space, tiny_config: Config):
        again = fresh(tiny_config, seed=1)
        write_path("way.json", own.path([0.0, 0.0, 0.0]), own)
        with pytest.raises(ConfigError, match=r"and this is a space \(22,050 Hz, 3 dim.*; load it with orchestra\.$"):
            read_path("way.json", again)
        again.name = "orchestra"
        with pytest.raises(ConfigError, match="as it was before it was trained again; make it again with this one"):
            read_path("way.json", again)

    @pytest.mark.parametrize("name", ["old.json", "old.csv"])
    def test_one_of_0_1_is_recognised_by_its_dimensions(self, own: Space, other: Space, name: str):
        Path("old.json").write_text(json.dumps(PATH_1))
        Path("old.csv").write_text("time,z0,z1\n0,0,0\n1,1,2\n")
        assert read_path(name, other).points.tolist() == [[0, 0], [1, 2]]
        told = (
            rf"^{name} was made with a space \(2 dimensions\), and this is orchestra .* load it with orchestra-22k\.$"
        )
        with pytest.raises(ConfigError, match=told):
            read_path(name, own)

    def test_no_space_at_hand_fits(self, own: Space):
        Path("old.json").write_text(json.dumps(PATH_1))
        with pytest.raises(ConfigError, match=r"load it with that space\.$"):
            read_path("old.json", own)

    @pytest.mark.parametrize("config", ["[]", "{", '{"config": 1}', '{"config": {"model": {"dim": []}}}', "[" * 5000])
    def test_damaged_spaces_are_not_named(self, own: Space, home: Path, config: str):
        (home / "shipped" / "broken").mkdir()
        (home / "shipped" / "broken" / "config.json").write_text(config)
        assert "broken" not in Identity(2).mismatch("x", own.identity)

    def test_commands_refuse_it_in_one_line(self, own: Space, other: Space, capsys: pytest.CaptureFixture[str]):
        write_path("way.json", own.path([0.0, 0.0, 0.0]), own)
        status = main(["render", "orchestra-22k", "--path", "way.json", "--pitch", "C4", "-o", "a.wav"])
        told = capsys.readouterr().err
        assert (status, told.count("\n"), "load it with orchestra." in told) == (1, 1, True)


class TestPresets:
    def test_those_of_another_space_are_left_out_and_kept(self, own: Space, other: Space, home: Path):
        folder = home / "mine"
        other.save(folder)
        written = write_presets(folder, made(other, "old"), other)
        before = written.read_bytes()
        own.save(folder)
        found = read_presets(folder, own)
        assert list(found) == []
        assert found.left_out.startswith(f"{written} was made with orchestra-22k (22,050 Hz, 2 dimensions)")
        for name in ("new", "newer"):
            write_presets(folder, made(own, name), own)
        assert (list(read_presets(folder, own)), read_presets(folder, own).left_out) == (["newer"], "")
        assert (folder / "presets-2d.json").read_bytes() == before
        shutil.copy(folder / "presets-2d.json", folder / FILE)
        write_presets(folder, made(own, "newest"), own)
        assert (folder / "presets-2d-2.json").read_bytes() == before

    def test_a_named_space_has_its_own_again(self, own: Space, home: Path, other: Space, capsys):
        write_presets(home / "shipped" / "orchestra", made(own, "shipped"), own)
        shutil.copytree(home / "shipped" / "orchestra-22k", home / "shipped" / "x")
        write_presets("x", made(other, "mine"), other)
        shutil.move(home / "data" / "pretrained" / "x", home / "data" / "pretrained" / "orchestra")
        found = read_presets("orchestra", own)
        assert list(found) == ["shipped"]
        assert "load it with orchestra-22k or x." in found.left_out
        assert main(["preset", "orchestra"]) == 0
        told = capsys.readouterr()
        assert "shipped" in told.out
        assert told.err == f"timbre: {found.left_out}\n"

    def test_those_of_0_1_are_recognised_by_their_dimensions(self, own: Space, other: Space, home: Path):
        write_presets(home / "shipped" / "orchestra-22k", made(other, "old"), other)
        file = home / "shipped" / "orchestra-22k" / FILE
        values = json.loads(file.read_text())
        file.write_text(json.dumps({key: value for key, value in values.items() if key != "space"} | {"version": 1}))
        assert list(read_presets("orchestra-22k", other)) == ["old"]
        shutil.copy(file, home / "shipped" / "orchestra" / FILE)
        assert "made with a space (2 dimensions)" in read_presets("orchestra", own).left_out

    @pytest.mark.parametrize(
        "change", [{"space": 1}, {"space": VALUES | {"dim": 9}}, {"dim": 0}, {"dim": "3"}, {"dim": True}]
    )
    def test_other_values_are_refused(self, own: Space, home: Path, change: dict[str, Any]):
        file = write_presets(home / "shipped" / "orchestra", made(own, "a"), own)
        file.write_text(json.dumps(json.loads(file.read_text()) | change))
        with pytest.raises(ConfigError, match=r"must (have dim|name its space)"):
            read_presets("orchestra", own)
