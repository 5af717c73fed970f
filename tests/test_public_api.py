"""The public names, what importing them costs, and the README's own example."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import timbre

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "torchaudio", "numpy", "librosa", "scipy", "matplotlib", "lightning_fabric", "tensorboard")


def heavy_after(statement: str) -> list[str]:
    """Heavy modules that a fresh Python holds after a statement."""
    code = f"import sys\n{statement}\nprint('loaded', *(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return done.stdout.splitlines()[-1].split()[1:]


def test_the_public_names_are_these_and_no_others():
    assert timbre.__all__ == [
        "Audio",
        "Note",
        "Library",
        "Config",
        "Space",
        "Path",
        "Player",
        "TimbreError",
        "read",
        "write",
        "scan",
        "train",
        "load",
        "render",
        "export",
        "play",
    ]


@pytest.mark.parametrize("name", timbre.__all__)
def test_every_public_name_is_there_and_documented(name):
    assert getattr(timbre, name).__doc__
    assert name in dir(timbre)


def test_no_package_hides_a_function():
    packages = {path.name for path in (ROOT / "timbre").iterdir() if path.is_dir()}
    assert not packages & set(timbre.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'tarin'"):
        _ = timbre.tarin


@pytest.mark.parametrize(
    "statement",
    [
        "import timbre",
        "import timbre.config, timbre.errors, timbre.cli",
        "from timbre.__main__ import main; main(['--help'])",
        "from timbre.__main__ import main; main(['train', '--help'])",
        "from timbre.__main__ import main; main(['--version'])",
    ],
)
def test_light_things_load_nothing_heavy(statement):
    assert heavy_after(statement) == []


def test_audio_does_without_torch():
    assert "torch" not in heavy_after("import timbre.audio, timbre.data.names; timbre.read")


def test_heavy_after_can_see_a_heavy_module():
    assert heavy_after("import numpy") == ["numpy"]


def test_the_readme_example_runs(tiny_folder, tmp_path, monkeypatch):
    """Every Python block of the README, in order, beside a space where the README expects it."""
    blocks = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert blocks
    (tmp_path / "datasets").symlink_to(ROOT / "datasets")
    shutil.copytree(tiny_folder, tmp_path / "demo" / "space")
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(blocks), "README.md", "exec"), {"__name__": "readme"})
    for name in re.findall(r'timbre\.write\("([^"]+)"', "".join(blocks)):
        assert timbre.read(name).peak > 0
