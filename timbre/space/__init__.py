"""The instrument: a fitted model, its atlas of known sounds, and paths through it."""

from timbre.space.atlas import Atlas
from timbre.space.controls import NoteControls
from timbre.space.fitting import train
from timbre.space.space import Space, load

__all__ = ["Atlas", "NoteControls", "Space", "load", "train"]
