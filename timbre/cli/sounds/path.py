"""`timbre path`."""

from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import find_point, labels_of, parse_pitch
from timbre.cli.outputs import check_target
from timbre.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from timbre.paths import Path
    from timbre.space import Space

_Place = Annotated[str | None, Parameter(allow_leading_hyphen=True)]

_ROUTE = ("from", "through", "to")
_ROUND = (*_ROUTE, "center", "plane", "radius", "turns")
_USES = {
    **dict.fromkeys(("line", "slerp", "spline", "base", "geodesic"), _ROUTE),
    "circle": _ROUND,
    "spiral": (*_ROUND[3:], "end-radius"),
    "walk": ("from", "steps", "stride", "seed"),
    "drawn": ("curve", "center", "plane", "scale"),
}


def path(
    space: str,
    /,
    *,
    kind: str | None = None,
    from_: Annotated[_Place, Parameter(name="--from")] = None,
    through: Annotated[list[str] | None, Parameter(allow_leading_hyphen=True, consume_multiple=False)] = None,
    to: _Place = None,
    center: _Place = None,
    plane: list[str] | None = None,
    radius: float | None = None,
    end_radius: float | None = None,
    turns: float | None = None,
    steps: int | None = None,
    stride: float | None = None,
    seed: int | None = None,
    curve: FilePath | None = None,
    scale: float | None = None,
    before: float = 0.0,
    after: float = 0.0,
    even: bool = False,
    expression: FilePath | None = None,
    seconds: float = 2.0,
    amount: Annotated[float, Parameter(allow_leading_hyphen=True)] = 1.0,
    pitch: str = "C4",
    output: Annotated[FilePath, Parameter(name=["--output", "-o"])] = FilePath("path.json"),
) -> None:
    """Make a path through a space: lines, curves, geodesics, walks, drawings.

    Parameters
    ----------
    space
        Folder of a saved space, or the name of one; `timbre inspect` lists the names.
    kind
        line, slerp, spline, base (lines in the flow's base), geodesic (shortest for the ear), circle, spiral, walk, or
        drawn. By default drawn with --curve, else line.
    from_
        Where the path begins: coordinates, a known sound, an instrument (the mean of its sounds), a sound file, or a
        sum of them whose weights add to 1, such as "flute - oboe + clarinet".
    through
        A place on the way; give it again for each further one.
    to
        Where it ends.
    center
        Middle of a circle, spiral or drawing; by default that of the known sounds. A circle may instead go --from,
        --through and --to three places, and back.
    plane
        Two named axes or dimensions (z0 z5) in which a circle, spiral or drawing lies; by default the first two
        principal components of the known sounds.
    radius
        Of a circle, or of a spiral at its start; 1 unless said.
    end_radius
        Of a spiral at its end; 0 unless said.
    turns
        How often a circle or spiral goes round; 1 and 3 unless said.
    steps
        Of a walk; 64 unless said.
    stride
        Typical length of a walk's step; 0.25 unless said.
    seed
        Of a walk; 0 unless said.
    curve
        A drawn curve: SVG (one curve), CSV (x,y or time,x,y) or JSON (a list of [x, y]); or a path file.
    scale
        Half the longer side of an SVG drawing, or a factor of the numbers in CSV and JSON; 1 unless said.
    before
        Go on straight before the beginning, by this share of the path.
    after
        Go on straight after the end, by this share of the path.
    even
        Spread the times so that equal steps sound equally far.
    expression
        A recorded note whose own movement in the space is added to the path.
    seconds
        How long the path will be rendered, so that the expression keeps its speed.
    amount
        Of the expression; 1 is as recorded.
    pitch
        Note name or MIDI number at which distances are heard, or "unknown".
    output
        JSON or CSV file of the path.
    """
    from timbre.paths.uniformity import even as make_even
    from timbre.shapes.number_files import ending
    from timbre.shapes.path_files import write_path
    from timbre.shapes.shapes import extended

    check_target(output)
    ending(output, ".json", ".csv")
    named: dict[str, Any] = {
        "from": from_,
        "through": through,
        "to": to,
        "center": center,
        "plane": plane,
        "radius": radius,
    }
    named |= {"end-radius": end_radius, "turns": turns, "steps": steps, "stride": stride, "seed": seed}
    named |= {"curve": curve, "scale": scale}
    given = {name: value for name, value in named.items() if value is not None}
    kind = kind or ("line" if curve is None else "drawn")
    _check(kind, given)
    midi, fitted = parse_pitch(pitch), timbre.load(space)
    way = _made(fitted, kind, given, midi)
    way = extended(way, before, after) if before or after else way
    way = make_even(fitted.listening(midi), way) if even else way
    way = _expressed(fitted, way, expression, seconds, amount) if expression else way
    write_path(output, way, fitted)
    _describe(output, fitted, kind, way, midi)


