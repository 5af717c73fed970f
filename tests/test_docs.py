"""Every command and every Python example of the pages on playing a space, run as they stand, one after the other."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

import timbre
from timbre.__main__ import main
from timbre.config import Config, DataConfig, ModelConfig, RegularizationConfig, TrainingConfig
from timbre.data import Library

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("start", "playing", "midi-and-osc", "pretrained", "paths", "maps", "steering", "exporting", "inversion")
SHORTER = {
    "train-vocoder my-space notes": "train-vocoder my-space notes --steps 2 --notes 8",
    "export my-space --to onnx -o my-space-onnx": "export my-space --to onnx -o my-space-onnx --dry-run",
}
"""Commands that would learn for long, and what is run in their place."""


@pytest.fixture(scope="module")
def named_folder(some_notes: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small space with a named axis."""
    config = Config(
        data=DataConfig(duration=0.5, valid=0.1, test=0.1),
        model=ModelConfig(dim=3, flows=2, encoder_channels=16, decoder_channels=16, decoder_blocks=1, harmonics=8),
        regularization=RegularizationConfig(axes=("brightness",)),
        training=TrainingConfig(epochs=2, batch_size=8, threads=1, device="cpu"),
    )
    folder = tmp_path_factory.mktemp("docs") / "my-space"
    timbre.train(some_notes, config, folder, progress=False)
    return folder


@pytest.fixture
def reader(named_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of somebody who reads along: a space in `my-space`, notes in `notes`."""
    shutil.copytree(named_folder, tmp_path / "my-space")
    for instrument in ("flute", "clarinet", "trumpet", "violin"):
        shutil.copytree(ROOT / "datasets" / "orchestra" / instrument, tmp_path / "notes" / instrument)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def examples(page: str) -> list[tuple[str, str]]:
    """("command" or "python", text) of a page, in order, without programs that have a name; "\\" continues a line."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.finditer(
        r"^    timbre (?P<command>[^\n]*)$|(?<!-->\n)^```python\n(?P<python>.*?)^```", text, re.DOTALL | re.MULTILINE
    )
    return [(str(match.lastgroup), str(match[str(match.lastgroup)])) for match in found]


@pytest.mark.parametrize("page", PAGES)
def test_every_example_of_a_page_runs(page: str, reader: Path, capsys: pytest.CaptureFixture[str]):
    names = {"timbre": timbre, "space": timbre.load("my-space")}
    ran = examples(page)
    assert ran
    for kind, text in ran:
        if kind == "python":
            exec(compile(text, f"{page}.md", "exec"), names)
        elif not text.startswith("train "):  # it would learn for minutes; the space is there
            text = SHORTER.get(text, text)
            assert main(shlex.split(text)) == 0, f"timbre {text}: {capsys.readouterr().err}"
