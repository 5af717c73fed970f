"""Labels of the notes of a batch, which the regularizers read."""

from typing import NamedTuple

from torch import Tensor


class Labels(NamedTuple):
    """Labels of the notes of a batch, all on its device."""

    instrument: Tensor  # number of the instrument, (batch,); -1: unknown
    item: Tensor  # number of the rated item, (batch,); -1: none
    pitch: Tensor  # MIDI, (batch,); NaN: unknown or unpitched
    residual: Tensor  # pitch minus the mean of the instrument's training notes, semitones, (batch,); NaN: unpitched
    velocity: Tensor  # 0..1, (batch,); NaN: unknown
    duration: Tensor  # seconds until the release, at most the duration that the model sees, (batch,)
    descriptors: Tensor  # values of the named axes, (batch, axes); NaN: not defined
    features: Tensor | None = None  # auditory features, (batch, size); None if no term needs them
    source: Tensor | None = None  # number of the recording's source, (batch,); -1: unknown; None if all are
