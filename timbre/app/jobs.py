"""What the worker does: maps, sounds, and where a new sound lies. Everything returned can be sent as it is."""

import io
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import soundfile

from timbre.audio import Audio
from timbre.audio.files import begin
from timbre.errors import AudioError
from timbre.maps.maps import SIX, natural, topology
from timbre.maps.planes import plane
from timbre.paths import Path
from timbre.space import Space
from timbre.space.locating import place
from timbre.spectral.descriptors import DESCRIPTORS
from timbre.synth import render

LONGEST = 60.0  # s of a sound that is uploaded or rendered
_RESOLUTION = 40  # places along each side of a map


class TooLong(AudioError):
    """A sound that lasts longer than is taken."""


def heat(space: Space, axes: tuple[str, ...], pitch: float | None) -> dict[str, Any]:
    """Six descriptors over a plane, on their natural scales (octaves for Hz and so on), each as rows of numbers."""
    found = topology(space, plane(space, axes), SIX, _RESOLUTION, pitch, progress=False)
    maps = {
        name: {
            "values": np.round(natural(name, values), 4).tolist(),
            "low": float(values.min()),
            "high": float(values.max()),
            "unit": DESCRIPTORS[name].unit,
        }
        for name, values in found.values.items()
    }
    return {"pitch": pitch, "evidence": found.evidence.astype(int).tolist(), "maps": maps}


def placed(space: Space, file: FilePath, name: str, pitch: float | None) -> dict[str, Any]:
    """Where the sound in a file lies, and what that says of it."""
    found = place(space, _bounded(file, name), pitch)
    return {"name": name} | found.to_dict()


def decoded(space: Space, point: np.ndarray, pitch: float | None, velocity: float, duration: float) -> bytes:
    """A place as one note, a WAV file."""
    return wav(space.decode(point, pitch, velocity, duration))


def rendered(space: Space, way: Path, pitch: float | None, velocity: float, duration: float) -> bytes:
    """The sound of a path, a WAV file."""
    return wav(render(space, way, pitch, velocity, duration))


def original(_: Space, file: FilePath, name: str) -> bytes:
    """A recorded note, a WAV file whatever it was."""
    return wav(_bounded(file, name).mono())


def wav(audio: Audio) -> bytes:
    """A sound as the bytes of a WAV file of 24 bits."""
    target = io.BytesIO()
    soundfile.write(target, audio.samples.T.clip(-1.0, 1.0), audio.sample_rate, format="WAV", subtype="PCM_24")
    return target.getvalue()


def _bounded(file: FilePath, name: str) -> Audio:
    """The sound in a file, under the name that its owner knows it by; one that is too long never lies in memory."""
    try:
        audio, probe = begin(file, LONGEST)
    except AudioError as error:
        raise AudioError(str(error).replace(str(file), name)) from error
    if probe.duration > LONGEST:
        raise TooLong(f"{name} lasts {probe.duration:.1f} s; a note of at most {LONGEST:g} s is wanted.")
    return audio
