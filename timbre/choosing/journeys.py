"""Paths between presets that lie far apart, with equal perceptual steps."""

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import torch

from timbre.choosing.candidates import shared
from timbre.choosing.measures import NARROWEST, measured_path
from timbre.choosing.naming import PATHS, lower, unique
from timbre.data.names import note_name
from timbre.paths import Path
from timbre.shapes.presets import Preset
from timbre.space import Space
from timbre.spectral.descriptors import describe

_SECONDS, _AROUND = 8.0, 12.0  # of a path from one preset to another, and of a loop through three
_LOOPS = 4  # paths for each loop among them
_SUSTAINED, _RINGING = -5.0, -25.0  # LU after a second: of what a loop, and any path, may lead through
_PIECES = 8  # straight pieces between two presets
_EACH = 1, 2, 3, 4  # paths of one preset
_TRIED = 3  # candidates measured for each path, at most
_STEPS = 17  # points at which brightness is taken
_BACK, _CHANGE = 0.05, 0.5  # octaves: what brightness may turn back at a step, and how far it must go, to be named


class End(NamedTuple):
    """A preset of one point, its heard coordinates, and how much softer it is after a second, LU."""

    preset: Preset
    heard: np.ndarray
    sustain_lu: float


def journeys(
    space: Space, ends: list[End], count: int, taken: set[str], bar: Any
) -> tuple[list[Preset], list[dict[str, Any]]]:
    """Paths between presets of different groups, far apart first, and the measures of every candidate.

    Args:
        space: of the presets.
        ends: presets of one point.
        count: paths, a quarter of them loops through three presets; there are fewer if no other is good enough.
        taken: names that are in use; new ones are added.
        bar: is updated with every candidate measured.
    """
    finder = _Finder(space, taken, bar)
    finder.keep(
        _routes([end for end in ends if end.sustain_lu >= _SUSTAINED], 3), count // _LOOPS, count // _LOOPS * _TRIED
    )
    finder.keep(_routes([end for end in ends if end.sustain_lu >= _RINGING], 2), count, count * _TRIED)
    return finder.kept, finder.rows


def _routes(ends: list[End], size: int) -> list[tuple[Preset, ...]]:
    """Presets of different groups that share an octave and a half of keys; those farthest apart first."""
    routes = []
    for some in combinations(ends, size):
        presets = tuple(end.preset for end in some)
        keys = shared(*(preset.pitches for preset in presets))
        fits = keys is None or keys[1] - keys[0] >= NARROWEST
        if fits and len({preset.group for preset in presets}) == size:
            nearest = min(float(np.linalg.norm(a.heard - b.heard)) for a, b in combinations(some, 2))
            routes.append((nearest, presets))
    return [presets for _, presets in sorted(routes, key=lambda route: -route[0])]


class _Finder:
    """Paths that are good enough."""

    def __init__(self, space: Space, taken: set[str], bar: Any) -> None:
        self.space, self.taken, self.bar = space, taken, bar
        self.kept: list[Preset] = []
        self.rows: list[dict[str, Any]] = []
        self._used: dict[str, int] = {}

    def keep(self, routes: list[tuple[Preset, ...]], count: int, most: int) -> None:
        """Keep paths along routes until there are `count`; each preset is in one of them, if need be in up to four."""
        tried: set[int] = set()
        for limit in _EACH:
            for number, through in enumerate(routes):
                if len(self.kept) >= count or len(self.rows) >= most:
                    return
                if number not in tried and all(self._used.get(one.name, 0) < limit for one in through):
                    tried.add(number)
                    self._try(through)

    def _try(self, through: tuple[Preset, ...]) -> None:
        """Measure a path and keep it if it is good."""
        keys = shared(*(one.pitches for one in through))
        loop, pitch = len(through) > 2, None if keys is None else float(round(0.5 * sum(keys)))
        path = _path(self.space, through, loop, pitch)
        seconds = _AROUND if loop else _SECONDS
        found = measured_path(self.space, path, seconds, pitch)
        name = unique([_name(through, "" if loop else _brightness(self.space, path, pitch))], self.taken)
        self.bar.update()
        self.rows.append({
            "name": name, "group": PATHS, "where": f"{seconds:g} s{', looped' if loop else ''}",
            "pitches": "-" if keys is None else " to ".join(map(note_name, keys)), "lufs": None, "nearest": None,
            **found,
        })  # fmt: skip
        if not found["fault"]:
            self.kept.append(Preset(name, path, seconds, loop, PATHS, keys))
            self.taken.add(name)
            for one in through:
                self._used[one.name] = self._used.get(one.name, 0) + 1


def _path(space: Space, through: tuple[Preset, ...], loop: bool, pitch: float | None) -> Path:
    """An even path through presets, and back to the first for a loop, of few points, to four decimals."""
    points = [preset.path.points[0] for preset in (*through, *through[:1])[: len(through) + loop]]
    even = space.path(*points, even=True, pitch=pitch)
    at = np.searchsorted(even.times, np.linspace(0.0, 1.0, _PIECES * (len(points) - 1) + 1))
    corners = [n for n, point in enumerate(even.points) if any((point == own).all() for own in points)]
    chosen = np.union1d(np.minimum(at, len(even.times) - 1), corners)
    rounded = np.where(np.isin(chosen, corners)[:, None], even.points[chosen], np.round(even.points[chosen], 4))
    return Path(rounded, even.times[chosen])


def _name(through: tuple[Preset, ...], brightness: str) -> str:
    first, *rest = (preset.name for preset in through)
    words = [lower(name) for name in rest]
    name = f"{first} to {words[0]}" if len(words) == 1 else f"{first}, {' and '.join(words)}"
    return (f"{name}, {brightness}" if brightness and len(name) < 46 else name)[:60].strip()


@torch.no_grad()
def _brightness(space: Space, path: Path, pitch: float | None) -> str:
    """ "brighter" or "darker" if the centroid of the notes along a path goes one way only, and far; else ""."""
    listening = space.listening(pitch).sampled(None)
    points = torch.from_numpy(path.at(np.linspace(0.0, 1.0, _STEPS)).astype(np.float32))
    pitches = listening.conditions.pitch.expand(len(points))
    octaves = describe(listening.spectrograms(points), space.spectrogram, pitches, ["centroid"], natural=True)
    steps = np.diff(octaves[:, 0].double().numpy())
    if abs(steps.sum()) < _CHANGE or (steps * np.sign(steps.sum()) < -_BACK).any():
        return ""
    return "brighter" if steps.sum() > 0 else "darker"
