"""What regularizers know of the notes of a batch."""

from typing import NamedTuple

from torch import Tensor


class Labels(NamedTuple):
    """Labels of the notes of a batch, all on its device."""

    instrument: Tensor
    """Number of the instrument, (batch,); -1 is unknown."""
    item: Tensor
    """Number of the rated item, (batch,); -1 is none."""
    pitch: Tensor
    """MIDI, (batch,); NaN is unknown or unpitched."""
    residual: Tensor
    """Pitch minus the mean pitch of the instrument's training notes, semitones, (batch,); NaN where unpitched."""
    velocity: Tensor
    """0..1, (batch,); NaN is unknown."""
    duration: Tensor
    """Seconds until the note was let go, at most those that the model sees, (batch,)."""
    descriptors: Tensor
    """Values of the named axes, (batch, axes); NaN where not defined."""
    picture: Tensor | None = None
    """Auditory pictures, (batch, size), where a term needs them."""
