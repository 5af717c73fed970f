"""`nn~`: a space as a TorchScript file for Max, Pd and SuperCollider."""

import copy
import warnings
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timbre.errors import ConfigError
from timbre.exporting.networks.instrument import RATIO, NetworkInstrument
from timbre.exporting.request import ExportPlan, Request
from timbre.maps.planes import plane
from timbre.models.frame_decoder import SourceDecoder
from timbre.space import Space
from timbre.spectral.inversion.portable import Portable
from timbre.spectral.inversion.streaming import PORTABLE

_TOP_RATE = 96000  # Hz: larger rates of a host work too, with coarser filters of the noise
_INSIDE = 2.5  # percentile of the library notes that lie left of the map's -1, and right of 1
_SIZE = 4  # bytes of a weight
_STEPS = 3
_MEASURED = 16  # library notes whose levels are compared


def plan_nn(request: Request) -> ExportPlan:
    """Plan a TorchScript file of a whole space."""
    if len(request.space.atlas) < 3:
        raise ConfigError(f"The map needs a space with 3 library notes or more, got {len(request.space.atlas)}.")
    weights = sum(value.numel() for value in request.space.model.decoder.state_dict().values())
    return ExportPlan(
        {"": _SIZE * weights + 8_000_000}, _STEPS, lambda target, step: write_nn(request, target, step), 0.0,
        "Attributes: hold (s), release (factor), reset. Methods: forward, decode, play_map, place.",
    )  # fmt: skip


def write_nn(request: Request, target: FilePath, step: Callable[[], object]) -> list[dict[str, Any]]:
    """Write the file."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, but it is what these hosts load
        made = instrument(request.space, request.settings.rate)
        step()
        script = torch.jit.script(made.eval())
        step()
        torch.jit.save(script, str(target))
        step()
    return []


def instrument(space: Space, rate: int) -> NetworkInstrument:
    """The instrument of a space at a sample rate (Hz); its decoder is traced."""
    config = space.config.spectrogram
    decoder = copy.deepcopy(SourceDecoder(space.model, space.spectrogram)).eval().requires_grad_(False)
    decoder.model.encoder = decoder.model.map = decoder.spectrogram = None  # type: ignore[assignment]  # not needed
    traced = torch.jit.trace(decoder, tuple(decoder.examples().values()), check_trace=False)
    origin, directions = map_of(space)
    labels = [f"z{number}" for number in range(space.dim)]
    inverter = Portable(config, RATIO, rate, max(rate, _TOP_RATE))
    return NetworkInstrument(traced, inverter, origin, directions, labels, loudness(space))


def loudness(space: Space) -> float:
    """The amplitude that makes the portable inverter as loud as the space's own, by the median of library notes."""
    apart = []
    for row in np.linspace(0, len(space.atlas) - 1, min(len(space.atlas), _MEASURED)).astype(int):
        pitch = float(space.atlas.pitches[row])
        note = (space.atlas.points[row], pitch if 12.0 <= pitch <= 127.0 else None, 0.8, 1.0)
        own, other = (np.square(space.decode(*note, inverter=one).samples).mean() for one in (None, PORTABLE))
        if own > 0.0 and other > 0.0:
            apart.append(np.sqrt(own / other))
    return float(np.clip(np.median(apart or [1.0]), 0.5, 2.0))


def map_of(space: Space) -> tuple[Tensor, Tensor]:
    """Origin (dim,) and directions (2, dim) of the space's plane; 95% of the notes lie between -1 and 1."""
    flat = plane(space)
    low, high = np.percentile(flat.coordinates(space.atlas.points), [_INSIDE, 100.0 - _INSIDE], axis=0)
    middle, half = (low + high) / 2.0, np.maximum((high - low) / 2.0, 1e-6)
    origin, directions = flat.at(*middle), flat.directions * half[:, None]
    return torch.from_numpy(origin).float(), torch.from_numpy(directions).float()
