"""`timbre path`."""

from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import POINT, Pitch, Point, Points, SpaceName
from timbre.cli.outputs import check_target
from timbre.cli.points import find_point, labels_of, parse_pitch
from timbre.errors import ConfigError
from timbre.wording import counted

if TYPE_CHECKING:
    import numpy as np

    from timbre.paths import Path
    from timbre.space import Space

_ENDS = ("from", "through", "to")
_PLANE = ("center", "plane")
_OPTIONS = {
    **dict.fromkeys(("line", "slerp", "spline", "base", "geodesic"), _ENDS),
    "circle": (*_ENDS, *_PLANE, "radius", "turns"),
    "spiral": (*_PLANE, "radius", "turns", "end-radius"),
    "walk": ("from", "steps", "stride", "seed"),
    "drawn": ("curve", *_PLANE, "scale"),
}
"""The options of each kind of path."""
_REQUIRED = {"walk": ("from",), "drawn": ("curve",), "circle": (), "spiral": ()}
"""The options that a kind must have; for all others --from and --to."""


def path(
    space: SpaceName,
    /,
    *,
    kind: str | None = None,
    from_: Annotated[Point | None, Parameter(name="--from", help=f"Start of the path: {POINT}.")] = None,
    through: Annotated[Points | None, Parameter(help="A point between start and end; may be repeated.")] = None,
    to: Annotated[Point | None, Parameter(help="End of the path.")] = None,
    center: Annotated[
        Point | None, Parameter(help="Centre of a circle, spiral or drawing; default: the mean of the library notes.")
    ] = None,
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
    pitch: Annotated[Pitch, Parameter(help='Pitch at which distances are measured: a note, or "unknown".')] = "C4",
    output: Annotated[FilePath, Parameter(name=["--output", "-o"])] = FilePath("path.json"),
) -> None:
    """Make a path through a space: line, curve, geodesic, random walk or drawing.

    Args:
        kind: line, slerp, spline, base (lines in the base space of the flow), geodesic (shortest perceptual distance),
            circle, spiral, walk or drawn; default: drawn with --curve, else line. A circle takes --from, --through and
            --to, or --center and --radius.
        plane: Plane of a circle, spiral or drawing: two named axes or dimensions (z0 z5); default: the one in
            which families lie apart best.
        radius: Radius of a circle, or of a spiral at its start; default: 1.
        end_radius: Radius of a spiral at its end; default: 0.
        turns: Turns of a circle (default: 1) or a spiral (default: 3).
        steps: Steps of a walk; default: 64.
        stride: Typical length of a walk's step; default: 0.25.
        seed: Seed of a walk; default: 0.
        curve: Drawn curve: SVG (one curve), CSV (x,y or time,x,y) or JSON (a list of [x, y]); or a path file.
        scale: Size of a drawing: half the longer side of an SVG, a factor for CSV and JSON; default: 1.
        before: Extend the path straight before its start, by this share of its time.
        after: Extend the path straight after its end, by this share of its time.
        even: Make the steps sound equally far apart.
        expression: Recorded note whose movement in the space is added to the path.
        seconds: Time for which the path will be rendered, so that the expression keeps its speed.
        amount: Factor of the expression; 1 is as recorded.
        output: JSON or CSV file of the path.
    """
    from timbre.paths.uniformity import even as make_even
    from timbre.shapes.expression import excursion, expressive
    from timbre.shapes.path_files import write_path
    from timbre.shapes.shapes import extended

    check_target(output, ".json", ".csv")
    options: dict[str, Any] = {"from": from_, "through": through, "to": to, "center": center, "plane": plane}
    options |= {"radius": radius, "end-radius": end_radius, "turns": turns, "curve": curve, "scale": scale}
    options |= {"steps": steps, "stride": stride, "seed": seed}
    options = {name: value for name, value in options.items() if value is not None}
    kind = kind or ("line" if curve is None else "drawn")
    _check(kind, options)
    midi, fitted = parse_pitch(pitch), timbre.load(space)
    made = _make(fitted, kind, options, midi)
    made = extended(made, before, after) if before or after else made
    made = make_even(fitted.listening(midi), made) if even else made
    if expression:
        note = labels_of(expression)
        movement = excursion(fitted, timbre.read(expression), note.pitch, note.velocity)
        made = expressive(made, movement, seconds, amount)
    write_path(output, made, fitted)
    _describe(output, fitted, kind, made, midi)


