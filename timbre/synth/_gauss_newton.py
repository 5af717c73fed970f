"""Points over time whose descriptors follow a target: Gauss-Newton steps for all moments at once."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from timbre.synth._course import Course

_LONGEST = 0.7  # by which a point moves in one step: beyond, a linear picture of the decoder says little
_ENOUGH = 5e-4  # share of the cost by which a step must still lower it
_IDLE = 2  # steps that lower it by less, after which to stop
_RESTARTS, _MISSED = 2, 0.5  # and how many just noticeable steps off is a miss
_FIRST, _EASIER, _HARDER = 1e-3, 0.2, 8.0  # damping, against the curvature that the descriptors give


class Problem(NamedTuple):
    """What is minimised over points z (times, dim): the sum over times of
    w |(d(z) - target) / scale|^2 + leash |z - start|^2 + smooth |z - next z|^2.

    Attributes:
        course: the decoded frames.
        frames: at which the points are (times,).
        start: (dim,).
        target: on natural scales (times, names).
        weight: w (times,).
        leash, smooth: weights.
        bound: points (times, dim) brought back to where the space has evidence.
        known: points of known sounds (n, dim), from which to begin again where the start leads nowhere.
    """

    course: Course
    frames: Tensor
    start: Tensor
    target: Tensor
    weight: Tensor
    leash: float
    smooth: float
    bound: Callable[[Tensor], Tensor]
    known: Tensor

    def parts(self, points: Tensor, values: Tensor) -> Tensor:
        """What each moment adds to the sum by itself (times,)."""
        error = ((values - self.target) / self.course.scale).square().sum(1)
        return self.weight * error + self.leash * (points - self.start).square().sum(1)

    def cost(self, points: Tensor, values: Tensor) -> float:
        """The sum."""
        return float(self.parts(points, values).sum() + self.smooth * points.diff(dim=0).square().sum())


class _State(NamedTuple):
    """Points with their values and Jacobians; the first dimension of all is time."""

    points: Tensor
    values: Tensor
    slopes: Tensor

    def where(self, better: Tensor, other: "_State") -> "_State":
        """This one at some moments (times,), another at the rest: no frame depends on another's point."""
        columns = [
            torch.where(better.view(-1, *[1] * (own.ndim - 1)), own, its) for own, its in zip(self, other, strict=True)
        ]
        return _State(*columns)


def solve(problem: Problem, steps: int) -> Tensor:
    """Points (times, dim): by at most `steps` steps from the start, and where that leads nowhere, from a known sound.

    Descriptors have summits and valleys. At moments that still miss their target the search begins again at the known
    sound that would cost least at the worst of them; what it finds is taken if the whole then costs less.
    """
    state = _descend(problem, problem.start.repeat(len(problem.frames), 1), steps)
    for _ in range(_RESTARTS):
        off = ((state.values - problem.target) / problem.course.scale).abs().amax(1) * problem.weight
        if not len(problem.known) or float(off.max()) < _MISSED:
            break
        begin = torch.where((off >= _MISSED)[:, None], _elsewhere(problem, int(off.argmax())), state.points)
        other = _descend(problem, begin, steps)
        if problem.cost(*other[:2]) < problem.cost(*state[:2]):
            state = other
    return state.points


def _elsewhere(problem: Problem, moment: int) -> Tensor:
    """The known sound (dim,) that would cost least at one of the moments."""
    values = problem.course.values(problem.known, problem.frames[moment].expand(len(problem.known)))
    error = ((values - problem.target[moment]) / problem.course.scale).square().sum(1)
    return problem.known[(error + problem.leash * (problem.known - problem.start).square().sum(1)).argmin()]


def _descend(problem: Problem, begin: Tensor, steps: int) -> _State:
    """Damped steps (Levenberg 1944, Marquardt 1963) from points (times, dim).

    Each moment has a damping of its own, and takes a step only if that lowers its part of the cost; of the steps
    together only those are taken that lower the whole, so the result is never worse than the beginning.
    """

    def at(points: Tensor) -> _State:
        return _State(points, *problem.course.slopes(points, problem.frames))

    state = at(problem.bound(begin))
    cost, damping, idle = problem.cost(*state[:2]), torch.full((len(problem.frames),), _FIRST), 0
    for _ in range(steps):
        trial = at(problem.bound(state.points + _limited(_step(problem, state, damping))))
        better = problem.parts(*trial[:2]) < problem.parts(*state[:2])
        damping = torch.where(better, damping * _EASIER, damping * _HARDER)
        choices = {problem.cost(*choice[:2]): choice for choice in (trial, trial.where(better, state))}
        lower = min(choices)
        idle = idle + 1 if not lower < (1.0 - _ENOUGH) * cost else 0
        if lower < cost:
            state, cost = choices[lower], lower
        if idle == _IDLE:
            break
    return state


def _limited(step: Tensor) -> Tensor:
    return step * (_LONGEST / step.norm(dim=1, keepdim=True).clamp_min(_LONGEST))


def _step(problem: Problem, state: _State, damping: Tensor) -> Tensor:
    """Where the cost would be least if descriptors were linear: a banded system, as only neighbours are tied."""
    from scipy.linalg import solveh_banded

    points, values, slopes = state
    times, dim = points.shape
    weighted = slopes * (problem.weight.sqrt()[:, None] / problem.course.scale)[..., None]
    error = (values - problem.target) / problem.course.scale * problem.weight.sqrt()[:, None]
    pull = torch.zeros_like(points)
    difference = problem.smooth * points.diff(dim=0)
    pull[:-1] -= difference
    pull[1:] += difference
    gradient = torch.einsum("tkd,tk->td", weighted, error) + problem.leash * (points - problem.start) + pull
    blocks = (weighted.mT @ weighted).double().numpy()
    ties = np.full(times, 2.0) - (np.arange(times) == 0) - (np.arange(times) == times - 1)
    curvature = damping.double().numpy() * np.trace(blocks, axis1=1, axis2=2) / dim
    diagonal = problem.leash + problem.smooth * ties + curvature
    system = _banded(blocks + diagonal[:, None, None] * np.eye(dim), problem.smooth)
    solved = solveh_banded(system, -gradient.double().numpy().ravel(), lower=True)
    return torch.from_numpy(solved.reshape(times, dim)).to(points)


def _banded(blocks: np.ndarray, smooth: float) -> np.ndarray:
    """Symmetric blocks (times, dim, dim) on a diagonal, -smooth between neighbours: its lower bands (dim + 1, n)."""
    times, dim, _ = blocks.shape
    bands = np.zeros((dim + 1, times, dim))
    for offset in range(dim):
        bands[offset, :, : dim - offset] = np.diagonal(blocks, -offset, 1, 2)
    bands[dim, :-1] = -smooth
    return bands.reshape(dim + 1, times * dim)
