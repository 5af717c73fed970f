"""timbre: learn a timbre space from instrument notes, and turn its points into sound.

The names below are the whole public interface. Each is imported when it is first used, so that ``import timbre`` is
fast: torch is loaded only when it is needed.
"""

from __future__ import annotations

from importlib import import_module

from timbre.version import __version__ as __version__

TYPE_CHECKING = False  # known to type checkers; the import of typing would take longer than the rest of this file
if TYPE_CHECKING:
    from typing import Any

    from timbre.audio import Audio, read, write
    from timbre.config import Config
    from timbre.data import Library, Note
    from timbre.data.scanning import scan
    from timbre.errors import TimbreError
    from timbre.exporting import export
    from timbre.paths import Path
    from timbre.playback import Player, play
    from timbre.space import Space, load
    from timbre.space.fitting import train
    from timbre.synth import render

_HOMES = {
    "Audio": "timbre.audio",
    "Note": "timbre.data",
    "Library": "timbre.data",
    "Config": "timbre.config",
    "Space": "timbre.space",
    "Path": "timbre.paths",
    "Player": "timbre.playback",
    "TimbreError": "timbre.errors",
    "read": "timbre.audio",
    "write": "timbre.audio",
    "scan": "timbre.data.scanning",
    "train": "timbre.space.fitting",
    "load": "timbre.space",
    "render": "timbre.synth",
    "export": "timbre.exporting",
    "play": "timbre.playback",
}

__all__ = [  # noqa: RUF022  (the order of the design: types first, then verbs)
    "Audio",
    "Note",
    "Library",
    "Config",
    "Space",
    "Path",
    "Player",
    "TimbreError",
    "read",
    "write",
    "scan",
    "train",
    "load",
    "render",
    "export",
    "play",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'timbre' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