def _check(kind: str, options: dict[str, Any]) -> None:
    """Check that the kind exists and has all its options, and no others."""
    if kind not in _OPTIONS:
        raise ConfigError(f"--kind must be one of {', '.join(_OPTIONS)}, got {kind}.")
    wrong = [name for name in options if name not in _OPTIONS[kind]]
    if wrong:
        raise ConfigError(f"A path of kind {kind} has no --{wrong[0]}, only --{', --'.join(_OPTIONS[kind])}.")
    missing = [name for name in _REQUIRED.get(kind, ("from", "to")) if name not in options]
    if missing:
        raise ConfigError(f"A path of kind {kind} needs --{' and --'.join(missing)}.")


def _make(space: "Space", kind: str, options: dict[str, Any], pitch: float | None) -> "Path":
    from timbre.shapes.shapes import walk

    if kind == "drawn":
        return _drawn(space, options)
    if kind in ("circle", "spiral"):
        return _round(space, kind, options)
    if kind == "walk":
        steps, stride, seed = options.get("steps", 64), options.get("stride", 0.25), options.get("seed", 0)
        return walk(space, find_point(space, options["from"]), steps, stride, seed)
    texts = [options["from"], *options.get("through", []), options["to"]]
    return space.path(*(find_point(space, text) for text in texts), kind=kind, pitch=pitch)


def _round(space: "Space", kind: str, options: dict[str, Any]) -> "Path":
    """A circle through three points, or a circle or spiral around one."""
    from timbre.shapes.shapes import circle_through, spiral

    if any(name in options for name in _ENDS):
        if set(options) != set(_ENDS) or len(options["through"]) != 1:
            raise ConfigError("A circle through points must have --from, one --through and --to, and no other option.")
        texts = (options["from"], options["through"][0], options["to"])
        return circle_through(*(find_point(space, text) for text in texts))
    end_radius, turns = (options.get("end-radius", 0.0), 3.0) if kind == "spiral" else (None, 1.0)
    center_and_plane = _center_and_plane(space, options)
    return spiral(*center_and_plane, options.get("radius", 1.0), end_radius, options.get("turns", turns))


def _drawn(space: "Space", options: dict[str, Any]) -> "Path":
    from timbre.shapes.drawings import drawn
    from timbre.shapes.path_files import is_path, read_path

    file = options["curve"]
    if file.suffix.lower() in (".json", ".csv") and is_path(file):
        if len(options) > 1:
            raise ConfigError(f"{file} is a path already; --center, --plane and --scale are for curves.")
        return read_path(file, space)
    return drawn(file, *_center_and_plane(space, options), options.get("scale", 1.0))


def _center_and_plane(space: "Space", options: dict[str, Any]) -> "tuple[np.ndarray, np.ndarray]":
    from timbre.shapes.shapes import plane_of

    center = find_point(space, options["center"]) if "center" in options else space.atlas.points.mean(0)
    return center, plane_of(space, options.get("plane", ()))


def _describe(output: FilePath, space: "Space", kind: str, path: "Path", pitch: float | None) -> None:
    from timbre.paths.uniformity import uniformity

    print(f"{output}  {kind}, {counted(len(path.points), 'point')}")
    if len(path.points) > 1:
        measured = uniformity(space.listening(pitch), path)
        print(f"  length {measured.length:.3f} (perceptual distance), unevenness {measured.unevenness:.3f}")
        print(f"  {measured.monotonic_fraction:.0%} of the steps move a descriptor towards its final value")
