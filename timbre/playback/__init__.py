"""Sound devices."""

from timbre.playback.player import Player, play

__all__ = ["Player", "play"]
