"""Presets: named points and paths, saved with a space in `presets.json`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from timbre.errors import ConfigError
from timbre.files import parse_json, read_inside, shown, unwritable, write_text
from timbre.paths.path import Path
from timbre.shapes.number_files import numbers
from timbre.shapes.path_files import path_from_dict, path_to_dict
from timbre.space.names import find_space, is_path, user_folder
from timbre.space.space import Space

FILE, FORMAT, VERSION = "presets.json", "timbre-presets", 1
MOST = 128  # the program numbers of MIDI
_LETTERS = 60  # of a name
_KEYS = {"name", "duration", "loop", "kind", "times", "points"}


@dataclass(frozen=True, eq=False)
class Preset:
    """A named point or path.

    Attributes:
        name: one line of 1 to 60 letters.
        path: one point or more.
        duration: s from one end of the path to the other, 0.01 to 3600.
        loop: whether the path repeats.
    """

    name: str
    path: Path
    duration: float = 4.0
    loop: bool = False

    def __post_init__(self) -> None:
        name = self.name
        if not (isinstance(name, str) and name.strip() == name and 0 < len(name) <= _LETTERS and name.isprintable()):
            raise ConfigError(
                f"The name of a preset must be 1 to {_LETTERS} printable letters without spaces around, got "
                f"{shown(name)}."
            )
        if not 0.01 <= self.duration <= 3600.0:
            raise ConfigError(f"The duration of preset {name!r} must be 0.01 to 3600 s, got {self.duration}.")


class Presets(dict[str, Preset]):
    """Presets by name, in the order of their program numbers (from 0)."""

    def __init__(self, presets: Sequence[Preset] = ()) -> None:
        super().__init__({preset.name: preset for preset in presets})
        if len(self) < len(presets):
            raise ConfigError("Two presets have the same name; give each its own.")
        if len(self) > MOST:
            raise ConfigError(f"A space must have {MOST} presets or fewer, got {len(self)}; remove some.")

    def __missing__(self, name: str) -> Preset:
        raise ConfigError(f"There is no preset {name!r}; the presets are: {', '.join(self) or 'none yet'}.")

    def number(self, number: int) -> Preset:
        """The preset with a program number, from 0."""
        if not 0 <= number < len(self):
            raise ConfigError(f"The preset number must be below {len(self)}, counted from 0, got {number}.")
        return list(self.values())[number]

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
    that it was delivered with.

    Raises:
        ConfigError: if the file cannot be read, has other content, or belongs to a space of other dimensions.
    """
    file = user_folder(name) / FILE
    if not file.exists():
        file = find_space(name) / FILE
    if not file.exists():
        return Presets()
    document = parse_json(read_inside(file), file, ConfigError)
    if not isinstance(document, dict) or set(document) != {"format", "version", "dim", "presets"}:
        raise ConfigError(f"{file} is not a file of presets; remove it, or restore the right one.")
    for key, value in _head(space).items():
        if document[key] != value:
            raise ConfigError(f"{file} must have {key} {value}, got {shown(document[key])}.")
    entries = document["presets"]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError(f"{file} must have a list of presets, got {shown(entries)}.")
    try:
        return Presets([_from_dict(entry, space.dim) for entry in entries])
    except ConfigError as error:
        raise ConfigError(f"{file} is damaged: {error}") from error


def write_presets(name: str | FilePath, presets: Presets, space: Space) -> FilePath:
    """Write all presets of a space, given also by its folder or name; returns the file.

    It appears complete or not at all; a ConfigError if it cannot be written.
    """
    file = user_folder(name) / FILE
    if not is_path(name):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"The folder for your presets, {unwritable(file.parent, error)}") from error
    entries = [
        {"name": preset.name, "duration": preset.duration, "loop": preset.loop, **path_to_dict(preset.path)}
        for preset in presets.values()
    ]
    document = {**_head(space), "presets": entries}
    write_text(file, json.dumps(document, indent=1) + "\n")
    return file


def _head(space: Space) -> dict[str, Any]:
    return {"format": FORMAT, "version": VERSION, "dim": space.dim}


def _from_dict(entry: dict[str, Any], dim: int) -> Preset:
    if set(entry) != _KEYS or not isinstance(entry["loop"], bool):
        raise ConfigError(f"a preset must have {', '.join(sorted(_KEYS))}, got {shown(list(entry))}.")
    name = f"preset {shown(entry['name'])}"
    path = path_from_dict(entry, name)
    if path.dim != dim:
        raise ConfigError(f"{name} must have {dim} dimensions, got {path.dim}.")
    duration = numbers([entry["duration"]], 1, f"{name}: the duration", strict=True)
    return Preset(entry["name"], path, float(duration[0]), entry["loop"])
