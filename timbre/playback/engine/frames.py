"""Decodes one frame for each of several voices, by onnxruntime or torch: the decoder of a live engine.

Both run the same module. onnxruntime is about 3x faster than torch, where many small steps cost more than their
arithmetic, and needs a graph: one ships with the space, or is exported (about 15 s) and kept in timbre's cache for all
spaces with the same settings.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from timbre.errors import CheckpointError, ConfigError
from timbre.files import cache_folder, read_bytes, replacing
from timbre.models.frame_decoder import FrameDecoder, SourceDecoder
from timbre.models.graphs import MOST, Run, can_export, onnxruntime
from timbre.space import Space
from timbre.wording import needs

PREPARING = "preparing the decoder for live play; this takes about 15 s, once for all spaces with the same settings"
_LOUDEST = 1e6  # STFT magnitude, 40 dB above a sine of full scale in a window of 16384 samples
_LARGEST_DB = 400.0  # of a level: beyond, inverters and limiter would never recover
_VERSION = 5  # of the exported module; part of its file name

Frames = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From points (n, dim), pitch (MIDI, NaN without), velocity, time (s) and release (s), each float32 (n,), to STFT
magnitudes (n, bins) of one frame each."""


def frame_decoder(space: Space, runtime: str | None = None) -> tuple[Frames, str]:
    """A space's decoder for single frames, on one thread, and the name of its runtime.

    Args:
        space: the space.
        runtime: "onnxruntime" or "torch"; default: the environment variable TIMBRE_RUNTIME, else the first that is
            installed. A ConfigError if it is missing.
    """
    runtime = requested_runtime(runtime)
    decoder = FrameDecoder(space.model, space.spectrogram).eval()
    run = None if runtime == "torch" else _by_onnxruntime(decoder, space)
    if runtime == "onnxruntime" and not run:
        raise ConfigError(needs("The runtime onnxruntime", "onnxruntime", "onnxscript"))
    decode, sharpener = run or _by_torch(decoder), space.spectrogram.sharpener

    def frames(*values: np.ndarray) -> np.ndarray:
        bands, magnitude = decode(*values)
        if sharpener:
            sharpener(bands, magnitude)
        if not magnitude.max(initial=0.0) <= _LOUDEST:  # it overflowed; inverters and limiter would never recover
            magnitude = np.nan_to_num(magnitude, nan=0.0, posinf=0.0, neginf=0.0).clip(0.0, _LOUDEST)
        return magnitude

    return frames, "onnxruntime" if run else "torch"


def requested_runtime(runtime: str | None) -> str | None:
    """The runtime given here or by TIMBRE_RUNTIME in the environment, or None; a ConfigError if it is unknown."""
    runtime = runtime or os.environ.get("TIMBRE_RUNTIME") or None
    if runtime not in (None, "onnxruntime", "torch"):
        raise ConfigError(f"The runtime must be one of onnxruntime and torch, got {runtime!r}.")
    return runtime


def source_decoder(space: Space) -> Frames:
    """What sounds in single frames, for the portable inverter, by torch: levels of partials, envelope and noise side by
    side, dB (n, harmonics + 2 rows)."""
    decode = _by_torch(SourceDecoder(space.model, space.spectrogram).eval())
    return lambda *values: np.concatenate(decode(*values), 1).clip(-_LARGEST_DB, _LARGEST_DB)


def is_ready(space: Space, runtime: str | None = None) -> bool:
    """Whether :func:`frame_decoder` needs no export, which takes about 15 s."""
    if requested_runtime(runtime) == "torch" or not onnxruntime() or not can_export():
        return True
    return _opened(FrameDecoder(space.model, space.spectrogram), space) is not None


def _by_onnxruntime(decoder: FrameDecoder, space: Space) -> Run | None:
    """The decoder by onnxruntime, exported if need be; None if onnxruntime is missing, or what an export needs."""
    if not onnxruntime():
        return None
    run = _opened(decoder, space)
    if run or not can_export():
        return run
    content, file = decoder.export(), _cached_file(space)
    with suppress(OSError):  # of a cache that cannot be written
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as partial:
            partial.write_bytes(content)
    return decoder.opened(content)


def _opened(decoder: FrameDecoder, space: Space) -> Run | None:
    """The decoder by onnxruntime from the graph that ships with the space or the one in the cache, if one fits."""
    if space.graph is not None:
        with suppress(CheckpointError):
            return decoder.opened(space.graph)
    with suppress(CheckpointError, ConfigError):
        return decoder.opened(read_bytes(_cached_file(space), MOST))
    return None


def _cached_file(space: Space) -> Path:
    """The file of the exported module in the cache, named by all that it depends on."""
    digest = hashlib.sha256(f"{_VERSION} {space.config.to_dict()}".encode())
    return cache_folder() / "live" / f"{digest.hexdigest()[:32]}.onnx"


def _by_torch(decoder: FrameDecoder) -> Run:
    @torch.inference_mode()
    def decode(*values: np.ndarray) -> list[np.ndarray]:
        return [part.contiguous().numpy() for part in decoder(*map(torch.from_numpy, values))]

    return decode
