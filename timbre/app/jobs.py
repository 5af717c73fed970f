"""Jobs of the worker: heat maps, sounds, and locating. Each result can be sent as it is."""

import base64
import io
import math
import shutil
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import soundfile

from timbre.audio import Audio
from timbre.audio.files import begin
from timbre.errors import AudioError, ConfigError
from timbre.exporting.export import plan_export
from timbre.exporting.formats import FORMATS
from timbre.exporting.names import stems, write_archive
from timbre.files import unwritable
from timbre.maps.embedding import embed
from timbre.maps.maps import SIX, natural, topology
from timbre.maps.planes import plane
from timbre.paths import Path
from timbre.shapes.presets import Preset
from timbre.space import Space, locating
from timbre.spectral.descriptors import DESCRIPTORS
from timbre.synth import render
from timbre.synth.axis_curve import AxisCurve

MAX_DURATION = 60.0  # s of a sound that is uploaded or rendered
_MARGIN = 0.1  # around the notes of a view, as a share of their range
MAX_EXPORT = 500_000_000  # bytes
_RESOLUTION = 40  # points along each side of a heat map


class TooLong(AudioError):
    """A sound is longer than allowed."""


def heat(space: Space, axes: tuple[str, ...], pitch: float | None) -> dict[str, Any]:
    """Maps of six descriptors over a plane, as rows of numbers on natural scales (such as octaves for Hz)."""
    result = topology(space, plane(space, axes), SIX, _RESOLUTION, pitch, progress=False)
    maps = {
        name: {
            "values": np.round(natural(name, values), 4).tolist(),
            "low": float(values.min()),
            "high": float(values.max()),
            "unit": DESCRIPTORS[name].unit,
        }
        for name, values in result.values.items()
    }
    return {"pitch": pitch, "evidence": result.evidence.astype(int).tolist(), "maps": maps}


def view(space: Space, name: str, notes: np.ndarray) -> dict[str, Any]:
    """Positions of the notes at some indices in a view, base64 of float32 (notes, 2), with labels and extent."""
    positions = embed(space.hearing.at_middle_c[notes], name)
    margin = _MARGIN * np.ptp(positions, axis=0)
    return {
        "name": name,
        "positions": base64.b64encode(positions.astype("<f4").tobytes()).decode(),
        "labels": [f"{name.upper()} {n}" for n in (1, 2)],
        "extent": np.stack([positions.min(0) - margin, positions.max(0) + margin], 1).tolist(),
    }


def axes(space: Space, point: np.ndarray, pitch: float | None, name: str, value: float) -> dict[str, Any]:
    """A point, moved to a value on the axis of a name if it is not "", and its values on all axes; None where a sound
    has none."""
    if name:
        point = AxisCurve(space, name, point, pitch).exactly(value)
    values = space.axis_values(point, pitch).tolist()
    return {"point": point.tolist(), "values": [None if math.isnan(one) else round(one, 3) for one in values]}


def locate(space: Space, file: FilePath, name: str, pitch: float | None) -> dict[str, Any]:
    """Where the sound in a file lies, and how familiar it is."""
    return {"name": name} | locating.locate(space, _read(file, name), pitch).to_dict()


def decode(space: Space, point: np.ndarray, pitch: float | None, velocity: float, duration: float) -> bytes:
    """A point as a note, a WAV file."""
    return _wav(space.decode(point, pitch, velocity, duration))


def render_path(space: Space, path: Path, pitch: float | None, velocity: float, duration: float) -> bytes:
    """A path as a sound, a WAV file."""
    return _wav(render(space, path, pitch, velocity, duration))


def export(
    space: Space, name: str, source: Preset | list[Preset] | None, form: str, settings: dict[str, Any],
    folder: FilePath, tell: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:  # fmt: skip
    """Export a source as one file in an empty folder: a zip file if the format has several. Of the settings, the format
    gets those that it uses.

    Tells its estimated size (bytes) and its notice, then the steps that are done and of all; returns the file, its size
    and its notice.
    """
    ending = FORMATS[form].ending
    target = folder / (stems([name])[0] + ending)
    used = {name: value for name, value in settings.items() if name in FORMATS[form].settings}
    planned = plan_export(space, source, form, target, **used)
    size, notice = planned.unwritten.size, planned.unwritten.notice
    if size > MAX_EXPORT:
        raise ConfigError(
            f"An export of the page must have {MAX_EXPORT / 1e6:.0f} MB or less, got about "
            f"{size / 1e6:.0f} MB; use timbre export, with fewer keys or layers."
        )
    tell({"size": size, "notice": notice})

    def stepped(done: int, steps: int) -> None:
        tell({"done": done, "steps": steps})

    planned.write(stepped)
    file = target if ending else _zipped(target)
    return {"file": file, "size": file.stat().st_size, "notice": notice}


def _zipped(folder: FilePath) -> FilePath:
    """A zip file of a folder, which is removed."""
    file = folder.with_name(f"{folder.name}.zip")
    try:
        write_archive(file, folder, folder.parent)
    except OSError as error:
        raise ConfigError(unwritable(file.name, error)) from error
    shutil.rmtree(folder)
    return file


def recording(_: Space, file: FilePath, name: str) -> bytes:
    """A recorded note in any format, as a WAV file."""
    return _wav(_read(file, name).mono())


def _wav(audio: Audio) -> bytes:
    """The bytes of a WAV file of 24 bits."""
    target = io.BytesIO()
    soundfile.write(target, audio.samples.T.clip(-1.0, 1.0), audio.sample_rate, format="WAV", subtype="PCM_24")
    return target.getvalue()


def _read(file: FilePath, name: str) -> Audio:
    """The sound in a file, called `name` in errors; at most a little more than `MAX_DURATION` is decoded."""
    try:
        audio, probe = begin(file, MAX_DURATION)
    except AudioError as error:
        raise AudioError(str(error).replace(str(file), name)) from error
    if probe.duration > MAX_DURATION:
        raise TooLong(f"A note must last at most {MAX_DURATION:g} s, got {probe.duration:.1f} s in {name}.")
    return audio
