"""Live play: engine, sound devices, MIDI, OSC. Names are imported on first use: the device process needs no torch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from timbre.playback.controls import Controls, State
    from timbre.playback.engine.engine import Engine
    from timbre.playback.player import Player
    from timbre.playback.playing import play

_MODULES = {"Engine": "engine.engine", "Player": "player", "play": "playing"}  # the others are in controls

__all__ = ["Controls", "Engine", "Player", "State", "play"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'timbre.playback' has no attribute {name!r}")
    return getattr(import_module(f"timbre.playback.{_MODULES.get(name, 'controls')}"), name)
