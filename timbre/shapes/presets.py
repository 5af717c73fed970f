"""Presets: named points and paths, saved with a space in `presets.json`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from timbre.errors import ConfigError
from timbre.files import write_text
from timbre.paths.path import Path
from timbre.shapes.number_files import json_numbers, read_json
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
                f"The name of a preset must be 1 to {_LETTERS} printable letters without spaces around, got {name!r}."
            )
        if not 0.01 <= self.duration <= 3600.0:
            raise ConfigError(f"The duration of preset {name!r} must be 0.01 to 3600 s, got {self.duration}.")


class Presets(Mapping[str, Preset]):
    """Presets by name, in the order of their program numbers (from 0)."""

    def __init__(self, presets: Sequence[Preset] = ()) -> None:
        self._presets = {preset.name: preset for preset in presets}
        if len(self._presets) < len(presets):
            raise ConfigError("Two presets have the same name; give each its own.")
        if len(presets) > MOST:
            raise ConfigError(f"A space must have {MOST} presets or fewer, got {len(presets)}; remove some.")

    def __getitem__(self, name: str) -> Preset:
        if name not in self._presets:
            known = ", ".join(self._presets) or "none yet"
            raise ConfigError(f"There is no preset {name!r}; the presets are: {known}.")
        return self._presets[name]

    def __contains__(self, name: object) -> bool:
        return name in self._presets

    def __iter__(self) -> Iterator[str]:
        return iter(self._presets)

    def __len__(self) -> int:
        return len(self._presets)

    def number(self, number: int) -> Preset:
        """The preset with a program number, from 0."""
        if not 0 <= number < len(self):
            raise ConfigError(f"The preset number must be below {len(self)}, counted from 0, got {number}.")
        return list(self._presets.values())[number]

    def adding(self, preset: Preset) -> "Presets":
        """These presets and another one; it replaces one of the same name."""
        return Presets(list({**self._presets, preset.name: preset}.values()))

    def without(self, name: str) -> "Presets":
        """These presets without one of them."""
        self[name]
        return Presets([preset for preset in self._presets.values() if preset.name != name])


def read_presets(name: str | FilePath, space: Space) -> Presets:
    """The presets of a space; none if there is no file.

    Presets that the user added to a named space (see :func:`~timbre.space.names.user_folder`) come in place of those
    that it was delivered with.

    Args:
        name: folder or name of the space.
        space: the space.

    Raises:
        ConfigError: if the file cannot be read, has other content, or belongs to a space of other dimensions.
    """
    file = user_folder(name) / FILE
    if not file.exists():
        file = find_space(name) / FILE
    if not file.exists():
        return Presets()
    document = read_json(file)
    if not isinstance(document, dict) or set(document) != {"format", "version", "dim", "presets"}:
        raise ConfigError(f"{file} is not a file of presets; remove it, or restore the right one.")
    head, expected = (
        f"{entry[0]} {entry[1]} for {entry[2]} dimensions"
        for entry in ((document["format"], document["version"], document["dim"]), (FORMAT, VERSION, space.dim))
    )
    if head != expected:
        raise ConfigError(f"{file} must contain {expected}, got {head}.")
    try:
        return Presets([_from_dict(entry, space.dim) for entry in document["presets"]])
    except (TypeError, KeyError, ValueError) as error:
        raise ConfigError(f"{file} is damaged: {error}") from error


def write_presets(name: str | FilePath, presets: Presets, space: Space) -> FilePath:
    """Write the presets of a space; the file appears complete or not at all.

    Args:
        name: folder or name of the space.
        presets: all presets.
        space: the space.

    Returns:
        The file.

    Raises:
        ConfigError: if the file cannot be written.
    """
    file = user_folder(name) / FILE
    if not is_path(name):
        _make_folder(file.parent)
    document = {"format": FORMAT, "version": VERSION, "dim": space.dim}
    document["presets"] = [_to_dict(preset) for preset in presets.values()]
    write_text(file, json.dumps(document, indent=1) + "\n")
    return file


def _make_folder(folder: FilePath) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"The folder {folder}, for presets of your own, cannot be made: {error.strerror}.") from error


def _to_dict(preset: Preset) -> dict[str, Any]:
    return {"name": preset.name, "duration": preset.duration, "loop": preset.loop, **path_to_dict(preset.path)}


def _from_dict(entry: dict[str, Any], dim: int) -> Preset:
    if set(entry) != _KEYS or not isinstance(entry["loop"], bool):
        raise ConfigError(f"a preset must have {', '.join(sorted(_KEYS))}, got {', '.join(entry)}.")
    path = path_from_dict(entry, f"preset {entry['name']!r}")
    if path.dim != dim:
        raise ConfigError(f"preset {entry['name']!r} must have {dim} dimensions, got {path.dim}.")
    duration = json_numbers([entry["duration"]], 1, f"preset {entry['name']!r}: the duration")
    return Preset(entry["name"], path, float(duration[0]), entry["loop"])
