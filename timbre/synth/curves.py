"""Curves of descriptors over time: what a sound is steered along."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np

from timbre.errors import ConfigError
from timbre.shapes.number_files import numbers, read_rows
from timbre.spectral.descriptors import DESCRIPTORS
from timbre.spectral.descriptors.scales import LOG2

KINDS = ("value", "ratio", "change")


@dataclass(frozen=True, eq=False)
class Curve:
    """A descriptor over time; before the first and after the last of its points it stands still.

    Between them it is straight on the descriptor's natural scale: a curve in Hz rises by equal intervals.

    Attributes:
        values: (n,).
        times: (n,), rising, s; None spreads the values evenly over the sound.
        kind: what the values are: "value", in the descriptor's unit; "ratio", times what the start has at that moment,
            for Hz and sone; "change", steps from what the start has on the natural scale: octaves for Hz, doublings
            for sone, dB for dB.

    Raises:
        ConfigError: the kind is not known, values are not finite numbers, or times are not as many or do not rise.
    """

    values: np.ndarray
    times: np.ndarray | None = None
    kind: str = "value"

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float64)
        if self.kind not in KINDS:
            raise ConfigError(f"A curve of {self.kind!r} is not known; it is of {', '.join(KINDS)}.")
        if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
            raise ConfigError(f"A curve has a row of finite numbers; shape {values.shape} came, or not all are finite.")
        object.__setattr__(self, "values", values)
        if self.times is not None:
            times = np.asarray(self.times, dtype=np.float64)
            if (
                times.shape != values.shape
                or not np.isfinite(times).all()
                or times[0] < 0
                or np.any(np.diff(times) <= 0)
            ):
                raise ConfigError("A curve's times are as many as its values, 0 s or later, and rise.")
            object.__setattr__(self, "times", times)

    def natural(self, name: str, start: np.ndarray, times: np.ndarray) -> np.ndarray:
        """The curve on the natural scale of a descriptor at rising times (n,), s, where the start has `start` (n,).

        Raises:
            ConfigError: the values cannot be the descriptor's, or the curve goes on after the sound.
        """
        own = np.linspace(times[0], times[-1], len(self.values)) if self.times is None else self.times
        if own[-1] > times[-1] + 0.05:
            raise ConfigError(
                f"The curve of {name} ends at {own[-1]:g} s and the sound at {times[-1]:.2f} s; make the sound longer."
            )
        found = np.interp(times, own, self._steps(name))
        return found if self.kind == "value" else start + found

    def _steps(self, name: str) -> np.ndarray:
        """The values on the natural scale."""
        import torch

        descriptor, values = DESCRIPTORS[name], self.values
        if self.kind == "change":
            return values
        if self.kind == "ratio":
            if descriptor.scale is not LOG2 or values.min() <= 0.0:
                raise ConfigError(
                    f"A ratio came for {name} ({descriptor.unit or 'no unit'}), or one that is not above 0; ratios are "
                    'for Hz and sone, for others give "change" or "value".'
                )
            return np.log2(values)
        natural = descriptor.scale.natural(torch.from_numpy(values)).numpy()
        if values.min() < descriptor.low or values.max() > descriptor.high or not np.isfinite(natural).all():
            raise ConfigError(
                f"A curve of {name} from {values.min():g} to {values.max():g} came; values from {descriptor.low:g} to "
                f"{descriptor.high:g} {descriptor.unit} are possible."
            )
        return np.asarray(natural)


Curves = Mapping[str, Curve | Sequence[float] | np.ndarray]
"""Curves by the descriptor's name; a row of numbers is a :class:`Curve` of these values."""


def parse_curve(text: str) -> Curve:
    """A curve from a CSV file, or from a few values with colons between: "800:2500", "ratio:1:1.5", "change:0:-6:0".

    A file has the header time,value or time,ratio or time,change; times are s.

    Raises:
        ConfigError: it is neither.
    """
    if FilePath(text).suffix.lower() == ".csv":
        return _read(FilePath(text))
    first, _, rest = text.partition(":")
    kind, words = (first, rest) if first in KINDS else ("value", text)
    hint = f'{text!r} is neither a CSV file nor values with colons between, such as "800:2500" or "change:0:-6:0"'
    return Curve(numbers(_floats(words.split(":")), 1, hint), None, kind)


def _read(file: FilePath) -> Curve:
    rows = read_rows(file)
    header = [word.strip().lower() for word in rows[0]] if rows else []
    if len(header) != 2 or header[0] != "time" or header[1] not in KINDS:
        raise ConfigError(
            f"{file} begins with {','.join(header) or 'nothing'}; time,value or time,ratio or time,change is wanted."
        )
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != 2:
            raise ConfigError(f"Row {line} of {file} is {','.join(row)!r}; a time in s and a number are wanted.")
    table = numbers([_floats(row) for row in rows[1:]], 2, f"The rows of {file}")
    return Curve(table[:, 1], table[:, 0], header[1])


def _floats(words: list[str]) -> list[float]:
    """Numbers of words; NaN for what is none."""
    found = []
    for word in words:
        try:
            found.append(float(word))
        except ValueError:
            found.append(math.nan)
    return found
