"""The page of results: it is that of its files, its commands exist, and its numbers are those of the rows."""

import importlib
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
COMMANDS = sorted(
    {json.loads(file.read_text(encoding="utf-8"))["command"] for file in (BENCHMARKS / "results").glob("*.json")} - {""}
)


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("results")
    for name in ("results", "_results_tables"):
        sys.modules.pop(name, None)


def run(results: ModuleType, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["results.py", *words])
    results.main()


@pytest.fixture
def copy(results: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files and of the page, which the program works on."""
    shutil.copytree(results.FILES, tmp_path / "results")
    shutil.copy(results.PAGE, tmp_path / "results.md")
    monkeypatch.setattr(results, "FILES", tmp_path / "results")
    monkeypatch.setattr(results, "PAGE", tmp_path / "results.md")
    return tmp_path


def test_the_page_is_that_of_its_files(results: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    run(results, monkeypatch, "--check")


def test_every_file_is_on_the_page(results: ModuleType) -> None:
    text = (results.FILES / "page.md").read_text(encoding="utf-8")
    names = re.findall(r"<!-- table (\S+) -->", text)
    used = {file for name in names for file in results.TABLES.get(name, ((name,), None))[0]}
    assert used == {file.stem for file in results.FILES.glob("*.json")}
    assert set(results.TABLES) <= set(names)


def options(command: str) -> list[str]:
    return re.findall(r"(?<!\S)--[a-z-]+", command)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_a_program_and_options_that_exist(command: str) -> None:
    program, *words = command.split()
    if program == "timbre":
        text = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "timbre/cli").rglob(f"{words[0]}.py"))
        known = {name.replace("_", "-") for name in re.findall(r"^    (\w+):", text, re.MULTILINE)}
        assert {option.removeprefix("--") for option in options(command)} <= known
        return
    file = ROOT / (words[0] if program == "python" else program)
    assert file.exists(), command
    helpers = [*BENCHMARKS.glob("_*.py"), *(ROOT / "tests" / "fuzz").rglob("*.py"), *(ROOT / "scripts").iterdir()]
    parts = [file.read_text(encoding="utf-8")]
    parts += [one.read_text(encoding="utf-8") for one in helpers if one.is_file()]
    for option in options(command):
        assert any(f'"{option}"' in part for part in parts), option


def test_a_new_file_of_a_benchmark_is_taken_in(
    results: ModuleType, copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    new = [{"table": "models", "variant": "vae", "seed": seed, "elbo_nats": 1300.0 + seed} for seed in range(3)]
    new += [
        {"table": "hidden", "hidden": "half", "variant": name, "seed": seed, "elbo_nats": nats, "gap_nats": 2.0}
        for name, seed, nats in (("vae", 0, 20.0), ("vae", 1, 30.0), ("planar 4", 0, 19.0), ("planar 4", 1, 26.0))
    ]
    (tmp_path / "new.json").write_text(json.dumps(new))
    run(
        results,
        monkeypatch,
        "--take",
        "latent",
        str(tmp_path / "new.json"),
        "--machine",
        "a laptop",
        "--date",
        "2026-12-01",
    )
    page = (copy / "results.md").read_text(encoding="utf-8")
    assert re.search(r"\| vae \| 3 \|.*\| 1,301 \(1\) \|", page)
    assert "| planar 4 | 2 | -2.5 (2.1) | 2.0 (0.0) |" in page
    assert "a laptop; 2026-12-01" in page
    kept = json.loads((copy / "results" / "latent.json").read_text(encoding="utf-8"))
    assert kept["command"] == json.loads((BENCHMARKS / "results/latent.json").read_text(encoding="utf-8"))["command"]
    run(results, monkeypatch, "--check")


def test_a_page_of_other_figures_is_noticed(results: ModuleType, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = copy / "results" / "killing.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"97"', '"98"', 1), encoding="utf-8")
    with pytest.raises(SystemExit, match="not the page"):
        run(results, monkeypatch, "--check")
    (copy / "results" / "killing.json").write_text('{"rows": []}', encoding="utf-8")
    with pytest.raises(SystemExit, match="command"):
        run(results, monkeypatch, "--check")


@pytest.mark.parametrize(
    ("rows", "said"),
    [([], ""), ([{"x": 1.0}], "1.00"), ([{"x": 1.0}, {"x": 3.0}], "2.00 (1.41)"), ([{"x": None}, {"x": 2.0}], "2.00")],
)
def test_means(results: ModuleType, rows: list[dict[str, Any]], said: str) -> None:
    assert sys.modules["_results_tables"].mean(rows, "x", 2) == said


def test_intervals(results: ModuleType) -> None:
    interval = sys.modules["_results_tables"].interval
    assert interval([{"x": 1.0, "x_low": 0.5, "x_high": 1500.0}], "x", 1) == "1.0 (0.5 to 1,500.0)"
    assert interval([{}], "x", 1) == ""
    assert interval([{"x": 1.0, "x_low": 0.5, "x_high": 1.5}, {"x": 2.0}], "x", 1) == "1.5 (0.7)"
