"""The plans of wavetables: which points and times become frames, and what the table cannot contain."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from timbre.data.names import note_name
from timbre.errors import ConfigError
from timbre.exporting.names import stems
from timbre.exporting.request import ExportPlan, Request
from timbre.exporting.wavetables.files import MOST_FRAMES, wav_file, wt_file
from timbre.exporting.wavetables.harmonics import Harmonics, harmonics, lowest_good_pitch
from timbre.exporting.wavetables.wavetable import SIZE, make_wavetable
from timbre.shapes.presets import Preset
from timbre.space import Space
from timbre.wording import counted

LISTENED = 0.3  # s after the onset at which the frames of paths and grids are taken
_FIRST, _LAST = 0.02, 2.0  # s: the frames of a point go through its note
_MOST_NOISE = 0.9  # share of the energy
_SOME = 8  # points of a table that tell whether it has a pitch, and the best for its frames


class Unpitched(ConfigError):
    """A sound has no pitch, so that no wavetable can be made of it."""


@dataclass(frozen=True, eq=False)
class Table:
    """What one wavetable is made of: a point and a time for every frame."""

    name: str
    points: np.ndarray  # (frames, dim)
    times: np.ndarray  # (frames,), s since the onset
    pitch: float
    partials: Harmonics

    @property
    def lost(self) -> np.ndarray:
        """Share of the energy of each frame (frames,) that is noise."""
        return self.partials.noise / (1.0 + self.partials.noise)


def plan_wavetable(request: Request) -> ExportPlan:
    """Plan WAV files of 2048 samples for each frame: of a point, a path or a grid one file, of a bank a folder."""
    return _plan(request, ".wav", wav_file)


def plan_wt(request: Request) -> ExportPlan:
    """Plan .wt files, as :func:`plan_wavetable`."""
    return _plan(request, ".wt", wt_file)


def _plan(request: Request, ending: str, encode: Callable[[np.ndarray, str], bytes]) -> ExportPlan:
    sources = [list(request.instruments)] if request.columns else [[one] for one in request.instruments]
    single = len(sources) == 1
    tables, left_out = _tables(request, sources)
    names = [""] if single else [stem + ending for stem in stems([table.name for table in tables])]
    named = dict(zip(names, tables, strict=True))
    size = {name: len(encode(np.zeros((len(table.times), SIZE)), table.name)) for name, table in named.items()}

    def write(target: FilePath, step: Callable[[], object]) -> list[dict[str, Any]]:
        rows = []
        for name, table in named.items():
            made = make_wavetable(table.partials, request.settings.steady)
            (target / name if name else target).write_bytes(encode(made.frames, table.name))
            rows.append(_row(table) | {"crest_db": round(made.crest, 2)})
            step()
        return rows

    return ExportPlan(size, len(tables), write, notice=_notice(tables, left_out))


def _tables(request: Request, sources: list[list[Preset]]) -> tuple[list[Table], list[str]]:
    """The tables, and the names of the instruments of a bank that cannot become one."""
    tables, left_out = [], []
    for source in sources:
        try:
            tables.append(_table(request, source))
        except Unpitched:
            left_out.append(source[0].name)
            if len(left_out) == len(sources):
                raise
    return tables, left_out


def _table(request: Request, source: list[Preset]) -> Table:
    """The points, times and partials of a grid, or of one point or path."""
    settings, space = request.settings, request.space
    given = np.concatenate([one.path.points for one in source])
    name = source[0].name if len(source) == 1 else request.output.stem
    if len(source) > 1:
        points = _snake(np.stack([one.path.points[0] for one in source]), request.columns)
    else:
        points = source[0].path.at(np.linspace(0.0, 1.0, settings.frames))
    if len(points) > MOST_FRAMES:
        raise ConfigError(
            f"A wavetable must have {MOST_FRAMES} frames or fewer, got {len(points)}; make the grid smaller."
        )
    moves = len(given) > 1
    times = np.full(len(points), LISTENED) if moves else note_times(len(points))
    _require_pitch(space, given, name)
    pitch = settings.pitch
    if pitch is None:
        pitch = lowest_good_pitch(space, points[_spread(len(points))], LISTENED, settings.velocity)
    table = Table(name, points, times, pitch, harmonics(space, points, times, pitch, settings.velocity))
    if (share := float(table.lost.mean())) > _MOST_NOISE:
        raise Unpitched(
            f"A wavetable must have a sound with partials, but {share:.0%} of the energy of this sound at "
            f"{note_name(round(pitch))} is noise; choose another pitch or point, or another format, such as sfz."
        )
    return table


def note_times(frames: int) -> np.ndarray:
    """Times (frames,), s, from 20 ms to 2 s after the onset with equal ratios; a single frame is at 0.3 s."""
    return np.geomspace(_FIRST, _LAST, frames) if frames > 1 else np.array([LISTENED])


def _snake(points: np.ndarray, columns: int) -> np.ndarray:
    """The points of a grid row by row, every second row backwards, so that neighbours stay neighbours."""
    rows = points.reshape(-1, columns, points.shape[1]).copy()
    rows[1::2] = rows[1::2, ::-1]
    return rows.reshape(points.shape)


def _require_pitch(space: Space, points: np.ndarray, name: str) -> None:
    """Raise a ConfigError if the library notes nearest to most of the points have no pitch."""
    atlas, some = space.atlas, points[_spread(len(points))].astype(np.float32)
    if len(atlas) and np.isnan([atlas.pitches[space.nearest(point, 1).indices[0]] for point in some]).mean() > 0.5:
        raise Unpitched(
            "A wavetable must have a sound with a pitch, but the library notes nearest to this point have none; choose "
            "another point, or another format, such as sfz."
        )


def _spread(count: int) -> np.ndarray:
    """Up to 8 indices below a count, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, _SOME).astype(int))


def _row(table: Table) -> dict[str, Any]:
    return {
        "name": table.name, "frames": len(table.times), "partials": table.partials.levels.shape[1],
        "pitch": table.pitch, "noise_lost": round(float(table.lost.mean()), 4),
    }  # fmt: skip


def _notice(tables: list[Table], left_out: list[str]) -> str:
    lost = np.concatenate([table.lost for table in tables])
    keys = sorted({round(table.pitch) for table in tables})
    key = note_name(keys[0]) if len(keys) == 1 else f"{note_name(keys[0])} to {note_name(keys[-1])}"
    share = f"{lost.mean():.0%} of the energy ({lost.min():.0%} to {lost.max():.0%} in a frame) was noise and is lost"
    partials = counted(max(table.partials.levels.shape[1] for table in tables), "partial")
    without = f" Left out, without a pitch: {', '.join(left_out)}." if left_out else ""
    return f"{share}; frames of {partials} sound at {key} as in the space.{without}"
