"""Decodes one frame for each of several voices, by onnxruntime or torch: the decoder of a live engine.

Both run the same module. For onnxruntime it is exported once for each space (about 15 s) and kept in timbre's cache.
onnxruntime is about 3x faster than torch, where many small steps cost more than their arithmetic.
"""

import hashlib
import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor, nn

from timbre.errors import ConfigError
from timbre.files import cache_folder, replacing
from timbre.models.conditions import Conditions
from timbre.space import Space

PREPARING = "preparing the decoder for live play; this takes about 15 s, once for each space"
HELD = 1e9  # s: release time of a note that is held; with infinity, differences would be NaN
_INPUTS = ("points", "pitch", "velocity", "time", "release")
_LOUDEST = 1e6  # STFT magnitude, 40 dB above a sine of full scale in a window of 16384 samples
_VERSION = 3  # of the exported module; part of its file name

Frames = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From points (n, dim), pitch (MIDI, NaN without), velocity, time (s) and release (s), each float32 (n,), to STFT
magnitudes (n, bins) of one frame each."""
_BandsAndFrames = Callable[..., list[np.ndarray]]


class FrameDecoder(nn.Module):
    """Decodes independent frames: of several voices, or several times of one."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.model, self.spectrogram = space.model, space.spectrogram

    def forward(
        self, points: Tensor, pitch: Tensor, velocity: Tensor, time: Tensor, release: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Amplitudes (n, rows) and magnitudes (n, bins), not sharpened. The inputs are those of :data:`Frames`."""
        latent = self.model.latent(points, pitch)
        decibels = self.model.decoder(latent, Conditions(pitch, velocity, release), time[:, None])
        # All frames side by side, as if of one sound: one matrix product instead of n.
        bands, magnitude = self.spectrogram.unsharpened(decibels[..., 0].T[None])
        return bands[0].T, magnitude[0].T


def frame_decoder(space: Space, runtime: str | None = None) -> tuple[Frames, str]:
    """A space's decoder for single frames, on one thread, and the name of its runtime.

    Args:
        space: the space.
        runtime: "onnxruntime" or "torch"; default: the environment variable TIMBRE_RUNTIME, else the first that is
            installed. A ConfigError if it is missing.
    """
    runtime = requested_runtime(runtime)
    onnxruntime = None if runtime == "torch" else _onnxruntime()
    if runtime == "onnxruntime" and not onnxruntime:
        raise ConfigError("onnxruntime or onnxscript is missing: pip install 'timbre[play]'.")
    decode = _by_onnxruntime(onnxruntime, space) if onnxruntime else _by_torch(space)
    sharpener = space.spectrogram.sharpener

    def frames(*values: np.ndarray) -> np.ndarray:
        bands, magnitude = decode(*values)
        if sharpener:
            sharpener(bands, magnitude)
        if not magnitude.max(initial=0.0) <= _LOUDEST:  # it overflowed; inverters and limiter would never recover
            magnitude = np.nan_to_num(magnitude, nan=0.0, posinf=0.0, neginf=0.0).clip(0.0, _LOUDEST)
        return magnitude

    return frames, "onnxruntime" if onnxruntime else "torch"


def requested_runtime(runtime: str | None) -> str | None:
    """The runtime given here or by TIMBRE_RUNTIME in the environment, or None; a ConfigError if it is unknown."""
    runtime = runtime or os.environ.get("TIMBRE_RUNTIME") or None
    if runtime not in (None, "onnxruntime", "torch"):
        raise ConfigError(f"The runtime must be one of onnxruntime and torch, got {runtime!r}.")
    return runtime


def is_ready(space: Space, runtime: str | None = None) -> bool:
    """Whether :func:`frame_decoder` needs no export, which takes about 15 s."""
    return requested_runtime(runtime) == "torch" or not _onnxruntime() or _exported_file(space).exists()


def _onnxruntime() -> ModuleType | None:
    """The module onnxruntime, if it and onnxscript, which the export needs, are installed."""
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError:
        return None
    return onnxruntime


def _exported_file(space: Space) -> Path:
    """The file of the exported module, named by all that it depends on."""
    digest = hashlib.sha256(f"{_VERSION} {torch.__version__} {space.config.to_dict()}".encode())
    for name, value in sorted(space.model.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().numpy().tobytes())
    return cache_folder() / "live" / f"{digest.hexdigest()[:32]}.onnx"


def _export(space: Space, file: Path) -> None:
    example = [torch.zeros(5, space.dim), *(torch.full((5,), value) for value in (60.0, 0.8, 0.1, HELD))]
    levels = {name: logging.getLogger(name).level for name in ("torch.onnx", "onnxscript", "onnx_ir")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(file) as partial, warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the exporter
            any_number = [{0: torch.export.Dim.DYNAMIC}] * len(_INPUTS)
            program = torch.onnx.export(
                FrameDecoder(space).eval(), tuple(example), dynamo=True, verbose=False, input_names=list(_INPUTS),
                output_names=["bands", "magnitude"], dynamic_shapes=any_number,
            )  # fmt: skip
            assert program is not None  # it is None only when writing to a file
            program.save(partial)
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _by_onnxruntime(onnxruntime: ModuleType, space: Space) -> _BandsAndFrames:
    file = _exported_file(space)
    if not file.exists():
        _export(space, file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda *values: list(session.run(None, dict(zip(_INPUTS, values, strict=True))))


def _by_torch(space: Space) -> _BandsAndFrames:
    decoder = FrameDecoder(space).eval()

    @torch.inference_mode()
    def decode(*values: np.ndarray) -> list[np.ndarray]:
        return [part.contiguous().numpy() for part in decoder(*map(torch.from_numpy, values))]

    return decode
