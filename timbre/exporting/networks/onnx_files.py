"""`onnx`: the decoder of a space and the portable inverter as ONNX files, with all that they need to play."""

import json
import math
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

from timbre.errors import ConfigError
from timbre.exporting.networks.hop import OUTPUTS, Hop
from timbre.exporting.request import ExportPlan, Request
from timbre.files import write_text
from timbre.models.frame_decoder import HELD, SourceDecoder
from timbre.models.graphs import can_export, export_whole
from timbre.spectral.inversion.portable import Portable
from timbre.version import __version__
from timbre.wording import needs

DECODER, INVERTER, POINTS = "decoder.onnx", "inverter.onnx", "points.json"
SOURCES = ("partials", "envelope", "noise")
_TABLES = 12_000_000  # bytes of the inverter's, at most
_SIZE = 4  # bytes of a weight


def plan_onnx(request: Request) -> ExportPlan:
    """Plan a folder with decoder.onnx, inverter.onnx and points.json."""
    if not can_export():
        raise ConfigError(needs("An ONNX file", "onnxscript"))
    space = request.space
    weights = _SIZE * sum(value.numel() for value in space.model.decoder.state_dict().values())
    files = {DECODER: weights + _TABLES, INVERTER: _TABLES, POINTS: 12 * space.dim * len(space.atlas) + 1000}
    notice = "Inputs and an example with onnxruntime and numpy: docs/exporting.md."
    return ExportPlan(files, len(files), lambda folder, step: write_onnx(request, folder, step), 0.0, notice)


def write_onnx(request: Request, folder: FilePath, step: Callable[[], object]) -> list[dict[str, Any]]:
    """Write the files."""
    space, config = request.space, request.space.config.spectrogram
    decoder = SourceDecoder(space.model, space.spectrogram).eval()
    inverter = Hop(Portable(config, config.hop_length), space.config.model.harmonics).eval()
    details = {
        "format": "timbre-onnx", "format_version": "1", "timbre_version": __version__, "dim": str(space.dim),
        "sample_rate": str(config.sample_rate), "hop_length": str(config.hop_length), "bands": str(config.bins),
        "harmonics": str(space.config.model.harmonics), "held": str(HELD),
        "axes": json.dumps([axis.name for axis in space.axes]),
        "licences": json.dumps(space.report.get("licences", {})),
    }  # fmt: skip
    (folder / DECODER).write_bytes(export_whole(decoder, decoder.examples(), SOURCES, details))
    step()
    (folder / INVERTER).write_bytes(export_whole(inverter, inverter.examples(), OUTPUTS, details))
    step()
    points = {name: point.tolist() for name, point in zip(space.atlas.names, space.atlas.points, strict=True)}
    known = zip(space.atlas.names, space.atlas.pitches.tolist(), strict=True)
    pitches = {name: pitch for name, pitch in known if not math.isnan(pitch)}
    write_text(folder / POINTS, json.dumps({"points": points, "pitches": pitches}))
    step()
    return []
