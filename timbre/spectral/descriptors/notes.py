"""Descriptors of notes from their spectrograms: batched, differentiable, the same for every kind of spectrogram.

Definitions follow the Timbre Toolbox (Peeters et al. 2011) if it has them, on magnitudes in calibrated bands: a steady
sound has about the same value on the linear, mel and ERB scales. Means over time weight frames by amplitude and fade
out those more than 40 dB below the note's peak; bands more than 60 dB below its loudest are silent.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from timbre.errors import ConfigError
from timbre.spectral.descriptors import envelope, intervals, partials, scales, spectrum
from timbre.spectral.descriptors import loudness as loud
from timbre.spectral.descriptors.partials import NotePartials
from timbre.spectral.descriptors.scales import NaturalScale
from timbre.spectral.spectrogram import Spectrogram

_TOOLBOX = "Peeters et al. 2011, The Timbre Toolbox"


class Descriptor(NamedTuple):
    """One descriptor: its unit, the range of its public values, its natural scale, and the source of its definition."""

    function: Callable[[NotePartials], Tensor]
    """From notes to values (batch,) on the natural scale."""
    unit: str
    low: float
    high: float
    scale: NaturalScale
    source: str


def _tristimulus(first: int, last: int) -> Descriptor:
    function = partial(partials.tristimulus, first=first, last=last)
    return Descriptor(function, "", 0.0, 1.0, scales.LINEAR, "Pollard and Jansson 1982")


_INF = float("inf")

DESCRIPTORS: dict[str, Descriptor] = {
    "centroid": Descriptor(spectrum.centroid, "Hz", 0.0, _INF, scales.LOG2, _TOOLBOX),
    "spread": Descriptor(spectrum.spread, "ERB", 0.0, 40.0, scales.LINEAR, _TOOLBOX),
    "skewness": Descriptor(spectrum.skewness, "", -_INF, _INF, scales.ASINH, _TOOLBOX),
    "kurtosis": Descriptor(spectrum.kurtosis, "", 0.0, _INF, scales.KURTOSIS, _TOOLBOX),
    "flatness": Descriptor(spectrum.flatness, "dB", -_INF, 0.0, scales.LINEAR, "Johnston 1988; " + _TOOLBOX),
    "rolloff": Descriptor(spectrum.rolloff, "Hz", 0.0, _INF, scales.LOG2, "Scheirer and Slaney 1997, with 85 %"),
    "flux": Descriptor(spectrum.flux, "dB", 0.0, _INF, scales.LINEAR, "after Krimphoff et al. 1994, in dB"),
    "centroid_variation": Descriptor(spectrum.centroid_variation, "octaves", 0.0, _INF, scales.LINEAR, _TOOLBOX),
    "spread_variation": Descriptor(spectrum.spread_variation, "ERB", 0.0, _INF, scales.LINEAR, _TOOLBOX),
    "attack": Descriptor(envelope.attack, "log10 s", -2.302, _INF, scales.LINEAR, "Krimphoff et al. 1994; " + _TOOLBOX),
    "temporal_centroid": Descriptor(envelope.temporal_centroid, "s", 0.0, _INF, scales.LENGTH, _TOOLBOX),
    "temporal_balance": Descriptor(
        envelope.temporal_balance, "", 0.0, 1.0, scales.LINEAR, "temporal centroid over length"
    ),
    "effective_duration": Descriptor(envelope.effective_duration, "s", 0.0, _INF, scales.LENGTH, _TOOLBOX),
    "decay_slope": Descriptor(envelope.decay_slope, "dB/s", -_INF, _INF, scales.DECAY, _TOOLBOX),
    "fluctuation": Descriptor(
        envelope.fluctuation, "dB", 0.0, _INF, scales.FLUCTUATION, "local regression (Cleveland 1979) of the level"
    ),
    "odd_even": Descriptor(
        partials.odd_even, "dB", -50.0, 50.0, scales.LINEAR, "after " + _TOOLBOX + ", between neighbours"
    ),
    "tristimulus_1": _tristimulus(1, 1),
    "tristimulus_2": _tristimulus(2, 4),
    "tristimulus_3": _tristimulus(5, partials.PARTIALS),
    "irregularity": Descriptor(partials.irregularity, "dB", 0.0, 34.0, scales.LINEAR, "Krimphoff et al. 1994"),
    "partial_slope": Descriptor(partials.partial_slope, "dB/octave", -_INF, _INF, scales.LINEAR, "after " + _TOOLBOX),
    "noisiness": Descriptor(partials.noisiness, "dB", -_INF, 0.0, scales.LINEAR, "after " + _TOOLBOX + ", in dB"),
    "bandwidth": Descriptor(spectrum.bandwidth, "Hz", 0.0, _INF, scales.LOG2, _TOOLBOX),
    "loudness": Descriptor(loud.loudness, "sone", 0.0, _INF, scales.LOG2, "Moore, Glasberg and Baer 1997, simplified"),
    "harmonic_energy": Descriptor(partials.harmonic_energy, "dB", -80.0, _INF, scales.LINEAR, _TOOLBOX),
    "inharmonicity": Descriptor(
        intervals.inharmonicity, "", 0.0, _INF, scales.STRETCH, _TOOLBOX + ", of partials placed after Fletcher 1964"
    ),
    "roughness": Descriptor(intervals.roughness, "", 0.0, _INF, scales.ROUGHNESS, "Vassilakis 2001"),
}
"""Descriptors by name."""

TIMBRE: tuple[str, ...] = tuple(DESCRIPTORS)[:22]
"""Names of the descriptors that distinguish timbres and do not repeat each other: the default of :func:`describe`."""


def describe(
    decibels: Tensor,
    spectrogram: Spectrogram,
    pitch: Tensor,
    names: Sequence[str] = TIMBRE,
    natural: bool = False,
) -> Tensor:
    """Descriptors of notes.

    Args:
        decibels: spectrograms (batch, bins, frames), dB, as `spectrogram` makes them; a note starts at its onset.
        spectrogram: the transform that made them.
        pitch: MIDI (batch,), NaN where unpitched.
        names: names in :data:`DESCRIPTORS`; default: :data:`TIMBRE`.
        natural: whether to return values on their natural scales (log2 Hz for Hz and so on), for distances and means.

    Returns:
        (batch, len(names)), in the units of :data:`DESCRIPTORS`, of the spectrograms' dtype. Descriptors of partials
        are NaN for notes without pitch, or with fewer than one, three or four partials; noisiness is then flatness.
        All others are finite, for silence too.

    Raises:
        ConfigError: there is no descriptor of that name.
        AudioError: a shape is wrong, or a level is not finite.
    """
    unknown = [name for name in names if name not in DESCRIPTORS]
    if unknown:
        raise ConfigError(f"The descriptor must be one of {', '.join(DESCRIPTORS)}, got {unknown[0]!r}.")
    return described(NotePartials(decibels, spectrogram, pitch), names, natural)


def described(note: NotePartials, names: Sequence[str], natural: bool = False) -> Tensor:
    """:func:`describe` for notes whose features exist already."""
    if not names:
        return note.decibels.new_zeros(len(note.decibels), 0)
    chosen = [DESCRIPTORS[name] for name in names]
    columns = [one.function(note) if natural else one.scale.public(one.function(note)) for one in chosen]
    return torch.stack(columns, 1)
