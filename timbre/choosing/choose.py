"""Presets of a space, chosen by measure."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from timbre.choosing.candidates import Candidate, hybrids, middles, others
from timbre.choosing.journeys import End, journeys
from timbre.choosing.measures import PointMeasures, measured
from timbre.choosing.naming import HYBRID, ORDER, unique
from timbre.config.settings import require
from timbre.data.names import note_name
from timbre.shapes.presets import MOST, Preset, Presets
from timbre.space import Space

APART = 0.3  # least dissimilarity of two presets
NEW = 0.2  # and of a hybrid from all library notes
LEVEL = 9.0  # LU from the median of all instruments
_HYBRIDS = 0.25  # share of the points
_LESS = 0.7  # weight of the distance of an instrument's other sounds, next to middles
_TRIED = 6  # candidates measured for each preset, at most
_OPENING = (57.0, 60.0)  # keys with which the page and the terminal begin
_SUSTAINED = -4.0  # LU


class ChosenPresets(NamedTuple):
    """Presets in groups, the best for opening first; and the measures of every candidate, `fault` "" for those kept."""

    presets: Presets
    rows: list[dict[str, Any]]


def choose(
    space: Space, count: int = 64, paths: int = 16, taken: Iterable[str] = (), progress: bool = False
) -> ChosenPresets:
    """Presets of a space, chosen by measure: points in groups, then paths between them.

    Candidates are the instruments of the library, their other sounds, and points between two instruments, a quarter of
    the presets. Kept are those that are in tune to 10 cents, within 7 LU and without clicks over an octave and a half
    or more, as loud as the others within 9 LU, and .3 or more away (dissimilarity) from every other one; of these, the
    farthest from those kept before, in turn from all groups.

    Args:
        space: with library notes.
        count: points, 1 or more; there are fewer if no other candidate is good enough.
        paths: paths between them, 0 or more.
        taken: names that are not used.
        progress: whether to show a bar on stderr.

    Raises:
        ConfigError: if the counts are out of range, or the space has no instrument with three notes.
    """
    require(count >= 1 and paths >= 0, f"Presets must be 1 point or more and 0 paths or more, got {count} and {paths}.")
    require(count + paths <= MOST, f"A space must have {MOST} presets or fewer, got {count} and {paths} paths.")
    known = middles(space)
    require(bool(known), "The space must have an instrument with 3 training notes or more, got none.")
    with tqdm(total=len(known) + count + paths, desc="presets", disable=not progress, leave=False) as bar:
        choosing = _Choosing(space, known, set(taken), bar)
        choosing.fill(count)
        points = choosing.ordered()
        ends = [End(one.preset, one.heard, one.measured.sustain_lu) for one in points if one.middle]
        moving, rows = journeys(space, ends, paths, choosing.taken, bar)
    rows = [{name: _known(value) for name, value in row.items()} for row in choosing.table() + rows]
    return ChosenPresets(Presets([*(one.preset for one in points), *moving]), rows)


def _known(value: Any) -> Any:
    """The value; None for NaN, which JSON has not."""
    return None if isinstance(value, float) and np.isnan(value) else value


class _Kept(NamedTuple):
    """A preset with its measures; `middle` if it is that of an instrument."""

    preset: Preset
    heard: np.ndarray
    measured: PointMeasures
    middle: bool


class _Choosing:
    """The choice of points.

    Args:
        space: the space.
        known: the notes in the middle of each instrument, the best first.
        taken: names that are in use; new ones are added.
        bar: is updated with every candidate measured.
    """

    def __init__(self, space: Space, known: list[list[Candidate]], taken: set[str], bar: Any) -> None:
        self.space, self.taken, self.bar = space, taken, bar
        self.kept: list[_Kept] = []
        self.rows: list[dict[str, Any]] = []
        self._measures: dict[int, PointMeasures] = {}
        best = [self._best(rivals) for rivals in known]
        fine = [one for one in best if not self._measures[id(one)].fault]
        self._level = float(np.median([self._measures[id(one)].lufs for one in fine or best]))
        pool = [*best, *others(space, best), *hybrids(space, fine, NEW)]
        self._pools: dict[str, list[Candidate]] = {}
        for one in pool:
            self._pools.setdefault(one.group, []).append(one)
        self._weights = {group: np.sqrt(sum(one.middle for one in own) or 1) for group, own in self._pools.items()}

    def fill(self, count: int) -> None:
        """Keep `count` points: instruments in turn from all groups, then hybrids, then what is left."""
        groups = [group for group in self._pools if group != HYBRID]
        self._fill(groups, count - round(_HYBRIDS * count) if HYBRID in self._pools else count)
        self._fill([HYBRID], count)
        self._fill(list(self._pools), count)

    def _fill(self, groups: list[str], count: int) -> None:
        most = _TRIED * count
        open_groups = [group for group in groups if self._pools.get(group)]
        while open_groups and len(self.kept) < count and len(self._measures) < most:
            sizes = {group: sum(one.preset.group == group for one in self.kept) for group in open_groups}
            group = min(open_groups, key=lambda group: (sizes[group] + 1) / self._weights[group])
            one = self._farthest(self._pools[group])
            if one is None:
                open_groups.remove(group)
            else:
                self._pools[group].remove(one)
                self._try(one)

    def _farthest(self, pool: list[Candidate]) -> Candidate | None:
        """The candidate that is farthest from all that are kept; None if none is far enough."""
        away = np.array([self._away(one) for one in pool])
        far = away >= APART
        if not far.any():
            return None
        weights = np.array([1.0 if one.middle or one.group == HYBRID else _LESS for one in pool])
        return pool[int(np.where(far, np.minimum(away, 1e9) * weights, -1.0).argmax())]

    def _away(self, one: Candidate) -> float:
        """Dissimilarity from the nearest preset."""
        return min((float(np.linalg.norm(one.heard - other.heard)) for other in self.kept), default=np.inf)

    def _best(self, rivals: list[Candidate]) -> Candidate:
        """The first of an instrument's candidates that is good, or else the first."""
        for one in rivals:
            self._measures[id(one)] = self._measure(one)
            if not self._measures[id(one)].fault:
                return one
        return rivals[0]

    def _measure(self, one: Candidate) -> PointMeasures:
        self.bar.update()
        return measured(self.space, one.point, one.keys)

    def _try(self, one: Candidate) -> None:
        """Measure a candidate and keep it if it is good."""
        if id(one) not in self._measures:
            self._measures[id(one)] = self._measure(one)
        found = self._measures[id(one)]
        relative = found.lufs - self._level
        if not found.fault and abs(relative) > LEVEL:
            found = found._replace(fault=f"{relative:+.0f} LU relative to the others")
        name = unique(one.names, self.taken)
        self.rows.append(_row(name, one, found))
        if not found.fault:
            self.taken.add(name)
            preset = Preset(name, self.space.path(one.point), group=one.group, pitches=found.pitches)
            self.kept.append(_Kept(preset, one.heard, found, one.middle))

    def ordered(self) -> list[_Kept]:
        """The presets by group and name; the group of the best for opening comes first, and begins with it."""
        center = np.mean([one.heard for one in self.kept] or np.zeros(1), axis=0)
        first = min(self.kept, key=lambda one: _opening(one, center), default=None)
        head = [] if first is None else [first.preset.group]
        order = {group: n for n, group in enumerate([*head, *(group for group in ORDER if group not in head)])}
        rank = {HYBRID: len(order) + 1}
        return sorted(
            self.kept,
            key=lambda one: (order.get(one.preset.group, rank.get(one.preset.group, len(order))), one.preset.group,
                             one is not first, one.preset.name),
        )  # fmt: skip

    def table(self) -> list[dict[str, Any]]:
        """The rows; kept ones get the dissimilarity from the nearest other preset."""
        heard = {one.preset.name: one.heard for one in self.kept}
        for row in self.rows:
            own = heard.get(row["name"]) if not row["fault"] else None
            if own is not None:
                away = [float(np.linalg.norm(own - other)) for name, other in heard.items() if name != row["name"]]
                row["nearest"] = min(away, default=None)
        return self.rows


def _opening(one: _Kept, center: np.ndarray) -> tuple[bool, float]:
    """How badly a preset is suited for opening: an instrument in the middle of the keyboard, sustained, and central."""
    found = one.measured
    keys = found.pitches or _OPENING
    suited = one.middle and keys[0] <= _OPENING[0] and keys[1] >= _OPENING[1] and found.sustain_lu >= _SUSTAINED
    return not suited, float(np.linalg.norm(one.heard - center))


def _row(name: str, one: Candidate, found: PointMeasures) -> dict[str, Any]:
    """One line of the table of measures."""
    return {
        "name": name,
        "group": one.group,
        "where": " and ".join(one.of),
        "pitches": "-" if found.pitches is None else " to ".join(map(note_name, found.pitches)),
        "cents": found.cents,
        "spread_lu": found.spread_lu,
        "click_db": found.click_db,
        "lufs": found.lufs,
        "nearest": None,
        "dropout_lu": None,
        "unevenness": None,
        "fault": found.fault,
    }
