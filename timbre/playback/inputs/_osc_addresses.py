"""What OSC addresses mean: from a message to controls, and to the messages that answer it."""

import contextlib
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from timbre.errors import ConfigError
from timbre.paths import Path
from timbre.playback.controls import Controls, _number
from timbre.playback.inputs.mapping import span
from timbre.shapes.path_files import read_path

Reply = tuple[str, list[Any]]
"""An address and its arguments."""

_FARTHEST = 100.0  # of a coordinate
_UNPITCHED = ("none", "nil", "unknown")
_LONGEST = 20  # letters of a number


class Addresses:
    """Carries out messages.

    Args:
        controls: what is played.
        files: the folder whose path files may be named; None: none may.
    """

    def __init__(self, controls: Controls, files: FilePath | None) -> None:
        self.controls, self.files = controls, None if files is None else files.expanduser().resolve()

    def __call__(self, address: str, values: list[Any]) -> list[Reply]:
        """Carry out a message; the answers to it.

        What follows the first word of an address goes before the arguments: /note/60 0.8 is /note 60 0.8, which
        surfaces need whose keys can send one number only.

        Raises:
            ConfigError: there is no such address, or the arguments are not what it takes.
            DeviceError: the player is no longer there.
        """
        first, *more = address[1:].split("/")
        form = _FORMS.get(first)
        if form is None:
            raise ConfigError(f"There is no address {address[:60]}; known: {', '.join(f'/{name}' for name in _FORMS)}.")
        values = [*map(_word, more), *values]
        if not form.fewest <= len(values) <= form.most:
            raise ConfigError(f"/{first} came with {len(values)} arguments; {form.usage} is wanted.")
        return form.carry_out(self, *values) or []

    def _note(self, first: Any, *rest: Any) -> None:
        velocity = _number("velocity", rest[-1] if rest else 0.8, 0.0, 1.0)
        key, pitch = (_key(first), rest[0]) if len(rest) == 2 else (None, first)
        pitch = None if isinstance(pitch, str) and pitch.lower() in _UNPITCHED else pitch
        if velocity > 0.0:
            self.controls.note_on(pitch, velocity, key)
        else:
            self.controls.note_off(_key(pitch) if key is None else key)

    def _off(self, key: Any) -> None:
        self.controls.note_off(_key(key))

    def _at(self, *values: Any) -> None:
        dim = self.controls.space.dim
        if len(values) not in (dim, dim + 1):
            raise ConfigError(f"/at came with {len(values)} arguments; {dim} coordinates, and a glide (s), are wanted.")
        point = [_number(f"coordinate {n}", value, -_FARTHEST, _FARTHEST) for n, value in enumerate(values[:dim])]
        self.controls.at(point, *values[dim:])

    def _axis(self, which: Any, value: Any, glide: Any = 0.0) -> None:
        self.controls.axis(_which(which), value, glide)

    def _path(self, name: Any = None, duration: Any = None, loop: Any = None) -> None:
        if name is None:
            self.controls.path(None)
            return
        path, usual, usual_loop = self._way(str(name))
        seconds = usual if duration is None else duration
        again = usual_loop if loop is None else _number("loop", loop, 0.0, 1.0) >= 0.5
        self.controls.path(path, seconds, again)

    def _way(self, name: str) -> tuple[Path, float, bool]:
        """The path of a preset or of a file, with its duration and whether it begins again."""
        if name in self.controls.presets:
            preset = self.controls.presets[name]
            return preset.path, preset.duration, preset.loop
        return read_path(self._file(name), self.controls.space), 4.0, False

    def _file(self, name: str) -> FilePath:
        """The path file of a name, which lies in the folder of files, links followed."""
        if self.files is None:
            raise ConfigError(f"There is no preset {name[:60]!r}, and no folder was given for path files.")
        try:
            file = (self.files / name).resolve()
            inside = file.is_relative_to(self.files) and file.is_file()
        except (OSError, ValueError, RuntimeError):  # a name too long or with a zero in it, links in a circle
            inside = False
        if not inside:
            raise ConfigError(f"{name[:60]!r} is no preset, nor a path file in the folder that was given for them.")
        return file

    def _preset(self, which: Any, pressed: Any = 1.0) -> None:
        if _number("second argument of /preset", pressed, 0.0, 1.0) > 0.0:
            self.controls.preset(_which(which))

    def _bend(self, semitones: Any) -> None:
        self.controls.bend(semitones)

    def _sustain(self, down: Any) -> None:
        self.controls.sustain(_number("pedal", down, 0.0, 1.0) >= 0.5)

    def _hold(self, seconds: Any = None) -> None:
        self.controls.hold(seconds)

    def _gain(self, decibels: Any) -> None:
        self.controls.gain(decibels)

    def _panic(self, *_: Any) -> None:
        self.controls.panic()

    def _query(self) -> list[Reply]:
        """All there is to know, for a surface to show."""
        state, space = self.controls.state(), self.controls.space
        point = [float(value) for value in state.point]
        names: list[Any] = [axis.name for axis in space.axes]
        axes = [*names, *range(len(names), space.dim)]
        return [
            ("/state/point", point),
            ("/state/notes", [float(pitch) for pitch in state.notes]),
            ("/state/voices", [state.voices, state.limit, state.stolen, state.shed]),
            ("/state/load", [float(state.load)]),
            ("/state/underruns", [state.underruns]),
            ("/state/latency", [float(value) for value in (state.latency.total, *state.latency, state.control_delay)]),
            *(("/axes", [n, str(to), point[n], *span(space, to)]) for n, to in enumerate(axes)),
            ("/presets", list(self.controls.presets)),
        ]


class _Form(NamedTuple):
    """What an address takes: how many arguments, and in words."""

    carry_out: Callable[..., list[Reply] | None]
    fewest: int
    most: int
    usage: str


_FORMS = {
    "note": _Form(Addresses._note, 1, 3, "/note PITCH [VELOCITY] or /note KEY PITCH VELOCITY"),
    "off": _Form(Addresses._off, 1, 1, "/off KEY"),
    "at": _Form(Addresses._at, 1, 4096, "/at Z0 Z1 ... [GLIDE]"),
    "axis": _Form(Addresses._axis, 2, 3, "/axis/NAME VALUE [GLIDE]"),
    "path": _Form(Addresses._path, 0, 3, "/path [NAME [DURATION [LOOP]]]"),
    "preset": _Form(Addresses._preset, 1, 2, "/preset NAME or /preset NUMBER"),
    "bend": _Form(Addresses._bend, 1, 1, "/bend SEMITONES"),
    "sustain": _Form(Addresses._sustain, 1, 1, "/sustain 1 or 0"),
    "hold": _Form(Addresses._hold, 0, 1, "/hold [SECONDS]"),
    "gain": _Form(Addresses._gain, 1, 1, "/gain DECIBELS"),
    "panic": _Form(Addresses._panic, 0, 1, "/panic"),
    "query": _Form(Addresses._query, 0, 0, "/query [PORT]"),
}


def _word(text: str) -> int | float | str:
    """A word of an address as an argument."""
    for kind in (int, float) if len(text) <= _LONGEST else ():
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def _which(value: Any) -> str | int:
    """A name or a number; surfaces send whole numbers as 2.0."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str | int):
        raise ConfigError(f"{value!r} came where a name or a whole number from 0 is wanted.")
    return value


def _key(value: Any) -> int | float | str:
    if not isinstance(value, int | float | str):
        raise ConfigError(f"A note's key is {value!r}; a number or a word is wanted, by which it can be let go.")
    return value
