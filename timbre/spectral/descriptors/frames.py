"""Descriptors of every frame of a spectrogram.

A frame is treated as a note of one frame, so that the definitions are the same; for a steady sound they agree. Frames
have no descriptors of changes over time (attack, flux, decay and so on).
"""

from collections.abc import Sequence

from torch import Tensor

from timbre.errors import AudioError, ConfigError
from timbre.spectral.descriptors.notes import DESCRIPTORS, described
from timbre.spectral.descriptors.partials import NotePartials
from timbre.spectral.spectrogram import Spectrogram

FRAME_DESCRIPTORS = (
    "centroid", "bandwidth", "spread", "skewness", "kurtosis", "flatness", "rolloff", "loudness", "odd_even",
    "tristimulus_1", "tristimulus_2", "tristimulus_3", "irregularity", "partial_slope", "noisiness", "harmonic_energy",
    "inharmonicity", "roughness",
)  # fmt: skip
"""The names in :data:`~timbre.spectral.descriptors.notes.DESCRIPTORS` that a single frame has."""


def describe_frames(
    decibels: Tensor,
    spectrogram: Spectrogram,
    pitch: Tensor,
    names: Sequence[str] = FRAME_DESCRIPTORS,
    natural: bool = False,
) -> Tensor:
    """Descriptors of all frames; batched and differentiable.

    Bands more than 60 dB below the loudest band of their frame are silent. Silent frames have values that mean little.
    Arguments, units and NaN are those of :func:`~timbre.spectral.descriptors.notes.describe`, but pitches may also be
    given for every frame (batch, frames), and the default of `names` is :data:`FRAME_DESCRIPTORS`.

    Returns:
        (batch, len(names), frames).

    Raises:
        ConfigError: frames have no descriptor of that name.
        AudioError: a shape is wrong, or a level is not finite.
    """
    check_names(names)
    if decibels.ndim != 3 or pitch.shape not in (decibels.shape[:1], (decibels.shape[0], decibels.shape[2])):
        raise AudioError(
            "Spectrograms must be (batch, bins, frames) and pitches (batch,) or (batch, frames), "
            f"got {tuple(decibels.shape)} and {tuple(pitch.shape)}."
        )
    batch, bins, frames = decibels.shape
    alone = decibels.transpose(1, 2).reshape(batch * frames, bins, 1)
    flat = (pitch if pitch.ndim == 2 else pitch[:, None]).expand(batch, frames).reshape(-1)
    alike = not flat.requires_grad and bool((flat == flat[:1]).all() | flat.isnan().all())
    values = described(NotePartials(alone, spectrogram, flat, alike), names, natural)
    return values.view(batch, frames, len(names)).transpose(1, 2)


def check_names(names: Sequence[str]) -> None:
    """Raise a ConfigError unless all names are in :data:`FRAME_DESCRIPTORS`."""
    for name in names:
        if name not in FRAME_DESCRIPTORS:
            hint = ", which whole notes have only" if name in DESCRIPTORS else ""
            raise ConfigError(f"The descriptor must be one of {', '.join(FRAME_DESCRIPTORS)}, got {name!r}{hint}.")
