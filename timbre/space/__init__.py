"""The space: a trained model with its atlas, its files, and rendering, locating and nearest notes."""

from timbre.space.atlas import Atlas
from timbre.space.controls import NoteControls
from timbre.space.space import Space, load

__all__ = ["Atlas", "NoteControls", "Space", "load"]
