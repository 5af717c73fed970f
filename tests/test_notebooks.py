"""The notebooks run from the first cell to the last, in their short form."""

from importlib import import_module
from pathlib import Path

import pytest
import torch

plt = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("TIMBRE_NOTEBOOKS", "short")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(ROOT)
    plt.switch_backend("agg")
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    before = set(ROOT.iterdir())
    try:
        exec(compile(file.read_text(encoding="utf-8"), file.name, "exec"), {"__name__": file.stem})
        assert plt.get_fignums()  # pictures throughout
    finally:
        plt.close("all")
        torch.set_num_threads(threads)
        torch.set_rng_state(state)
    assert capsys.readouterr().out
    assert set(ROOT.iterdir()) == before  # nothing is left in the user's folder


def test_pages_of_notebooks_have_no_warnings_and_no_progress_bars(monkeypatch: pytest.MonkeyPatch):
    v4 = pytest.importorskip("nbformat").v4
    pytest.importorskip("nbclient"), pytest.importorskip("nbconvert"), pytest.importorskip("jupytext")
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_site"))
    streams = [v4.new_output("stream", name=name, text=name) for name in ("stdout", "stderr")]
    cells = [v4.new_markdown_cell("a"), v4.new_code_cell("b", outputs=streams)]
    made = import_module("notebooks").tidy(v4.new_notebook(cells=cells))
    assert [output.text for output in made.cells[1].outputs] == ["stdout"]


def test_notebooks_are_cells_with_a_question_and_a_time():
    assert len(NOTEBOOKS) == 5
    for file in NOTEBOOKS:
        first = file.read_text(encoding="utf-8").split("# %%")[1]
        assert first.startswith(" [markdown]\n# # ")
        assert "?" in first
        assert "minute" in first
