"""Shapes of paths: circles and spirals in a plane, random walks, straight extensions of a path."""

import math
from collections.abc import Sequence

import numpy as np

from timbre.errors import ConfigError
from timbre.paths.path import Path
from timbre.shapes.overview import overview
from timbre.space.space import Space

_TURN = 64  # straight pieces of a turn
_TOO_SHORT = 1e-9  # share of the path's time below which an extension is left out
_TYPICAL = 0.95  # share of the library notes whose distance to their nearest note limits a walk
_MOMENTUM = 0.8  # share of a walk's last step that the next one keeps
_TRIES = 32  # random steps before a walk turns to the nearest library note


def plane_of(space: Space, axes: Sequence[str] = ()) -> np.ndarray:
    """Two directions (2, dim) of a space: those of the plane that shows what lies where
    (:func:`~timbre.shapes.overview.overview`), perpendicular and of unit length; or two axes, each a named axis (its
    length is a step of 1 on average over the library) or a dimension such as z3.

    Raises:
        ConfigError: for other names, or a space with too few library notes.
    """
    if axes:
        if len(axes) != 2:
            raise ConfigError(f"A plane must have two axes, got {len(axes)}: {', '.join(axes)}.")
        return _independent(np.stack([_axis(space, name) for name in axes]))
    if len(space.atlas) < 3:
        raise ConfigError("A plane needs 3 library notes or more in the space; name two of its dimensions instead.")
    return orthonormal(overview(space).plane.directions)


def _axis(space: Space, name: str) -> np.ndarray:
    names = [axis.name for axis in space.axes]
    if name in names:
        return space.axis_controls.directions[names.index(name)].double().numpy()
    if name[:1] == "z" and name[1:].isdecimal() and int(name[1:]) < space.dim:
        return np.eye(space.dim)[int(name[1:])]
    raise ConfigError(f"An axis must be one of {', '.join([*names, f'z0 to z{space.dim - 1}'])}, got {name!r}.")


def _independent(plane: np.ndarray) -> np.ndarray:
    """The two directions of a plane, float64; a ConfigError if they are parallel."""
    plane = np.asarray(plane, dtype=np.float64)
    if plane.ndim != 2 or len(plane) != 2 or not np.isfinite(plane).all() or np.linalg.matrix_rank(plane) < 2:
        raise ConfigError("A plane must be two directions (2, dim) that are not parallel.")
    return plane


def orthonormal(plane: np.ndarray) -> np.ndarray:
    """Two perpendicular unit vectors (2, dim) in a plane; the first points as the plane's first (Gram-Schmidt).

    A circle is round in such a plane; in one of named axes it is as wide as their steps.
    """
    first, second = _independent(plane)
    first = first / np.linalg.norm(first)
    second = second - (second @ first) * first
    return np.stack([first, second / np.linalg.norm(second)])


def triangle_sides(corners: np.ndarray) -> np.ndarray:
    """The vectors (2, dim) from the first of three points (3, dim) to the others; a ConfigError if on a line."""
    sides = corners[1:] - corners[0]
    lengths = np.linalg.norm(sides, axis=1)
    if min(lengths) == 0 or np.linalg.svd(sides / lengths[:, None], compute_uv=False)[1] < 1e-4:
        raise ConfigError("The three points must be different and not on a line; choose others.")
    return np.asarray(sides)


def spiral(
    center: np.ndarray, plane: np.ndarray, radius: float, end_radius: float | None = None, turns: float = 1.0
) -> Path:
    """A circle, or a spiral whose radius changes linearly, around a point.

    center + r (cos(a) plane[0] + sin(a) plane[1]), for angles a from 0 to 2 pi turns.

    Args:
        center: (dim,).
        plane: two directions (2, dim), used as they are; see :func:`plane_of` and :func:`orthonormal`.
        radius, end_radius: 0 or more, in lengths of the directions; without an end a circle.
        turns: number of turns; negative ones go the other way round.
    """
    plane, end_radius = _independent(plane), radius if end_radius is None else end_radius
    if not (0 <= radius < math.inf and 0 <= end_radius < math.inf and radius + end_radius > 0):
        raise ConfigError(f"The radii must be 0 or more and not both 0, got {radius} and {end_radius}.")
    if not 0 < abs(turns) <= 1000:
        raise ConfigError(f"The turns must be above 0 and 1000 or less, got {turns}.")
    times = np.linspace(0.0, 1.0, math.ceil(abs(turns) * _TURN) + 1)
    angles = 2.0 * np.pi * turns * times
    radii = radius + (end_radius - radius) * times
    unit = np.stack([np.cos(angles), np.sin(angles)], 1)
    if radius == end_radius and turns == round(turns):
        unit[-1] = unit[0]  # so that a circle closes exactly
    return Path(np.asarray(center, dtype=np.float64) + radii[:, None] * (unit @ plane), times)


