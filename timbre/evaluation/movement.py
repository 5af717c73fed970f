"""Movement through a space: along lines between notes, and along the named axes."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from timbre.evaluation.metrics.latent import monotonicity, smoothness, straightness
from timbre.evaluation.notes import EvaluatedNotes
from timbre.models.conditions import Conditions
from timbre.models.regularizers.axes import Axis, axis_values
from timbre.space import Space

STEPS = 9  # points along a line, with its ends
REACH = 1.5  # units along an axis, in both directions from a note
_TRIES = 20  # attempts to find two notes that can be joined, for each line


class Sweep(NamedTuple):
    """Notes moved along one axis."""

    axis: str
    shifts: np.ndarray
    """Requested changes, (steps,), in units of the axis."""
    changes: np.ndarray
    """Measured changes, (notes, steps), relative to the note itself, in the same units."""

    def figures(self) -> dict[str, float | None]:
        """Rank order and slope of measured against requested changes: means over the notes.

        A note whose descriptor does not change at all has an order of 0.
        """
        order = np.nan_to_num(monotonicity(self.changes))
        slope = self.changes @ (self.shifts - self.shifts.mean()) / np.sum((self.shifts - self.shifts.mean()) ** 2)
        return {
            f"axis_{self.axis}_monotonicity": float(order.mean()) if len(self.changes) else None,
            f"axis_{self.axis}_slope": float(slope.mean()) if len(self.changes) else None,
        }


def trajectories(
    space: Space, notes: EvaluatedNotes, points: np.ndarray, count: int, seed: int
) -> dict[str, float | None]:
    """Figures of `count` lines between notes of different instruments, decoded step by step and encoded again.

    Both ends have a pitch or neither has; the line is decoded at their mean pitch, sustained, with unknown velocity.
    The spectral change of a step is the mean absolute difference of neighbouring spectrograms, dB.
    """
    pairs = _pairs(notes, count, seed)
    if not len(pairs):
        return {}
    share = np.linspace(0.0, 1.0, STEPS)[:, None]
    paths, steps, order = [], [], []
    for a, b in pairs:
        line = (1.0 - share) * points[a] + share * points[b]
        pitch = float(0.5 * (notes.conditions.pitch[a] + notes.conditions.pitch[b]))
        spectrogram, encoded = _decode_and_encode(space, line, pitch)
        paths.append(encoded)
        order.append((encoded - encoded[0]) @ (points[b] - points[a]))
        steps.append((spectrogram[1:] - spectrogram[:-1]).abs().mean((1, 2)).numpy())
    return {
        "trajectory_straightness": float(np.mean(straightness(np.stack(paths)))),
        "trajectory_monotonicity": float(np.mean(monotonicity(np.stack(order)))),
        "trajectory_unevenness": float(smoothness(np.stack(steps))),
    }


def _pairs(notes: EvaluatedNotes, count: int, seed: int) -> list[tuple[int, int]]:
    """Indices of pairs of notes of two instruments; both have a pitch or neither has."""
    random, pitched = np.random.default_rng(seed), notes.conditions.pitch.isfinite().numpy()
    pairs: dict[tuple[int, int], None] = {}
    for a, b in random.integers(max(1, len(notes)), size=(_TRIES * count, 2)).tolist() if len(notes) else ():
        if len(pairs) < count and pitched[a] == pitched[b] and notes.notes[a].instrument != notes.notes[b].instrument:
            pairs[a, b] = None
    return list(pairs)


@torch.no_grad()
def _decode_and_encode(space: Space, line: np.ndarray, pitch: float) -> tuple[Tensor, np.ndarray]:
    """Decoded spectrograms (steps, bins, frames) of points (steps, dim), and the points that they are encoded to."""
    controls = (torch.full((len(line),), value) for value in (pitch, float("nan"), float("inf")))
    conditions = Conditions(*controls)
    spectrogram = space.model.decode_points(torch.from_numpy(line.astype(np.float32)), conditions)
    return spectrogram, space.model.points(spectrogram, conditions).double().numpy()


@torch.no_grad()
def sweeps(space: Space, notes: EvaluatedNotes, points: np.ndarray) -> list[Sweep]:
    """Move notes along each named axis, decode, and measure its descriptor.

    Notes for which the descriptor has no value are left out.
    """
    shifts = np.linspace(-REACH, REACH, STEPS)
    measured = []
    for axis, direction in zip(space.axes, space.directions, strict=True):
        values = [np.zeros((0, STEPS))]
        for batch in notes.in_order():
            moved = np.repeat(points[batch.rows, None], STEPS, axis=1)
            moved += shifts.astype(np.float32)[:, None] * direction
            values.append(_measure(space, moved, batch.conditions, axis))
        table = np.concatenate(values)
        table = table[np.isfinite(table).all(1)]
        measured.append(Sweep(axis.name, shifts, table - table[:, STEPS // 2, None]))
    return measured


def _measure(space: Space, points: np.ndarray, conditions: Conditions, axis: Axis) -> np.ndarray:
    """Values of an axis's descriptor, (notes, steps), of the sounds decoded at points (notes, steps, dim)."""
    columns = []
    for step in range(points.shape[1]):
        spectrogram = space.model.decode_points(torch.from_numpy(points[:, step]), conditions)
        columns.append(axis_values(spectrogram, space.spectrogram, conditions.pitch, (axis,))[:, 0].double().numpy())
    return np.stack(columns, 1)
