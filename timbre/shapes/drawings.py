"""Curves drawn by hand, as paths: SVG, CSV or JSON in a plane of the space."""

from pathlib import Path as FilePath
from typing import Any

import numpy as np

from timbre.errors import ConfigError
from timbre.paths.path import Path
from timbre.shapes.path_files import ending, numbers, read_json, read_rows, read_text

_PIECES = 256  # of an SVG curve, along its length


def read_curve(file: str | FilePath) -> tuple[np.ndarray, np.ndarray]:
    """A curve in a plane: times (n,) in 0..1 and places (n, 2).

    An SVG drawing has one curve (any shape; its pen stays down), which is brought to the middle and scaled so that the
    longer side of its box goes from -1 to 1; up is up, and it is run through evenly along its length. CSV has a first
    row `x,y` or `time,x,y`, JSON is a list of [x, y]; both are taken as they are, evenly in time where none is given.

    Raises:
        ConfigError: if the file cannot be read, or holds something else.
    """
    file = FilePath(file).expanduser()
    kind = ending(file, ".svg", ".csv", ".json")
    if kind == ".svg":
        places = _normal(_svg(file))
    elif kind == ".csv":
        head, table = _table(file)
        if head == ["time", "x", "y"]:
            return table[:, 0], table[:, 1:]
        places = table
    else:
        places = numbers(read_json(file), 2, f"The curve in {file}")
    if places.shape[1] != 2 or len(places) < 2:
        raise ConfigError(
            f"{file} has {len(places)} places of {places.shape[1]} numbers; 2 or more of x and y are wanted."
        )
    return np.linspace(0.0, 1.0, len(places)), places


def drawn(file: str | FilePath, center: np.ndarray, plane: np.ndarray, scale: float = 1.0) -> Path:
    """A drawn curve as a path: center + scale (x plane[0] + y plane[1]).

    Args:
        file: see :func:`read_curve`.
        center: (dim,).
        plane: two directions (2, dim), such as :func:`~timbre.shapes.shapes.plane_of` gives.
        scale: above 0.
    """
    if not 0 < scale < np.inf:
        raise ConfigError(f"The scale is {scale}; a number above 0 is wanted.")
    times, places = read_curve(file)
    return Path(np.asarray(center, dtype=np.float64) + scale * places @ np.asarray(plane, dtype=np.float64), times)


def _table(file: FilePath) -> tuple[list[str], np.ndarray]:
    rows = read_rows(file)
    head = [name.strip() for name in rows[0]] if rows else []
    if head not in (["x", "y"], ["time", "x", "y"]):
        raise ConfigError(f"{file} begins with {','.join(head) or 'nothing'}; x,y or time,x,y is wanted.")
    table = numbers(rows[1:], 2, f"The rows of {file}")
    if table.shape[1] != len(head):
        raise ConfigError(f"The rows of {file} have {table.shape[1]} numbers; its first row names {len(head)}.")
    return head, table


def _svg(file: FilePath) -> np.ndarray:
    """Places (257, 2) evenly along the one curve of a drawing; y points down."""
    from io import StringIO
    from xml.etree.ElementTree import ParseError

    from svgelements import SVG, Shape
    from svgelements import Path as Curve

    try:
        drawing: Any = SVG.parse(StringIO(read_text(file)), reify=True)
        curves = [Curve(shape) for shape in drawing.elements() if isinstance(shape, Shape) and len(Curve(shape)) > 1]
        strokes = [stroke for curve in curves for stroke in curve.as_subpaths()]
        if len(strokes) == 1:
            return numbers(curves[0].npoint(np.linspace(0.0, 1.0, _PIECES + 1)), 2, f"The curve in {file}")
    except (ParseError, ValueError, TypeError, KeyError, IndexError, ZeroDivisionError, AttributeError) as error:
        raise ConfigError(f"{file} is no drawing that can be read ({error}); save it as plain SVG.") from error
    raise ConfigError(f"{file} holds {len(strokes)} separate curves; a drawing of a single one is wanted.")


def _normal(places: np.ndarray) -> np.ndarray:
    """The curve about 0, as wide or as high as 2, with y upwards."""
    low, high = places.min(0), places.max(0)
    if not (high > low).any():
        raise ConfigError("The curve of the drawing is a single point; draw one that goes somewhere.")
    return (places - 0.5 * (low + high)) * [2.0, -2.0] / float((high - low).max())
