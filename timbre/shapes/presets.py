"""Presets: named points and paths that are kept with a space, in `presets.json` in its folder."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from timbre.errors import ConfigError
from timbre.files import write_text
from timbre.paths.path import Path
from timbre.shapes.path_files import plain, read_json
from timbre.space.names import find_space, is_path, user_folder

if TYPE_CHECKING:
    from timbre.space.space import Space

FILE, FORMAT, VERSION = "presets.json", "timbre-presets", 1
MOST = 128  # as many as a program change can tell apart
_NAME = 60  # letters


@dataclass(frozen=True, eq=False)
class Preset:
    """A named place or way.

    Attributes:
        name: one line of 1 to 60 letters.
        path: of one point, or of several.
        duration: s from one end of the path to the other.
        loop: whether it begins again at its end.
    """

    name: str
    path: Path
    duration: float = 4.0
    loop: bool = False

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name.strip() == self.name and 0 < len(self.name) <= _NAME):
            raise ConfigError(f"A preset is called {self.name!r}; a name of 1 to {_NAME} letters is wanted.")
        if not self.name.isprintable():
            raise ConfigError(f"The preset's name {self.name!r} holds signs that cannot be printed.")
        if not 0.01 <= self.duration <= 3600.0:
            raise ConfigError(f"The preset {self.name!r} lasts {self.duration} s; 0.01 to 3600 s is wanted.")


class Presets(Mapping[str, Preset]):
    """Presets by name, in the order in which program changes count them (from 0)."""

    def __init__(self, presets: "list[Preset] | tuple[Preset, ...]" = ()) -> None:
        self._presets = {preset.name: preset for preset in presets}
        if len(self._presets) < len(presets):
            raise ConfigError("Two presets have the same name; give each its own.")
        if len(presets) > MOST:
            raise ConfigError(f"There are {len(presets)} presets; a space has room for {MOST}. Remove some.")

    def __getitem__(self, name: str) -> Preset:
        if name not in self._presets:
            known = ", ".join(self._presets) or "there are none yet"
            raise ConfigError(f"There is no preset {name!r}; known: {known}.")
        return self._presets[name]

    def __contains__(self, name: object) -> bool:
        return name in self._presets

    def __iter__(self) -> Iterator[str]:
        return iter(self._presets)

    def __len__(self) -> int:
        return len(self._presets)

    def number(self, number: int) -> Preset:
        """The preset of a number, from 0."""
        if not 0 <= number < len(self):
            raise ConfigError(f"Preset number {number} was asked for; there are {len(self)}, counted from 0.")
        return list(self._presets.values())[number]

    def adding(self, preset: Preset) -> "Presets":
        """These and one more; one of the same name gives its place to it."""
        return Presets(list({**self._presets, preset.name: preset}.values()))

    def without(self, name: str) -> "Presets":
        """These but one."""
        self[name]
        return Presets([preset for preset in self._presets.values() if preset.name != name])


def read_presets(place: "str | FilePath", space: "Space") -> Presets:
    """The presets of a space, given by its folder or its name; none where there is no file.

    A named space's own are those that the user made of them (see :func:`~timbre.space.names.user_folder`), or, until
    then, those that it came with.

    Raises:
        ConfigError: the file cannot be read, holds anything that does not belong there, or belongs to a space of
            another number of dimensions.
    """
    file = user_folder(place) / FILE
    if not file.exists():
        file = find_space(place) / FILE
    if not file.exists():
        return Presets()
    document = read_json(file)
    if not isinstance(document, dict) or set(document) != {"format", "version", "dim", "presets"}:
        raise ConfigError(f"{file} is no file of presets; remove it, or put back the one that was there.")
    if document["format"] != FORMAT or document["version"] != VERSION or document["dim"] != space.dim:
        raise ConfigError(
            f"{file} holds {document['format']} {document['version']} for {document['dim']} dimensions;"
            f" {FORMAT} {VERSION} for {space.dim} is wanted."
        )
    try:
        return Presets([_parsed(entry, space.dim) for entry in document["presets"]])
    except (TypeError, KeyError, ValueError) as error:
        raise ConfigError(f"{file} is damaged: {error}") from error


def write_presets(place: "str | FilePath", presets: Presets, space: "Space") -> FilePath:
    """Write the presets of a space, given by its folder or its name, whole or not at all.

    Raises:
        ConfigError: the file cannot be written.
    """
    import json

    file = user_folder(place) / FILE
    if not is_path(place):
        _make_folder(file.parent)
    entries = [_entry(preset) for preset in presets.values()]
    head = {"format": FORMAT, "version": VERSION, "dim": space.dim}
    write_text(file, json.dumps({**head, "presets": entries}, indent=1) + "\n")
    return file


def _make_folder(folder: FilePath) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"The folder {folder}, for presets of your own, cannot be made: {error.strerror}.") from error


def _entry(preset: Preset) -> dict[str, Any]:
    path = preset.path
    where = {"kind": path.kind, "times": path.times.tolist(), "points": path.points.tolist()}
    return {"name": preset.name, "duration": preset.duration, "loop": preset.loop, **where}


def _parsed(entry: dict[str, Any], dim: int) -> Preset:
    known = {"name", "duration", "loop", "kind", "times", "points"}
    if set(entry) != known or not isinstance(entry["loop"], bool):
        raise ConfigError(f"a preset has {', '.join(entry)}; {', '.join(sorted(known))} are wanted.")
    points, times = plain(entry["points"], 2, "points of a preset"), plain(entry["times"], 1, "times of a preset")
    path, duration = Path(points, times, entry["kind"]), plain([entry["duration"]], 1, "duration of a preset")
    if path.dim != dim:
        raise ConfigError(f"the preset {entry['name']!r} has {path.dim} dimensions; {dim} are wanted.")
    return Preset(entry["name"], path, float(duration[0]), entry["loop"])
