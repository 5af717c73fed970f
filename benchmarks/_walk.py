"""The greedy walk of Esling et al. (DAFx 2018), to compare steering with."""

from collections.abc import Sequence

import numpy as np
import torch

from timbre.space import NoteControls, Space
from timbre.synth.curves import Curves
from timbre.synth.steering import Steered, make_plan


def walk(
    space: Space, start: np.ndarray | Sequence[float], curves: Curves, pitch: float | None = 60, duration: float = 2.0,
    velocity: float = 0.8, radius: float = 0.5, neighbours: int = 32, seed: int = 0,
) -> Steered:  # fmt: skip
    """A path that moves from each point to the one of its random neighbours whose descriptors are nearest to the
    target's next value.

    Neighbours lie in all directions, at distances uniform between 0 and `radius`; to stay is one of the choices. (The
    published code steps by +1 along all dimensions.) Nothing keeps the walk near its start.

    Args:
        space, start, curves, pitch, duration, velocity: as in :func:`timbre.synth.steering.steer`.
        radius: of the neighbourhood.
        neighbours: number that is tried for each point of the path.
        seed: of the neighbours.
    """
    plan = make_plan(space, start, curves, NoteControls(pitch, velocity, duration))
    generator = torch.Generator().manual_seed(seed)
    points, point = [], plan.start
    for frame in plan.frames:
        steps = torch.randn(neighbours, space.dim, generator=generator)
        steps = steps / steps.norm(dim=1, keepdim=True) * torch.rand(neighbours, 1, generator=generator) * radius
        near = torch.cat([point[None], point + steps])
        values = plan.course.values(near, frame.expand(len(near)))
        error = ((values - plan.target[frame]) / plan.course.scale).square().sum(1)
        point = near[error.nan_to_num(torch.inf).argmin()]
        points.append(point)
    return plan.steered(torch.stack(points))
