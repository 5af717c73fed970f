"""`timbre preset`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import POINT, JsonFile, Loop, PathDuration, PathFile, Point, SpaceName
from timbre.cli.outputs import formatted, table
from timbre.cli.points import find_point
from timbre.config import Range
from timbre.errors import ConfigError
from timbre.wording import counted

if TYPE_CHECKING:
    from timbre.shapes.presets import Preset, Presets
    from timbre.space import Space


def preset(
    space: SpaceName,
    /,
    *,
    add: str | None = None,
    at: Annotated[Point | None, Parameter(help=f"Point of the preset: {POINT}.")] = None,
    path: Annotated[PathFile | None, Parameter(help="Path of the preset: a file written by `timbre path`.")] = None,
    duration: PathDuration | None = None,
    loop: Loop = False,
    remove: str | None = None,
    choose: Annotated[int | None, Parameter(validator=Range(1, 128), metavar="N")] = None,
    paths: Annotated[int | None, Parameter(validator=Range(0, 127), metavar="N")] = None,
    json_: Annotated[JsonFile | None, Parameter(help="Write the measures of --choose as JSON too.")] = None,
) -> None:
    """Save points and paths of a space by name.

    Without --add, --remove and --choose, the presets are listed with their MIDI program numbers. They are kept in the
    folder of the space. Presets for a space with a name, such as orchestra, are kept in your own data folder.

    Args:
        add: Name of the preset to add; it replaces one of the same name.
        remove: Name of the preset to remove.
        choose: Choose N points by measure and print the measures: in tune, even, without clicks, far apart, in groups.
            They replace presets that have a group; your own come after them.
        paths: Paths to choose between these points; default: a quarter of their number.
    """
    from timbre.shapes.path_files import read_path
    from timbre.shapes.presets import Preset, read_presets, write_presets

    _check(add, at, path, duration, loop, remove)
    _check_choice(choose, paths, json_, add or remove)
    fitted = timbre.load(space)
    presets = read_presets(space, fitted)
    presets.warn()
    if choose is not None:
        presets = _chosen(fitted, presets, choose, choose // 4 if paths is None else paths, json_)
    elif add is not None:
        made = read_path(path, fitted) if path is not None else fitted.path(find_point(fitted, str(at)))
        presets = presets.adding(Preset(add, made, 4.0 if duration is None else duration, loop))
    elif remove is not None:
        presets = presets.without(remove)
    if add is not None or remove is not None or choose is not None:
        print(f"Saved in {write_presets(space, presets, fitted)}.", file=sys.stderr)
    rows = _rows(fitted, presets)
    print(table(rows) if rows else "There are no presets yet; make one with --add NAME --at POINT.\n", end="")


def _check(
    add: str | None, at: str | None, path: Path | None, duration: float | None, loop: bool, remove: str | None
) -> None:
    """Check that the options go together."""
    if add is not None and remove is not None:
        raise ConfigError("Give either --add or --remove.")
    if add is None and (at is not None or path is not None):
        raise ConfigError("A preset needs a name; give it with --add NAME.")
    if add is not None and (at is None) == (path is None):
        raise ConfigError("A preset needs either --at or --path.")
    if path is None and (duration is not None or loop):
        raise ConfigError("--duration and --loop need a path; give one with --path.")


def _check_choice(choose: int | None, paths: int | None, json_: Path | None, other: str | None) -> None:
    """Check that the options of --choose go together."""
    if choose is None and (paths is not None or json_ is not None):
        raise ConfigError("--paths and --json need --choose; give the number of points.")
    if choose is not None and other is not None:
        raise ConfigError("Give either --choose or --add or --remove.")


def _chosen(space: "Space", presets: "Presets", count: int, paths: int, file: Path | None) -> "Presets":
    """The chosen presets, followed by those without a group; prints the measures and writes them into the file."""
    from timbre.choosing import choose
    from timbre.files import write_text
    from timbre.shapes.presets import MOST, Presets

    own = [preset for preset in presets.values() if not preset.group]
    if count + paths + len(own) > MOST:
        raise ConfigError(
            f"A space must have {MOST} presets or fewer, got {count}, {paths} paths and {len(own)} of your own; choose "
            "fewer, or remove some with --remove."
        )
    found = choose(space, count, paths, taken=[preset.name for preset in own], progress=True)
    print(table([row for row in found.rows if not row["fault"]]))
    left = [f"{row['name']} ({row['fault']})" for row in found.rows if row["fault"]]
    print(f"Measured and left out: {'; '.join(left) or 'none'}.\n")
    if file is not None:
        write_text(file, formatted(found.rows, "json"))
    return Presets([*found.presets.values(), *own])


def _rows(space: "Space", presets: "Presets") -> list[dict[str, Any]]:
    """The lines of the list; groups and pitches are shown if a preset has some."""
    from timbre.data.names import note_name

    rows = [_row(space, number, preset) for number, preset in enumerate(presets.values())]
    for name, texts in {
        "pitches": [" to ".join(map(note_name, preset.pitches or ())) or None for preset in presets.values()],
        "group": [preset.group or None for preset in presets.values()],
    }.items():
        if any(texts):
            rows = [{"number": row["number"], name: text} | row for row, text in zip(rows, texts, strict=True)]
    return rows


def _row(space: "Space", number: int, preset: "Preset") -> dict[str, Any]:
    """One line of the list, with the library notes nearest to the ends of the path."""
    points = preset.path.points
    moves = len(points) > 1
    ends = points[[0, -1]] if moves else points
    near = [space.atlas.names[n] for n in space.hearing.neighbours(ends).indices[:, 0]] if len(space.atlas) else []
    return {
        "number": number,
        "name": preset.name,
        "kind": f"{preset.path.kind}, {counted(len(points), 'point')}" if moves else "point",
        "seconds": preset.duration if moves else None,
        "loop": "yes" if preset.loop else "no" if moves else None,
        "near": " to ".join(near) or None,
    }
