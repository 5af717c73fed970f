"""Saving over a space: all or nothing at every moment, on a full disk, and for readers meanwhile."""

import errno
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

import timbre
from timbre import files
from timbre.config import VocoderConfig
from timbre.errors import CheckpointError, ConfigError
from timbre.space import Space
from timbre.vocoder.network import make_vocoder
from timbre.vocoder.trained import TrainedVocoder

OTHERS = {"presets.json": "{}", "logs/a.txt": "a log", "map/map.csv": "x,y", "model.safetensors.txt": "a note"}
STEPS = ("replace", "fsync", "unlink", "open")


@pytest.fixture(scope="module")
def pair(tiny_space: Space, tmp_path_factory: pytest.TempPathFactory) -> tuple[Space, Space]:
    """A space, and another one that differs in every file and has a vocoder."""
    names = tuple(f"{name}-b" for name in tiny_space.atlas.names)
    other = Space(tiny_space.config, tiny_space.model, replace(tiny_space.atlas, names=names), {"held_out": "b"})
    settings = VocoderConfig(channels=8, blocks=1)
    other.vocoder = TrainedVocoder(make_vocoder(other.config.spectrogram, settings).eval(), settings)
    # Through half precision, so that the weights differ as well.
    halved = timbre.load(other.save(tmp_path_factory.mktemp("half") / "space", half=True))
    return tiny_space, halved


def filled(folder: Path, space: Space) -> Path:
    """A folder with a space and other files of its user."""
    space.save(folder)
    for name, text in OTHERS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def which(folder: Path, pair: tuple[Space, Space]) -> int:
    """The number of the space in the folder, of which every part must be there."""
    found = timbre.load(folder)
    number = int(found.report == pair[1].report)
    expected = pair[number]
    assert found.atlas.names == expected.atlas.names
    assert (found.vocoder is None) == (expected.vocoder is None)
    for name, value in expected.model.state_dict().items():
        assert found.model.state_dict()[name].equal(value)
    for name, text in OTHERS.items():
        assert (folder / name).read_text() == text
    return number


