"""Named axes: descriptors of notes with a fixed sign and scale."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbre.errors import ConfigError
from timbre.files import shown
from timbre.models.regularizers.labels import Labels
from timbre.spectral import Spectrogram
from timbre.spectral.descriptors import DESCRIPTORS, describe

MIDDLE_C = 60.0  # MIDI: axes are centred for this pitch
_FURTHEST_BENT = 2.95
STRAIGHT = 2.0  # values up to here are unchanged; larger ones approach 1 more
RESOLVED = 4.0  # bins of the STFT between partials: closer ones, and noise between them, cannot be measured
TOLERANCE = 0.15  # standard deviation of a note's coordinate around its value
_LETTERS = 60  # of a name
_SMALLEST, _LARGEST, _FARTHEST = 1e-6, 300.0, 1e6  # of the scale; of its center and slope
OUTLIER = 3.0  # tolerances: larger errors count linearly, not squared


@dataclass(frozen=True)
class Axis:
    """One named axis. A note's value is (d - center - pitch_slope (pitch - 60) / 12) / scale, about N(0, 1) over notes.

    d is the descriptor on its natural scale. Values beyond 2 are compressed and stay below 3. The slope is that of
    notes of one instrument, so that a value does not depend on where in its range an instrument plays.

    Attributes:
        descriptor: a name in :data:`~timbre.spectral.descriptors.notes.DESCRIPTORS`.
        unit: of d.
        center: d of a note with value 0, at middle C or unpitched.
        scale: change of d for a change of 1 in value; its sign is that of the axis.
        pitch_slope: d per octave.

    Raises:
        ConfigError: if there is no such descriptor, the scale is 0, a number is extreme, or the name is not printable.
    """

    name: str
    descriptor: str
    unit: str
    center: float
    scale: float
    pitch_slope: float

    def __post_init__(self) -> None:
        if not (0 < len(self.name) <= _LETTERS and self.name.isprintable() and self.name.strip() == self.name):
            raise ConfigError(
                f"The name of an axis must be 1 to {_LETTERS} printable letters without spaces around, got "
                f"{shown(self.name)}."
            )
        if self.descriptor not in DESCRIPTORS:
            raise ConfigError(
                f"The descriptor of the axis {self.name} must be one of {', '.join(DESCRIPTORS)}, "
                f"got {shown(self.descriptor)}."
            )
        if not _SMALLEST <= abs(self.scale) <= _LARGEST:
            raise ConfigError(
                f"The scale of the axis {self.name} must not be 0, and in size 1e-6 to 300, got {self.scale}."
            )
        for value in (self.center, self.pitch_slope):
            if not abs(value) <= _FARTHEST:
                raise ConfigError(f"The numbers of the axis {self.name} must be {_FARTHEST:g} or less, got {value}.")

    def value(self, natural: Tensor, pitch: Tensor, straight: bool = False) -> Tensor:
        """Values (batch,) of notes with the natural descriptor (batch,) at a pitch (batch,), MIDI or NaN; `straight`
        ones are not compressed."""
        octaves = torch.nan_to_num(pitch - MIDDLE_C) / 12.0
        value = (natural - self.center - self.pitch_slope * octaves) / self.scale
        return value if straight else bend(value)

    def at(self, value: float, pitch: float = MIDDLE_C) -> float:
        """The descriptor, in its public unit, of a note with `value` (-2 to 2) at `pitch`."""
        natural = self.center + self.scale * value + self.pitch_slope * (pitch - MIDDLE_C) / 12.0
        descriptor = DESCRIPTORS[self.descriptor]
        public = float(descriptor.scale.public(torch.tensor(natural, dtype=torch.float64)))
        return min(max(public, descriptor.low), descriptor.high)


# Medians, and half of the range from the 16th to the 84th percentile, of 1,789 notes: the shipped library and 1,377
# notes of 75 instruments. They are conventions: changing them would change the meaning of "brighter by 1".
_CHOSEN = (
    Axis("brightness", "centroid", "log2 Hz", 10.10, 1.10, 0.402),
    Axis("attack", "attack", "log10 s", -1.440, 0.966, -0.024),
    Axis("noisiness", "noisiness", "dB", -25.8, 8.96, -3.87),
    Axis("fluctuation", "fluctuation", "log10 (dB + 0.3)", -0.033, 0.244, 0.053),
    Axis("odd_even", "odd_even", "dB", 0.0, 3.50, 0.124),
    Axis("sustain", "decay_slope", "asinh (dB/s / 5)", -1.485, 1.66, -0.197),
    Axis("richness", "spread", "ERB", 5.355, 1.82, -0.008),
)
AXES: dict[str, Axis] = {axis.name: axis for axis in _CHOSEN}
"""Axes by name. Higher values are brighter; slower in attack; noisier; less steady; hollower, like a clarinet; longer
sustained; wider in spectrum."""


def find_axes(axes: Sequence[str | Axis]) -> tuple[Axis, ...]:
    """Axes from names in :data:`AXES`, or axes themselves; a ConfigError if there is none of that name."""
    for name in axes:
        if not isinstance(name, Axis) and name not in AXES:
            close = difflib.get_close_matches(name, AXES, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(AXES)}."
            raise ConfigError(f"There is no axis {name!r}; {hint}")
    return tuple(axis if isinstance(axis, Axis) else AXES[axis] for axis in axes)


def bend(value: Tensor) -> Tensor:
    """`value` from -2 to 2; larger values are compressed and stay within -3 and 3."""
    size = value.abs()
    return torch.where(size > STRAIGHT, value.sign() * (STRAIGHT + torch.tanh(size - STRAIGHT)), value)


def unbend(value: Tensor) -> Tensor:
    """The inverse of :func:`bend`; values beyond 2.95, which hardly a sound has, count as 2.95."""
    size = value.abs().clamp_max(_FURTHEST_BENT)
    beyond = torch.atanh((size - STRAIGHT).clamp_min(0.0))
    return value.sign() * torch.where(size > STRAIGHT, STRAIGHT + beyond, size)


def axis_values(
    decibels: Tensor, spectrogram: Spectrogram, pitch: Tensor, axes: Sequence[str | Axis], straight: bool = False
) -> Tensor:
    """Values of notes on named axes, (batch, len(axes)), between -3 and 3.

    NaN where not defined: odd_even without pitch, and odd_even and noisiness of notes so low that the window (`n_fft`)
    cannot separate their partials.

    Args:
        decibels: spectrograms (batch, bins, frames), dB; a note starts at its onset.
        spectrogram: the transform that made them.
        pitch: MIDI (batch,), NaN where unknown or unpitched.
        axes: names or axes.
        straight: whether values beyond 2 are left as they are, and not compressed.

    Raises:
        AudioError: if a shape is wrong, or a level is not finite.
    """
    chosen = find_axes(axes)
    natural = describe(decibels, spectrogram, pitch, [axis.descriptor for axis in chosen], natural=True)
    pitch = pitch.to(natural)
    columns = [axis.value(column, pitch, straight) for axis, column in zip(chosen, natural.unbind(1), strict=True)]
    lowest = RESOLVED * spectrogram.config.sample_rate / spectrogram.config.n_fft
    crowded = 440.0 * torch.exp2((pitch - 69.0) / 12.0) < lowest
    for index, axis in enumerate(chosen):
        if axis.descriptor in ("noisiness", "odd_even"):
            columns[index] = torch.where(crowded, torch.nan, columns[index])
    return torch.stack(columns, 1) if columns else natural


class AxesTerm(nn.Module):
    """Makes the first dimensions named axes: dimension k of a point is the note's value on axis k.

    Half the squared error in tolerances, summed over axes, linear beyond three tolerances (Huber 1964): the negative
    log-likelihood, up to a constant, of the values given the point. AR-VAE (Pati and Lerch 2020) makes a dimension rank
    a batch as the attribute does, after GLSR (Hadjeres et al. 2017), which constrains its gradient; both leave the
    scale free, so "brighter by 1" would have another meaning after each training. This term fixes it.

    Args:
        axes: names or axes, in the order of the dimensions.
        tolerance: standard deviation of a note's coordinate on an axis, above 0.
    """

    def __init__(self, axes: Sequence[str | Axis], tolerance: float = TOLERANCE) -> None:
        super().__init__()
        if not tolerance > 0.0:
            raise ConfigError(f"The tolerance of named axes must be above 0, got {tolerance}.")
        self.axes, self.tolerance = find_axes(axes), tolerance

    def forward(self, z: Tensor, labels: Labels) -> Tensor:
        """Nats per note of points (batch, dim), given ``labels.descriptors`` (batch, axes); NaN values do not count."""
        values, count = labels.descriptors, len(self.axes)
        if z.shape[1] < count or values.shape != (len(z), count):
            raise ConfigError(
                f"{count} named axes need points of {count} dimensions or more and values ({len(z)}, {count}), "
                f"got {tuple(z.shape)} and {tuple(values.shape)}."
            )
        known = ~values.isnan()
        target = torch.where(known, values, 0.0).to(z)
        error = torch.where(known, z[:, :count] - target, 0.0) / self.tolerance
        return F.huber_loss(error, torch.zeros_like(error), reduction="sum", delta=OUTLIER) / max(len(z), 1)


_SENTENCES = {
    "brightness": "a spectral centroid {octaves:.1f} times as high",
    "attack": "an attack {decades:.0f} times as long",
    "noisiness": "{size:.0f} dB more noise between the partials",
    "fluctuation": "a level that moves {decades:.1f} times as much",
    "odd_even": "odd partials {size:.1f} dB further above the even ones",
    "sustain": "a slower decay",
    "richness": "a spectrum {size:.1f} ERB wider to either side",
}


def describe_axes(axes: Sequence[str | Axis]) -> str:
    """A Markdown table: each axis, what +1 means, and what -1, 0 and +1 are at C4."""
    rows = ["| axis | +1 at the same pitch is | -1, 0 and +1 at C4 |", "|---|---|---|"]
    for axis in find_axes(axes):
        points = ", ".join(_shown(axis, value) for value in (-1.0, 0.0, 1.0))
        sentence = _SENTENCES.get(axis.name, f"{axis.descriptor} {{size:.2g}} more ({axis.unit})")
        sentence = sentence.format(size=axis.scale, octaves=2.0**axis.scale, decades=10.0**axis.scale)
        rows.append(f"| {axis.name} | {sentence} | {points} |")
    return "\n".join(rows)


def _shown(axis: Axis, value: float) -> str:
    public, unit = axis.at(value), DESCRIPTORS[axis.descriptor].unit
    if unit == "log10 s":
        return f"{1000.0 * 10.0**public:.0f} ms"
    return f"{public:.0f} {unit}" if abs(public) >= 20.0 else f"{public:.1f} {unit}"
