"""Hand-drawn curves as paths: SVG, CSV or JSON in a plane of the space."""

from collections import Counter
from io import StringIO
from pathlib import Path as FilePath
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError, ParserCreate

import numpy as np
from svgelements import SVG, Move, Shape
from svgelements import Path as Curve

from timbre.errors import ConfigError
from timbre.files import expanded, read_json, read_text
from timbre.paths.path import Path
from timbre.shapes.number_files import ending, numbers, read_table

_PIECES = 256  # straight pieces of an SVG curve, equally long
_FINE = 64  # pieces of each of its segments, whose lengths are measured
_MOST_SVG, _MOST_SEGMENTS, _FARTHEST = 1 << 22, 20_000, 1e9  # bytes; of a curve; of a coordinate
_MOST = {
    "elements": 20_000, "levels": 100, "<use>": 16, "letters of <style>": 10_000, "letters of an attribute": 10_000,
    "letters of a curve": 1_000_000,
}  # fmt: skip
_ATTRIBUTES = {"d": "letters of a curve", "points": "letters of a curve", "href": "letters of a picture, not read"}
_HEADERS = (["x", "y"], ["time", "x", "y"])


def read_curve(file: str | FilePath) -> tuple[np.ndarray, np.ndarray]:
    """A curve in a plane: times (n,) in 0..1 and positions (n, 2).

    An SVG drawing must have one curve (any shape, without gaps). It is centred and scaled so that the longer side of
    its box goes from -1 to 1; up is positive y, and the times follow the length of the curve. CSV has the header `x,y`
    or `time,x,y`, JSON is a list of [x, y]; both are taken as they are, evenly in time if no times are given.

    Raises:
        ConfigError: if the file cannot be read or has other content.
    """
    file = expanded(file)
    kind = ending(file, ".svg", ".csv", ".json")
    if kind == ".svg":
        positions = _read_svg(file)
    elif kind == ".csv":
        header, positions = read_table(file, _HEADERS.__contains__, "x,y or time,x,y")
        if header[0] == "time":
            return positions[:, 0], positions[:, 1:]
    else:
        positions = numbers(read_json(file), 2, f"The curve in {file}")
    if positions.shape[1] != 2 or len(positions) < 2:
        raise ConfigError(f"{file} must have 2 or more rows of x and y, got shape {positions.shape}.")
    return np.linspace(0.0, 1.0, len(positions)), positions


def drawn(file: str | FilePath, center: np.ndarray, plane: np.ndarray, scale: float = 1.0) -> Path:
    """The curve of :func:`read_curve` as a path: center + scale (x plane[0] + y plane[1]).

    `center` is (dim,); `plane` has two directions (2, dim), see :func:`~timbre.shapes.shapes.plane_of`.
    """
    if not 0 < scale < np.inf:
        raise ConfigError(f"The scale must be above 0, got {scale}.")
    times, positions = read_curve(file)
    return Path(np.asarray(center, dtype=np.float64) + scale * positions @ np.asarray(plane, dtype=np.float64), times)


def _read_svg(file: FilePath) -> np.ndarray:
    """Positions (257, 2), evenly along the one curve of a drawing, around 0, with 2 as its larger size; y is up."""
    text = read_text(file, _MOST_SVG)
    try:
        _check_size(text)
        drawing: Any = SVG.parse(StringIO(text), reify=True)
        curves = [Curve(shape) for shape in drawing.elements() if isinstance(shape, Shape) and len(Curve(shape)) > 1]
        strokes = [stroke for curve in curves for stroke in curve.as_subpaths()]
        positions = _evenly(curves[0]) if len(strokes) == 1 else None
    except (
        ParseError, ExpatError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError
    ) as error:  # fmt: skip
        raise ConfigError(f"{file} is not a readable drawing ({error}); save it as plain SVG.") from error
    if positions is None:
        raise ConfigError(f"{file} must have a single curve, got {len(strokes)} separate curves.")
    positions = numbers(positions, 2, f"The curve in {file}")
    low, high = positions.min(0), positions.max(0)
    if not (high > low).any():
        raise ConfigError("The curve of the drawing must be longer than a single point.")
    return (positions - 0.5 * (low + high)) * [2.0, -2.0] / float((high - low).max())


def _check_size(text: str) -> None:
    """Refuse a drawing in which things multiply or texts are long; a ValueError or ExpatError says what is wrong."""
    parser, open_elements, counts = ParserCreate(), list[str](), Counter[str]()

    def start(name: str, attributes: dict[str, str]) -> None:
        open_elements.append(name.rpartition(":")[2])
        counts.update(["elements", f"<{open_elements[-1]}>"])
        counts["levels"] = len(open_elements)
        for key, value in attributes.items():
            kind = _ATTRIBUTES.get(key.rpartition(":")[2], "letters of an attribute")
            counts[kind] = max(counts[kind], len(value))
        check()

    def check() -> None:
        for what, most in _MOST.items():
            if counts[what] > most:
                raise ValueError(f"it has more than {most:,} {what}")

    def data(text: str) -> None:
        if "style" in open_elements:
            counts["letters of <style>"] += len(text)
            check()

    def entity(_name: str, _parameter: bool, value: str | None, *_rest: str | None) -> None:
        if value is None or "&" in value or len(value) > 100:
            raise ValueError("it has an entity that is not a short text")

    parser.StartElementHandler, parser.EndElementHandler = start, lambda _name: open_elements.pop()
    parser.CharacterDataHandler, parser.EntityDeclHandler = data, entity
    parser.Parse(text, True)


def _evenly(curve: Any) -> np.ndarray:
    """Positions (257, 2) on a curve whose distances along it are equal."""
    segments = [segment for segment in curve if not isinstance(segment, Move)]
    if len(segments) > _MOST_SEGMENTS:
        raise ValueError(f"its curve has more than {_MOST_SEGMENTS:,} segments")
    time = np.linspace(0.0, 1.0, _FINE + 1)
    with np.errstate(all="ignore"):
        fine = np.stack([np.asarray(segment.npoint(time), dtype=np.float64) for segment in segments])
    if not (np.abs(fine) < _FARTHEST).all():
        raise ValueError(f"its coordinates are beyond {_FARTHEST:g}")
    length = np.concatenate([[0.0], np.linalg.norm(np.diff(fine, axis=1), axis=2).ravel().cumsum()])
    when = np.concatenate([[0.0], (np.arange(len(segments))[:, None] + time[1:]).ravel()])
    chosen = np.interp(np.linspace(0.0, length[-1], _PIECES + 1), length, when)
    index = np.minimum(chosen.astype(int), len(segments) - 1)
    return np.array([segments[k].npoint([t])[0] for k, t in zip(index, chosen - index, strict=True)])