@contextmanager
def stopping(at: int, stop: object) -> Iterator[list[int]]:
    """Call `stop` instead of the call number `at` of the functions that change the disk; gives the number of calls."""
    count, real = [0], {name: getattr(os, name) for name in STEPS}

    def counted(name: str) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            if name != "open" or int(args[1]) & os.O_CREAT:  # type: ignore[call-overload]
                count[0] += 1
                if count[0] == at:
                    stop()  # type: ignore[operator]
            return real[name](*args, **options)

        return call

    whole = Path.write_bytes

    def half(path: Path, body: bytes) -> int:
        whole(path, body[: len(body) // 2])
        count[0] += 1
        if count[0] == at:
            stop()  # type: ignore[operator]
        return whole(path, body)

    for name in STEPS:
        setattr(os, name, counted(name))
    Path.write_bytes = half  # type: ignore[method-assign,assignment]
    try:
        yield count
    finally:
        Path.write_bytes = whole  # type: ignore[method-assign]
        for name in STEPS:
            setattr(os, name, real[name])


def killed(at: int, space: Space, folder: Path, half: bool = False) -> bool:
    """Save in a process that ends without any cleaning up before its step `at`; whether it got that far."""
    process = multiprocessing.get_context("fork").Process(target=_save, args=(at, space, folder, half))
    process.start()
    process.join(60)
    assert process.exitcode in (0, 7)
    return process.exitcode == 7


def _save(at: int, space: Space, folder: Path, half: bool) -> None:
    with stopping(at, lambda: os._exit(7)):
        space.save(folder, half=half)
    os._exit(0)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("direction", [0, 1])
def test_a_process_killed_at_any_step_leaves_the_old_space_or_the_new_one(
    pair: tuple[Space, Space], tmp_path: Path, direction: int
) -> None:
    old, new = pair[direction], pair[1 - direction]
    filled(tmp_path / "before", old)
    names, found = {path.name for path in filled(tmp_path / "whole", new).iterdir()}, []
    for at in range(1, 200):
        folder = shutil.copytree(tmp_path / "before", tmp_path / "killed")
        if not killed(at, new, folder):
            break
        found.append(which(folder, pair))
        if at % 4 == 0:  # a second time, in the folder that the first one left, and then as a whole
            killed(at // 2, old if at % 8 else new, folder)
            which(folder, pair)
            new.save(folder)
            assert which(folder, pair) == 1 - direction
            assert {path.name for path in folder.iterdir()} - names <= {"vocoder.safetensors"}
        shutil.rmtree(folder)
    assert len(found) > 15
    assert found == sorted(found, reverse=direction == 1)  # the old one up to a step, the new one from then on
    assert set(found) == {0, 1}


def test_a_full_disk_at_any_step_leaves_the_old_space_and_nothing_else(
    pair: tuple[Space, Space], tmp_path: Path
) -> None:
    old, new = pair
    folder = filled(tmp_path / "space", old)
    before = sorted(path.name for path in folder.iterdir())

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    refused = 0
    for at in range(1, 200):
        try:
            with stopping(at, full) as count:
                new.save(folder)
        except CheckpointError as error:
            refused += "No space left on device; make room on the disk" in str(error)
            if which(folder, pair) == 0:
                assert sorted(path.name for path in folder.iterdir()) == before
        if count[0] < at:
            break
        old.save(folder)
        (folder / "vocoder.safetensors").unlink(missing_ok=True)
    assert refused > 10
    assert which(folder, pair) == 1


def test_a_really_full_disk(pair: tuple[Space, Space], tmp_path: Path) -> None:
    folder = filled(tmp_path / "space", pair[0])
    resource = pytest.importorskip("resource")
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        with pytest.raises(CheckpointError, match=r"cannot be written: File too large; raise the limit"):
            pair[1].save(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert which(folder, pair) == 0


def test_readers_meanwhile_get_the_old_space_or_the_new_one(pair: tuple[Space, Space], tmp_path: Path) -> None:
    folder, ended = filled(tmp_path / "space", pair[0]), threading.Event()

    def write() -> None:
        for number in range(30):
            pair[number % 2].save(folder)
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    found = []
    while not ended.is_set():
        found.append(which(folder, pair))
    writer.join()
    assert which(folder, pair) == 1
    assert len(found) > 3


def test_an_interrupted_save_leaves_the_old_space_or_the_new_one(pair: tuple[Space, Space], tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    folder, found = filled(tmp_path / "space", pair[0]), []
    for at in range(1, 200):
        with stopping(at, interrupt) as count, suppress(KeyboardInterrupt):
            pair[1].save(folder)
        if count[0] < at:
            break
        found.append(which(folder, pair))
        pair[0].save(folder)
    assert found == sorted(found)
    assert set(found) == {0, 1}


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_save_that_fails_after_a_kill_does_not_remove_what_the_kill_left(
    pair: tuple[Space, Space], tmp_path: Path
) -> None:
    """A process killed right after config.json was replaced leaves files that have not got their names yet."""
    folder = filled(tmp_path / "space", pair[0])
    steps = next(at for at in range(1, 200) if not killed(at, pair[1], shutil.copytree(folder, tmp_path / str(at))))
    first = next(at for at in range(1, steps) if which(tmp_path / str(at), pair) == 1)

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    third = Space(pair[1].config, pair[1].model, pair[0].atlas, {"held_out": "c"})  # some of its files are the same
    for at in range(1, steps):
        copy = shutil.copytree(tmp_path / str(first), tmp_path / "copy")
        with stopping(at, full), suppress(CheckpointError):
            third.save(copy)
        assert timbre.load(copy).report == third.report or which(copy, pair) == 1
        shutil.rmtree(copy)


@pytest.mark.skipif(sys.platform == "win32", reason="has no lock of folders")
def test_two_writers_take_turns(pair: tuple[Space, Space], tmp_path: Path) -> None:
    folder = filled(tmp_path / "space", pair[0])
    writer = threading.Thread(target=pair[1].save, args=(folder,))
    with files.locked(folder):
        writer.start()
        writer.join(0.3)
        assert which(folder, pair) == 0
    writer.join()
    assert which(folder, pair) == 1


def test_a_text_survives_a_kill_before_its_rename(tmp_path: Path) -> None:
    """What is renamed is on the disk: the file is flushed before, its folder afterwards."""
    calls = []
    real = {name: getattr(os, name) for name in ("replace", "fsync")}
    (tmp_path / "folder").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name in real:
            patch.setattr(os, name, lambda *args, name=name: (calls.append(name), real[name](*args)))
        files.write_text(tmp_path / "a.txt", "new")
    assert calls == ["fsync", "replace", "fsync"]
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.ENOSPC, "make room"), (errno.EDQUOT, "make room"), (errno.EACCES, "choose a folder you may write to"),
     (errno.EROFS, "choose a folder you may write to"), (errno.EFBIG, "raise the limit"),
     (errno.ENAMETOOLONG, "shorter name"), (errno.EISDIR, "name of a file")],
)  # fmt: skip
def test_what_to_do_about_a_file_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(ConfigError, match=rf"a\.txt cannot be written: .*; .*{advice}") as error:
        files.write_text(tmp_path / "a.txt", "text")
    assert len(str(error.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_clone_with_other_line_ends_loads(tiny_space: Space, tmp_path: Path) -> None:
    """Git with core.autocrlf=true changes the line ends of texts, as other systems do."""
    folder = tiny_space.save(tmp_path / "space")
    shutil.copytree(Path(__file__).with_name("files_0_1") / "space", tmp_path / "old")

    def git(*words: str, at: Path = tmp_path) -> None:
        names = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "safe.directory=*", "-c", "core.safecrlf=false"]
        subprocess.run(["git", *names, *words], cwd=at, check=True, capture_output=True, timeout=60)

    git("init", "-q", ".")
    git("add", "space", "old")
    git("commit", "-qm", "a space")
    git("-c", "core.autocrlf=true", "clone", "-q", ".", "clone")
    for name in ("space", "old"):
        assert b"\r\n" in (tmp_path / "clone" / name / "atlas.json").read_bytes()
        assert timbre.load(tmp_path / "clone" / name).atlas.names == timbre.load(tmp_path / name).atlas.names
    for change in (
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b""),
        lambda text: b"\xef\xbb\xbf" + text + b"\n",
        lambda text: text.replace(b"\n", b"\n   "),
    ):
        for name in ("atlas.json", "config.json"):
            (tmp_path / name).write_bytes((folder / name).read_bytes())
            (folder / name).write_bytes(change((folder / name).read_bytes()))
        assert timbre.load(folder).atlas.names == tiny_space.atlas.names
        for name in ("atlas.json", "config.json"):
            (folder / name).write_bytes((tmp_path / name).read_bytes())
    text = (folder / "atlas.json").read_text()
    (folder / "atlas.json").write_text(text.replace("train", "valid", 1))
    with pytest.raises(CheckpointError, match="damaged"):
        timbre.load(folder)


def test_git_keeps_line_ends_of_what_is_compared_byte_by_byte() -> None:
    lines = (Path(__file__).parents[1] / ".gitattributes").read_text().splitlines()
    assert {"pretrained/** -text", "datasets/** -text", "tests/files_0_1/** -text"} <= set(lines)
