"""Spaces that ship: what loading imports, half precision, and how a space starts to play at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from timbre.config import VocoderConfig
from timbre.space import Space
from timbre.vocoder.network import make_vocoder
from timbre.vocoder.trained import TrainedVocoder

HEAVY = (
    "torch._dynamo", "torch.onnx", "sympy", "scipy.linalg", "scipy.fft", "scipy.sparse", "sklearn", "librosa",
    "onnxruntime", "timbre.data.readers",
)  # fmt: skip


@pytest.fixture(scope="module")
def space(tiny_space: Space) -> Space:
    """The small space with an untrained vocoder."""
    settings = VocoderConfig(channels=8, blocks=1)
    vocoder = TrainedVocoder(make_vocoder(tiny_space.config.spectrogram, settings).eval(), settings)
    return Space(tiny_space.config, tiny_space.model, tiny_space.atlas, tiny_space.report, vocoder=vocoder)


def test_loading_imports_nothing_that_takes_long(space: Space, tmp_path: Path):
    folder = space.save(tmp_path / "space")
    code = f"import sys, torch, timbre\ntimbre.load({str(folder)!r})\nprint(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "timbre.space.folder" in found
    assert set(found).isdisjoint(HEAVY)
