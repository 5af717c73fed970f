"""ONNX files: equal to torch, and played by the example of the page with onnxruntime and numpy alone."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import timbre
from timbre.audio.pitch import measure_pitch
from timbre.exporting.networks.hop import INPUTS, OUTPUTS, Hop
from timbre.models.frame_decoder import HELD, SourceDecoder
from timbre.models.graphs import can_export, onnxruntime
from timbre.space import Space
from timbre.spectral.inversion.portable import Portable

pytestmark = pytest.mark.skipif(not (can_export() and onnxruntime()), reason="onnxruntime or onnxscript is missing")

PAGE = Path(__file__).parents[1] / "docs" / "exporting.md"


@pytest.fixture(scope="module")
def folder(harmonic_space: Space, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("onnx") / "space"
    timbre.export(harmonic_space, None, "onnx", target)
    return target


def run(file: Path, values: dict[str, torch.Tensor]) -> list[np.ndarray]:
    runtime = onnxruntime()
    assert runtime is not None
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == list(values)
    assert all(one.shape[0] == "voices" for one in (*session.get_inputs(), *session.get_outputs()))
    return list(session.run(None, {name: value.numpy() for name, value in values.items()}))


@pytest.mark.parametrize("voices", [1, 3, 8])
def test_the_decoder_equals_torch(folder: Path, harmonic_space: Space, voices: int) -> None:
    draw = torch.Generator().manual_seed(voices)
    pitch = 40.0 + 50.0 * torch.rand(voices, generator=draw)
    pitch[::3] = torch.nan
    time = torch.rand(voices, generator=draw)
    values = {
        "points": torch.randn(voices, harmonic_space.dim, generator=draw), "pitch": pitch,
        "velocity": torch.rand(voices, generator=draw), "time": time,
        "release": torch.where(time > 0.5, time - 0.2, torch.full_like(time, HELD)),
    }  # fmt: skip
    with torch.no_grad():
        expected = SourceDecoder(harmonic_space.model, harmonic_space.spectrogram).eval()(*values.values())
    for found, one in zip(run(folder / "decoder.onnx", values), expected, strict=True):
        np.testing.assert_allclose(found, one.numpy(), rtol=0, atol=1e-4 * 80.0)  # dB, relative to their range
        assert found.shape[0] == voices


def test_the_inverter_equals_torch(folder: Path, harmonic_space: Space) -> None:
    config = harmonic_space.config.spectrogram
    hop = Hop(Portable(config, config.hop_length), harmonic_space.config.model.harmonics)
    values = hop.examples()
    assert list(values) == list(INPUTS)
    found, expected = run(folder / "inverter.onnx", values), hop(*values.values())
    assert len(found) == len(OUTPUTS)
    np.testing.assert_allclose(found[0], expected[0].numpy(), rtol=0, atol=1e-4 * float(expected[0].abs().max()))
    turn = 1 << 40
    for one, other in zip(found[1:3], expected[1:3], strict=True):  # phases
        apart = (one - other.numpy() + turn // 2) % turn - turn // 2
        assert np.abs(apart).max() < 1e-4 * turn
    np.testing.assert_array_equal(found[3], expected[3].numpy())


def test_metadata(folder: Path, harmonic_space: Space) -> None:
    runtime = onnxruntime()
    assert runtime is not None
    for name in ("decoder", "inverter"):
        about = runtime.InferenceSession(folder / f"{name}.onnx").get_modelmeta().custom_metadata_map
        assert about["format"] == "timbre-onnx"
        assert int(about["dim"]) == harmonic_space.dim
        assert int(about["sample_rate"]) == harmonic_space.config.spectrogram.sample_rate
        assert json.loads(about["licences"]) == harmonic_space.report.get("licences", {})
    points = json.loads((folder / "points.json").read_text())["points"]
    np.testing.assert_allclose(list(points.values()), harmonic_space.atlas.points, rtol=1e-6)


def test_the_example_of_the_page_plays_a_note(folder: Path, harmonic_space: Space, tmp_path: Path) -> None:
    found = re.search(r"<!-- play.py -->\n```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    assert found[1].count("\n") <= 36
    blocked = "import sys\nfor name in ('torch', 'timbre', 'scipy', 'librosa'):\n    sys.modules[name] = None\n"
    (tmp_path / "play.py").write_text(blocked + found[1], encoding="utf-8")
    atlas = harmonic_space.atlas
    row = next(number for number, pitch in enumerate(atlas.pitches) if 50.0 < pitch < 75.0)
    sound = tmp_path / "note.wav"
    command = [sys.executable, "play.py", str(folder), atlas.names[row], str(sound)]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    played, pitch = timbre.read(sound), float(atlas.pitches[row])
    expected = harmonic_space.decode(atlas.points[row], pitch, 0.8, 2.0, inverter="portable")
    measured = measure_pitch(played, pitch)
    assert measured is not None
    assert 100.0 * abs(measured - pitch) < 5.0
    levels = [np.square(one.samples[0, : played.sample_rate]).mean() for one in (played, expected)]
    assert abs(10.0 * np.log10(levels[0] / levels[1])) < 0.5


@pytest.mark.slow
def test_the_example_runs_where_only_onnxruntime_and_numpy_are_installed(
    folder: Path, harmonic_space: Space, tmp_path: Path
) -> None:
    found = re.search(r"<!-- play.py -->\n```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    (tmp_path / "play.py").write_text(found[1], encoding="utf-8")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "fresh"], check=True)
    python = tmp_path / "fresh" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "onnxruntime", "numpy"], check=True)
    command = [python, "-I", "play.py", folder, harmonic_space.atlas.names[0], "note.wav"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert np.abs(timbre.read(tmp_path / "note.wav").samples).max() > 1e-3
