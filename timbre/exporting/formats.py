"""The table of formats: a new one is a module with a function from a `Request` to an `ExportPlan`, and a line here."""

from collections.abc import Callable
from typing import NamedTuple

from timbre.exporting.networks.nn_tilde import plan_nn
from timbre.exporting.networks.onnx_files import plan_onnx
from timbre.exporting.request import ExportPlan, Request
from timbre.exporting.samplers.decent import plan_decent
from timbre.exporting.samplers.sf2 import plan_sf2
from timbre.exporting.samplers.sfz import plan_sfz
from timbre.exporting.samplers.wav import plan_wav
from timbre.exporting.wavetables.plan import plan_wavetable, plan_wt
from timbre.exporting.web.plan import plan_web


class Format(NamedTuple):
    """A format of exports."""

    plan: Callable[[Request], ExportPlan]
    """Checks the request, with a ConfigError for what this format cannot export, and plans the files; quick."""
    text: str
    """What it is, in one line."""
    ending: str = ""
    """Of the name of its file; "" where it is a folder."""
    whole: bool = False
    """Whether it is made of the space itself, and not of points or paths."""
    settings: tuple[str, ...] = ()
    """Those of :class:`~timbre.exporting.request.ExportSettings` that it uses."""
    presets: bool = False
    """Whether it is made of the space and may have presets in it."""


_NOTES = ("keys", "step", "layers", "steps", "hold", "loop", "unpitched", "seed", "inverter")
_FRAMES = ("pitch", "velocity", "frames", "steady")

FORMATS = {
    "sfz": Format(
        plan_sfz, "folder of SFZ instruments and their samples", settings=(*_NOTES, "takes", "controller", "flac")
    ),
    "sf2": Format(plan_sf2, "SoundFont 2 file, a preset for each instrument", ".sf2", settings=_NOTES),
    "decent": Format(
        plan_decent, "folder of Decent Sampler presets and their samples, or a .dslibrary file", ".dslibrary",
        settings=(*_NOTES, "takes", "controller", "flac"),
    ),
    "wav": Format(
        plan_wav, "folder of WAV files with loops and a table of their keys and velocities", settings=(*_NOTES, "takes")
    ),
    "wavetable": Format(
        plan_wavetable, "wavetable for Serum, Vital and others: WAV, 2048 samples a frame", ".wav", settings=_FRAMES
    ),
    "wt": Format(plan_wt, "wavetable for Surge and Bitwig: .wt", ".wt", settings=_FRAMES),
    "nn~": Format(
        plan_nn, "the whole space as a TorchScript file for nn~ (Max, Pd) and nn.ar (SuperCollider)", ".ts", True,
        ("rate",),
    ),
    "onnx": Format(plan_onnx, "the whole space as a folder of ONNX files, for programs of your own", whole=True),
    "web": Format(
        plan_web, "the whole space as a page that plays in the browser, for any web host", whole=True, presets=True
    ),
}  # fmt: skip
