"""The inversion benchmark runs from end to end, and its rows are what they should be."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from _table import format_table, write_json  # noqa: E402

KEYS = {"front_end", "inverter", "sc_db", "log_mel_l1", "cents_median", "bad_percent", "x_realtime", "n_notes"}


def test_the_benchmark_writes_one_row_per_front_end_and_inverter(tmp_path: Path) -> None:
    target = tmp_path / "out" / "inversion.json"
    command = [sys.executable, "benchmarks/inversion.py", "datasets/orchestra/flute", "--quick", "--notes", "2"]
    out = subprocess.run([*command, "--json", str(target)], cwd=ROOT, capture_output=True, text=True, check=True)
    rows = json.loads(target.read_text())
    assert len({(row["front_end"], row["inverter"]) for row in rows}) == len(rows) == 10
    assert all(row.keys() >= KEYS and row["n_notes"] == 2 and row["sc_db"] < -10 for row in rows)
    assert "librosa.griffinlim" in out.stdout


def test_tables_align_and_keep_what_is_missing_apart() -> None:
    rows = [{"name": "a", "value": 1.5, "more": None}, {"name": "longer", "value": 10, "extra": 2}]
    lines = format_table(rows).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[2].split() == ["a", "1.5", "-", "-"]


def test_json_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "rows.json"
    write_json(target, [{"a": 1}])
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(target, [{"a": float("nan")}])
    assert json.loads(target.read_text()) == [{"a": 1}]
    assert list(tmp_path.iterdir()) == [target]
