"""Hand-drawn curves as paths: SVG, CSV or JSON in a plane of the space."""

from io import StringIO
from pathlib import Path as FilePath
from typing import Any
from xml.etree.ElementTree import ParseError

import numpy as np
from svgelements import SVG, Shape
from svgelements import Path as Curve

from timbre.errors import ConfigError
from timbre.files import read_json, read_text
from timbre.paths.path import Path
from timbre.shapes.number_files import ending, numbers, read_table

_PIECES = 256  # straight pieces of an SVG curve, equally long
_HEADERS = (["x", "y"], ["time", "x", "y"])


def read_curve(file: str | FilePath) -> tuple[np.ndarray, np.ndarray]:
    """A curve in a plane: times (n,) in 0..1 and positions (n, 2).

    An SVG drawing must have one curve (any shape, without gaps). It is centred and scaled so that the longer side of
    its box goes from -1 to 1; up is positive y, and the times follow the length of the curve. CSV has the header `x,y`
    or `time,x,y`, JSON is a list of [x, y]; both are taken as they are, evenly in time if no times are given.

    Raises:
        ConfigError: if the file cannot be read or has other content.
    """
    file = FilePath(file).expanduser()
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
    try:
        drawing: Any = SVG.parse(StringIO(read_text(file)), reify=True)
        curves = [Curve(shape) for shape in drawing.elements() if isinstance(shape, Shape) and len(Curve(shape)) > 1]
        strokes = [stroke for curve in curves for stroke in curve.as_subpaths()]
        positions = curves[0].npoint(np.linspace(0.0, 1.0, _PIECES + 1)) if len(strokes) == 1 else None
    except (ParseError, ValueError, TypeError, KeyError, IndexError, ZeroDivisionError, AttributeError) as error:
        raise ConfigError(f"{file} is not a readable drawing ({error}); save it as plain SVG.") from error
    if positions is None:
        raise ConfigError(f"{file} must have a single curve, got {len(strokes)} separate curves.")
    positions = numbers(positions, 2, f"The curve in {file}")
    low, high = positions.min(0), positions.max(0)
    if not (high > low).any():
        raise ConfigError("The curve of the drawing must be longer than a single point.")
    return (positions - 0.5 * (low + high)) * [2.0, -2.0] / float((high - low).max())
