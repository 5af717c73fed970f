"""WAV files, one for each note."""

from timbre.errors import ConfigError
from timbre.exporting.request import ExportPlan, Request


def plan_wav(request: Request) -> ExportPlan:
    """Plan a folder of WAV files."""
    raise ConfigError("This format must be written first.")
