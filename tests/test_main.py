"""The `timbre` command as a whole: what it answers, and how it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import timbre
from timbre.__main__ import main

ROOT = Path(__file__).resolve().parents[1]


def test_help_and_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == timbre.__version__
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(command in out for command in ("scan", "train", "synth", "encode", "inspect", "info", "demo"))
    assert all(f"─ {group} ─" in out for group in ("Play", "Sounds", "Libraries of notes", "Training", "Help"))


def test_the_help_of_settings_shows_their_ranges_in_a_panel_for_each_table(capsys):
    assert main(["train", "--help"]) == 0
    out = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Passes over the training notes. [default: 100; 1 or more]" in out
    assert all(f"─ {table} ─" in out for table in ("Spectrogram", "Data", "Model", "Regularization", "Training"))


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("train-vocoder", "Training steps. [default: 6000; 1 or more]"),
        ("export", "(presets in sf2). [default: 5]"),
        ("synth", "[default: 0]"),
    ],
)
def test_ranges_of_settings_are_not_those_of_other_options(capsys, command, shown):
    assert main([command, "--help"]) == 0
    assert shown in " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_an_option_out_of_range_is_refused_by_its_name(capsys):
    assert main(["nearest", "space", "flute", "--count", "0"]) == 1
    assert capsys.readouterr().err == "timbre: --count must be 1 or more, got 0.\n"


def test_locate_keeps_its_name_of_version_0_1(capsys):
    assert main(["place", "space"]) == main(["locate", "space"]) == 1
    assert capsys.readouterr().err == 2 * "timbre: No sound files were given; name one or more.\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["trian"], 'Did you mean "train"?'), (["train", "notes"], "OUT"), (["info", "--loudly"], "--loudly")],
)
def test_a_command_line_that_is_not_understood_is_one_line(capsys, words, sentence):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("timbre: ")
    assert sentence in err


def test_a_bug_keeps_its_traceback(monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(timbre, "scan", broken, raising=False)
    with pytest.raises(ZeroDivisionError):
        main(["scan", "."])


def test_a_reader_that_goes_away_is_no_bug():
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "timbre", "scan", "datasets/orchestra/oboe"]
    done = subprocess.run(words, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.returncode == 141
    assert "Error" not in done.stderr


@pytest.mark.parametrize("script", ["train.py", "synthesize.py"])
def test_the_scripts_are_doors_to_the_commands(script):
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / script, "--help"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0
    assert f"Usage: timbre {'train' if script == 'train.py' else 'synth'}" in done.stdout


@pytest.mark.parametrize("words", [["-m", "timbre", "info"], ["scripts/train.py", "datasets/orchestra", "OUT"]])
@pytest.mark.parametrize("seconds", [0.3, 0.6, 1.0, 1.6])
def test_ctrl_c_is_quiet_while_libraries_are_imported(tmp_path, words, seconds):
    words = [word.replace("OUT", str(tmp_path / "out")) for word in words]
    with subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        err = process.communicate()[1]
    assert process.returncode in (0, 130, -signal.SIGINT)  # done already; stopped; not yet begun, or ending
    assert "Traceback" not in err
    assert (process.returncode != 130) or err.rstrip().endswith("timbre: stopped.") or err == ""


def test_an_error_that_a_library_makes_of_ctrl_c_is_quiet(monkeypatch, capsys):
    def broken(*_, **__):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise ImportError("initialization failed") from error

    monkeypatch.setattr(timbre, "scan", broken, raising=False)
    assert main(["scan", "."]) == 130
    assert capsys.readouterr().err == "timbre: stopped.\n"
