"""Labels of the notes of a batch, which the regularizers read."""

from typing import NamedTuple

from torch import Tensor


class Labels(NamedTuple):
    """Labels of the notes of a batch, all on its device."""

    instrument: Tensor
    """Number of the instrument, (batch,); -1: unknown."""
    item: Tensor
    """Number of the rated item, (batch,); -1: none."""
    pitch: Tensor
    """MIDI, (batch,); NaN: unknown or unpitched."""
    residual: Tensor
    """Pitch minus the mean pitch of the instrument's training notes, semitones, (batch,); NaN: unpitched."""
    velocity: Tensor
    """0..1, (batch,); NaN: unknown."""
    duration: Tensor
    """Seconds until the release, at most the duration that the model sees, (batch,)."""
    descriptors: Tensor
    """Values of the named axes, (batch, axes); NaN: not defined."""
    features: Tensor | None = None
    """Auditory features, (batch, size); None if no term needs them."""
