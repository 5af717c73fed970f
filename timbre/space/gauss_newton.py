"""Gauss-Newton steps that bring descriptors to their targets: for all moments of a steered sound, or many points."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

_LONGEST = 0.7  # distance that a point moves in one step at most; beyond, the linear approximation is poor
_GAIN = 5e-4  # share of the cost by which a step must lower it to count as progress
_IDLE = 2  # steps without progress, after which to stop
_RESTARTS, _MISSED = 2, 0.5  # and the error, in just noticeable steps, that is a miss
_FIRST, _EASIER, _HARDER = 1e-3, 0.2, 8.0  # damping, relative to the curvature of the descriptors


class Descriptors(Protocol):
    """Descriptors as functions of points (n, dim) at some moments (n,)."""

    @property
    def scale(self) -> Tensor:
        """Errors that count as 1, (names,) or (times, names)."""

    def values(self, points: Tensor, frames: Tensor) -> Tensor:
        """Values (n, names)."""

    def slopes(self, points: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Values (n, names) and their Jacobians (n, names, dim), exact or good enough for a direction."""


class Problem(NamedTuple):
    """The cost of points z (times, dim): the sum over times of
    w |(d(z) - target) / scale|^2 + leash |z - start|^2 + smooth |z - next z|^2."""

    course: Descriptors
    frames: Tensor  # indices of the points' frames (times,)
    start: Tensor  # (dim,), or (times, dim)
    target: Tensor  # on natural scales (times, names)
    weight: Tensor  # w (times,)
    leash: float
    smooth: float
    bound: Callable[[Tensor], Tensor]  # moves points (times, dim) to where the library has notes
    notes: Tensor  # (n, dim), from which to start again where the start does not reach the target
    longest: float = _LONGEST
    lengths: tuple[float, ...] = (1.0,)  # multiples of a step, of which each moment takes the best
    enough: float = 0.0  # largest error, in steps of the scale, at which to stop

    def parts(self, points: Tensor, values: Tensor) -> Tensor:
        """The part of each moment, without `smooth` (times,)."""
        error = ((values - self.target) / self.course.scale).square().sum(1)
        return self.weight * error + self.leash * (points - self.start).square().sum(1)

    def cost(self, points: Tensor, values: Tensor) -> float:
        """The whole cost."""
        return float(self.parts(points, values).sum() + self.smooth * points.diff(dim=0).square().sum())


class _State(NamedTuple):
    """Points with their values and Jacobians; the first dimension of all is time."""

    points: Tensor
    values: Tensor
    slopes: Tensor

    def where(self, better: Tensor, other: "_State") -> "_State":
        """This state at some moments (times,), another at the rest; frames do not depend on each other's points."""
        pairs = zip(self, other, strict=True)
        return _State(*(torch.where(better.view(-1, *[1] * (own.ndim - 1)), own, its) for own, its in pairs))


def solve(problem: Problem, steps: int) -> Tensor:
    """Points (times, dim) after at most `steps` steps from the start, and then from library notes.

    Descriptors have local minima. Moments that still miss their target start again at the library note with the lowest
    cost at the worst of these moments; the result is used if its cost is lower.
    """
    state = _descend(problem, problem.start.expand(len(problem.frames), -1).clone(), steps)
    for _ in range(_RESTARTS):
        off = ((state.values - problem.target) / problem.course.scale).abs().amax(1) * problem.weight
        if not len(problem.notes) or float(off.max()) < _MISSED:
            break
        begin = torch.where((off >= _MISSED)[:, None], _elsewhere(problem, int(off.argmax())), state.points)
        other = _descend(problem, begin, steps)
        if problem.cost(*other[:2]) < problem.cost(*state[:2]):
            state = other
    return state.points


def _elsewhere(problem: Problem, moment: int) -> Tensor:
    """The library note (dim,) with the lowest cost at one moment."""
    values = problem.course.values(problem.notes, problem.frames[moment].expand(len(problem.notes)))
    error = ((values - problem.target[moment]) / problem.course.scale).square().sum(1)
    return problem.notes[(error + problem.leash * (problem.notes - problem.start).square().sum(1)).argmin()]


