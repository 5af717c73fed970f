"""What commands write: refused before the work if it cannot be written, and all files or none."""

import contextlib
import io
import os
import shutil
import sys
from pathlib import Path

import pytest

import timbre
from timbre.__main__ import main
from timbre.cli.outputs import check_target, filling, making, together
from timbre.cli.points import find_point, labels_of
from timbre.errors import ConfigError
from timbre.files import check_writable
from timbre.wording import counted


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Run a command that must be refused before a space is loaded or a library scanned; nothing may be written."""

    def too_late(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    monkeypatch.setattr(timbre, "load", too_late, raising=False)
    monkeypatch.setattr(timbre, "scan", too_late, raising=False)

    def runner(words: str) -> str:
        before = tree(tmp_path)
        assert main(words.split()) == 1
        assert tree(tmp_path) == before
        out, err = capsys.readouterr()
        assert (out, err.count("\n"), err[:8]) == ("", 1, "timbre: ")
        return err

    return runner


FILES = {  # a command with a file to write, and the endings of its name
    "synth orchestra --at 0,0 -o": ".wav",
    "render orchestra --at 0,0 -o": ".flac",
    "steer orchestra --at 0,0 --descriptor centroid --curve 800:900 -o": ".ogg",
    "steer orchestra --at 0,0 --descriptor centroid --curve 800:900 --path": ".json",
    "path orchestra --from 0,0 --to 1,1 -o": ".csv",
    "encode orchestra a.wav -o": ".json",
    "locate orchestra a.wav --json": ".json",
    "scan notes --json": ".json",
    "evaluate orchestra --out": ".html",
    "evaluate orchestra --json": ".json",
}
FOLDERS = (
    "scan notes --out", "map orchestra -o", "demo orchestra", "train notes", "train-vocoder orchestra --out",
    "render orchestra --at 0,0 --notes C4:C5 -o", "render orchestra --corner 0,0 --corner 1,1 --grid 2x2 -o",
)  # fmt: skip


@pytest.mark.parametrize("command", FILES)
def test_a_file_that_cannot_be_written_is_refused_before_the_work(refused, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ending = FILES[command]
    (tmp_path / "file").touch()
    (tmp_path / f"folder{ending}").mkdir()
    os.mkfifo(tmp_path / f"pipe{ending}")
    for name, words in {
        f"none/x{ending}": "there is no folder none",
        f"file/x{ending}": "there is no folder file",
        f"folder{ending}": "is a folder",
        f"pipe{ending}": "is a device or a pipe",
        f"{300 * 'x'}{ending}": "cannot be the name of a file or folder: File name too long",
        "x.exe": " in .",
        "x": " in .",
    }.items():
        assert words in refused(f"{command} {name}"), name


@pytest.mark.parametrize("command", FOLDERS)
def test_a_folder_that_cannot_be_written_is_refused_before_the_work(refused, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    for name in ("file", "file/x", 300 * "x"):
        assert "cannot be" in refused(f"{command} {name}"), name


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    for check in (check_writable, check_target):
        with pytest.raises(ConfigError, match="Permission denied"):
            check(tmp_path / "x")
    tmp_path.chmod(0o700)


def test_names_that_no_file_can_have_are_refused():
    for check in (check_writable, check_target):
        for name in ("a\0b", "~nobody-of-this-name/x"):
            with pytest.raises(ConfigError, match=r"cannot be the name of a file or folder: .*; give another name"):
                check(Path(name))


def fail(file: Path, error: Exception) -> None:
    file.write_text("new")
    raise error


def test_files_of_a_folder_appear_together_or_not_at_all(tmp_path):
    folder = tmp_path / "new" / "map"
    with pytest.raises(ConfigError, match="map cannot be written: No space left on device"), filling(folder) as partial:
        fail(partial / "a.csv", OSError(28, "No space left on device"))
    assert tree(tmp_path) == []
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("old")
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(ZeroDivisionError), filling(folder) as partial:
        fail(partial / "a.csv", ZeroDivisionError())
    assert (tree(folder), (folder / "a.csv").read_text()) == (["a.csv", "mine.txt"], "old")
    with filling(folder) as partial:
        (partial / "a.csv").write_text("new")
        (partial / "b.csv").write_text("new")
        assert (folder / "a.csv").read_text() == "old"
    assert (tree(folder), (folder / "a.csv").read_text()) == (["a.csv", "b.csv", "mine.txt"], "new")


def test_files_in_several_folders_appear_together_or_not_at_all(tmp_path):
    targets = tmp_path / "a" / "x.json", tmp_path / "b" / "y.html"
    with pytest.raises(ZeroDivisionError), together(*targets) as partials:
        fail(partials[0], ZeroDivisionError())
    assert tree(tmp_path) == []
    with together(*targets) as partials:
        assert [(path.parent, path.suffix) for path in partials] == [(path.parent, path.suffix) for path in targets]
        for path in partials:
            path.write_text("new")
        assert not any(path.exists() for path in targets)
    assert tree(tmp_path) == ["a", "a/x.json", "b", "b/y.html"]
    with making(tmp_path / "a") as folder:
        assert folder == tmp_path / "a"
    with pytest.raises(ZeroDivisionError), making(tmp_path / "c" / "d"):
        raise ZeroDivisionError
    assert tree(tmp_path) == ["a", "a/x.json", "b", "b/y.html"]


def test_errors_name_the_file_that_was_asked_for(tmp_path):
    for context in (filling(tmp_path / "map"), together(tmp_path / "map" / "a.csv")):
        with pytest.raises(ConfigError, match=f"^{tmp_path}/map/a.csv is full$"), context as partial:
            raise ConfigError(f"{partial[0] if isinstance(partial, list) else partial / 'a.csv'} is full")


def test_one_is_no_plural():
    assert [counted(number, "note") for number in (0, 1, 2, 1234)] == ["0 notes", "1 note", "2 notes", "1,234 notes"]


def test_sounds_of_which_none_can_be_used_end_encode_with_a_sentence(tiny_folder, orchestra, tmp_path, capsys):
    bad = tmp_path / "bad\x1b[31m.wav"
    bad.write_bytes(b"not a sound")
    out = tmp_path / "points.json"
    assert main(["encode", str(tiny_folder), str(bad), str(tmp_path / "none.wav"), "-o", str(out)]) == 1
    printed, err = capsys.readouterr()
    assert (printed, out.exists(), len(err.splitlines())) == ("", False, 3)
    assert err.splitlines()[2] == "timbre: None of the 2 files can be used; nothing was written."
    assert "\x1b" not in err
    assert main(["encode", str(tiny_folder), str(bad), str(orchestra[0].file), "-o", str(out)]) == 1
    printed, err = capsys.readouterr()
    assert (printed, out.exists(), len(err.splitlines())) == ("", True, 1)
    assert err.startswith(f"timbre: skipped: {tmp_path}/bad\\x1b[31m.wav ")


def test_an_unknown_inverter_is_refused_before_the_work(tiny_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("timbre.synth.steering.steer", None)
    words = ["--at", "0,0,0", "--descriptor", "centroid", "--curve", "800:900", "-o", str(tmp_path / "x.wav")]
    assert main(["steer", str(tiny_folder), *words, "--inverter", "xx"]) == 1
    assert "must be one of vocoder (if the space has one), portable, pghi+8, " in capsys.readouterr().err
    assert main(["steer", str(tiny_folder), *words, "--inverter", "vocoder"]) == 1
    assert "has no vocoder" in capsys.readouterr().err


def test_a_vocoder_needs_a_space_and_a_folder_that_is_not_of_another(tiny_folder, tmp_path, capsys):
    assert main(["train-vocoder", "nospace"]) == 1
    assert "There is no folder and no space called nospace" in capsys.readouterr().err
    other = shutil.copytree(Path(__file__).parents[1] / "pretrained" / "orchestra", tmp_path / "other")
    assert main(["train-vocoder", str(tiny_folder), "--out", str(other)]) == 1
    assert "contains another space" in capsys.readouterr().err
    (tmp_path / "foreign.txt").touch()
    assert main(["train-vocoder", str(tiny_folder), "--out", str(tmp_path)]) == 1
    assert "contains other files (such as foreign.txt)" in capsys.readouterr().err


def test_a_full_disk_at_the_end_of_the_output_is_a_sentence():
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    with full.open("w") as output, contextlib.redirect_stdout(output), contextlib.redirect_stderr(io.StringIO()) as err:
        assert main(["fetch", "--list"]) == 1
        with contextlib.suppress(OSError):
            output.close()
    sentence = "The output cannot be written: No space left on device; make room on the disk, or choose a folder"
    assert err.getvalue() == f"timbre: {sentence} on another one.\n"


@pytest.mark.parametrize(
    ("point", "words"),
    [
        ("1e99,0,0", "must be finite numbers of usual size"),
        ("1e999,0,0", "must be finite numbers of usual size"),
        ("~nobody-of-this-name/a.wav", "got '~nobody-of-this-name/a.wav'"),
        ("a\0b", "got"),
        (300 * "x", "got"),
        ("flute" + 1500 * " + flute", "4,000 letters or fewer, got 12,005"),
        (1500 * "1*" + "flute", "100 factors or fewer, got 1,500"),
    ],
)
def test_a_text_that_is_no_point_is_one_sentence(tiny_space, point, words):
    with pytest.raises(ConfigError) as caught:
        find_point(tiny_space, point)
    assert words in str(caught.value)


def test_labels_of_a_name_that_no_file_can_have_are_refused():
    for name in ("~nobody-of-this-name/a.wav", "a\0b.wav"):
        with pytest.raises(ConfigError, match="cannot be the name of a file"):
            labels_of(Path(name))
