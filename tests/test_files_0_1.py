"""Files that version 0.1 wrote still load, and mean the same; what is written now has the new keys."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import timbre
from timbre.config import Config
from timbre.errors import CheckpointError, ConfigError
from timbre.models.checkpoint import _canonical
from timbre.playback.inputs.mapping import read_mapping
from timbre.shapes.path_files import read_path
from timbre.shapes.presets import read_presets
from timbre.space import Space

FILES = Path(__file__).with_name("files_0_1")
EXPECTED = json.loads((FILES / "expected.json").read_text())


@pytest.fixture(scope="module")
def old_space() -> Space:
    return timbre.load(FILES / "space")


def test_a_space(old_space: Space):
    atlas = old_space.atlas
    index = atlas.index(EXPECTED["name"])
    assert atlas[EXPECTED["name"]].tolist() == EXPECTED["point"]
    assert atlas.stds is not None
    assert atlas.stds[index].tolist() == EXPECTED["spread"]
    darker = old_space.move(EXPECTED["point"], brightness=-0.3)  # hardly trained, it can follow hardly
    assert old_space.axis_values(darker) <= old_space.axis_values(EXPECTED["point"])
    sound = old_space.decode(EXPECTED["point"], pitch=60, duration=0.3).samples[0]
    assert sound[1000:1010] == pytest.approx(EXPECTED["samples"], abs=1e-4)


def test_it_is_saved_with_the_new_keys_and_read_again(old_space: Space, tmp_path: Path):
    again = timbre.load(old_space.save(tmp_path / "space"))
    assert again.config == old_space.config
    np.testing.assert_array_equal(again.atlas.stds, old_space.atlas.stds)
    content = (tmp_path / "space" / "atlas.safetensors").read_bytes()
    assert b'"stds"' in content
    assert b'"spreads"' not in content


def test_paths(old_space: Space):
    times = np.linspace(0, 1, 5)
    np.testing.assert_allclose(read_path(FILES / "path.json", old_space).at(times), EXPECTED["at"])
    np.testing.assert_allclose(read_path(FILES / "path.csv", old_space).at(times), EXPECTED["at"], atol=1e-3)


def test_presets(old_space: Space):
    presets = read_presets(FILES / "space", old_space)
    assert list(presets) == ["dark", "rise"]
    assert (presets["rise"].duration, presets["rise"].loop, presets["rise"].path.kind) == (6.0, True, "slerp")


def test_a_mapping(old_space: Space):
    controls = read_mapping(FILES / "mapping.toml", old_space).controls
    assert (controls[1].to, controls[7].to, controls[70].to) == ("brightness", "gain", 1)


def test_settings():
    config = Config.from_toml(FILES / "config.toml")
    assert (config.model.dim, config.regularization.perceptual) == (16, "metric+rank")


def test_a_space_trained_with_the_adversary_loads_and_is_not_trained_further(old_space: Space, tmp_path: Path):
    assert old_space.config.regularization.pitch == "adversary"
    notes = timbre.scan(Path(__file__).parents[1] / "datasets" / "orchestra" / "flute")
    with pytest.raises(ConfigError, match="adversary"):
        timbre.train(notes, old_space.config, tmp_path / "out", progress=False)


def test_a_space_of_the_mdct_says_what_has_gone(tmp_path: Path):
    shutil.copytree(FILES / "space", tmp_path / "space")
    head = json.loads((tmp_path / "space" / "config.json").read_text())
    head["config"]["spectrogram"]["kind"] = "mdct"
    del head["self_sha256"]
    head["self_sha256"] = hashlib.sha256(_canonical(head)).hexdigest()
    (tmp_path / "space" / "config.json").write_text(json.dumps(head))
    with pytest.raises((CheckpointError, ConfigError), match=r"mdct.* no longer part of timbre"):
        timbre.load(tmp_path / "space")
