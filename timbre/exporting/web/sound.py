"""What the page's engine needs to decode and play: the weights of the decoder, tables, and their sizes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from safetensors.numpy import save
from torch import Tensor

from timbre.models.flows.planar import PlanarFlow, constrained_u
from timbre.models.partials import GRID_HZ
from timbre.models.vae import VAE
from timbre.space import Space
from timbre.spectral.inversion.portable import Portable

_FAINT = 3e-5  # response below which a band does not hear a sinusoid: its power is below the decoder's least one


def sound_file(space: Space) -> bytes:
    """The weights and tables of a space as a safetensors file; float16 where that loses nothing."""
    arrays = dict(_arrays(space))
    return save({name: _small(array) for name, array in sorted(arrays.items())}, {"format": "timbre-web"})


def sizes(space: Space) -> dict[str, Any]:
    """The sizes and settings that the engine reads beside the weights."""
    config, decoder, inverter = space.config.spectrogram, space.model.decoder, _inverter(space)
    names = ("partials", "period_size", "fft_size", "grid_hz", "comb_low", "comb_step")
    return {
        "dim": space.dim, "bins": config.bins, "harmonics": decoder.harmonics, "sample_rate": config.sample_rate,
        "channels": space.config.model.decoder_channels, "blocks": len(decoder.blocks), "longest": decoder.longest,
        "constants": list(decoder.constants), "hop_length": config.hop_length,
        "portable": {name: getattr(inverter, name) for name in names},
    }  # fmt: skip


def _inverter(space: Space) -> Portable:
    return Portable(space.config.spectrogram, space.config.spectrogram.hop_length)


def _arrays(space: Space) -> Iterator[tuple[str, np.ndarray]]:
    model = space.model
    for name, value in model.decoder.state_dict().items():
        yield f"decoder.{name}", _numpy(value)
    yield from _responses(_numpy(model.decoder.partials.responses))
    for name, value in _inverter(space).state_dict().items():
        yield f"inverter.{name}", _numpy(value)
    yield from _maps(model)


def _responses(responses: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The rows of the table of responses from the first to the last band that hears something."""
    heard = responses > _FAINT
    first, last = heard.argmax(1), heard.shape[1] - heard[:, ::-1].argmax(1)
    last = np.where(heard.any(1), last, first)
    yield "responses.first", first.astype(np.int32)
    yield "responses.begin", np.concatenate([[0], np.cumsum(last - first)]).astype(np.int32)
    rows = [row[low:high] for row, low, high in zip(responses, first, last, strict=True)]
    yield "responses.values", np.concatenate(rows).astype(np.float32)
    yield "responses.grid_hz", np.array([GRID_HZ], np.float32)


def _maps(model: VAE) -> Iterator[tuple[str, np.ndarray]]:
    """What leads from the points of the space to those of the decoder."""
    if model.whitening is not None:
        yield "whitening.root", _numpy(model.whitening.root)
        yield "whitening.mean", _numpy(model.whitening.mean)
    if model.pitch_flow is not None:
        for name, value in (*model.pitch_flow.named_parameters(), *model.pitch_flow.named_buffers()):
            yield f"pitch_flow.{name}", _numpy(value)
    if model.map is not None and isinstance(model.flow, PlanarFlow) and not model.flow.amortised and model.flow.layers:
        u_hat, product = constrained_u(model.flow.u.detach(), model.flow.w.detach())
        parts = {"u": u_hat, "w": model.flow.w, "b": model.flow.b, "product": product}
        for name, value in parts.items():
            yield f"flow.{name}", _numpy(value)


def _numpy(value: Tensor) -> np.ndarray:
    array = value.detach().cpu().contiguous().numpy()
    return array.astype(np.int32 if array.dtype.kind == "i" else np.float32)


def _small(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "i":
        return array
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), array) else array
