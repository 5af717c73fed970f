"""Playing a space: live engine, sound devices, MIDI, OSC. Imported lazily, as its processes need little of it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from timbre.playback.controls import Controls, State
    from timbre.playback.engine.engine import Engine
    from timbre.playback.player import Player, play

_HOMES = {"Controls": "controls", "State": "controls", "Engine": "engine.engine", "Player": "player", "play": "player"}

__all__ = ["Controls", "Engine", "Player", "State", "play"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'timbre.playback' has no attribute {name!r}")
    return getattr(import_module(f"timbre.playback.{_HOMES[name]}"), name)