def circle_through(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Path:
    """The circle through three points (dim,): from the first through the second and third back to the first.

    Points on a line raise a ConfigError.
    """
    corners = np.stack([a, b, c]).astype(np.float64)
    sides = triangle_sides(corners)
    plane = orthonormal(sides)
    flat = sides @ plane.T
    middle = np.linalg.solve(2.0 * flat, (flat**2).sum(1))
    arms = np.concatenate([np.zeros((1, 2)), flat]) - middle
    angles = np.arctan2(arms[:, 1], arms[:, 0])
    turned = np.mod(angles - angles[0], 2.0 * np.pi)
    sign = 1.0 if turned[1] < turned[2] else -1.0
    at = np.append(np.mod(sign * (angles - angles[0]), 2.0 * np.pi) / (2.0 * np.pi), 1.0)
    times = np.union1d(np.linspace(0.0, 1.0, _TURN + 1), at)
    angle = angles[0] + sign * 2.0 * np.pi * times
    points = corners[0] + (middle + np.hypot(*middle) * np.stack([np.cos(angle), np.sin(angle)], 1)) @ plane
    points[np.searchsorted(times, at)] = corners[[0, 1, 2, 0]]
    return Path(points, times)


def walk(space: Space, start: np.ndarray, steps: int = 64, stride: float = 0.25, seed: int = 0) -> Path:
    """A random walk from a point that stays near the library notes.

    Steps are normal and keep 0.8 of the previous one. No point of the walk is more dissimilar to its nearest library
    note than 95% of the notes are to theirs: a step beyond is drawn again, and after 32 tries the walk turns to the
    nearest note.

    Args:
        space, start: the space, and a point (dim,).
        steps: 1 or more.
        stride: root mean square length of a step, above 0.
        seed: the same seed gives the same walk.

    Raises:
        ConfigError: if the start is too far from the notes, or the space has fewer than 2.
    """
    if steps < 1 or not 0 < stride < math.inf or len(space.atlas) < 2:
        raise ConfigError(
            "A walk must have 1 step or more, a stride above 0 and 2 library notes or more around it, got "
            f"{steps} steps of {stride} and {len(space.atlas)} notes."
        )
    atlas, neighbours = space.atlas, space.hearing.neighbours
    limit = float(np.quantile(neighbours(atlas.points, 2).distances[:, 1], _TYPICAL))
    points = [np.asarray(start, dtype=np.float64)]
    distance = float(neighbours(points[0][None]).distances[0, 0])
    if distance > limit:
        raise ConfigError(f"The start of a walk must be within {limit:.2f} of a library note, got {distance:.2f}.")
    random, last = np.random.default_rng(seed), np.zeros(space.dim)
    for _ in range(steps):
        drawn = random.normal(size=(_TRIES, space.dim)) * stride * math.sqrt((1.0 - _MOMENTUM**2) / space.dim)
        trials = points[-1] + _MOMENTUM * last + drawn
        inside = np.flatnonzero(neighbours(trials).distances[:, 0] <= limit)
        if len(inside):
            chosen = trials[inside[0]]
        else:
            away = atlas.points[neighbours(points[-1][None]).indices[0, 0]] - points[-1]
            chosen = points[-1] + min(1.0, stride / max(float(np.linalg.norm(away)), 1e-12)) * away
        last = chosen - points[-1]
        points.append(chosen)
    return Path(np.stack(points), np.linspace(0.0, 1.0, steps + 1))


def extended(path: Path, before: float = 0.0, after: float = 0.0) -> Path:
    """A path of 2 points or more with straight extensions, at the speed and in the direction that its ends have.

    `before` and `after` are their lengths as shares of the path's time, 0 to 100.
    """
    if len(path.points) < 2 or not (0 <= before <= 100 and 0 <= after <= 100):
        raise ConfigError(
            "A path to extend must have 2 points or more, and the extensions must be 0 to 100, got "
            f"{len(path.points)} points, {before} and {after}."
        )
    fine = path if path.kind == "line" else path.sampled(_TURN)
    points, times = fine.points, fine.times
    span = times[-1] - times[0]
    first_speed = (points[1] - points[0]) / (times[1] - times[0])
    last_speed = (points[-1] - points[-2]) / (times[-1] - times[-2])
    if before > _TOO_SHORT:
        points = np.concatenate([(points[0] - before * span * first_speed)[None], points])
        times = np.concatenate([times[:1] - before * span, times])
    if after > _TOO_SHORT:
        points = np.concatenate([points, (points[-1] + after * span * last_speed)[None]])
        times = np.concatenate([times, times[-1:] + after * span])
    return Path(points, (times - times[0]) / (times[-1] - times[0]))
