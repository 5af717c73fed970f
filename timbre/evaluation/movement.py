"""Movement through a space: along lines between notes, and along the named axes."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from timbre.evaluation.metrics.disentanglement import dci, mig, sap
from timbre.evaluation.metrics.latent import monotonicity, smoothness, straightness
from timbre.evaluation.notes import EvaluatedNotes
from timbre.models.conditions import Conditions
from timbre.models.refinement import note_points
from timbre.models.regularizers.axes import STRAIGHT, axis_values
from timbre.space import Space

STEPS = 9  # points along a line, with its ends
SHIFTS = (-1.5, -0.75, 0.0, 0.75, 1.5)  # units along an axis, from a note
_KEPT = 0.2  # share of a step by which the change may differ from it
_TRIES = 20  # attempts to find two notes that can be joined, for each line


class Sweep(NamedTuple):
    """Notes moved along one axis."""

    axis: str
    shifts: np.ndarray
    """Requested changes, (steps,), in units of the axis."""
    changes: np.ndarray
    """Measured changes, (notes, steps), relative to the note itself, in the same units."""

    possible: np.ndarray | None = None
    """Whether the value that was asked for is one that library notes have, (notes, steps); None: all of them."""

    def figures(self) -> dict[str, float | None]:
        """Rank order and slope of measured against requested changes: means over the notes; and the share of steps
        whose change is that of the step to a fifth.

        Slope and share are those of possible steps. A note whose descriptor does not change at all has an order of 0.
        """
        possible = np.ones(self.changes.shape, bool) if self.possible is None else self.possible
        asked = np.where(possible, self.shifts, 0.0)
        order, some = np.nan_to_num(monotonicity(self.changes)), (asked != 0.0).any(1)
        slope = (self.changes * asked).sum(1)[some] / np.square(asked).sum(1)[some]
        kept = (np.abs(self.changes - asked) <= _KEPT * np.abs(asked))[asked != 0.0]
        figures = {"monotonicity": order, "slope": slope, "kept": kept}
        return {f"axis_{self.axis}_{name}": float(x.mean()) if len(x) else None for name, x in figures.items()}


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
    return spectrogram, note_points(space.model, spectrogram, conditions).double().numpy()


def separation(space: Space, notes: EvaluatedNotes, points: np.ndarray, seed: int) -> dict[str, float | None]:
    """DCI, SAP and MIG of the named axes: codes are their values at the points, factors those of the recordings.

    The values at a point are those of the sound that it decodes to, as `Space.axis_values` has them, with the note's
    pitch and velocity. Notes for which an axis has no value at the point are left out.
    """
    if not space.axes or not len(notes):
        return {}
    codes, factors = axis_codes(space, notes, points)
    has = np.isfinite(codes).all(1)
    found = dci(codes[has], factors[has], seed)
    return {
        "axes_dci_disentanglement": found.disentanglement,
        "axes_dci_completeness": found.completeness,
        "axes_dci_informativeness": found.informativeness,
        "axes_sap": sap(codes[has], factors[has]),
        "axes_mig": mig(codes[has], factors[has]),
    }


def axis_codes(space: Space, notes: EvaluatedNotes, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values on the named axes of points and of the recorded notes, (notes, axes) each; NaN where not defined."""
    codes, factors = [], []
    for batch in notes.in_order():
        at = torch.from_numpy(points[batch.rows])
        codes.append(space.axis_controls.values(at, batch.conditions))
        recorded = batch.spectrogram[:, :, : space.config.dense_frames]
        factors.append(axis_values(recorded, space.spectrogram, batch.conditions.pitch, space.axes))
    both = [torch.cat(some).double().numpy() for some in (codes, factors)]
    return both[0], both[1]


def sweeps(space: Space, notes: EvaluatedNotes, points: np.ndarray) -> list[Sweep]:
    """Move notes along each named axis, each at its own pitch (see `Space.move`), and measure the decoded sounds.

    Notes for which the descriptor has no value are left out.
    """
    if not space.axes:
        return []
    controls, count = space.axis_controls, len(space.axes)
    changes: list[list[np.ndarray]] = [[] for _ in space.axes]
    possible: list[list[np.ndarray]] = [[] for _ in space.axes]
    for row in range(len(notes)):
        point = torch.from_numpy(points[[row]]).expand(len(SHIFTS), -1)
        note = notes.take(np.full(len(SHIFTS), row)).conditions
        own = controls.values(point[:1], notes.take(np.array([row])).conditions)[0]
        for index in torch.nonzero(own.isfinite()).flatten().tolist():
            steps = torch.zeros(len(SHIFTS), count)
            steps[:, index] = torch.tensor(SHIFTS)
            found = controls.values(controls.moved(point, note, steps), note)[:, index]
            low, high = np.clip(controls.ranges[index], -STRAIGHT, STRAIGHT)
            target = float(own[index]) + np.array(SHIFTS)
            changes[index].append((found - found[SHIFTS.index(0.0)]).double().numpy())
            possible[index].append((target >= low) & (target <= high))
    none = np.zeros((0, len(SHIFTS)))
    return [
        Sweep(axis.name, np.array(SHIFTS), np.stack(c) if c else none, np.stack(p) if p else none.astype(bool))
        for axis, c, p in zip(space.axes, changes, possible, strict=True)
    ]
