"""`steer`: from curves of descriptors to a path that follows them and stays as near to its start as it can."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from timbre.errors import ConfigError
from timbre.paths import Path
from timbre.space import Space
from timbre.space.controls import Line
from timbre.synth._course import STEPS, Course
from timbre.synth._gauss_newton import Problem, solve
from timbre.synth.curves import Curve, Curves

__all__ = ["STEPS", "Steered", "steer", "walk"]

_OUTERMOST = 0.99  # of the known sounds: share that lies nearer to their middle than a path may go
_RIDGE = 1e-3  # of the mean variance
_NEAREST = 256  # known sounds from which a search may begin again


@dataclass(frozen=True, eq=False)
class Steered:
    """A path, and how well it follows.

    Attributes:
        path: through the space; :func:`timbre.render` makes it sound.
        times: of the frames (frames,), s.
        target: what was asked for, by descriptor, (frames,), in its unit.
        reached: what the decoded frames have.
        weight: how much each frame counts (frames,): none after the release, or 40 dB below the start's loudest.
        tracking_error: root mean square of the difference by descriptor over the frames that count, on its
            natural scale: octaves for Hz, doublings for sone, dB for dB.
        missed: share of them that is further from its target than about a just noticeable step, :data:`STEPS`.
        timbre_moved: mean distance from the start in the space, over the sound's time.
        furthest: the largest one.
    """

    path: Path
    times: np.ndarray
    target: dict[str, np.ndarray]
    reached: dict[str, np.ndarray]
    weight: np.ndarray
    tracking_error: dict[str, float]
    missed: dict[str, float]
    timbre_moved: float
    furthest: float


def steer(
    space: Space,
    start: np.ndarray | Sequence[float],
    curves: Curves,
    pitch: Line | None = 60,
    duration: float = 2.0,
    velocity: Line = 0.8,
    leash: float = 0.005,
    smooth: float = 0.01,
    rate: float | None = None,
    steps: int = 30,
) -> Steered:
    """A path from a sound whose descriptors follow curves, and whose timbre otherwise stays.

    Minimised is the mean over time of the squared errors, in steps of about what is just noticeable, plus `leash` times
    the squared distance from the start in the space (the distance that follows listeners' ratings), plus the squared
    speed times `smooth`, by Gauss-Newton through the decoder and the descriptors with exact Jacobians. The path stays
    among the known sounds: no further from their middle, in standard deviations, than 99 of 100 of them, or the start.
    What cannot be reached is approached; see :attr:`Steered.missed`.

    Args:
        space: the space.
        start: a point (dim,).
        curves: a curve for each descriptor, by its name in
            :data:`~timbre.spectral.descriptors.frames.FRAME_DESCRIPTORS`.
        pitch: MIDI; one value, or a line over the sound; None is without pitch.
        duration: s.
        velocity: 0..1, likewise.
        leash: how many squared just noticeable steps of error one squared unit of the space is worth; above 0.
        smooth: s; a speed of 1 unit in this time costs as much as one just noticeable step.
        rate: points of the path a second, between which it is straight; None is one in every frame.
        steps: of the iteration, at most; up to three times as many where a target is not reached.

    Raises:
        ConfigError: there is no curve, a descriptor is not one of frames or not one of this sound, a curve cannot be
            its descriptor's, or a setting is out of range.
    """
    if not (leash > 0 and smooth >= 0):
        raise ConfigError(f"The leash is {leash} and smooth {smooth}; above 0, and 0 or above, are wanted.")
    plan = _plan(space, start, curves, pitch, duration, velocity, rate)
    weight = plan.weight[plan.frames]
    tie = (smooth * len(plan.frames) / duration) ** 2
    problem = Problem(
        plan.course, plan.frames, plan.start, plan.target[plan.frames], weight, leash, tie,
        _evidence(space, plan.start), _nearest(space, plan.start),
    )  # fmt: skip
    return plan.steered(solve(problem, steps))


def walk(
    space: Space,
    start: np.ndarray | Sequence[float],
    curves: Curves,
    pitch: Line | None = 60,
    duration: float = 2.0,
    velocity: Line = 0.8,
    radius: float = 0.5,
    neighbours: int = 32,
    rate: float | None = None,
    seed: int = 0,
) -> Steered:
    """The greedy walk of Esling et al. (DAFx 2018), to compare with: from each point to that of its random neighbours
    whose descriptors are nearest to the target's next value.

    Neighbours lie in all directions, at distances even between 0 and `radius`; staying is one of the choices. (The
    published code steps by +1 along all dimensions.) Nothing holds the walk to its start.

    Args:
        space, start, curves, pitch, duration, velocity, rate: as of :func:`steer`.
        radius: of the neighbourhood.
        neighbours: how many are tried for each point of the path.
        seed: of the neighbours.

    Raises:
        ConfigError: as of :func:`steer`.
    """
    if not (radius > 0 and neighbours >= 1):
        raise ConfigError(f"{neighbours} neighbours within {radius} were asked for; 1 or more, above 0, are wanted.")
    plan = _plan(space, start, curves, pitch, duration, velocity, rate)
    generator = torch.Generator().manual_seed(seed)
    points, point = [], plan.start
    for frame in plan.frames:
        ways = torch.randn(neighbours, space.dim, generator=generator)
        ways = ways / ways.norm(dim=1, keepdim=True) * torch.rand(neighbours, 1, generator=generator) * radius
        near = torch.cat([point[None], point + ways])
        values = plan.course.values(near, frame.expand(len(near)))
        error = ((values - plan.target[frame]) / plan.course.scale).square().sum(1)
        point = near[error.nan_to_num(torch.inf).argmin()]
        points.append(point)
    return plan.steered(torch.stack(points))


@dataclass(frozen=True)
class _SteeringPlan:
    """A sound to be steered: its frames, the frames at which a path has points, and the targets (frames, names)."""

    course: Course
    start: Tensor
    frames: Tensor
    target: Tensor
    weight: Tensor

    def steered(self, points: Tensor) -> Steered:
        """The result for points (times, dim) at the frames."""
        last = max(1, self.course.count - 1)
        path = Path(points.double().numpy(), self.frames.numpy() / last)
        along = torch.from_numpy(path.at(np.arange(self.course.count) / last).astype(np.float32))
        reached = self.course.values(along, torch.arange(self.course.count))
        error, share = reached - self.target, (self.weight / self.weight.sum())[:, None]
        rms = (share * error.square()).sum(0).sqrt().tolist()
        missed = (share * (error.abs() > self.course.scale)).sum(0).tolist()
        away = (along - self.start).norm(dim=1)
        names = self.course.names
        return Steered(
            path, self.course.clock.double().numpy(), self.course.public(self.target.numpy()),
            self.course.public(reached.numpy()), self.weight.double().numpy(), dict(zip(names, rms, strict=True)),
            dict(zip(names, missed, strict=True)), float(away.mean()), float(away.max()),
        )  # fmt: skip


def _plan(
    space: Space, start: np.ndarray | Sequence[float], curves: Curves, pitch: Line | None, duration: float,
    velocity: Line, rate: float | None,
) -> _SteeringPlan:  # fmt: skip
    if not curves:
        raise ConfigError("No curve came; give one for each descriptor that is to be steered.")
    if rate is not None and not rate > 0:
        raise ConfigError(f"The rate is {rate} points a second; more than 0 is wanted.")
    count = space.renderer.frames(duration)
    lines = (_line(np.nan if pitch is None else pitch, count), _line(velocity, count))
    course = Course(space, list(curves), *lines, duration)
    point = torch.from_numpy(space.check_point(start))
    spectra = space.spectrum(point.numpy()[None], None if pitch is None else lines[0], lines[1], duration)
    own = course.values(point.expand(count, -1), torch.arange(count))
    course.require_defined(own)
    times = course.clock.double().numpy()
    found = {name: curve if isinstance(curve, Curve) else Curve(np.asarray(curve)) for name, curve in curves.items()}
    target = [curve.natural(name, own[:, k].double().numpy(), times) for k, (name, curve) in enumerate(found.items())]
    number = count if rate is None else max(2, min(count, round(duration * rate) + 1))
    frames = torch.from_numpy(np.unique(np.round(np.linspace(0, count - 1, number)).astype(np.int64)))
    return _SteeringPlan(course, point, frames, torch.from_numpy(np.stack(target, 1)).float(), course.counting(spectra))


def _line(value: Line, count: int) -> np.ndarray:
    """A control of every frame (count,)."""
    values = np.atleast_1d(np.asarray(value, dtype=np.float64))
    return np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(values)), values)


def _evidence(space: Space, start: Tensor) -> Callable[[Tensor], Tensor]:
    """What brings points (n, dim) back into the ellipsoid in which the known sounds lie, if it holds the start."""
    known = torch.from_numpy(space.atlas.points).double()
    if len(known) <= space.dim:
        return lambda points: points
    middle, covariance = known.mean(0), torch.cov(known.T)
    covariance += _RIDGE * covariance.diagonal().mean() * torch.eye(space.dim)
    root = torch.linalg.inv(torch.linalg.cholesky(covariance)).T
    radius = torch.quantile(((known - middle) @ root).norm(dim=1), _OUTERMOST)
    radius = torch.maximum(radius, ((start.double() - middle) @ root).norm())

    def bound(points: Tensor) -> Tensor:
        away = points.double() - middle
        size = (away @ root).norm(dim=1, keepdim=True)
        return (middle + away * (radius / size.clamp_min(radius))).to(points)

    return bound


def _nearest(space: Space, start: Tensor) -> Tensor:
    """The known sounds (n, dim) nearest to the start, up to 256."""
    known = torch.from_numpy(space.atlas.points)
    return known[(known - start).square().sum(1).argsort()[:_NEAREST]]
