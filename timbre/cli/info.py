"""`timbre info`."""

import os
import platform
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from timbre.errors import DeviceError
from timbre.version import __version__

_PACKAGES = (
    "numpy", "scipy", "librosa", "soundfile", "soxr", "numba", "lightning-fabric", "safetensors", "cyclopts",
    "onnxruntime", "python-rtmidi", "python-osc", "starlette", "uvicorn",
)  # fmt: skip


def info() -> None:
    """Describe this installation, for bug reports."""
    import torch

    from timbre.data.soundfonts.synthesizer import library_version
    from timbre.spectral.torchaudio_compat import BUILD

    lines = {
        "timbre": __version__,
        "python": f"{platform.python_version()} on {platform.platform()}",
        "torch": torch.__version__,
        "torchaudio": BUILD,
        **{name: _version(name) for name in _PACKAGES},
        "device": device_name() + (", mps" if torch.backends.mps.is_available() else ""),
        "threads": f"{torch.get_num_threads()} of torch, {os.cpu_count()} processors",
        "sound": _answer(_outputs),
        "fluidsynth": _answer(library_version),
    }
    for name, value in lines.items():
        print(f"{name:<18}{value}")


def program() -> str:
    """The command that calls timbre from the same shell."""
    script = Path(sys.executable).with_name("timbre")
    if shutil.which("timbre") or not script.exists():
        return "timbre"
    return str(script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def device_name() -> str:
    """The default device of training."""
    import torch

    return f"cuda ({torch.cuda.get_device_name()})" if torch.cuda.is_available() else "cpu"


def _outputs() -> str:
    from timbre.playback.output.device import sound_library

    outputs = [device["name"] for device in sound_library().query_devices() if device["max_output_channels"]]
    return ", ".join(outputs) or "no output device"


def _answer(lookup: Callable[[], str]) -> str:
    """The result of a look-up, or the reason that there is none."""
    try:
        return lookup()
    except DeviceError as error:
        return str(error)
