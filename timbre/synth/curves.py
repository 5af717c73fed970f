"""Curves of descriptors over time, for steering."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np
import torch

from timbre.errors import ConfigError
from timbre.shapes.number_files import read_table
from timbre.spectral.descriptors import DESCRIPTORS
from timbre.spectral.descriptors.scales import LOG2

KINDS = ("value", "ratio", "change")


@dataclass(frozen=True, eq=False)
class Curve:
    """A descriptor over time, constant before its first and after its last point.

    Between points it is linear on the descriptor's natural scale: a curve in Hz rises by equal intervals.

    Attributes:
        values: (n,).
        times: (n,), rising, s; None spreads the values evenly over the sound.
        kind: the meaning of the values: "value", in the descriptor's unit; "ratio", relative to the start's value at
            that moment, for Hz and sone; "change", added to the start's value on the natural scale: octaves for Hz,
            doublings for sone, dB for dB.

    Raises:
        ConfigError: for an unknown kind, values that are not finite numbers, or times that are not as many or do not
            rise.
    """

    values: np.ndarray
    times: np.ndarray | None = None
    kind: str = "value"

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float64)
        if self.kind not in KINDS:
            raise ConfigError(f"The kind of a curve must be one of {', '.join(KINDS)}, got {self.kind!r}.")
        if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
            raise ConfigError(f"A curve must be a row of finite numbers, got {self.values!r}.")
        object.__setattr__(self, "values", values)
        if self.times is not None:
            times = np.asarray(self.times, dtype=np.float64)
            rising = np.isfinite(times).all() and np.all(np.diff(times) > 0)
            if times.shape != values.shape or not rising or times[0] < 0:
                raise ConfigError("A curve must have as many times as values; they must rise, from 0 s or later.")
            object.__setattr__(self, "times", times)

    def natural(self, name: str, start: np.ndarray, times: np.ndarray) -> np.ndarray:
        """The curve on the natural scale of a descriptor at rising times (n,), s, where the start has values (n,).

        A ConfigError is raised if the descriptor cannot have these values, or the curve is longer than the sound.
        """
        own = np.linspace(times[0], times[-1], len(self.values)) if self.times is None else self.times
        if own[-1] > times[-1] + 0.05:
            raise ConfigError(
                f"The curve of {name} must end by {times[-1]:.2f} s, got {own[-1]:g} s; make the sound longer."
            )
        values = np.interp(times, own, self._steps(name))
        return values if self.kind == "value" else start + values

    def _steps(self, name: str) -> np.ndarray:
        """The values on the natural scale."""
        descriptor, values = DESCRIPTORS[name], self.values
        if self.kind == "change":
            return values
        if self.kind == "ratio":
            if descriptor.scale is not LOG2 or values.min() <= 0.0:
                raise ConfigError(
                    f"A ratio must be above 0, for a descriptor in Hz or sone; got {values.min():g} for {name} "
                    f'({descriptor.unit or "no unit"}), for which "change" and "value" are possible.'
                )
            return np.log2(values)
        natural = descriptor.scale.natural(torch.from_numpy(values)).numpy()
        if values.min() < descriptor.low or values.max() > descriptor.high or not np.isfinite(natural).all():
            raise ConfigError(
                f"The values of {name} must be from {descriptor.low:g} to {descriptor.high:g} {descriptor.unit}, got "
                f"{values.min():g} to {values.max():g}."
            )
        return np.asarray(natural)


Curves = Mapping[str, Curve | Sequence[float] | np.ndarray]
"""Curves by the descriptor's name; a row of numbers means a :class:`Curve` of these values."""


def parse_curve(text: str) -> Curve:
    """A curve from a CSV file, or from values separated by colons: "800:2500", "ratio:1:1.5", "change:0:-6:0".

    The file has the header time,value or time,ratio or time,change, with times in s.

    Raises:
        ConfigError: for any other text or file.
    """
    if FilePath(text).suffix.lower() == ".csv":
        valid = [["time", kind] for kind in KINDS]
        header, table = read_table(
            FilePath(text),
            lambda names: [name.lower() for name in names] in valid,
            " or ".join(map(",".join, valid)),
        )
        return Curve(table[:, 1], table[:, 0], header[1].lower())
    first, _, rest = text.partition(":")
    kind, words = (first, rest) if first in KINDS else ("value", text)
    try:
        return Curve(np.array(words.split(":"), dtype=np.float64), None, kind)
    except ValueError as error:
        raise ConfigError(
            f'A curve must be a CSV file or values separated by colons, such as "change:0:-6:0", got {text!r}.'
        ) from error
