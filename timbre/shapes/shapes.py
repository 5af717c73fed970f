"""Shapes of paths: planes, circles and spirals in them, walks, ways on beyond the ends."""

import math
from collections.abc import Sequence

import numpy as np

from timbre.errors import ConfigError
from timbre.paths.path import Path
from timbre.space.space import Space

_TURN = 64  # straight pieces of a turn
_TOO_LITTLE = 1e-9  # of the time: moments so near to each other are one
_TYPICAL = 0.95  # of the known sounds lie as near to another one as a walk stays to one
_MOMENTUM = 0.8  # of a walk's last step that its next one keeps
_TRIES = 32  # steps that are drawn before a walk turns to the nearest known sound


def plane_of(space: Space, axes: Sequence[str] = ()) -> np.ndarray:
    """Two directions (2, dim) of a space.

    Args:
        space: the space.
        axes: two words, each a named axis (a step of 1 is a step of 1 along the axis, see `Space.move`) or a dimension
            such as z3. By default the first two principal components of the known sounds, of unit length.

    Raises:
        ConfigError: for other words, or too few known sounds.
    """
    if axes:
        if len(axes) != 2:
            raise ConfigError(f"A plane needs two axes; {len(axes)} came: {', '.join(axes)}.")
        return _independent(np.stack([_axis(space, word) for word in axes]))
    if len(space.atlas) < 3:
        raise ConfigError("This space knows fewer than 3 sounds, which span no plane; name two of its dimensions.")
    centred = space.atlas.points.astype(np.float64) - space.atlas.points.mean(0, dtype=np.float64)
    rows = np.linalg.svd(centred, full_matrices=False)[2][:2]
    signs = np.sign(rows[np.arange(2), np.abs(rows).argmax(1)])
    return np.asarray(rows * signs[:, None])


def _axis(space: Space, word: str) -> np.ndarray:
    names = [axis.name for axis in space.axes]
    if word in names:
        return space.directions[names.index(word)].astype(np.float64)
    if word[:1] == "z" and word[1:].isdecimal() and int(word[1:]) < space.dim:
        return np.eye(space.dim)[int(word[1:])]
    known = f"{', '.join(names)}, or " if names else ""
    raise ConfigError(f"There is no axis {word!r}; {known}z0 to z{space.dim - 1} are wanted.")


def _independent(plane: np.ndarray) -> np.ndarray:
    """The two directions; refused if they span no plane."""
    plane = np.asarray(plane, dtype=np.float64)
    if plane.ndim != 2 or len(plane) != 2 or not np.isfinite(plane).all() or np.linalg.matrix_rank(plane) < 2:
        raise ConfigError("A plane is two directions (2, dim) of which neither is a multiple of the other.")
    return plane


def orthonormal(plane: np.ndarray) -> np.ndarray:
    """Two directions (2, dim) at a right angle and of length 1, of which the first is that of the first (Gram-Schmidt).

    In such a plane a circle is round; in one of named axes it is as wide as their steps.
    """
    first, second = _independent(plane)
    first = first / np.linalg.norm(first)
    second = second - (second @ first) * first
    return np.stack([first, second / np.linalg.norm(second)])


def spiral(
    center: np.ndarray, plane: np.ndarray, radius: float, end_radius: float | None = None, turns: float = 1.0
) -> Path:
    """A circle, or a spiral whose radius changes evenly, about a point.

    center + r (cos(a) plane[0] + sin(a) plane[1]), for angles a from 0 to 2 pi turns.

    Args:
        center: (dim,).
        plane: two directions (2, dim), taken as they are; see :func:`plane_of` and :func:`orthonormal`.
        radius: at the start, 0 or more, in lengths of the directions.
        end_radius: at the end; None is a circle.
        turns: how often it goes round; negative ones go the other way.
    """
    plane, end_radius = _independent(plane), radius if end_radius is None else end_radius
    if not (0 <= radius < math.inf and 0 <= end_radius < math.inf and radius + end_radius > 0):
        raise ConfigError(f"Radii {radius} and {end_radius} came; they are 0 or more, and one is above 0.")
    if not 0 < abs(turns) <= 1000:
        raise ConfigError(f"{turns} turns came; more than 0 and at most 1000 are wanted.")
    times = np.linspace(0.0, 1.0, math.ceil(abs(turns) * _TURN) + 1)
    angles = 2.0 * np.pi * turns * times
    radii = radius + (end_radius - radius) * times
    round_ = np.stack([np.cos(angles), np.sin(angles)], 1)
    if radius == end_radius and turns == round(turns):
        round_[-1] = round_[0]  # a circle closes to the bit
    return Path(np.asarray(center, dtype=np.float64) + radii[:, None] * (round_ @ plane), times)