def _descend(problem: Problem, begin: Tensor, steps: int) -> _State:
    """Damped steps (Levenberg 1944, Marquardt 1963) from points (times, dim).

    Each moment has its own damping, and takes a step only if that lowers its part of the cost; all steps together are
    taken only if they lower the whole cost, so the result is never worse than the beginning.
    """

    def at(points: Tensor) -> _State:
        return _State(points, *problem.course.slopes(points, problem.frames))

    state = at(problem.bound(begin))
    cost, damping, idle = problem.cost(*state[:2]), torch.full((len(problem.frames),), _FIRST), 0
    for _ in range(steps):
        step = _step(problem, state, damping)
        step *= problem.longest / step.norm(dim=1, keepdim=True).clamp_min(problem.longest)
        trial = at(_best_length(problem, state.points, step))
        better = problem.parts(*trial[:2]) < problem.parts(*state[:2])
        damping = torch.where(better, damping * _EASIER, damping * _HARDER)
        choices = {problem.cost(*choice[:2]): choice for choice in (trial, trial.where(better, state))}
        lower = min(choices)
        idle = idle + 1 if not lower < (1.0 - _GAIN) * cost else 0
        if lower < cost:
            state, cost = choices[lower], lower
        off = ((state.values - problem.target) / problem.course.scale).abs().amax()
        if idle == _IDLE or float(off) <= problem.enough:
            break
    return state


def _best_length(problem: Problem, points: Tensor, step: Tensor) -> Tensor:
    """Points (times, dim) after steps (times, dim), each of the length in `lengths` with the lowest cost."""
    trials = torch.stack([problem.bound(points + length * step) for length in problem.lengths])
    if len(trials) == 1:
        return trials[0]
    values = problem.course.values(trials.flatten(0, 1), problem.frames.repeat(len(trials))).unflatten(
        0, trials.shape[:2]
    )
    parts = torch.stack([problem.parts(*pair) for pair in zip(trials, values, strict=True)])
    return trials[parts.argmin(0), torch.arange(len(points))]


def _step(problem: Problem, state: _State, damping: Tensor) -> Tensor:
    """The step to the lowest cost if descriptors were linear, from a banded system."""
    from scipy.linalg import solveh_banded

    points, values, slopes = state
    times, dim = points.shape
    slopes = slopes.nan_to_num(0.0, 0.0, 0.0)  # far away, the decoder's may be infinite
    weighted = slopes * (problem.weight.sqrt()[:, None] / problem.course.scale)[..., None]
    error = (values - problem.target) / problem.course.scale * problem.weight.sqrt()[:, None]
    difference = problem.smooth * points.diff(dim=0)
    pull = pad(difference, (0, 0, 1, 0)) - pad(difference, (0, 0, 0, 1))
    gradient = torch.einsum("tkd,tk->td", weighted, error) + problem.leash * (points - problem.start) + pull
    blocks = (weighted.mT @ weighted).double().numpy()
    ties = np.full(times, 2.0) - (np.arange(times) == 0) - (np.arange(times) == times - 1)
    curvature = damping.double().numpy() * np.trace(blocks, axis1=1, axis2=2) / dim
    diagonal = problem.leash + problem.smooth * ties + curvature
    system = _banded(blocks + diagonal[:, None, None] * np.eye(dim), problem.smooth)
    solved = solveh_banded(system, -gradient.double().numpy().ravel(), lower=True)
    return torch.from_numpy(solved.reshape(times, dim)).to(points)


def _banded(blocks: np.ndarray, smooth: float) -> np.ndarray:
    """Lower bands (dim + 1, n) of a matrix with symmetric blocks (times, dim, dim) on its diagonal, and -smooth between
    neighbouring moments."""
    times, dim, _ = blocks.shape
    bands = np.zeros((dim + 1, times, dim))
    for offset in range(dim):
        bands[offset, :, : dim - offset] = np.diagonal(blocks, -offset, 1, 2)
    bands[dim, :-1] = -smooth
    return bands.reshape(dim + 1, times * dim)
