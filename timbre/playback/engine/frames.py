"""One decoded frame for each of several voices: the decoder as a live engine calls it, by onnxruntime or by torch.

Both run one and the same module. What onnxruntime reads is exported from it once for each space (some 15 s) and kept in
timbre's cache; it takes about a third of torch's time, whose many small steps cost more than their arithmetic.
"""

import hashlib
import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from timbre.errors import ConfigError
from timbre.files import cache_folder, replacing
from timbre.models.conditions import Conditions
from timbre.space import Space

RUNTIMES = ("onnxruntime", "torch")
PREPARING = "preparing the decoder for live play, once for each space: a quarter of a minute"
HELD = 1e9  # s: the release of a note that is held; infinity less infinity is no number
_INPUTS = ("points", "pitch", "velocity", "time", "release")
_VERSION = 3  # of what is exported; part of its name

Frames = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From points (n, dim), pitch (MIDI, NaN without), velocity, time (s) and release (s), each float32 (n,), to STFT
magnitudes (n, bins) of one frame each."""
_Halves = Callable[..., list[np.ndarray]]


class FrameDecoder(nn.Module):
    """Decodes frames that have nothing to do with each other: of several voices, or several times of one."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.model, self.spectrogram = space.model, space.spectrogram

    def forward(
        self, points: Tensor, pitch: Tensor, velocity: Tensor, time: Tensor, release: Tensor
    ) -> tuple[Tensor, Tensor]:
        """As :data:`Frames`, with tensors, but for the sharpening: amplitudes (n, rows) and magnitudes (n, bins)."""
        latent = self.model.latent(points, pitch)
        decibels = self.model.decoder(latent, Conditions(pitch, velocity, release), time[:, None])
        # All frames side by side, as if they were those of one sound: one matrix product instead of n.
        bands, magnitude = self.spectrogram.unsharpened(decibels[..., 0].T[None])
        return bands[0].T, magnitude[0].T


def frames_of(space: Space, runtime: str | None = None) -> tuple[Frames, str]:
    """A space's decoder for single frames, on one thread, and what runs it.

    Args:
        space: the space.
        runtime: one of :data:`RUNTIMES`; None takes what the environment variable TIMBRE_RUNTIME says, else the first
            that is installed.

    Raises:
        ConfigError: there is no such runtime, or it is not installed.
    """
    runtime = chosen(runtime)
    if runtime != "torch":
        try:
            import onnxruntime
            import onnxscript  # noqa: F401  (the exporter wants it)
        except ImportError as error:
            if runtime:
                raise ConfigError("onnxruntime or onnxscript is missing: pip install 'timbre[play]'.") from error
        else:
            return _sharpened(_by_onnxruntime(onnxruntime, exported(space)), space), "onnxruntime"
    return _sharpened(_by_torch(space), space), "torch"


def chosen(runtime: str | None) -> str | None:
    """What was asked for, here or in the environment; None if nothing.

    Raises:
        ConfigError: there is no such runtime.
    """
    runtime = runtime or os.environ.get("TIMBRE_RUNTIME") or None
    if runtime not in (None, *RUNTIMES):
        raise ConfigError(f"The runtime {runtime!r} is not known; there are {' and '.join(RUNTIMES)}.")
    return runtime


def is_ready(space: Space, runtime: str | None = None) -> bool:
    """Whether :func:`frames_of` has nothing to prepare, which would take a while."""
    if chosen(runtime) == "torch":
        return True
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        return True
    return _file(space).exists()


def exported(space: Space) -> Path:
    """The space's frame decoder as an ONNX file in timbre's cache, made if it is not there."""
    file = _file(space)
    if not file.exists():
        _export(space, file)
    return file


def _file(space: Space) -> Path:
    return cache_folder() / "live" / f"{_digest(space)}.onnx"


def _export(space: Space, file: Path) -> None:
    example = [torch.zeros(5, space.dim), *(torch.full((5,), value) for value in (60.0, 0.8, 0.1, HELD))]
    levels = {name: logging.getLogger(name).level for name in ("torch.onnx", "onnxscript", "onnx_ir")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(file) as partial, warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the exporter's own
            any_number = [{0: torch.export.Dim.DYNAMIC}] * len(_INPUTS)
            program = torch.onnx.export(
                FrameDecoder(space).eval(), tuple(example), dynamo=True, verbose=False, input_names=list(_INPUTS),
                output_names=["bands", "magnitude"], dynamic_shapes=any_number,
            )  # fmt: skip
            assert program is not None  # it is None only where a file was asked for
            program.save(partial)
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _sharpened(decode: _Halves, space: Space) -> Frames:
    sharpener = space.spectrogram.sharpener

    def frames(*values: np.ndarray) -> np.ndarray:
        bands, magnitude = decode(*values)
        if sharpener:
            sharpener(bands, magnitude)
        return magnitude

    return frames


def _by_onnxruntime(onnxruntime: Any, file: Path) -> _Halves:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def decode(*values: np.ndarray) -> list[np.ndarray]:
        return list(session.run(None, dict(zip(_INPUTS, values, strict=True))))

    return decode


def _by_torch(space: Space) -> _Halves:
    decoder = FrameDecoder(space).eval()

    def decode(*values: np.ndarray) -> list[np.ndarray]:
        with torch.inference_mode():
            return [half.contiguous().numpy() for half in decoder(*(torch.from_numpy(value) for value in values))]

    return decode


def _digest(space: Space) -> str:
    """What the exported file depends on."""
    digest = hashlib.sha256(f"{_VERSION} {torch.__version__} {space.config.to_dict()}".encode())
    for name, value in sorted(space.model.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:32]
