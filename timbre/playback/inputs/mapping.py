"""Mappings of MIDI controllers to axes, gain and bend range, and of what shapes each note by itself; and their files.

A mapping file is TOML: `format` ("timbre-mapping"), `version`, a table `[[control]]` for each controller, with `cc` and
`to`, and optionally `low`, `high` and `curve`, as in :class:`Control`; and a table `[[note]]` for each way to shape a
note, with `source` and `to`, and optionally `low`, `high`, `curve` and `style`, as in
:class:`~timbre.synth.shaping.NoteControl`. A file without `[[note]]` has the usual ones.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Literal

from timbre.config import from_dict, read_toml
from timbre.errors import ConfigError
from timbre.files import write_text
from timbre.playback.controls import BEND_RANGE, GAINS, MAX_BEND, MAX_COORDINATE, axes_of
from timbre.shapes.presets import Presets
from timbre.space import Space
from timbre.synth.shaping import GAIN, RESERVED, NoteControl, goal, note_control, usual_note_controls

_LIMITS = {GAIN: GAINS, BEND_RANGE: (0.0, MAX_BEND)}
_DEFAULTS = {GAIN: (GAINS[0], 0.0), BEND_RANGE: (0.0, 12.0)}
_NORMAL = (-2.0, 2.0)  # default range of a named axis, on which notes are about N(0, 1)
_SHAPE = ("low", "high", "curve", "style")
_VOLUME, _WHEEL, _KNOBS = 7, 1, range(70, 80)  # General MIDI: volume, modulation wheel, sound controllers


@dataclass(frozen=True)
class Control:
    """What one controller moves.

    With p = (value / 127)^curve, a controller sets an axis or the bend range to low + p (high - low). It sets the gain
    to high + 40 log10 p dB, but at least low; with a curve of 1 this is General MIDI's volume.

    Attributes:
        cc: number of the controller, 0 to 119, except 6, 38, 64 and 98 to 101, which are reserved.
        to: name of an axis; index of a dimension, from 0; "gain"; or "bend_range".
        low: value at 0: a coordinate from -100 to 100, dB from -100 to 24, or semitones from 0 to 48. It may be above
            `high`.
        high: value at 127.
        curve: 0.1 to 10; 1 is linear, above 1 the lower half is finer, below 1 the upper half.

    Raises:
        ConfigError: a value is out of range.
    """

    cc: int
    to: str | int
    low: float
    high: float
    curve: float = 1.0

    def __post_init__(self) -> None:
        if self.cc in RESERVED or not 0 <= self.cc < 120:
            raise ConfigError(
                f"A controller must be a number from 0 to 119 except 6, 38, 64 and 98 to 101, got {self.cc}."
            )
        low, high = _LIMITS.get(str(self.to), (-MAX_COORDINATE, MAX_COORDINATE))
        if not (low <= self.low <= high and low <= self.high <= high):
            raise ConfigError(
                f"Controller {self.cc} must move {self.to} between {low:g} and {high:g}, got {self.low} to {self.high}."
            )
        if not 0.1 <= self.curve <= 10.0:
            raise ConfigError(f"Controller {self.cc} must have a curve from 0.1 to 10, got {self.curve}.")

    def value(self, share: float) -> float:
        """What the controller sets at a share of its range, 0 to 1."""
        bent = share**self.curve
        if self.to == GAIN:
            return max(self.low, self.high + 40.0 * math.log10(bent)) if bent else self.low
        return self.low + bent * (self.high - self.low)


class Mapping:
    """What MIDI moves; immutable. A ConfigError if two entries are for the same.

    Attributes:
        controls: controllers that move all notes, by number.
        notes: what shapes each note by itself.
    """

    def __init__(self, controls: Sequence[Control] = (), notes: Sequence[NoteControl] = ()) -> None:
        by_number = {control.cc: control for control in controls}
        if len(by_number) < len(controls):
            raise ConfigError("Each controller must have one entry in the mapping, got two; remove one.")
        if len({(note.follows, note.to) for note in notes}) < len(notes):
            raise ConfigError("Each way to shape a note must have one entry in the mapping, got two; remove one.")
        self.controls, self.notes = {cc: by_number[cc] for cc in sorted(by_number)}, tuple(notes)

    def bound(self, new: Control | NoteControl) -> "Mapping":
        """This mapping with one more entry, in place of entries with the same source or the same target."""
        if isinstance(new, NoteControl):
            others = [old for old in self.notes if old.follows != new.follows and old.to != new.to]
            return Mapping(list(self.controls.values()), [*others, new])
        rest = [old for old in self.controls.values() if old.cc != new.cc and old.to != new.to]
        return Mapping([*rest, new], self.notes)


def default_mapping(space: Space) -> Mapping:
    """Controller 1 (modulation wheel) moves the first axis, 70 to 79 the next ten, and 7 the gain, each over its
    :func:`default_range`. The named axes come first, then the dimensions. Notes are shaped as
    :func:`~timbre.synth.shaping.usual_note_controls` says."""
    pairs = [*zip((_WHEEL, *_KNOBS), axes_of(space), strict=False), (_VOLUME, GAIN)]
    return Mapping([Control(cc, to, *default_range(space, to)) for cc, to in pairs], usual_note_controls(space))


def default_range(space: Space, to: str | int) -> tuple[float, float]:
    """Default values of a controller at 0 and 127: for a named axis -2 and 2; for a dimension the 2nd and 98th
    percentile of the library notes; for the gain -100 and 0 dB; for the bend range 0 and 12 semitones. A ConfigError if
    the space has no such axis."""
    if to in _DEFAULTS:
        return _DEFAULTS[str(to)]
    names = [axis.name for axis in space.axes]
    if to in names:
        return _NORMAL
    if not (isinstance(to, int) and 0 <= to < space.dim):
        known = ", ".join([*names, f"0 to {space.dim - 1}"])
        raise ConfigError(f"There is no axis {to!r} for a controller; there are {known}, {GAIN} and {BEND_RANGE}.")
    low, high = space.atlas.ranges[to].tolist()
    return low, high


@dataclass(frozen=True)
class _File:
    format: Literal["timbre-mapping"]
    version: Literal[1]
    control: tuple[dict, ...] = ()
    note: tuple[dict, ...] = ()


def read_mapping(file: str | FilePath, space: Space, presets: Presets | None = None) -> Mapping:
    """Read a mapping file. Missing values are those of :func:`default_range` and
    :func:`~timbre.synth.shaping.note_control`.

    Raises:
        ConfigError: the file cannot be read, has an unknown key, or names an axis that the space does not have, or a
            preset that is not in `presets`, if these are given.
    """
    table = read_toml(file)
    content = from_dict(_File, table, f"{file}: ")
    try:
        controls = [_control(one, f"control {n}.", space) for n, one in enumerate(content.control, 1)]
        if "note" not in table:
            return Mapping(controls, usual_note_controls(space))
        notes = [_note(one, f"note {n}.", space) for n, one in enumerate(content.note, 1)]
        for note in notes if presets is not None else ():
            goal(presets or Presets(), note.to)
        return Mapping(controls, notes)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error


def write_mapping(file: str | FilePath, mapping: Mapping) -> None:
    """Write a mapping file, completely or not at all; a ConfigError if it cannot be written."""
    lines = ['format = "timbre-mapping"', "version = 1"]
    if not mapping.notes:
        lines.append("note = []")
    for name, entries in (("control", mapping.controls.values()), ("note", mapping.notes)):
        for entry in entries:
            lines += [f"\n[[{name}]]", *(f"{key} = {_toml(value)}" for key, value in vars(entry).items())]
    write_text(FilePath(file), "\n".join(lines) + "\n")


def _toml(value: str | float) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _control(table: dict[str, Any], prefix: str, space: Space) -> Control:
    to = from_dict(Control, {"low": 0.0, "high": 0.0, **table}, prefix).to  # every target allows 0
    return from_dict(Control, dict(zip(("low", "high"), default_range(space, to), strict=True)) | table, prefix)


def _note(table: dict[str, Any], prefix: str, space: Space) -> NoteControl:
    whole = from_dict(NoteControl, {"low": 0.0, "high": 0.0, **table}, prefix)
    return note_control(space, whole.source, whole.to, **{key: getattr(whole, key) for key in _SHAPE if key in table})
