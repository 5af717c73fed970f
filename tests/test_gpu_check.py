"""scripts/gpu-check: its steps on a CPU, and what it says without a GPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]


def checked(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "gpu-check"), *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_is_one_sentence_and_a_status_of_its_own() -> None:
    done = checked()
    assert done.returncode == 3, done.stderr
    assert done.stdout.splitlines() == [
        "gpu-check: there is no GPU that torch finds; `--device cpu --quick` runs the same steps without one."
    ]


def test_its_steps_run_on_a_cpu(tmp_path: Path) -> None:
    notes = ROOT / "datasets" / "orchestra" / "flute"
    done = checked(str(notes), "--device", "cpu", "--quick", "--minutes", "0.02", "--json", str(tmp_path / "rows.json"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "gpu-check: all checks passed."
    reference, trial, differences = json.loads((tmp_path / "rows.json").read_text())
    for row in (reference, trial):
        assert row["steps"] > 0 < row["notes_per_s"]
        assert row["gflop_per_step"] > 0 < row["share_of_peak"]
        assert row["valid_l1_db"] > 0 < row["test_l1_db"]
    assert reference["s_to_cpu_best"] > 0
    assert differences == {"what": "CPU and device", "spectrogram_db": 0.0, "points": 0.0, "decoded_db": 0.0}
