"""Turns OSC messages into commands, and into the messages that answer them."""

import contextlib
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

from timbre.errors import ConfigError
from timbre.paths import Path
from timbre.playback.controls import MAX_COORDINATE, Controls, Key, axes_of, check_number
from timbre.playback.inputs.mapping import default_range
from timbre.shapes.path_files import read_path
from timbre.synth.shaping import TOWARDS

Reply = tuple[str, list[Any]]
"""An address and its arguments."""

_SHAPES = {
    "bend": "/note/KEY/bend SEMITONES", "gain": "/note/KEY/gain DECIBELS", "axis": "/note/KEY/axis/NAME VALUE",
    "towards": "/note/KEY/towards/PRESET SHARE",
}  # fmt: skip
_UNPITCHED = ("none", "nil", "unknown")
_MAX_DIGITS = 20  # of a number in an address


class Addresses:
    """Carries out OSC messages, which may name the path files in the folder `files`; None allows none."""

    def __init__(self, controls: Controls, files: FilePath | None) -> None:
        self.controls, self.files = controls, files and files.resolve()

    def __call__(self, address: str, values: list[Any]) -> list[Reply]:
        """Carry out a message, and return the answers.

        The words after the first one of an address are its first arguments: /note/60 0.8 is /note 60 0.8, for control
        surfaces whose keys send only one number.

        Raises:
            ConfigError: there is no such address, or the arguments do not fit.
            DeviceError: the player has stopped.
        """
        name, *words = address[1:].split("/")
        command = _COMMANDS.get(name)
        if command is None:
            known = ", ".join(f"/{name}" for name in _COMMANDS)
            raise ConfigError(f"The address must be one of {known}, got {address[:60]}.")
        values = [*map(_argument, words), *values]
        carry_out, counts, usage = command
        if len(values) not in counts:
            raise ConfigError(f"/{name} must be sent as {usage}, got {len(values)} arguments.")
        return carry_out(self, *values) or []

    def _note(self, first: Any, *rest: Any) -> None:
        if rest and isinstance(rest[0], str) and rest[0] in _SHAPES:
            self._express(_key(first), rest[0], *rest[1:])
            return
        if len(rest) > 2:
            raise ConfigError(f"/note must be sent as {_COMMANDS['note'][2]}, got {len(rest) + 1} arguments.")
        velocity = check_number("velocity", rest[-1] if rest else 0.8, 0.0, 1.0)
        key, pitch = (_key(first), rest[0]) if len(rest) == 2 else (None, first)
        pitch = None if isinstance(pitch, str) and pitch.lower() in _UNPITCHED else pitch
        if velocity > 0.0:
            self.controls.note_on(pitch, velocity, key)
        else:
            self.controls.note_off(_key(pitch) if key is None else key)

    def _express(self, key: Key, what: str, *values: Any) -> None:
        """Shape one note: its bend, its gain, an axis, or the way towards a preset."""
        named = what in ("axis", "towards")
        if len(values) != 1 + named:
            raise ConfigError(f"/note/KEY/{what} must be sent as {_SHAPES[what]}, got {len(values)} values.")
        to: str | int = what
        if named:
            to = _name_or_number(values[0])
            to = self._towards(to) if what == "towards" else to
        self.controls.express(key, {to: values[-1]})

    def _towards(self, which: str | int) -> str:
        """The target of a preset, given by its name or its number from 0."""
        return TOWARDS + (which if isinstance(which, str) else self.controls.presets.number(which).name)

    def _at(self, *values: Any) -> None:
        dim = self.controls.space.dim
        if len(values) not in (dim, dim + 1):
            raise ConfigError(f"/at must have {dim} coordinates and may have a glide (s), got {len(values)} arguments.")
        limits = -MAX_COORDINATE, MAX_COORDINATE
        point = [check_number(f"coordinate {n}", value, *limits) for n, value in enumerate(values[:dim])]
        self.controls.at(point, *values[dim:])

    def _axis(self, which: Any, *values: Any) -> None:
        self.controls.axis(_name_or_number(which), *values)

    def _path(self, name: Any = None, duration: Any = None, loop: Any = None) -> None:
        if name is None:
            self.controls.path(None)
            return
        path, own_duration, own_loop = self._find_path(str(name))
        loops = own_loop if loop is None else check_number("loop", loop, 0.0, 1.0) >= 0.5
        self.controls.path(path, own_duration if duration is None else duration, loops)

    def _find_path(self, name: str) -> tuple[Path, float, bool]:
        """The path of a preset or of a file, with its duration (s) and whether it loops."""
        if name in self.controls.presets:
            preset = self.controls.presets[name]
            return preset.path, preset.duration, preset.loop
        return read_path(self._file(name), self.controls.space), 4.0, False

    def _file(self, name: str) -> FilePath:
        """A path file by its name; it must lie in the folder, with links resolved."""
        if self.files is None:
            raise ConfigError(f"There is no preset {name[:60]!r}, and no folder was given for path files.")
        try:
            file = (self.files / name).resolve()
            inside = file.is_relative_to(self.files) and file.is_file()
        except (OSError, ValueError, RuntimeError):  # a name that is too long or contains a zero, or circular links
            inside = False
        if not inside:
            raise ConfigError(f"{name[:60]!r} is no preset, and no path file in the folder that was given for them.")
        return file

    def _preset(self, which: Any, pressed: Any = 1.0) -> None:
        if check_number("second argument of /preset", pressed, 0.0, 1.0) > 0.0:
            self.controls.preset(_name_or_number(which))

    def _sustain(self, down: Any) -> None:
        self.controls.sustain(check_number("pedal", down, 0.0, 1.0) >= 0.5)

    def _query(self) -> list[Reply]:
        """The state, the axes and the presets, for a control surface to show."""
        state, space = self.controls.state(), self.controls.space
        point = [float(value) for value in state.point]
        return [
            ("/state/point", point),
            ("/state/notes", [float(pitch) for pitch in state.notes]),
            ("/state/voices", [state.voices, state.limit, state.stolen, state.shed]),
            ("/state/load", [float(state.load)]),
            ("/state/underruns", [state.underruns]),
            ("/state/latency", [float(value) for value in (state.latency.total, *state.latency, state.control_delay)]),
            *(
                ("/axes", [n, str(to), value, *default_range(space, to)])
                for n, (to, value) in enumerate(zip(axes_of(space), self.controls.values(), strict=True))
            ),
            ("/presets", list(self.controls.presets)),
        ]


