"""Which MIDI controller moves what: mappings, and the files that keep them.

A file is TOML: `format` ("timbre-mapping"), `version`, and a table `[[control]]` for each controller with `cc` and
`to`, and if need be `low`, `high` and `curve`, as in :class:`Control`; nothing else.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np

from timbre.config import from_dict, read_toml
from timbre.errors import ConfigError
from timbre.files import write_text
from timbre.playback.controls import LOUDEST, WIDEST_BEND
from timbre.space import Space

FORMAT, VERSION = "timbre-mapping", 1
GAIN, BEND_RANGE = "gain", "bend_range"
PARAMETERS = frozenset({6, 38, 98, 99, 100, 101})  # registered parameters: of them, the bend range is heeded
TAKEN = PARAMETERS | {64} | set(range(120, 128))  # the pedal, and messages that are about the channel
_LIMITS = {GAIN: (-100.0, LOUDEST), BEND_RANGE: (0.0, WIDEST_BEND)}
_FARTHEST = 100.0  # of an axis
_SPAN = (2.0, 98.0)  # percentiles of the known sounds that a controller runs through
_ALONE = (-2.0, 2.0)  # where there are no known sounds: they are about N(0, 1) on a named axis
_VOLUME, _WHEEL, _KNOBS = 7, 1, range(70, 80)  # General MIDI's volume, modulation wheel and sound controllers


@dataclass(frozen=True)
class Control:
    """What one controller moves.

    A controller at p = (its value / 127)^curve puts an axis at low + p (high - low), likewise the bend range. The gain
    is high + 40 log10 p dB and not less than low, which is General MIDI's volume at a curve of 1.

    Attributes:
        cc: number of the controller, 0 to 119; not 6, 38, 64 and 98 to 101, which mean something already.
        to: a named axis; a dimension's number, from 0; "gain"; or "bend_range".
        low: at 0: a coordinate from -100 to 100, dB from -100 to 24, or semitones from 0 to 48. May lie above `high`.
        high: at 127.
        curve: 1 is even; above it the lower half is finer, below it the upper. 0.1 to 10.

    Raises:
        ConfigError: a value is out of range.
    """

    cc: int
    to: str | int
    low: float
    high: float
    curve: float = 1.0

    def __post_init__(self) -> None:
        if self.cc in TAKEN or not 0 <= self.cc < 120:
            raise ConfigError(
                f"Controller {self.cc} cannot be mapped; a number from 0 to 119 is wanted, but for 6, 38, 64 and 98 to"
                " 101, which mean something already."
            )
        low, high = _LIMITS.get(str(self.to), (-_FARTHEST, _FARTHEST))
        if not (low <= self.low <= high and low <= self.high <= high):
            raise ConfigError(
                f"Controller {self.cc} runs from {self.low} to {self.high}; {self.to} lies from {low:g} to {high:g}."
            )
        if not 0.1 <= self.curve <= 10.0:
            raise ConfigError(f"Controller {self.cc} has the curve {self.curve}; a number from 0.1 to 10 is wanted.")

    def value(self, share: float) -> float:
        """What the controller means at a share of its way, 0 to 1."""
        bent = share**self.curve
        if self.to == GAIN:
            return max(self.low, self.high + 40.0 * math.log10(bent)) if bent else self.low
        return self.low + bent * (self.high - self.low)


class Mapping:
    """Controllers and what they move; it does not change.

    Args:
        controls: in any order.

    Attributes:
        controls: by the controller's number.

    Raises:
        ConfigError: two are of the same controller.
    """

    def __init__(self, controls: "tuple[Control, ...] | list[Control]" = ()) -> None:
        by_number = {control.cc: control for control in controls}
        if len(by_number) < len(controls):
            raise ConfigError("Two entries of the mapping are of the same controller; leave one out.")
        self.controls = {cc: by_number[cc] for cc in sorted(by_number)}

    def bound(self, control: Control) -> "Mapping":
        """This mapping and one more, in place of what was on its controller and of what moved the same thing."""
        rest = [old for old in self.controls.values() if old.cc != control.cc and old.to != control.to]
        return Mapping([*rest, control])


def default_mapping(space: Space) -> Mapping:
    """Controller 1 (the modulation wheel) moves the first dimension, 70 to 79 the next ten, 7 the gain.

    Named axes come first in a space. Each runs through the middle 96 in 100 of the known sounds.
    """
    names = [axis.name for axis in space.axes]
    every: list[str | int] = [*names, *range(len(names), space.dim)]
    moved = [Control(cc, to, *span(space, to)) for cc, to in zip((_WHEEL, *_KNOBS), every, strict=False)]
    return Mapping([*moved, Control(_VOLUME, GAIN, *span(space, GAIN))])


def span(space: Space, to: str | int) -> tuple[float, float]:
    """Where a controller takes something unless told: for an axis the 2nd and 98th percentile of the known sounds; -100
    to 0 dB; 0 to 12 semitones.

    Raises:
        ConfigError: the space has no such axis.
    """
    if to in (GAIN, BEND_RANGE):
        return (-100.0, 0.0) if to == GAIN else (0.0, 12.0)
    known = space.atlas.points[:, dimension(space, to)]
    if not len(known):
        return _ALONE
    low, high = (round(float(value), 3) for value in np.percentile(known, _SPAN))
    return (low, high) if high - low > 0.01 else (low - 1.0, high + 1.0)


def dimension(space: Space, to: str | int) -> int:
    """The number, from 0, of a named axis or of a dimension.

    Raises:
        ConfigError: the space has no such axis.
    """
    names = [axis.name for axis in space.axes]
    if isinstance(to, int) and 0 <= to < space.dim:
        return to
    if to in names:
        return names.index(str(to))
    raise ConfigError(
        f"There is no axis {to!r} for a controller; there are {', '.join([*names, f'0 to {space.dim - 1}'])},"
        f" {GAIN} and {BEND_RANGE}."
    )


@dataclass(frozen=True)
class _Entry:
    cc: int = -1
    to: str | int = ""
    low: float | None = None
    high: float | None = None
    curve: float = 1.0


@dataclass(frozen=True)
class _File:
    format: str = ""
    version: int = 0
    control: tuple[_Entry, ...] = ()


def read_mapping(file: str | FilePath, space: Space) -> Mapping:
    """Read a mapping; what it leaves open is as in :func:`span`.

    Raises:
        ConfigError: the file cannot be read, holds anything that does not belong there, or names an axis that the space
            does not have.
    """
    found = from_dict(_File, read_toml(file), f"{file}: ")
    if (found.format, found.version) != (FORMAT, VERSION):
        raise ConfigError(
            f'{file} is no mapping that can be read here; format = "{FORMAT}" and version = {VERSION} are wanted.'
        )
    try:
        return Mapping([_control(entry, space) for entry in found.control])
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error


def write_mapping(file: str | FilePath, mapping: Mapping) -> None:
    """Write a mapping, whole or not at all.

    Raises:
        ConfigError: the file cannot be written.
    """
    write_text(FilePath(file), "\n".join([f'format = "{FORMAT}"', f"version = {VERSION}", *_tables(mapping)]) + "\n")


def _control(entry: _Entry, space: Space) -> Control:
    low, high = span(space, entry.to)
    low, high = low if entry.low is None else entry.low, high if entry.high is None else entry.high
    return Control(entry.cc, entry.to, low, high, entry.curve)


def _tables(mapping: Mapping) -> list[str]:
    tables = []
    for control in mapping.controls.values():
        to = json.dumps(control.to, ensure_ascii=False)
        values = f"low = {control.low!r}\nhigh = {control.high!r}\ncurve = {control.curve!r}"
        tables.append(f"\n[[control]]\ncc = {control.cc}\nto = {to}\n{values}")
    return tables
