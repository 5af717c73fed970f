"""The notebooks as pages of the site: executed, with their pictures and players.

    python docs/_site/notebooks.py OUT

It takes some nine minutes on one core; with TIMBRE_NOTEBOOKS=short a minute, and learns nothing well.
"""

import os
import sys
from pathlib import Path

import jupytext
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[2]


def tidy(notebook: NotebookNode) -> NotebookNode:
    """A notebook without warnings and progress bars, which go to stderr, in its outputs."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def render(file: Path, out: Path) -> None:
    """Execute a notebook and write NAME.md, and its pictures into NAME_files."""
    notebook = jupytext.read(file)
    NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(ROOT)}}).execute()
    page, resources = MarkdownExporter().from_notebook_node(tidy(notebook), {"output_files_dir": f"{file.stem}_files"})
    for name, content in resources["outputs"].items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content)
    (out / f"{file.stem}.md").write_text(page.replace(f"{ROOT}/", ""), encoding="utf-8")


def main() -> None:
    """Render all notebooks."""
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    for file in sorted((ROOT / "notebooks").glob("*.py")):
        print(file.stem, flush=True)
        render(file, out)


if __name__ == "__main__":
    main()