def circle_through(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Path:
    """The circle through three points (dim,), from the first by way of the second and the third to the first again.

    Raises:
        ConfigError: if the points lie on a line.
    """
    corners = np.stack([a, b, c]).astype(np.float64)
    sides = corners[1:] - corners[0]
    reach = np.linalg.norm(sides, axis=1)
    if min(reach) == 0 or np.linalg.svd(sides / reach[:, None], compute_uv=False)[1] < 1e-4:
        raise ConfigError("The three points of the circle lie on a line, or two are one; choose others.")
    plane = orthonormal(sides)
    flat = sides @ plane.T
    middle = np.linalg.solve(2.0 * flat, (flat**2).sum(1))
    arms = np.concatenate([np.zeros((1, 2)), flat]) - middle
    angles = np.arctan2(arms[:, 1], arms[:, 0])
    way = np.mod(angles - angles[0], 2.0 * np.pi)
    sign = 1.0 if way[1] < way[2] else -1.0
    at = np.append(np.mod(sign * (angles - angles[0]), 2.0 * np.pi) / (2.0 * np.pi), 1.0)
    times = np.union1d(np.linspace(0.0, 1.0, _TURN + 1), at)
    turned = angles[0] + sign * 2.0 * np.pi * times
    points = corners[0] + (middle + np.hypot(*middle) * np.stack([np.cos(turned), np.sin(turned)], 1)) @ plane
    points[np.searchsorted(times, at)] = corners[[0, 1, 2, 0]]
    return Path(points, times)


def walk(space: Space, start: np.ndarray, steps: int = 64, stride: float = 0.25, seed: int = 0) -> Path:
    """A random walk from a point, which stays where the space has evidence.

    Steps are normal and keep 0.8 of the one before. No place of the walk is farther from a known sound than 95% of the
    known sounds are from another one; steps beyond are drawn anew, and after 32 the walk turns to its nearest sound.

    Args:
        space: the space.
        start: (dim,).
        steps: 1 or more.
        stride: root mean square length of a step, above 0.
        seed: the same one gives the same walk.

    Raises:
        ConfigError: if the start itself lies beyond, or the space knows fewer than 2 sounds.
    """
    from scipy.spatial import KDTree

    if steps < 1 or not 0 < stride < math.inf or len(space.atlas) < 2:
        raise ConfigError(
            f"A walk of {steps} steps of {stride} was asked for, among {len(space.atlas)} known sounds; 1 step or "
            "more, a stride above 0 and 2 known sounds are wanted."
        )
    known = space.atlas.points.astype(np.float64)
    tree = KDTree(known)
    reach = float(np.quantile(tree.query(known, k=2)[0][:, 1], _TYPICAL))
    points = [np.asarray(start, dtype=np.float64)]
    far = float(tree.query(points[0])[0])
    if far > reach:
        raise ConfigError(
            f"The walk's start is {far:.2f} from the nearest known sound; {reach:.2f} or less is wanted. Start nearer."
        )
    random, last = np.random.default_rng(seed), np.zeros(space.dim)
    for _ in range(steps):
        drawn = random.normal(size=(_TRIES, space.dim)) * stride * math.sqrt((1.0 - _MOMENTUM**2) / space.dim)
        trials = points[-1] + _MOMENTUM * last + drawn
        inside = np.flatnonzero(tree.query(trials)[0] <= reach)
        chosen = trials[inside[0]] if len(inside) else _homewards(points[-1], known[tree.query(points[-1])[1]], stride)
        last = chosen - points[-1]
        points.append(chosen)
    return Path(np.stack(points), np.linspace(0.0, 1.0, steps + 1))


def _homewards(point: np.ndarray, home: np.ndarray, stride: float) -> np.ndarray:
    """A step of a stride at most towards a known sound."""
    distance = float(np.linalg.norm(home - point))
    return point + min(1.0, stride / max(distance, 1e-12)) * (home - point)


def extended(path: Path, before: float = 0.0, after: float = 0.0) -> Path:
    """A path that goes on beyond its ends, as straight as it left them.

    Args:
        path: two points or more.
        before, after: how far, as shares of the path's time, 0 or more: at the speed that it has at that end.
    """
    if len(path.points) < 2 or not (0 <= before <= 100 and 0 <= after <= 100):
        raise ConfigError(
            f"A path of {len(path.points)} points was to go on by {before} and {after} of its time; 2 points or more, "
            "and shares from 0 to 100, are wanted."
        )
    fine = path if path.kind == "line" else path.sampled(_TURN)
    span = fine.times[-1] - fine.times[0]
    (first, second), (last_but_one, last) = fine.points[:2], fine.points[-2:]
    speeds = (
        (second - first) / (fine.times[1] - fine.times[0]),
        (last - last_but_one) / (fine.times[-1] - fine.times[-2]),
    )
    points, times = [fine.points], [fine.times]
    if before > _TOO_LITTLE:
        points.insert(0, (first - before * span * speeds[0])[None])
        times.insert(0, fine.times[:1] - before * span)
    if after > _TOO_LITTLE:
        points.append((last + after * span * speeds[1])[None])
        times.append(fine.times[-1:] + after * span)
    moments = np.concatenate(times)
    return Path(np.concatenate(points), (moments - moments[0]) / (moments[-1] - moments[0]))
