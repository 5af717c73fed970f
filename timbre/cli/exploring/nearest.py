"""`timbre nearest`."""

from typing import Annotated, Any, Literal

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import POINT, Point, SpaceName
from timbre.cli.outputs import formatted
from timbre.cli.points import find_pitch, find_point
from timbre.config import Range
from timbre.errors import ConfigError


def nearest(
    space: SpaceName,
    point: Annotated[Point, Parameter(help=f"Point: {POINT}. A library note is not listed itself.")],
    /,
    *,
    count: Annotated[int, Parameter(name=["--count", "-k"], validator=Range(1))] = 8,
    instruments: bool = False,
    form: Annotated[Literal["text", "json", "csv"], Parameter(name="--format")] = "text",
) -> None:
    """List the library notes nearest to a point. Notes of one instrument at one pitch are listed once, by the nearest.

    Args:
        count: Length of the list.
        instruments: List each instrument once, by its nearest note.
        form: A table, JSON or CSV.
    """
    from timbre.data.names import note_name

    fitted = timbre.load(space)
    atlas, hearing = fitted.atlas, fitted.hearing
    if not len(atlas):
        raise ConfigError(f"{space} has no library notes: its atlas is empty.")
    z, pitch = find_point(fitted, point), find_pitch(fitted, point)
    own = atlas.index(point) if point in atlas else None
    found = hearing.instruments(z, pitch, own) if instruments else hearing.nearest(z, count, pitch, own)
    rows: list[dict[str, Any]] = []
    for dissimilarity, index in list(zip(*found, strict=True))[:count]:
        midi = float(atlas.pitches[index])
        names = {"sound": atlas.names[index], "instrument": atlas.instruments[index]}
        rows.append(
            {**names, "dissimilarity": float(dissimilarity), "pitch": None if midi != midi else note_name(midi)}
            | {"part": atlas.splits[index]}
        )
    print(formatted(rows, form), end="")
