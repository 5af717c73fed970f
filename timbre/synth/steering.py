"""`steer`: from curves of descriptors to a path that follows them and stays as near to its start as it can."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from timbre.errors import ConfigError
from timbre.paths import Path
from timbre.space import NoteControls, Space
from timbre.space.controls import Line
from timbre.space.gauss_newton import Problem, solve
from timbre.space.region import Region
from timbre.synth._course import STEPS, Course
from timbre.synth.curves import Curve, Curves

__all__ = ["STEPS", "Steered", "SteeringPlan", "make_plan", "steer"]

_NEAREST = 256  # library notes from which the iteration may start again


@dataclass(frozen=True, eq=False)
class Steered:
    """A steered path, and how well it follows its curves.

    Attributes:
        path: through the space; :func:`timbre.render` turns it into sound.
        times: of the frames (frames,), s.
        target: the curves by descriptor, (frames,), in its unit.
        reached: the values of the decoded frames, by descriptor, (frames,).
        weight: of each frame (frames,): 0 after the release, or 40 dB below the loudest frame of the start.
        tracking_error: root mean square difference by descriptor, weighted, on its natural scale: octaves for Hz,
            doublings for sone, dB for dB.
        missed: share of the weight where the difference is larger than a just noticeable step, :data:`STEPS`.
        timbre_moved: mean distance from the start in the space, over time.
        furthest: the largest distance.
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

    It minimises the mean over time of the squared errors, in just noticeable steps, plus `leash` times the squared
    distance from the start in the space (which follows listeners' ratings), plus the squared speed times `smooth`, by
    Gauss-Newton through the decoder and the descriptors with exact Jacobians. The path stays among the library notes:
    at most as far from their mean, in standard deviations, as 99% of them, or as the start. A target that cannot be
    reached is approached; see :attr:`Steered.missed`.

    Args:
        space: the space.
        start: a point (dim,).
        curves: a curve for each descriptor, by its name in
            :data:`~timbre.spectral.descriptors.frames.FRAME_DESCRIPTORS`.
        pitch: MIDI; one value, or a line over the sound; None is without pitch.
        duration: s.
        velocity: 0..1; one value, or a line over the sound.
        leash: cost of one squared unit of distance, in squared just noticeable steps of error; above 0.
        smooth: s; a speed of 1 unit in this time costs as much as one just noticeable step; 0 or more.
        rate: points of the path per second, with lines between them; None is one in every frame.
        steps: of the iteration, at most; up to three times as many where a target is not reached.

    Raises:
        ConfigError: for no curve, a descriptor that frames or this sound do not have, values that a descriptor cannot
            have, or a setting out of range.
    """
    if not (leash > 0 and smooth >= 0):
        raise ConfigError(f"The leash must be above 0, and smooth 0 or more; got {leash} and {smooth}.")
    plan = make_plan(space, start, curves, NoteControls(pitch, velocity, duration), rate)
    tie = (smooth * len(plan.frames) / duration) ** 2
    notes = torch.from_numpy(space.atlas.points)
    near = notes[(notes - plan.start).square().sum(1).argsort()[:_NEAREST]]
    problem = Problem(
        plan.course, plan.frames, plan.start, plan.target[plan.frames], plan.weight[plan.frames], leash, tie,
        Region.of(space.atlas.points).bound(plan.start), near,
    )  # fmt: skip
    return plan.steered(solve(problem, steps))


@dataclass(frozen=True)
class SteeringPlan:
    """A sound to be steered: its decoded frames, the start, and the target of each frame with its weight."""

    course: Course
    start: Tensor  # (dim,)
    frames: Tensor  # indices of the frames at which the path has points, (times,)
    target: Tensor  # on natural scales, (frames, names)
    weight: Tensor  # (frames,)

    def steered(self, points: Tensor) -> Steered:
        """The result for points (times, dim) at the frames."""
        last = max(1, self.course.count - 1)
        path = Path(points.double().numpy(), self.frames.numpy() / last)
        along = torch.from_numpy(path.at(np.arange(self.course.count) / last).astype(np.float32))
        reached = self.course.values(along, torch.arange(self.course.count))
        error, share = reached - self.target, (self.weight / self.weight.sum())[:, None]
        rms = (share * error.square()).sum(0).sqrt().tolist()
        missed = (share * (error.abs() > self.course.scale)).sum(0).tolist()
        distance = (along - self.start).norm(dim=1)
        names = self.course.names
        return Steered(
            path, self.course.clock.double().numpy(), self.course.public(self.target.numpy()),
            self.course.public(reached.numpy()), self.weight.double().numpy(), dict(zip(names, rms, strict=True)),
            dict(zip(names, missed, strict=True)), float(distance.mean()), float(distance.max()),
        )  # fmt: skip


def make_plan(
    space: Space, start: np.ndarray | Sequence[float], curves: Curves, controls: NoteControls, rate: float | None = None
) -> SteeringPlan:
    """The plan of a sound; arguments and errors as in :func:`steer`."""
    if not curves:
        raise ConfigError("Steering must have a curve for one descriptor or more, got none.")
    if rate is not None and not rate > 0:
        raise ConfigError(f"The rate must be more than 0 points a second, got {rate}.")
    count = space.renderer.frames(controls.duration)
    controls = controls.stretched(count)
    course = Course(space, list(curves), controls, count)
    point = torch.from_numpy(space.check_point(start))
    own = course.values(point.expand(count, -1), torch.arange(count))
    course.require_defined(own)
    times = course.clock.double().numpy()
    target = [
        (curve if isinstance(curve, Curve) else Curve(np.asarray(curve))).natural(name, values, times)
        for (name, curve), values in zip(curves.items(), own.double().numpy().T, strict=True)
    ]
    number = count if rate is None else max(2, min(count, round(controls.duration * rate) + 1))
    frames = torch.from_numpy(np.unique(np.round(np.linspace(0, count - 1, number)).astype(np.int64)))
    weight = course.weight(space.renderer.spectrum(point.numpy()[None], controls))
    return SteeringPlan(course, point, frames, torch.from_numpy(np.stack(target, 1)).float(), weight)