def _check(kind: str, given: dict[str, Any]) -> None:
    """Refuse an unknown kind, and options that mean nothing to a known one."""
    if kind not in _USES:
        raise ConfigError(f"There is no path of kind {kind}; kinds are {', '.join(_USES)}.")
    wrong = [name for name in given if name not in _USES[kind]]
    if wrong:
        raise ConfigError(f"A path of kind {kind} has no --{wrong[0]}; it takes --{', --'.join(_USES[kind])}.")
    needed = {"walk": ("from",), "drawn": ("curve",), "circle": (), "spiral": ()}.get(kind, ("from", "to"))
    missing = [name for name in needed if name not in given]
    if missing:
        raise ConfigError(f"A path of kind {kind} needs --{' and --'.join(missing)}.")


def _made(space: "Space", kind: str, given: dict[str, Any], pitch: float | None) -> "Path":
    from timbre.shapes.shapes import walk

    if kind == "drawn":
        return _drawn(space, given)
    if kind in ("circle", "spiral"):
        return _round(space, kind, given)
    if kind == "walk":
        steps, stride, seed = given.get("steps", 64), given.get("stride", 0.25), given.get("seed", 0)
        return walk(space, find_point(space, given["from"]), steps, stride, seed)
    words = [given["from"], *given.get("through", []), given["to"]]
    return space.path(*(find_point(space, word) for word in words), kind=kind, pitch=pitch)


def _round(space: "Space", kind: str, given: dict[str, Any]) -> "Path":
    """A circle through three places, or a circle or spiral about one."""
    from timbre.shapes.shapes import circle_through, spiral

    if any(name in given for name in _ROUTE):
        if set(given) != set(_ROUTE) or len(given["through"]) != 1:
            raise ConfigError(
                "A circle through places takes --from, one --through, --to, and nothing else of a circle."
            )
        return circle_through(*(find_point(space, text) for text in (given["from"], given["through"][0], given["to"])))
    end_radius, turns = (given.get("end-radius", 0.0), 3.0) if kind == "spiral" else (None, 1.0)
    turns = given.get("turns", turns)
    return spiral(*_center_and_plane(space, given), given.get("radius", 1.0), end_radius, turns)


def _drawn(space: "Space", given: dict[str, Any]) -> "Path":
    from timbre.shapes.drawings import drawn
    from timbre.shapes.path_files import is_path, read_path

    file = given["curve"]
    if file.suffix.lower() in (".json", ".csv") and is_path(file):
        if len(given) > 1:
            raise ConfigError(f"{file} is a path already; --center, --plane and --scale are for curves.")
        return read_path(file, space)
    return drawn(file, *_center_and_plane(space, given), given.get("scale", 1.0))


def _center_and_plane(space: "Space", given: dict[str, Any]) -> "tuple[np.ndarray, np.ndarray]":
    from timbre.shapes.shapes import plane_of

    center = find_point(space, given["center"]) if "center" in given else space.atlas.points.mean(0)
    return center, plane_of(space, given.get("plane", ()))


def _expressed(space: "Space", way: "Path", file: FilePath, seconds: float, amount: float) -> "Path":
    from timbre.shapes.expression import excursion, expressive

    note = labels_of(file)
    carried = excursion(space, timbre.read(file), note.pitch, note.velocity)
    return expressive(way, carried, seconds, amount)


def _describe(output: FilePath, space: "Space", kind: str, way: "Path", pitch: float | None) -> None:
    from timbre.paths.uniformity import uniformity

    print(f"{output}  {kind}, {len(way.points)} points")
    if len(way.points) > 1:
        heard = uniformity(space.listening(pitch), way)
        print(f"  length {heard.length:.3f} (perceptual distance), unevenness {heard.unevenness:.3f}")
        print(f"  {heard.monotonic_fraction:.0%} of the steps take a descriptor towards its value at the end")
