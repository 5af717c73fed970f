"""Descriptors of every frame of a spectrogram.

A frame is looked at as a note of one frame, so that the definitions are the same; for a steady sound the two agree.
What a note is only over time (attack, flux, decay and so on) is none of a frame's.
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
"""Those of :data:`~timbre.spectral.descriptors.notes.DESCRIPTORS` that a single frame has."""


def describe_frames(
    decibels: Tensor,
    spectrogram: Spectrogram,
    pitch: Tensor,
    names: Sequence[str] = FRAME_DESCRIPTORS,
    natural: bool = False,
) -> Tensor:
    """Descriptors of all frames; batched and differentiable.

    Bands count down to 60 dB below the loudest of their own frame. Silent frames have values, which mean little.

    Args:
        decibels: spectrograms (batch, bins, frames), dB, as `spectrogram` makes them.
        spectrogram: the front end.
        pitch: MIDI, (batch,) or (batch, frames), NaN where unpitched.
        names: which, of :data:`FRAME_DESCRIPTORS`.
        natural: give each on its natural scale.

    Returns:
        (batch, len(names), frames); units, and what is NaN without pitch, as
        :func:`~timbre.spectral.descriptors.notes.describe` says.

    Raises:
        ConfigError: a frame has no descriptor of a name.
        AudioError: a shape is wrong, or a level is not finite.
    """
    check_names(names)
    if decibels.ndim != 3 or pitch.shape not in (decibels.shape[:1], (decibels.shape[0], decibels.shape[2])):
        raise AudioError(
            f"Spectrograms of shape {tuple(decibels.shape)} and pitches of shape {tuple(pitch.shape)} came; "
            "(batch, bins, frames), and (batch,) or (batch, frames), are wanted."
        )
    batch, bins, frames = decibels.shape
    pitches = (pitch if pitch.ndim == 2 else pitch[:, None]).expand(batch, frames)
    alone = decibels.transpose(1, 2).reshape(batch * frames, bins, 1)
    flat = pitches.reshape(-1)
    alike = not flat.requires_grad and bool((flat == flat[:1]).all() | flat.isnan().all())
    values = described(NotePartials(alone, spectrogram, flat, alike), names, natural)
    return values.view(batch, frames, len(names)).transpose(1, 2)


def check_names(names: Sequence[str]) -> None:
    """Refuse, with a ConfigError, what is not in :data:`FRAME_DESCRIPTORS`."""
    for name in names:
        if name not in FRAME_DESCRIPTORS:
            why = "is one of whole notes" if name in DESCRIPTORS else "does not exist"
            raise ConfigError(f"The descriptor {name!r} {why}; frames have {', '.join(FRAME_DESCRIPTORS)}.")
