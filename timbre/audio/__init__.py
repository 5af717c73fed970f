"""Sounds in memory and in files, without torch."""

from timbre.audio._audio import Audio
from timbre.audio.files import read, write

__all__ = ["Audio", "read", "write"]
