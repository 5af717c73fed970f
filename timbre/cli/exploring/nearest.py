"""`timbre nearest`."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import POINT, Point, SpaceName
from timbre.cli.outputs import formatted
from timbre.cli.points import find_point
from timbre.config import Range
from timbre.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from timbre.space import Space


def nearest(
    space: SpaceName,
    point: Annotated[Point, Parameter(help=f"Point: {POINT}. A library note is not listed itself.")],
    /,
    *,
    count: Annotated[int, Parameter(name=["--count", "-k"], validator=Range(1))] = 8,
    instruments: bool = False,
    form: Annotated[Literal["text", "json", "csv"], Parameter(name="--format")] = "text",
) -> None:
    """List the library notes nearest to a point.

    Args:
        count: Length of the list.
        instruments: List instruments instead, by the distance to the mean of their notes.
        form: A table, JSON or CSV.
    """
    fitted = timbre.load(space)
    if not len(fitted.atlas):
        raise ConfigError(f"{space} has no library notes: its atlas is empty.")
    z = find_point(fitted, point)
    rows = _instruments(fitted, z, count) if instruments else _notes(fitted, z, count, point)
    print(formatted(rows, form), end="")


def _notes(space: "Space", point: "np.ndarray", count: int, own: str) -> list[dict[str, Any]]:
    from timbre.data.names import note_name

    atlas = space.atlas
    nearest = atlas.nearest(point, count + (own in atlas))
    rows = []
    for distance, index in zip(nearest.distances[0], nearest.indices[0], strict=True):
        pitch = float(atlas.pitches[index])
        row = {"sound": atlas.names[index], "distance": float(distance), "instrument": atlas.instruments[index]}
        rows.append(row | {"pitch": None if pitch != pitch else note_name(pitch), "part": atlas.splits[index]})
    return [row for row in rows if row["sound"] != own][:count]


def _instruments(space: "Space", point: "np.ndarray", count: int) -> list[dict[str, Any]]:
    from timbre.space.neighbours import Neighbours

    names, means, notes = space.atlas.centroids
    nearest = Neighbours(means).nearest(point, count)
    return [
        {"instrument": names[index], "distance": float(distance), "notes": int(notes[index])}
        for distance, index in zip(nearest.distances[0], nearest.indices[0], strict=True)
    ]
