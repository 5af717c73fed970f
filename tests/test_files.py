"""Files and folders that appear complete or not at all."""

import os
import signal
from pathlib import Path

import pytest

import timbre
from timbre.config import Config
from timbre.data.download.recipes import find_recipe
from timbre.data.ratings import read_ratings
from timbre.data.soundfonts.soundfont import read_soundfont
from timbre.data.storage import load_library
from timbre.errors import ConfigError, TimbreError
from timbre.files import cache_folder, check_writable, expanded, replacing, write_text
from timbre.shapes.drawings import read_curve
from timbre.shapes.path_files import read_path
from timbre.space import Space
from timbre.synth.score import read_midi


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert (path.read_text(), partial.parent) == ("old", tmp_path)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_with_all_its_files(tmp_path: Path) -> None:
    with replacing(tmp_path / "folder") as partial:
        partial.mkdir()
        (partial / "a.txt").touch()
        assert not (tmp_path / "folder").exists()
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["folder", "folder/a.txt"]


def failing(path: Path, folder: bool) -> None:
    with replacing(path) as partial:
        if folder:
            partial.mkdir()
        (partial / "a.txt" if folder else partial).write_text("new")
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("folder", [False, True])
def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path: Path, folder: bool) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(OSError, match="No space left"):
        failing(path, folder)
    assert (path.read_text(), list(tmp_path.iterdir())) == ("old", [path])


def test_a_text_that_cannot_be_written_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in ("missing", "file"):
        with pytest.raises(ConfigError, match=r"a\.txt cannot be written: .*; choose a folder you may write to"):
            write_text(tmp_path / folder / "a.txt", "text")


def test_the_cache_folder_is_the_one_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMBRE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    pid = os.fork()
    if not pid:
        with replacing(tmp_path / "a.txt") as partial, replacing(tmp_path / "folder") as folder:
            partial.touch()
            folder.mkdir()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert len(list(tmp_path.iterdir())) == 2
    with replacing(tmp_path / "b.txt") as partial:
        partial.touch()
        write_text(tmp_path / "c.txt", "c")  # leaves alone what a living process writes
        assert set(tmp_path.iterdir()) == {partial, tmp_path / "c.txt"}


@pytest.mark.parametrize("name", ["~nobody-of-this-name/x", "a\0b", 300 * "x"])
def test_a_name_that_no_file_can_have_is_a_sentence_everywhere(name: str, tiny_space: Space) -> None:
    uses = {
        "": [
            expanded, check_writable, timbre.load, timbre.read, timbre.scan, load_library, read_ratings, read_soundfont,
            tiny_space.save,
        ],
        ".toml": [Config.from_toml, find_recipe], ".mid": [read_midi], ".svg": [read_curve],
        ".csv": [read_curve, lambda file: read_path(file, tiny_space)],
    }  # fmt: skip
    for ending, functions in uses.items():
        for use in functions:
            with pytest.raises(TimbreError) as caught:
                use(name + ending)
            assert str(caught.value).count("\n") == 0
    if os.name != "nt":
        assert expanded("~") == Path.home()
