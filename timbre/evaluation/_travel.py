"""What is heard on the way: along lines between notes, and along the named axes."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from timbre.evaluation._notes import EvaluatedNotes
from timbre.evaluation.metrics.latent import monotonicity, smoothness, straightness
from timbre.models.conditions import Conditions
from timbre.models.regularizers.axes import Axis, axis_values
from timbre.space import Space

STEPS = 9  # places along a line, its ends among them
REACH = 1.5  # units along an axis, to either side of a note
_TRIES = 20  # at a pair of notes that can be joined, for each line


class Sweep(NamedTuple):
    """One axis, along which notes were moved."""

    axis: str
    shifts: np.ndarray
    """Asked for, (steps,), in units of the axis."""
    changes: np.ndarray
    """Measured, (notes, steps), against the note where it was, in the same units."""

    def figures(self) -> dict[str, float | None]:
        """Rank order and slope of the measured changes against those asked for: means over the notes.

        A note whose descriptor does not change at all has an order of 0.
        """
        order = np.nan_to_num(monotonicity(self.changes))
        slope = self.changes @ (self.shifts - self.shifts.mean()) / np.sum((self.shifts - self.shifts.mean()) ** 2)
        return {
            f"axis_{self.axis}_monotonicity": float(order.mean()) if len(self.changes) else None,
            f"axis_{self.axis}_slope": float(slope.mean()) if len(self.changes) else None,
        }


def trajectories(
    space: Space, heard: EvaluatedNotes, points: np.ndarray, count: int, seed: int
) -> dict[str, float | None]:
    """Decode steps along lines between notes of two instruments, and encode what comes out.

    Both ends have a pitch or none has; the line is heard at their mean pitch, held, at an unknown velocity. The
    spectral change of a step is the mean absolute difference of neighbouring spectrograms, dB.
    """
    pairs = _pairs(heard, count, seed)
    if not len(pairs):
        return {}
    share = np.linspace(0.0, 1.0, STEPS)[:, None]
    paths, steps, order = [], [], []
    for a, b in pairs:
        line = (1.0 - share) * points[a] + share * points[b]
        pitch = float(0.5 * (heard.conditions.pitch[a] + heard.conditions.pitch[b]))
        spectrogram, again = _there_and_back(space, line, pitch)
        paths.append(again)
        order.append((again - again[0]) @ (points[b] - points[a]))
        steps.append((spectrogram[1:] - spectrogram[:-1]).abs().mean((1, 2)).numpy())
    return {
        "trajectory_straightness": float(np.mean(straightness(np.stack(paths)))),
        "trajectory_monotonicity": float(np.mean(monotonicity(np.stack(order)))),
        "trajectory_unevenness": float(smoothness(np.stack(steps))),
    }


def _pairs(heard: EvaluatedNotes, count: int, seed: int) -> list[tuple[int, int]]:
    """Numbers of notes of two instruments, of which both have a pitch or none has."""
    random, pitched = np.random.default_rng(seed), heard.conditions.pitch.isfinite().numpy()
    found: dict[tuple[int, int], None] = {}
    for a, b in random.integers(max(1, len(heard)), size=(_TRIES * count, 2)).tolist() if len(heard) else ():
        if len(found) < count and pitched[a] == pitched[b] and heard.notes[a].instrument != heard.notes[b].instrument:
            found[a, b] = None
    return list(found)


@torch.no_grad()
def _there_and_back(space: Space, line: np.ndarray, pitch: float) -> tuple[Tensor, np.ndarray]:
    """Decoded spectrograms (steps, bins, frames) of points (steps, dim), and the points that they are encoded to."""
    controls = (torch.full((len(line),), value) for value in (pitch, float("nan"), float("inf")))
    conditions = Conditions(*controls)
    spectrogram = space.model.decode_points(torch.from_numpy(line.astype(np.float32)), conditions)
    return spectrogram, space.model.points(spectrogram, conditions).double().numpy()


@torch.no_grad()
def sweeps(space: Space, heard: EvaluatedNotes, points: np.ndarray) -> list[Sweep]:
    """Move notes along each named axis, decode, and measure its descriptor; notes where it has no value are left out.

    The axes are those that the space was trained with, each the dimension of its place among them.
    """
    shifts = np.linspace(-REACH, REACH, STEPS)
    found = []
    for number, axis in enumerate(space.axes):
        values = [np.zeros((0, STEPS))]
        for batch in heard.in_order():
            moved = np.repeat(points[batch.rows, None], STEPS, axis=1)
            moved += shifts.astype(np.float32)[:, None] * space.directions[number]
            values.append(_measured(space, moved, batch.conditions, axis))
        table = np.concatenate(values)
        table = table[np.isfinite(table).all(1)]
        found.append(Sweep(axis.name, shifts, table - table[:, STEPS // 2, None]))
    return found


def _measured(space: Space, places: np.ndarray, conditions: Conditions, axis: Axis) -> np.ndarray:
    """Values of an axis, (notes, steps), of what is decoded at places (notes, steps, dim)."""
    columns = []
    for step in range(places.shape[1]):
        spectrogram = space.model.decode_points(torch.from_numpy(places[:, step]), conditions)
        columns.append(axis_values(spectrogram, space.spectrogram, conditions.pitch, (axis,))[:, 0].double().numpy())
    return np.stack(columns, 1)