_COMMANDS: dict[str, tuple[Callable[..., list[Reply] | None], range, str]] = {
    "note": (Addresses._note, range(1, 5), "/note PITCH [VELOCITY], /note KEY PITCH VELOCITY or /note/KEY/bend VALUE"),
    "off": (lambda to, key: to.controls.note_off(_key(key)), range(1, 2), "/off KEY"),
    "at": (Addresses._at, range(1, 4097), "/at Z0 Z1 ... [GLIDE]"),
    "axis": (Addresses._axis, range(2, 4), "/axis/NAME VALUE [GLIDE]"),
    "path": (Addresses._path, range(4), "/path [NAME [DURATION [LOOP]]]"),
    "preset": (Addresses._preset, range(1, 3), "/preset NAME or /preset NUMBER"),
    "bend": (lambda to, semitones: to.controls.bend(semitones), range(1, 2), "/bend SEMITONES"),
    "sustain": (Addresses._sustain, range(1, 2), "/sustain 1 or 0"),
    "hold": (lambda to, seconds=None: to.controls.hold(seconds), range(2), "/hold [SECONDS]"),
    "gain": (lambda to, decibels: to.controls.gain(decibels), range(1, 2), "/gain DECIBELS"),
    "panic": (lambda to, *_pressed: to.controls.panic(), range(2), "/panic"),
    "query": (Addresses._query, range(1), "/query [PORT]"),
}
"""What carries out each command, how many arguments it takes, and how it is written."""


def _argument(word: str) -> int | float | str:
    """A word of an address as an argument."""
    for kind in (int, float) if len(word) <= _MAX_DIGITS else ():
        with contextlib.suppress(ValueError):
            return kind(word)
    return word


def _name_or_number(value: Any) -> str | int:
    """A name or a number; control surfaces send whole numbers as 2.0."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str | int):
        raise ConfigError(f"The argument must be a name or a whole number from 0, got {value!r}.")
    return value


def _key(value: Any) -> Key:
    if not isinstance(value, int | float | str):
        raise ConfigError(f"The key of a note must be a number or a word, got {value!r}.")
    return value
