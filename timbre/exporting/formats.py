"""The table of formats: a new one is a module with a function from a `Request` to an `ExportPlan`, and a line here."""

from collections.abc import Callable
from typing import NamedTuple

from timbre.exporting.request import ExportPlan, Request
from timbre.exporting.samplers.wav import plan_wav


class Format(NamedTuple):
    """A format of exports."""

    plan: Callable[[Request], ExportPlan]
    """Checks the request, with a ConfigError for what this format cannot export, and plans the files; quick."""
    text: str
    """What it is, in one line."""


FORMATS = {
    "wav": Format(plan_wav, "folder of WAV files with loops and a table of their keys and velocities"),
}
