"""Spaces that ship: what loading imports, half precision, and how a space starts to play at once."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import timbre
from timbre.config import VocoderConfig
from timbre.errors import CheckpointError, ConfigError
from timbre.models._onnx import weights_of
from timbre.models.frame_decoder import HELD, FrameDecoder
from timbre.models.vae import VAE
from timbre.playback.engine import frames
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


@pytest.fixture(scope="module")
def prepared(tiny_space: Space, tmp_path_factory: pytest.TempPathFactory) -> Space:
    """The small space, which was exported for live play and saved."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    made = Space(tiny_space.config, tiny_space.model, tiny_space.atlas, tiny_space.report)
    made.prepare()
    return timbre.load(made.save(tmp_path_factory.mktemp("prepared") / "space", half=True))


def decoder(space: Space) -> FrameDecoder:
    return FrameDecoder(space.model, space.spectrogram)


class TestGraphs:
    """The decoder as an ONNX file in the folder of a space."""

    def test_a_prepared_space_plays_without_an_export(self, prepared: Space, tmp_path, monkeypatch):
        monkeypatch.setenv("TIMBRE_CACHE", str(tmp_path))
        monkeypatch.setattr(frames, "can_export", lambda: False)
        decode, runtime = frames.frame_decoder(prepared, "onnxruntime")
        by_torch, _ = frames.frame_decoder(prepared, "torch")
        rows = [np.array(row, np.float32) for row in ((60, np.nan), (0.8, 0.5), (0.1, 0.2), (HELD, 0.1))]
        points = prepared.atlas.points[:2]
        np.testing.assert_allclose(decode(points, *rows), by_torch(points, *rows), rtol=1e-3, atol=1e-5)
        assert runtime == "onnxruntime"
        assert not list(tmp_path.iterdir())

    def test_it_has_no_weights_and_serves_all_spaces_with_its_settings(self, prepared: Space):
        assert prepared.graph is not None
        assert len(prepared.graph) < 100_000
        torch.manual_seed(1)
        assert decoder(Space(prepared.config, VAE(prepared.config), prepared.atlas, {})).opened(prepared.graph)

    @pytest.mark.parametrize("runtime", [None, "onnxruntime"])
    def test_one_that_does_not_fit_is_exported_again_or_torch_decodes(self, prepared, runtime, tmp_path, monkeypatch):
        monkeypatch.setenv("TIMBRE_CACHE", str(tmp_path))
        monkeypatch.delenv("TIMBRE_RUNTIME", raising=False)
        monkeypatch.setattr(FrameDecoder, "export", lambda self: prepared.graph)
        other = Space(prepared.config, prepared.model, prepared.atlas, {}, graph=b"no graph")
        assert not frames.is_ready(other, runtime)
        assert frames.frame_decoder(other, runtime)[1] == "onnxruntime"
        assert [file.read_bytes() for file in tmp_path.rglob("*.onnx")] == [prepared.graph]
        assert frames.is_ready(other, runtime)
        monkeypatch.setenv("TIMBRE_CACHE", str(tmp_path / "empty"))
        monkeypatch.setattr(frames, "can_export", lambda: False)
        if runtime:
            with pytest.raises(ConfigError, match="needs the packages onnxruntime and onnxscript"):
                frames.frame_decoder(other, runtime)
        else:
            assert frames.frame_decoder(other)[1] == "torch"

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (lambda graph: b"", "one graph of standard operators"),
            (lambda graph: b"no graph", "field|damaged"),
            (lambda graph: graph[:-50], "damaged"),
            (lambda graph: graph + bytes(1 << 20), "1 MiB or less"),
            (lambda graph: graph + field(7, b""), "one graph of standard operators"),
            (lambda graph: graph + field(8, field(1, b"custom")), "one graph of standard operators"),
            (lambda graph: graph + field(25, b""), "must not have the field 25"),  # a function
            (lambda graph: graph.replace(b"\x22\x03Mul", b"\x22\x03Add"), "its values must be those of the model"),
            (lambda graph: graph.replace(b"model.decoder.head", b"model.encoder.head"), "its weights must be those"),
            (lambda graph: graph.replace(b"model.decoder.head.weight", b"/etc/hostname............"), "its weights"),
            (lambda graph: graph.replace(b"release", b"relaxed"), "must have the inputs points"),
            (lambda graph: graph.replace(b"\x22\x03Mul", b"\x22\x03Xyz"), "Xyz"),
        ],
    )  # fmt: skip
    def test_one_from_elsewhere_must_be_that_of_the_model(self, prepared: Space, change, told):
        assert prepared.graph is not None
        with pytest.raises(CheckpointError, match=told) as error:
            decoder(prepared).opened(change(prepared.graph))
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("where", [(5,), (1, 5, 5)])
    def test_no_other_file_is_read(self, where):
        outside = field(8, b"secret") + field(13, field(1, b"location") + field(2, b"/etc/hostname"))
        for number in reversed(where):
            outside = field(number, outside)
        with pytest.raises(ValueError, match="its weights must be those"):
            weights_of(field(7, outside), {"weight": np.zeros(1, np.float32)})

    def test_a_branch_may_hide_nothing(self):
        with pytest.raises(ValueError, match="must not have the field 6"):
            weights_of(field(7, field(1, field(5, field(6, b"")))), {})

    @given(st.binary(max_size=200))
    def test_any_bytes(self, content: bytes):
        with suppress(ValueError):
            assert weights_of(content, {}) == []


def field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message."""
    return bytes([*varint(8 * number + 2), *varint(len(content))]) + content


def varint(value: int) -> list[int]:
    return [value] if value < 128 else [value % 128 + 128, *varint(value >> 7)]


def test_half_precision_changes_a_sound_by_hundredths_of_a_decibel(space: Space, tmp_path: Path):
    full, half = (timbre.load(space.save(tmp_path / name, half=name == "half")) for name in ("full", "half"))
    points = space.atlas.points[:8]
    changes = [np.abs(np.asarray(full.spectrum(p[None]) - half.spectrum(p[None]))) for p in points]
    assert 0.0 < np.mean(changes) < 0.05
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]
