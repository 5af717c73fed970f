"""The scripts: they can be run, and scripts/setup does what it says, in a small project of its own."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHELL = [ROOT / "scripts" / name for name in ("setup", "check", "test", "demo", "docs")] + [ROOT / ".ci" / "run"]
PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "timbre"
version = "0"
[project.optional-dependencies]
play = []
plots = []
[tool.setuptools]
py-modules = []
"""


@pytest.mark.parametrize("script", SHELL, ids=lambda path: path.name)
def test_shell_scripts_are_sound_and_stop_at_the_first_failure(script):
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in script.read_text(encoding="utf-8")
    assert subprocess.run(["bash", "-n", script]).returncode == 0


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The folder of a project without dependencies, with the real scripts/setup and, later, one .venv for all tests."""
    place = tmp_path_factory.mktemp("project")
    (place / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "setup", place / "scripts")
    return place


@pytest.fixture
def project(place):
    """The same project as if scripts/setup had never finished in it."""
    (place / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (place / "constraints.txt").write_text("", encoding="utf-8")
    (place / ".venv" / ".timbre-setup").unlink(missing_ok=True)
    return place


def run_setup(project, *extras, **environment):
    # No network: pip builds with the setuptools of the environment that runs the tests.
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PYTHONPATH": sysconfig.get_path("purelib")}
    return subprocess.run(
        [project / "scripts" / "setup", *extras],
        cwd="/", env={**os.environ, **offline, **environment}, capture_output=True, text=True,
    )  # fmt: skip


def stamp(project):
    return (project / ".venv" / ".timbre-setup").read_text(encoding="utf-8").splitlines()


def test_setup_installs_once_and_adds_extras(project):
    first = run_setup(project, "plots")
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("setup: installing timbre with plots")
    assert list((project / ".venv").rglob("timbre-0.dist-info"))
    before = stamp(project)

    again = run_setup(project, "plots")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert (run_setup(project).stdout, stamp(project)) == ("", before)

    more = run_setup(project, "play")
    assert more.stdout.startswith("setup: installing timbre with play, plots")
    assert stamp(project)[1] == "play plots"

    (project / "constraints.txt").write_text("numpy<3\n", encoding="utf-8")
    assert run_setup(project).stdout.startswith("setup: installing timbre with play, plots")


def test_setup_tries_again_after_a_failure(project):
    good = (project / "pyproject.toml").read_text(encoding="utf-8")
    (project / "pyproject.toml").write_text(
        good.replace("plots = []", 'plots = ["no-such-thing-at-all"]'), encoding="utf-8"
    )
    failed = run_setup(project, "plots")
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1] == "setup: pip could not install timbre; its reason stands above."
    assert not (project / ".venv" / ".timbre-setup").exists()
    assert run_setup(project).returncode == 0


@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        ("/no/such/python", "There is no /no/such/python here"),
        ("./old", "Python 3.10.2 is too old; timbre wants Python 3.11 or newer"),
    ],
)
def test_setup_wants_a_python_that_is_there_and_new_enough(tmp_path, python, sentence):
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "setup", tmp_path / "scripts")
    (tmp_path / "old").write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.10.2 || exit 1\n')
    (tmp_path / "old").chmod(0o755)
    done = run_setup(tmp_path, PYTHON=python)
    assert done.returncode == 1
    assert done.stderr.startswith(f"setup: {sentence}")
    assert done.stderr.count("\n") == 1


def test_setup_knows_its_extras(project):
    done = run_setup(project, "plotz")
    assert done.returncode == 1
    assert done.stderr == "setup: There is no extra called plotz; known: play, plots (or --all).\n"


def test_python_scripts_go_on_in_the_venv_that_they_make(project):
    shutil.copy(ROOT / "scripts" / "_launch.py", project / "scripts")
    script = project / "scripts" / "hello.py"
    script.write_text(
        "import sys\nfrom _launch import with_timbre\nwith_timbre('play')\nprint(sys.prefix, *sys.argv[1:])\n", "utf-8"
    )
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PYTHONPATH": sysconfig.get_path("purelib")}
    plain = Path(sys.base_prefix) / "bin" / "python3"
    done = subprocess.run(
        [plain, script, "a b"], cwd="/", env={**os.environ, **offline}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{project / '.venv'} a b"
    assert "play" in stamp(project)[1]


@pytest.mark.parametrize("script", ["play", "synthesize", "train"])
def test_python_scripts_are_the_commands(script):
    command = {"play": "play", "synthesize": "synth", "train": "train"}[script]
    done = subprocess.run([sys.executable, ROOT / "scripts" / f"{script}.py", "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"Usage: timbre {command} " in done.stdout
