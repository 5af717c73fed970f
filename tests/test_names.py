"""Spaces by name: what is a name and what a path, and where a user's own presets go."""

import contextlib
import io
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import timbre
from timbre.__main__ import main
from timbre.errors import CheckpointError, ConfigError
from timbre.shapes.presets import Preset, Presets, read_presets, write_presets
from timbre.space import Space, names
from timbre.space.names import find_space, is_path, local_spaces, user_folder

FILES = ("config.json", "model.safetensors", "atlas.json", "atlas.safetensors", "README.md")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, cache and data folder, and no shipped space."""
    for name in ("work", "shipped"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("TIMBRE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(platformdirs, "user_data_dir", lambda _: str(tmp_path / "data"))
    monkeypatch.setattr(names, "SHIPPED", (tmp_path / "shipped",))
    return tmp_path


@pytest.fixture
def shipped(home: Path, tiny_folder: Path) -> Path:
    """A space called near that comes with timbre."""
    return copied(tiny_folder, home / "shipped" / "near")


def copied(folder: Path, target: Path) -> Path:
    target.mkdir(parents=True)
    for name in FILES:
        shutil.copy(folder / name, target)
    return target


def same(a: Space, b: Space) -> bool:
    return a.atlas.names == b.atlas.names and np.array_equal(a.atlas.points, b.atlas.points)


class TestFinding:
    def test_a_shipped_space_goes_before_one_in_the_cache(self, home, shipped, tiny_folder, tiny_space):
        cached = copied(tiny_folder, home / "cache" / "pretrained" / "near")
        assert find_space("near") == shipped
        assert same(timbre.load("near"), tiny_space)
        shutil.rmtree(shipped)
        assert find_space("near") == cached

    def test_what_is_here_is_a_path(self, shipped, tiny_folder):
        assert not is_path("near")
        own = copied(tiny_folder, Path("near"))
        assert is_path("near")
        assert find_space("near").resolve() == own.resolve()
        (own / "config.json").unlink()
        with pytest.raises(CheckpointError, match=f"near in the working folder is not a space, and hides .*{shipped}"):
            find_space("near")

    @given(st.text(min_size=1, max_size=20))
    def test_words_with_a_separator_a_dot_or_a_tilde_are_paths(self, text):
        for words in (f"./{text}", f"{text}/", f"~{text}", f".{text}", os.path.join(text, "x")):
            assert is_path(words.replace("\0", ""))

    @pytest.mark.parametrize(
        ("words", "error", "told"),
        [
            ("", ConfigError, "got ''"), (" ", ConfigError, "got ' '"),
            (".", CheckpointError, "no config.json"), ("./near", CheckpointError, r"\./near does not exist"),
            ("my space", CheckpointError, r"a name \(near\); my space does not exist"),
            ("file", CheckpointError, "file is a file"), ("neat", ConfigError, "Did you mean near"),
            ("other", ConfigError, r"the names are near, and a folder elsewhere .* \./other"),
        ],
    )  # fmt: skip
    def test_others_are_refused_in_one_sentence(self, shipped, words, error, told):
        Path("file").touch()
        with pytest.raises(error, match=told):
            timbre.load(words)

    def test_only_names_count(self, home, shipped, tiny_folder):
        copied(tiny_folder, home / "shipped" / "Not A Name")
        (home / "shipped" / "empty").mkdir()
        assert local_spaces() == {"near": shipped}


class TestPresets:
    def test_those_of_a_named_space_are_the_users(self, home, shipped, tiny_space):
        given = Presets([Preset("soft", tiny_space.path([0.0, 0.0, 0.0]))])
        write_presets(shipped, given, tiny_space)
        before = (shipped / "presets.json").read_bytes()
        more = read_presets("near", tiny_space).adding(Preset("own", tiny_space.path([1.0, 0.0, 0.0])))
        assert write_presets("near", more, tiny_space) == user_folder("near") / "presets.json"
        assert list(read_presets("near", tiny_space)) == ["soft", "own"]
        assert list(read_presets(shipped, tiny_space)) == ["soft"]
        assert (shipped / "presets.json").read_bytes() == before

    def test_a_data_folder_that_cannot_be_made(self, home, shipped, tiny_space):
        (home / "data").write_text("a file")
        with pytest.raises(ConfigError, match=r"folder for your presets, .* cannot be written: Not a directory"):
            write_presets("near", Presets(), tiny_space)


class TestCommands:
    def run(self, *words: Any) -> tuple[int, str]:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = main([str(word) for word in words])
        return status, out.getvalue()

    def test_names_are_listed(self, shipped):
        status, told = self.run("inspect")
        assert status == 0
        assert [line.split()[0] for line in told.splitlines()] == ["near"]
        assert str(shipped) in told

    def test_commands_take_a_name(self, home, shipped):
        note = next(iter(timbre.load("near").atlas))
        for words in (
            ["inspect", "near"], ["synth", "near", "--at", note, "--duration", "0.3", "-o", "a.wav"],
            ["encode", "near", "a.wav"], ["nearest", "near", note], ["place", "near", "a.wav", "--pitch", "C4"],
            ["path", "near", "--from", note, "--to", "0,0,0", "-o", "p.json"],
            ["render", "near", "--path", "p.json", "--pitch", "C4", "-o", "b.wav"],
            ["preset", "near", "--add", "mine", "--at", note], ["preset", "near"],
            ["map", "near", "--resolution", "3", "-o", "map"],
        ):  # fmt: skip
            status, told = self.run(*words)
            assert status == 0, (words, told)
        assert (home / "data" / "pretrained" / "near" / "presets.json").exists()
        assert {path.name for path in shipped.iterdir()} == set(FILES)

    def test_evaluate_names_the_folder_that_is_wanted(self, shipped):
        status, told = self.run("evaluate", "near")
        assert status == 1
        assert "near does not name its training notes" in told

    def test_a_demo_needs_no_library(self, shipped):
        status, told = self.run("demo", "near", "out")
        assert status == 0, told
        made = {str(path.relative_to("out")) for path in Path("out").rglob("*") if path.is_file()}
        assert {"new-sound.wav", "morph.wav", "space.png", "descriptors.png"} <= made
        known = {Path(name).stem for name in made if name.startswith("known/")}
        assert known
        assert known <= set(timbre.load("near").atlas)
        assert all(timbre.read(file).peak > 0.1 for file in Path("out").rglob("*.wav"))
        status, told = self.run("demo", "near")
        assert (status, "[LIBRARY] OUT; got 0" in told) == (1, True)
