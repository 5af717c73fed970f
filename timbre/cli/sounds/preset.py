"""`timbre preset`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import find_point
from timbre.errors import ConfigError

if TYPE_CHECKING:
    from timbre.shapes.presets import Preset, Presets
    from timbre.space import Space


def preset(
    space: str,
    /,
    *,
    add: str | None = None,
    at: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    path: Path | None = None,
    duration: float | None = None,
    loop: bool = False,
    remove: str | None = None,
) -> None:
    """Keep named places and paths with a space.

    Without --add and --remove, the presets are listed. Their numbers are those of MIDI's program changes.

    Parameters
    ----------
    space
        Folder of a saved space; presets are kept in its presets.json. Or the name of one (`timbre inspect` lists the
        names): what is added to it is kept in the user's own data folder, and the named space stays as it is.
    add
        Name of a preset to add; an older one of that name gives its place to it.
    at
        Its place: coordinates (0.3,-1.2,...), the name of a known sound or an instrument, or a sound file.
    path
        Its path: a file, as `timbre path` writes them.
    duration
        Seconds from one end of the path to the other; 4 unless said.
    loop
        Begin the path again at its end, for ever.
    remove
        Name of a preset to remove.
    """
    from timbre.shapes.presets import read_presets, write_presets

    if add is not None and remove is not None:
        raise ConfigError("--add and --remove came together; one at a time is wanted.")
    if add is None and (at is not None or path is not None):
        raise ConfigError("A place came without a name; give it one with --add.")
    if add is not None and (at is None) == (path is None):
        raise ConfigError("Say where the preset lies: either --at or --path.")
    if path is None and (duration is not None or loop):
        raise ConfigError("--duration and --loop belong to a path; give one with --path.")
    fitted = timbre.load(space)
    presets = read_presets(space, fitted)
    if add is not None:
        presets = presets.adding(_made(fitted, add, at, path, 4.0 if duration is None else duration, loop))
    elif remove is not None:
        presets = presets.without(remove)
    if add is not None or remove is not None:
        write_presets(space, presets, fitted)
    print(_listed(fitted, presets), end="")


def _made(space: "Space", name: str, at: str | None, path: Path | None, duration: float, loop: bool) -> "Preset":
    from timbre.shapes.path_files import read_path
    from timbre.shapes.presets import Preset

    way = read_path(path, space) if path is not None else space.path(find_point(space, str(at)))
    return Preset(name, way, duration, loop)


def _listed(space: "Space", presets: "Presets") -> str:
    from timbre.cli.outputs import table

    if not presets:
        return "There are no presets yet; make one with --add NAME --at PLACE.\n"
    rows = [_row(space, number, preset) for number, preset in enumerate(presets.values())]
    return table(rows)


def _row(space: "Space", number: int, preset: "Preset") -> dict[str, Any]:
    """One line of the list; of a path, the known sounds next to both ends."""
    ends = preset.path.points[[0, -1]] if len(preset.path.points) > 1 else preset.path.points
    near = [space.atlas.names[n] for n in space.atlas.nearest(ends, 1).numbers[:, 0]] if len(space.atlas) else []
    moves = len(ends) > 1
    return {
        "number": number,
        "name": preset.name,
        "kind": f"{preset.path.kind}, {len(preset.path.points)} points" if moves else "place",
        "seconds": preset.duration if moves else None,
        "loop": "yes" if preset.loop else "no" if moves else None,
        "near": " to ".join(near) or None,
    }
