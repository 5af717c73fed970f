"""`timbre nearest`."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import find_point
from timbre.cli.outputs import formatted
from timbre.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from timbre.space import Space


def nearest(
    space: str,
    place: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    count: Annotated[int, Parameter(name=["--count", "-k"])] = 8,
    instruments: bool = False,
    form: Annotated[Literal["text", "json", "csv"], Parameter(name="--format")] = "text",
) -> None:
    """List the known sounds nearest to a place.

    Parameters
    ----------
    space
        Folder of a saved space, or the name of one; `timbre inspect` lists the names.
    place
        Coordinates (0.3,-1.2,...), the name of a known sound (`timbre inspect SPACE --names` lists them), which is then
        not listed itself, or a sound file.
    count
        How many.
    instruments
        List instruments instead, by the distance to the middle of their notes.
    form
        A table, JSON or CSV.
    """
    if count < 1:
        raise ConfigError(f"--count is {count}; 1 or more are wanted.")
    fitted = timbre.load(space)
    if not len(fitted.atlas):
        raise ConfigError(f"{space} knows no sounds: its atlas is empty.")
    point = find_point(fitted, place)
    own = fitted.atlas.index(place) if place in fitted.atlas else None
    rows = _instruments(fitted, point, count) if instruments else _sounds(fitted, point, count, own)
    print(formatted(rows, form), end="")


def _sounds(space: "Space", point: "np.ndarray", count: int, own: int | None) -> list[dict[str, Any]]:
    from timbre.data.names import note_name

    atlas = space.atlas
    found = atlas.nearest(point, count + (own is not None))
    rows = []
    for distance, number in zip(found.distances[0], found.numbers[0], strict=True):
        pitch = float(atlas.pitches[number])
        if number != own:
            row = {"sound": atlas.names[number], "distance": float(distance), "instrument": atlas.instruments[number]}
            rows.append(row | {"pitch": None if pitch != pitch else note_name(pitch), "part": atlas.splits[number]})
    return rows[:count]


def _instruments(space: "Space", point: "np.ndarray", count: int) -> list[dict[str, Any]]:
    from timbre.space.neighbours import Neighbours

    names, middles, notes = space.atlas.centroids
    found = Neighbours(middles).nearest(point, count)
    return [
        {"instrument": names[number], "distance": float(distance), "notes": int(notes[number])}
        for distance, number in zip(found.distances[0], found.numbers[0], strict=True)
    ]
