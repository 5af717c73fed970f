"""Presets: named points and paths, saved with a space in `presets.json`."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path as FilePath
from typing import Any

from timbre.errors import ConfigError
from timbre.files import parse_json, read_inside, shown, unwritable, write_text
from timbre.paths.path import Path
from timbre.shapes.number_files import numbers
from timbre.shapes.path_files import path_from_dict, path_to_dict
from timbre.space.identity import Identity, read_identity
from timbre.space.names import find_space, is_path, user_folder
from timbre.space.space import Space
from timbre.wording import listed

FILE, FORMAT, VERSION = "presets.json", "timbre-presets", 2
MOST = 128  # the program numbers of MIDI
_READ = (1, VERSION)  # versions; the first has no groups and pitches
LONGEST_NAME = 60  # of a name
_KEYS = {"name", "duration", "loop", "kind", "times", "points"}
_OPTIONAL = {"group", "pitches"}
_HEAD = {"format", "version", "dim", "presets"}  # and `space`, but in files of timbre 0.1
_MOST_DIM = 1024


@dataclass(frozen=True, eq=False)
class Preset:
    """A named point or path.

    Attributes:
        name: one line of 1 to 60 letters.
        path: one point or more.
        duration: s from one end of the path to the other, 0.01 to 3600.
        loop: whether the path repeats.
        group: heading under which lists show it, such as "Plucked": one line of at most 60 letters; "" is none.
        pitches: lowest and highest pitch at which it sounds good, MIDI from 0 to 127; None is unknown.
    """

    name: str
    path: Path
    duration: float = 4.0
    loop: bool = False
    group: str = ""
    pitches: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        name = self.name
        if not (_is_line(name) and name):
            raise ConfigError(
                f"The name of a preset must be 1 to {LONGEST_NAME} printable letters without spaces around, got "
                f"{shown(name)}."
            )
        if not _is_line(self.group):
            raise ConfigError(
                f"The group of preset {name!r} must be at most {LONGEST_NAME} printable letters without spaces around, "
                f"got {shown(self.group)}."
            )
        if self.pitches is not None and not 0.0 <= self.pitches[0] <= self.pitches[1] <= 127.0:
            raise ConfigError(
                f"The pitches of preset {name!r} must be the lowest and the highest, MIDI from 0 to 127, got "
                f"{self.pitches}."
            )
        if not 0.01 <= self.duration <= 3600.0:
            raise ConfigError(f"The duration of preset {name!r} must be 0.01 to 3600 s, got {self.duration}.")

    @property
    def pitch(self) -> float | None:
        """The middle of its pitches, MIDI; None if they are unknown."""
        return None if self.pitches is None else float(round(0.5 * sum(self.pitches)))


class Presets(dict[str, Preset]):
    """Presets by name, in the order of their program numbers (from 0).

    `left_out` is a sentence about a file of presets that belong to another space, or "".
    """

    def __init__(self, presets: Sequence[Preset] = (), left_out: str = "") -> None:
        super().__init__({preset.name: preset for preset in presets})
        self.left_out = left_out
        if len(self) < len(presets):
            raise ConfigError("Two presets have the same name; give each its own.")
        if len(self) > MOST:
            raise ConfigError(f"A space must have {MOST} presets or fewer, got {len(self)}; remove some.")

    def __missing__(self, name: str) -> Preset:
        raise ConfigError(f"There is no preset {name!r}; the presets are: {listed(list(self)) or 'none yet'}.")

    def number(self, number: int) -> Preset:
        """The preset with a program number, from 0."""
        if not 0 <= number < len(self):
            raise ConfigError(f"The preset number must be below {len(self)}, counted from 0, got {number}.")
        return list(self.values())[number]

    def warn(self) -> None:
        """Print on stderr whether presets were left out."""
        if self.left_out:
            print(f"timbre: {self.left_out}", file=sys.stderr)

    def adding(self, preset: Preset) -> "Presets":
        """These presets and another one; it replaces one of the same name."""
        return Presets(list({**self, preset.name: preset}.values()))

    def without(self, name: str) -> "Presets":
        """These presets without one of them."""
        removed = self[name]
        return Presets([preset for preset in self.values() if preset is not removed])


def read_presets(name: str | FilePath, space: Space) -> Presets:
    """The presets of a space, given also by its folder or name; none if there is no file.

    Presets that the user added to a named space (see :func:`~timbre.space.names.user_folder`) come in place of those
    that it was delivered with. Those of another space are left out: `left_out` says so.

    Raises:
        ConfigError: if the file cannot be read, or has other content.
    """
    left_out = ""
    for folder in (user_folder(name), find_space(name)):
        if not (file := folder / FILE).exists():
            continue
        document, made = _document(file)
        if made.is_of(own := space.identity):
            return _listed(document["presets"], space.dim, file, left_out)
        left_out = left_out or made.mismatch(str(file), own)
    return Presets(left_out=left_out)


def _document(file: FilePath) -> tuple[dict[str, Any], Identity]:
    """The content of a file of presets, and the space that they belong to."""
    document = parse_json(read_inside(file), file, ConfigError)
    if not isinstance(document, dict) or set(document) | {"space"} != {*_HEAD, "space"}:
        raise ConfigError(f"{file} is not a file of presets; remove it, or restore the right one.")
    for key, values in {"format": (FORMAT,), "version": _READ}.items():
        if document[key] not in values:
            wanted = " or ".join(map(str, values))
            raise ConfigError(f"{file} must have {key} {wanted}, got {shown(document[key])}.")
    dim = document["dim"]
    if type(dim) is not int or not 1 <= dim <= _MOST_DIM:
        raise ConfigError(f"{file} must have dim 1 to {_MOST_DIM:,}, got {shown(dim)}.")
    return document, read_identity(document.get("space"), dim, file)


def _listed(entries: Any, dim: int, file: FilePath, left_out: str) -> Presets:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError(f"{file} must have a list of presets, got {shown(entries)}.")
    try:
        return Presets([_from_dict(entry, dim) for entry in entries], left_out)
    except ConfigError as error:
        raise ConfigError(f"{file} is damaged: {error}") from error


def write_presets(name: str | FilePath, presets: Presets, space: Space) -> FilePath:
    """Write all presets of a space, given also by its folder or name; returns the file.

    It appears complete or not at all. A file there with presets of another space is kept, under another name.

    Raises:
        ConfigError: if it cannot be written.
    """
    file = user_folder(name) / FILE
    if not is_path(name):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"The folder for your presets, {unwritable(file.parent, error)}") from error
    entries = [preset_to_dict(preset) for preset in presets.values()]
    made = space.identity
    document = {"format": FORMAT, "version": VERSION, "dim": space.dim, "space": made.to_dict(), "presets": entries}
    _set_aside(file, made)
    write_text(file, json.dumps(document, indent=1) + "\n")
    return file


def _set_aside(file: FilePath, own: Identity) -> None:
    """Give a file with presets of another space another name: presets-16d.json, presets-16d-2.json, ..."""
    if not file.exists() or (made := _document(file)[1]).is_of(own):
        return
    names = (f"{file.stem}-{made.dim}d{f'-{number}' if number > 1 else ''}{file.suffix}" for number in count(1))
    try:
        file.rename(next(free for name in names if not os.path.lexists(free := file.with_name(name))))
    except OSError as error:
        raise ConfigError(unwritable(file, error)) from error


def preset_to_dict(preset: Preset) -> dict[str, Any]:
    """A preset as plain values: those of its path, and those of its other attributes that it has."""
    values = {"name": preset.name, "duration": preset.duration, "loop": preset.loop, **path_to_dict(preset.path)}
    values |= {"group": preset.group} if preset.group else {}
    return values | ({"pitches": list(preset.pitches)} if preset.pitches else {})


def _from_dict(entry: dict[str, Any], dim: int) -> Preset:
    if not _KEYS <= set(entry) <= _KEYS | _OPTIONAL or not isinstance(entry["loop"], bool):
        raise ConfigError(f"a preset must have {', '.join(sorted(_KEYS))}, got {shown(list(entry))}.")
    name = f"preset {shown(entry['name'])}"
    path = path_from_dict(entry, name)
    if path.dim != dim:
        raise ConfigError(f"{name} must have {dim} dimensions, got {path.dim}.")
    duration = numbers([entry["duration"]], 1, f"{name}: the duration", strict=True)
    pitches = _pair(entry["pitches"], name) if "pitches" in entry else None
    return Preset(entry["name"], path, float(duration[0]), entry["loop"], entry.get("group", ""), pitches)


def _pair(values: Any, name: str) -> tuple[float, float]:
    pitches = numbers(values, 1, f"{name}: the pitches", strict=True)
    if len(pitches) != 2:
        raise ConfigError(f"{name} must have 2 pitches, the lowest and the highest, got {len(pitches)}.")
    return float(pitches[0]), float(pitches[1])


def _is_line(text: Any) -> bool:
    return isinstance(text, str) and text.strip() == text and len(text) <= LONGEST_NAME and text.isprintable()
