"""What the page says of a space: the answers to its questions that do not change."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from timbre.errors import ConfigError
from timbre.maps.planes import plane
from timbre.shapes.overview import KINDS
from timbre.shapes.presets import Preset, preset_to_dict
from timbre.space import Space

MOST_SHOWN = 20_000  # notes on the map; of more, every n-th
_PIECES = 32  # straight pieces of a curved path
_DIGITS = 5


def shown(count: int) -> np.ndarray:
    """Indices of the library notes on the map, of a count."""
    return np.arange(0, count, math.ceil(count / MOST_SHOWN) or 1)


def space_facts(space: Space, start: np.ndarray) -> dict[str, Any]:
    """The space as the page shows it: axes, ranges and library notes, without their points."""
    atlas = space.atlas
    notes = atlas.take(shown(len(atlas)))
    return {
        "name": space.name, "identity": space.identity.to_dict(), "dim": space.dim,
        "axes": [axis.name for axis in space.axes], "ranges": atlas.ranges.tolist(),
        "start": start.tolist(), "count": len(atlas), "notes": list(notes.names),
        "instruments": list(notes.instruments), "families": list(notes.families),
        "pitches": [or_none(pitch) for pitch in notes.pitches],
        "velocities": [or_none(velocity) for velocity in notes.velocities],
    }  # fmt: skip


def or_none(value: float) -> float | None:
    """A number that JSON can hold: None for NaN."""
    return None if math.isnan(value) else round(float(value), 3)


def plane_facts(space: Space, axes: Sequence[str] = ()) -> dict[str, Any]:
    """A plane of the space as the page draws it."""
    chosen = plane(space, axes)
    values = {name: getattr(chosen, name).tolist() for name in ("origin", "directions", "readout", "extent")}
    return {**values, "kind": chosen.kind, "labels": chosen.labels, "isometric": bool(chosen.isometric)}


def planes(space: Space) -> dict[str, Any]:
    """Every plane that the page offers, by what it asks for: "", a kind, or two axes with a comma between them."""
    names = [axis.name for axis in space.axes]
    words = names if len(names) > 1 else [*names, *["z0", "z1", "z2"][len(names) : space.dim]]
    found = {}
    for axes in [(), *((kind,) for kind in KINDS), *combinations(words, 2)]:
        try:
            found[",".join(axes)] = _rounded(plane_facts(space, axes))
        except ConfigError:  # the library notes do not determine this plane
            continue
    return found


def preset_facts(preset: Preset) -> dict[str, Any]:
    """A preset as the page shows it, with straight lines between the points of its path."""
    values = preset_to_dict(preset)
    if preset.path.kind != "line":
        path = preset.path.sampled(_PIECES)
        values |= {"kind": "line", "points": path.points.tolist(), "times": path.times.tolist()}
    return values | {name: _rounded(values[name]) for name in ("points", "times")}


def _rounded(value: Any) -> Any:
    """The same with fewer digits."""
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value
