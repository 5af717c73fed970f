"""Fitting the pitch flow of a space to the latent points of its notes."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from timbre.models.pitch_flow import PitchFlow
from timbre.models.regularizers.pitch import PitchedNotes, contrast, squares

FEWEST = 128  # pitched training notes, each with a second note of its instrument, without which nothing is fitted
STEPS = 500
RATE, DECAY = 5e-3, 0.1  # AdamW's
NOISE = 0.4  # on the points, in standard deviations
POOL = 2048  # notes in a step
MOVED = 384  # of them, whose gradient is computed
READ = 900  # of them, on which the reader of pitch is fitted
FOILED = 60.0  # weight of the pitch that can be read, relative to the contrast
RIDGE = 0.05  # of the reader, whose kernel of a note with itself is about 1
TRUE = 5.0  # weight of distances at equal pitch, relative to the contrast
ALIKE = 2.0  # semitones: notes this near count as of equal pitch
TYPICAL = 10.0  # semitones: the unit of residuals


def fit_pitch_flow(
    flow: PitchFlow, points: np.ndarray, instrument: np.ndarray, pitch: np.ndarray, weight: float = 1.0, seed: int = 0
) -> dict[str, Any]:
    """Fit the flow to the latent points of training notes, so that its points carry no pitch.

    The objective has three parts. Notes of one instrument lie together whatever their pitch (`contrast`). The best
    reader of pitch within the instrument, a ridge regression in closed form with linear and Gaussian kernels that is
    fitted on other notes, explains nothing, from points and from their deviations from the instrument's mean. Distances
    between notes of nearly equal pitch, which are those that listeners judge, keep their proportions.

    Args:
        flow: new, the identity; its parameters are changed.
        points, instrument: of the notes (notes, dim), and the numbers of their instruments (notes,).
        pitch: MIDI (notes,), NaN if unpitched.
        weight: of the reader's part.
        seed: of the random choices.

    Returns:
        "pitch_flow_notes", the number of notes that were used: 0 if fewer than 128 had a pitch and a second note of
        their instrument; the flow then stays the identity.
    """
    chosen = np.flatnonzero(np.isfinite(pitch))
    _, number, count = np.unique(instrument[chosen], return_inverse=True, return_counts=True)
    chosen, number = chosen[count[number] > 1], number[count[number] > 1]
    if len(chosen) < FEWEST:
        return {"pitch_flow_notes": 0}
    latent, heights = (torch.from_numpy(x[chosen].astype(np.float32)) for x in (points, pitch))
    instruments = torch.from_numpy(number)
    notes = PitchedNotes(latent, instruments, heights, torch.full_like(instruments, -1))
    flow.center.copy_(notes.points.mean(0))
    flow.scale.copy_(notes.points.std(0).clamp_min(1e-3))
    flow.requires_grad_(True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        optimizer = torch.optim.AdamW(flow.parameters(), lr=RATE, weight_decay=DECAY)
        rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
        for _ in range(STEPS):
            optimizer.zero_grad()
            _objective(flow, notes, weight).backward()
            torch.nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
            optimizer.step()
            rate.step()
    flow.requires_grad_(False)
    return {"pitch_flow_notes": len(chosen)}


def _objective(flow: PitchFlow, notes: PitchedNotes, weight: float) -> Tensor:
    """The objective for randomly chosen notes with noise on their points, ()."""
    order = torch.randperm(len(notes.pitch))[:POOL]
    z, instrument, pitch, source = (column[order] for column in notes)
    z, count = z + NOISE * flow.scale * torch.randn_like(z), min(MOVED, len(order) // 2)
    with torch.no_grad():
        others = PitchedNotes((flow(z, pitch) - flow.center) / flow.scale, instrument, pitch, source)
    moved = (flow(z[:count], pitch[:count]) - flow.center) / flow.scale
    own = PitchedNotes(moved, instrument[:count], pitch[:count], source[:count])
    read, stretched = _read(own, others), _stretched(own, others, flow.scale, z)
    return contrast(own, others) + 0.5 * FOILED * weight * read + TRUE * stretched


def _read(own: PitchedNotes, others: PitchedNotes) -> Tensor:
    """The share of the variance of pitch within instruments that can be read from the points of `own`, ().

    `others` are all notes, `own` first; the reader is fitted on those that follow.
    """
    count, end = len(own.points), len(own.points) + READ
    means = _means(others.instrument, others.points)
    residual = (others.pitch - _means(others.instrument, others.pitch.unsqueeze(-1))[:, 0]) / TYPICAL
    away, known = others.points - means, others.points[count:end]
    center, std, wide = known.mean(0), known.std(0) + 1e-6, away.std(0) + 1e-6
    seen = (known - center) / std, away[count:end] / wide
    asked = (own.points - center) / std, (own.points - means[:count]) / wide
    gram = _kernel(seen, seen) + RIDGE * torch.eye(len(known))
    solved = torch.linalg.solve(gram, residual[count:end])
    return (_kernel(asked, seen) @ solved).square().mean() / residual.square().mean().clamp_min(1e-6)


def _kernel(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> Tensor:
    """Mean of four kernels of points and of their deviations from the instruments' means."""
    dim, apart = a[0].shape[1], squares(a[0], b[0]) / a[0].shape[1]
    return ((a[0] @ b[0].T + a[1] @ b[1].T) / dim + torch.exp(-0.5 * apart) + torch.exp(-2.0 * apart)) / 4.0


def _stretched(own: PitchedNotes, others: PitchedNotes, scale: Tensor, z: Tensor) -> Tensor:
    """How unevenly squared distances at equal pitch have changed from the latent z, (): variance of their log ratio."""
    near = (own.pitch.unsqueeze(1) - others.pitch).abs() <= ALIKE
    near &= own.instrument.unsqueeze(1) != others.instrument
    if near.sum() < 2:
        return 0.0 * own.points.sum()
    now = squares(own.points * scale, others.points * scale)[near]
    before = squares(z[: len(own.points)], z)[near]
    return (torch.log(now + 1e-3) - torch.log(before + 1e-3)).var(unbiased=False)


def _means(instrument: Tensor, values: Tensor) -> Tensor:
    """The mean of values (notes, size) over each note's instrument."""
    member = F.one_hot(instrument).to(values.dtype)
    return (member @ (member.T @ values)) / (member @ member.sum(0)).unsqueeze(-1)
