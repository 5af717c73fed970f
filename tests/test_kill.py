"""The short form of scripts/kill: some kills and full disks, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def _kill(tmp_path: Path, *words: str) -> list[dict[str, int]]:
    paths = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-m", "fuzz.kill", *words, "--json", str(tmp_path / "kill.json")], env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    rows: list[dict[str, int]] = json.loads((tmp_path / "kill.json").read_text())
    return rows


def test_what_is_killed_goes_on(tmp_path: Path) -> None:
    for row in _kill(tmp_path, "3", "--full", "1", "--command", "scan", "--command", "save", "--command", "fetch"):
        assert row["kills"] >= 1
        assert row["identical"] == row["resumed"] > row["full"] == 1
        assert row["left"] == row["failures"] == 0


@pytest.mark.slow
def test_trainings_that_are_killed_go_on(tmp_path: Path) -> None:
    for row in _kill(tmp_path, "9", "--command", "cache", "--command", "train", "--command", "train-vocoder"):
        assert row["identical"] == row["resumed"]
        assert row["left"] == row["failures"] == 0
