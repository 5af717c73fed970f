"""The folder of a run: its lock, what it may contain, and sounds that were replaced under the same names."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import timbre
from timbre.config import Config
from timbre.data import Library
from timbre.data.features.table import features
from timbre.data.library import fingerprint, same_inputs
from timbre.errors import CheckpointError, LibraryError
from timbre.space import fitting
from timbre.training.folder import check_run_folder, claimed
from timbre.training.run import Run

ROOT = Path(__file__).resolve().parents[1]
HOLDER = """
import sys, time
from pathlib import Path
from timbre.training.folder import claimed
with claimed(Path(sys.argv[1])):
    print("claimed", flush=True)
    time.sleep(100)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has claimed tmp_path / "run" / "resume"."""
    words = [sys.executable, "-c", HOLDER, str(tmp_path / "run" / "resume")]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "claimed\n"
        yield process
        process.kill()


def test_a_locked_folder_is_refused_with_the_process_until_that_is_killed(
    tmp_path: Path, holder: subprocess.Popen[str], some_notes: Library, tiny_config: Config
) -> None:
    sentence = rf"{tmp_path / 'run'} is being trained into by process {holder.pid};"
    with pytest.raises(CheckpointError, match=sentence):
        timbre.train(some_notes, tiny_config, tmp_path / "run", progress=False)
    with pytest.raises(CheckpointError, match=sentence), claimed(tmp_path / "run" / "resume"):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "run" / "resume" / "lock").exists()
    with claimed(tmp_path / "run" / "resume"):
        assert (tmp_path / "run" / "resume" / "lock").read_text() == str(os.getpid())
    assert not (tmp_path / "run" / "resume" / "lock").exists()


def test_a_lock_leaves_no_empty_folder_also_after_an_error(tmp_path: Path) -> None:
    with claimed(tmp_path / "a" / "b" / "resume"):
        assert (tmp_path / "a" / "b" / "resume" / "lock").is_file()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), claimed(tmp_path / "a" / "resume"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with claimed(tmp_path / "a" / "resume"):  # of a run, which may be continued
        (tmp_path / "a" / "logs").mkdir()
    assert sorted(path.name for path in tmp_path.glob("**/*")) == ["a", "logs", "resume"]
    with claimed(tmp_path / "a" / "vocoder"):
        pass
    assert sorted(path.name for path in tmp_path.glob("**/*")) == ["a", "logs", "resume"]


def test_a_disk_without_locks_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", unknown)
    with claimed(tmp_path / "resume"):
        assert (tmp_path / "resume").is_dir()


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    check_run_folder(tmp_path / "new" / "deep")
    check_run_folder(tmp_path)
    (tmp_path / ".DS_Store").touch()
    check_run_folder(tmp_path)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(
        CheckpointError, match=r"must be missing, empty, .* contains other files \(such as thesis\.txt\)"
    ):
        check_run_folder(tmp_path, "resume")
    (tmp_path / "resume").mkdir()
    check_run_folder(tmp_path, "resume")
    for wrong in (tmp_path / "thesis.txt", tmp_path / "thesis.txt" / "run", Path("a\0b"), tmp_path / ("a" * 300)):
        with pytest.raises(CheckpointError, match=r"cannot be (written|made|the name of a file or folder): ") as caught:
            check_run_folder(wrong)
        assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".DS_Store", "resume", "thesis.txt"]


# --- sounds that were replaced under the same names ---


@pytest.fixture
def copied(some_notes: Library, tmp_path: Path) -> Library:
    """Ten notes in a folder of their own."""
    (tmp_path / "notes").mkdir()
    notes = [replace(note, file=Path(shutil.copy(note.file, tmp_path / "notes"))) for note in some_notes[::4]]
    return Library(notes, tmp_path / "notes")


def exchange(library: Library) -> None:
    """Put another sound under the name of the first note, with the size and the times of the old one."""
    file, other = library[0].file, library[5].file
    status, old = file.stat(), file.read_bytes()
    file.write_bytes(other.read_bytes()[: len(old)].ljust(len(old), b"\0"))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)


@pytest.mark.parametrize("measured", [True, False])
def test_a_finished_run_on_other_sounds_is_refused(
    copied: Library, tiny_config: Config, tmp_path: Path, measured: bool
) -> None:
    library = copied if measured else Library([replace(note, measured=None) for note in copied], copied.root)
    config = replace(tiny_config, training=replace(tiny_config.training, epochs=1))
    space = timbre.train(library, config, tmp_path / "space", progress=False)
    for note in library:  # the same sounds at another time, and elsewhere
        os.utime(note.file)
    moved = [replace(note, file=Path(shutil.copy(note.file, tmp_path))) for note in library]
    for same in (library, Library(moved, tmp_path)):
        again = timbre.train(same, config, tmp_path / "space", progress=False)
        np.testing.assert_array_equal(again.atlas.points, space.atlas.points)
    exchange(library)
    with pytest.raises(CheckpointError, match="the notes are others"):
        timbre.train(library, config, tmp_path / "space", progress=False)
    library[1].file.unlink()
    with pytest.raises(LibraryError, match="cannot be read: No such file"):
        timbre.train(library, config, tmp_path / "space", progress=False)


def test_a_run_goes_on_elsewhere_from_its_state_alone(
    copied: Library, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With other paths of the notes, the cache and the run, and as many threads as that machine has."""
    whole = timbre.train(copied, tiny_config, tmp_path / "whole", progress=False)
    step = Run.take_step

    def terminated(self: Run, batch: object) -> None:
        step(self, batch)
        if self.step == 2:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(Run, "take_step", terminated)
        with pytest.raises(KeyboardInterrupt):
            timbre.train(copied, tiny_config, tmp_path / "run", progress=False)
    monkeypatch.setenv("TIMBRE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "other" / "resume").mkdir(parents=True)
    shutil.copy(tmp_path / "run" / "resume" / "state.pt", tmp_path / "other" / "resume")
    shutil.rmtree(tmp_path / "run")
    (tmp_path / "notes").rename(tmp_path / "moved")
    moved = Library([replace(note, file=tmp_path / "moved" / note.file.name) for note in copied], tmp_path / "moved")
    here = replace(tiny_config, training=replace(tiny_config.training, threads=2, precision="auto"))
    taken = []

    def counted(self: Run, batch: object) -> None:
        step(self, batch)
        taken.append(self.step)

    monkeypatch.setattr(Run, "take_step", counted)
    space = timbre.train(moved, here, tmp_path / "other", progress=False)
    assert taken[0] == 3
    assert space.report["steps"] == whole.report["steps"] == taken[-1]
    np.testing.assert_allclose(space.atlas.points, whole.atlas.points, atol=1e-3)


def test_a_run_is_not_continued_on_other_sounds(
    copied: Library, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Run, _batch: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Run, "take_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            timbre.train(copied, tiny_config, tmp_path / "run", progress=False)
    exchange(copied)
    with pytest.raises(CheckpointError, match="was started on other notes"):
        timbre.train(copied, tiny_config, tmp_path / "run", progress=False)


def test_features_are_of_the_bytes_of_the_files(copied: Library, tiny_config: Config) -> None:
    def shards(library: Library) -> list[Path]:
        return [shard.file for shard in features(library, tiny_config).spectrograms.shards]

    before = shards(copied)
    os.utime(copied[0].file)
    assert shards(copied) == before
    exchange(copied)
    assert shards(copied) != before


def test_fingerprints_of_version_0_1_are_of_the_notes_alone(copied: Library) -> None:
    now = fingerprint(copied, "ratings")
    notes, _, sounds = now.partition(":")
    assert (len(notes), notes[16:], len(sounds)) == (24, "-ratings", 16)
    assert same_inputs(now, now)
    assert same_inputs(notes, now)
    for other in ("", None, sounds, notes[:16], f"{notes}:", f"{notes}:{sounds[::-1]}", fingerprint(copied)):
        assert not same_inputs(other, now)


def test_a_finished_run_of_version_0_1_is_still_used(
    some_notes: Library, tiny_config: Config, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = fitting.load

    def old(folder: object) -> timbre.Space:
        space = load(folder)  # type: ignore[arg-type]
        space.report["library_fingerprint"] = space.report["library_fingerprint"].partition(":")[0]
        return space

    monkeypatch.setattr(fitting, "load", old)
    assert timbre.train(some_notes, tiny_config, tiny_folder, progress=False).report["steps"] > 0
