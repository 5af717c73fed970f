"""What shapes each note of its own: sources of MIDI to bend, gain, axes, dimensions and presets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from timbre.errors import ConfigError
from timbre.files import shown
from timbre.shapes.presets import Presets
from timbre.space import Space
from timbre.synth.axis_curve import NoteAxes
from timbre.synth.channels import (
    BEND,
    CENTER,
    LARGEST,
    MAX_BEND_RANGE,
    PARAMETERS,
    PEDAL,
    PRESSURE,
    RELEASE,
    SLIDE,
    SOUND_OFF,
    VELOCITY,
    Source,
)

GAIN, TOWARDS = "gain", "towards:"
SOURCES: dict[str, Source] = {"slide": SLIDE, PRESSURE: PRESSURE, BEND: BEND, RELEASE: RELEASE, VELOCITY: VELOCITY}
"""The names of what can shape a note; any other controller is given by its number."""
RESERVED = {PEDAL, *PARAMETERS, *range(SOUND_OFF, 128)}  # sustain pedal, registered parameters, channel modes
LIMITS = {BEND: (-MAX_BEND_RANGE, MAX_BEND_RANGE), GAIN: (-100.0, 24.0)}  # semitones, dB
_FURTHEST, _LARGEST = 2.0, 100.0  # towards a preset, and along an axis or a dimension
_STEP, _LOUDER = 2.0, 6.0  # by default: along an axis; dB

Target = str | int
"""What of a note is shaped: "bend", "gain", the name of an axis, the index of a dimension, or "towards:PRESET"."""


@dataclass(frozen=True)
class NoteControl:
    """How one source shapes every note by itself.

    Attributes:
        source: "slide" (controller 74), "pressure", "bend", "release" (velocity of the key when it goes up),
            "velocity", or the number of a controller.
        to: "bend" (semitones), "gain" (dB), the name of an axis, the index of a dimension from 0, or "towards:NAME", of
            which 1 is the preset of that name.
        low, high: what is added at the lowest and at the highest position of the source.
        curve: 0.1 to 10; 1 is linear, above 1 small movements do less.
        style: "absolute": from `low` at 0 to `high` at 127. "relative": from `low` at 0 through nothing at 64 to `high`
            at 127.

    Raises:
        ConfigError: a value is out of range.
    """

    source: Source
    to: Target
    low: float
    high: float
    curve: float = 1.0
    style: Literal["absolute", "relative"] = "absolute"

    def __post_init__(self) -> None:
        if self.source not in SOURCES and (not isinstance(self.source, int) or not 0 <= self.source < SOUND_OFF):
            known = f"{', '.join(SOURCES)}, or the number of a controller from 0 to 119"
            raise ConfigError(f"What shapes a note must be one of {known}, got {shown(self.source)}.")
        if self.source in RESERVED:
            raise ConfigError(f"Controllers 6, 38, 64 and 98 to 101 must not shape notes, got {self.source}.")
        low, high = limits_of(self.to)
        if not (low <= self.low <= high and low <= self.high <= high):
            raise ConfigError(
                f"{self.source} must move {self.to} between {low:g} and {high:g}, got {self.low} to {self.high}."
            )
        if not 0.1 <= self.curve <= 10.0:
            raise ConfigError(f"{self.source} must have a curve from 0.1 to 10, got {self.curve}.")

    @property
    def follows(self) -> Source:
        """The source as the interpreter of MIDI calls it: "slide" is controller 74."""
        return self.source if isinstance(self.source, int) else SOURCES[self.source]

    def value(self, position: Any) -> Any:
        """What is added at a position, 0 to 127, or at each of several."""
        position = np.asarray(position, np.float64)
        if self.style == "absolute":
            return self.low + (position / LARGEST) ** self.curve * (self.high - self.low)
        away = position - CENTER
        share = np.abs(away) / np.where(away < 0.0, CENTER, LARGEST - CENTER)
        return share**self.curve * np.where(away < 0.0, self.low, self.high)


def limits_of(to: Target) -> tuple[float, float]:
    """Lowest and highest value that may be added to a target of a note."""
    if isinstance(to, str) and to.startswith(TOWARDS):
        return -_FURTHEST, _FURTHEST
    return LIMITS.get(str(to), (-_LARGEST, _LARGEST))


def note_control(space: Space, source: Source, to: Target, **given: Any) -> NoteControl:
    """A :class:`NoteControl` whose missing values are usual ones: pressure and velocity are absolute, from nothing to
    2 on an axis, 6 dB, 2 semitones or the whole way; others are relative, to as much at either side.

    Raises:
        ConfigError: the space has no such axis, or a value is out of range.
    """
    check_target(space, to)
    high = _LOUDER if to == GAIN else 1.0 if str(to).startswith(TOWARDS) else _STEP
    style = (
        "absolute" if source in (PRESSURE, VELOCITY) or (isinstance(source, int) and source != SLIDE) else "relative"
    )
    low = 0.0 if given.get("style", style) == "absolute" else -high
    usual: dict[str, Any] = {"low": low, "high": high, "style": style}
    return NoteControl(source, to, **usual | given)


def usual_note_controls(space: Space) -> tuple[NoteControl, ...]:
    """What shapes notes without a mapping: slide moves the axis of brightness, or else the first one, or the first
    dimension; pressure makes a note louder, by 6 dB at most."""
    names = [axis.name for axis in space.axes]
    to = "brightness" if "brightness" in names else names[0] if names else 0
    return note_control(space, "slide", to), note_control(space, PRESSURE, GAIN)


def check_target(space: Space, to: Target) -> None:
    """Raise a ConfigError if notes of a space have no such target."""
    names = [axis.name for axis in space.axes]
    if to in (BEND, GAIN, *names) or (isinstance(to, str) and to.startswith(TOWARDS)):
        return
    if not isinstance(to, int) or isinstance(to, bool) or not 0 <= to < space.dim:
        known = ", ".join([*names, f"0 to {space.dim - 1}"])
        raise ConfigError(f"A note must be shaped along {known}, {BEND}, {GAIN} or {TOWARDS}PRESET, got {shown(to)}.")


def values_at(controls: Sequence[NoteControl], positions: Mapping[Source, Any]) -> dict[Target, Any]:
    """What some controls add to each target, at the positions of their sources (one, or a row of them)."""
    values: dict[Target, Any] = {}
    for control in controls:
        values[control.to] = values.get(control.to, 0.0) + control.value(positions[control.follows])
    return {to: np.clip(value, *limits_of(to)) for to, value in values.items()}


def place(
    values: Mapping[Target, Any], presets: Presets, axes: NoteAxes, point: np.ndarray, pitch: float | None
) -> tuple[Any, np.ndarray]:
    """How values by target (one, or (n,) of each) move a note: its point is a share of the point of all notes, plus an
    offset (dim,), or (n, dim).

    Args:
        values: as :func:`values_at` returns them.
        presets: for targets "towards:NAME".
        axes: of the space.
        point, pitch: of all notes, and of this note, when it began; MIDI or None.
    """
    keep, offset, dimensions = np.float64(1.0), np.zeros(len(point)), np.eye(len(point))
    for to, value in values.items():
        if (preset := goal(presets, to)) is not None:
            keep = keep - value
            offset = offset + np.multiply.outer(value, preset)
        elif isinstance(to, int):
            offset = offset + np.multiply.outer(value, dimensions[to])
        elif to not in LIMITS:
            offset = offset + axes.offset(to, point, pitch, value)
    return keep, offset


def goal(presets: Presets, to: Target) -> np.ndarray | None:
    """The point (dim,) of a target "towards:NAME", the first one of a path; None for other targets.

    A ConfigError is raised if there is no such preset.
    """
    if not (isinstance(to, str) and to.startswith(TOWARDS)):
        return None
    return np.asarray(presets[to.removeprefix(TOWARDS)].path.points[0], np.float32)
