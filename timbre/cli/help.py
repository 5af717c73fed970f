"""The layout of `timbre --help` and `timbre COMMAND --help`."""

from itertools import groupby
from typing import TYPE_CHECKING

from cyclopts.help import DefaultFormatter

from timbre.config import Config, VocoderConfig, ranges

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

_NO_VALUE = ("False", "()", "[]")


class HelpLayout(DefaultFormatter):
    """Tables of commands and options.

    Each table of settings, such as [training], is a panel of its own. Beside the default of a number stands its range.
    """

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:
        """Print one group of commands or options."""
        settings, of_vocoder = ranges(Config), ranges(VocoderConfig)
        if of_vocoder.keys() <= {_name(entry) for entry in panel.entries}:  # others have --steps, too
            settings |= of_vocoder
        limits = {name: str(limit) for name, limit in settings.items()}
        for table, entries in groupby(panel.entries, _table):
            described = [_described(entry, limits) for entry in entries]
            super().__call__(console, options, panel.copy(entries=described, title=table.capitalize() or panel.title))


def _table(entry: "HelpEntry") -> str:
    """The table of a setting: "training" for --training.epochs; "" for other options."""
    first = next(iter(entry.names), "")
    return first.removeprefix("--").partition(".")[0] if "." in first else ""


def _name(entry: "HelpEntry") -> str:
    return next(iter(entry.names), "").removeprefix("--").replace("-", "_")


def _described(entry: "HelpEntry", limits: dict[str, str]) -> "HelpEntry":
    """An entry with the range beside the default; without a default that is off or empty."""
    name = _name(entry)
    if entry.default in _NO_VALUE:
        return entry.copy(default=None)
    if entry.default is not None and name in limits:
        return entry.copy(default=f"{entry.default}; {limits[name]}")
    return entry.copy(default=entry.default and entry.default.strip("[']"))
