"""Named axes as controls: values of decoded notes, and the points whose sounds have other values."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from timbre.errors import ConfigError
from timbre.files import shown
from timbre.models.conditions import Conditions
from timbre.models.regularizers.axes import MIDDLE_C, STRAIGHT, Axis, axis_values, bend, unbend
from timbre.models.vae import VAE
from timbre.paths.path import LARGEST
from timbre.space.atlas import Atlas
from timbre.space.gauss_newton import Problem, solve
from timbre.space.region import Region
from timbre.spectral import Spectrogram

_LIBRARY = 64  # library notes that tell how sounds change along an axis
_RIDGE = 8.0  # as many notes without any change, in their regression
_FLATTEST = 0.1  # slope below which an axis is taken for one that the library does not have
_NOTHING = 1e-6  # length of a change that is none
_SHARE = 0.3  # of the library's slopes that are added to those of a point
_EXACT, _SOFT = 0.05, 0.5  # errors of an axis that is moved, and of the others, that cost as much as ...
_LEASH = 0.05  # ... this cost of a squared standard deviation of the library says
_LONGEST, _LENGTHS = 2.0, (0.15, 0.4, 0.8, 1.5)  # standard deviations in one step; what is tried of each
_STEPS, _ENOUGH = 4, 0.6


@dataclass(frozen=True, eq=False)
class AxisControls:
    """The named axes of a space as functions of a point, through the decoder."""

    model: VAE
    spectrogram: Spectrogram
    axes: tuple[Axis, ...]
    atlas: Atlas

    @torch.no_grad()
    def values(self, points: Tensor, conditions: Conditions) -> Tensor:
        """Values (n, axes) of the sounds of points (n, dim), -3 to 3; NaN where not defined."""
        return bend(self.straight(points, conditions))

    def straight(self, points: Tensor, conditions: Conditions) -> Tensor:
        """The same, not compressed beyond 2; differentiable."""
        decoded = self.model.decode_heard(points, conditions)
        return axis_values(decoded, self.spectrogram, conditions.pitch, self.axes, straight=True)

    def stepped(self, point: np.ndarray, conditions: Conditions, steps: Mapping[str, float]) -> np.ndarray:
        """A point (dim,) moved by steps along axes, given by their names; errors as in `Space.move`."""
        names, start = [axis.name for axis in self.axes], torch.from_numpy(point)[None]
        wanted = torch.zeros(1, len(names))
        for name, step in steps.items():
            if name not in names:
                known = f"its axes are {', '.join(names)}" if names else "it has no named axes"
                raise ConfigError(f"This space has no axis {shown(name)}; {known}.")
            if not abs(step) <= LARGEST:
                raise ConfigError(f"A step along {name} must be a number up to {LARGEST:,.0f}, got {step}.")
            wanted[0, names.index(name)] = step
        if not wanted.any():
            return point
        undefined = self.values(start, conditions).isnan() & (wanted != 0)
        if undefined.any():
            name = names[int(undefined[0].int().argmax())]
            raise ConfigError(f"{name} has no value for this sound; choose another pitch or another axis.")
        return np.asarray(self.moved(start, conditions, wanted)[0].numpy())

    def moved(self, points: Tensor, conditions: Conditions, steps: Tensor) -> Tensor:
        """Points (n, dim) whose sounds differ from those of `points` by `steps` (n, axes); 0 is an axis not to move.

        It is the nearest point by standard deviations of the library notes (Gauss-Newton on the values of decoded
        notes, as :func:`timbre.synth.steering.steer`), among the library notes; axes that are not moved change as
        little as they can. A step beyond what the space has is approached. Values that are not defined do not count.
        """
        own = self.straight(points, conditions).detach()
        scale = torch.where(steps != 0, _EXACT, _SOFT)
        target = torch.where(steps != 0, unbend(bend(own) + steps), own).nan_to_num()
        start = self.region.whitened(points)
        radius = start.norm(dim=1, keepdim=True).clamp_min(self.region.radius)
        problem = Problem(
            _Course(self, conditions, scale, own.isfinite()), torch.arange(len(points)), start, target,
            torch.ones(len(points)), _LEASH, 0.0, lambda w: w * (radius / w.norm(dim=1, keepdim=True)).clamp_max(1.0),
            torch.zeros(0, points.shape[1]), _LONGEST, _LENGTHS, _ENOUGH,
        )  # fmt: skip
        found = self.region.points(solve(problem, _STEPS))
        return torch.where((steps != 0).any(1, keepdim=True), found, points)

    @cached_property
    def region(self) -> Region:
        """Where the library notes lie."""
        return Region.of(self.atlas.points)

    @cached_property
    def library(self) -> tuple[Tensor, Tensor]:
        """Whitened points (n, dim) of some library notes, and their values (n, axes), decoded at middle C, or without a
        pitch where they have none: at their own pitches, what the pitch does would be taken for what the point does."""
        chosen = np.random.default_rng(0).permutation(len(self.atlas))[:_LIBRARY]
        points, pitch = torch.from_numpy(self.atlas.points[chosen]), torch.from_numpy(self.atlas.pitches[chosen])
        pitch = torch.where(pitch.isfinite(), MIDDLE_C, torch.nan)
        conditions = Conditions(pitch, torch.full_like(pitch, torch.nan), torch.full_like(pitch, torch.inf))
        values = self.values(points, conditions) if len(chosen) else torch.zeros(0, len(self.axes))
        return self.region.whitened(points), values

    @cached_property
    def slopes(self) -> Tensor:
        """How values change with a whitened point over the library, (axes, dim), by ridge regression. Where the decoder
        is flat around a point, these tell the way."""
        points, values = self.library
        return torch.stack([_slope(points, column) for column in values.T])

    @property
    def ranges(self) -> np.ndarray:
        """The lowest and highest value of library notes on each axis, (axes, 2); -2 and 2 where none has a value."""
        columns = [column[column.isfinite()] for column in self.library[1].T]
        ends = [(float(x.min()), float(x.max())) if len(x) else (-STRAIGHT, STRAIGHT) for x in columns]
        return np.array(ends).reshape(-1, 2)

    @property
    def means(self) -> np.ndarray:
        """Mean values of library notes (axes,); 0 where none has a value."""
        return np.array([float(column.nanmean().nan_to_num()) for column in self.library[1].T])

    @cached_property
    def directions(self) -> Tensor:
        """The smallest change of a point (axes, dim) that changes an axis by 1 and the others by 0, by `slopes`.

        An axis that the library does not have is shown by a standard deviation of a dimension, the one of its number.
        """
        slopes = self.slopes.double()
        least = slopes.T @ torch.linalg.inv(slopes @ slopes.T + _FLATTEST**2 * torch.eye(len(slopes)))
        shown = torch.eye(slopes.shape[1], dtype=slopes.dtype)[torch.arange(len(slopes)) % slopes.shape[1]]
        least = torch.where(least.T.norm(dim=1, keepdim=True) > _NOTHING, least.T, shown)
        return (least @ torch.linalg.inv(self.region.root)).float()


@dataclass(frozen=True, eq=False)
class _Course:
    """Values on axes as functions of whitened points, for the solver; 0 where they are not defined."""

    controls: AxisControls
    conditions: Conditions
    scale: Tensor
    known: Tensor

    @torch.no_grad()
    def values(self, points: Tensor, frames: Tensor) -> Tensor:
        """Values (n, axes)."""
        return self._values(points, frames)

    @torch.enable_grad()
    def slopes(self, points: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Values (n, axes), and Jacobians (n, axes, dim) with a share of the library's slopes."""
        at = points.detach().requires_grad_(True)
        values = self._values(at, frames)
        rows = [torch.autograd.grad(column.sum(), at, retain_graph=True)[0] for column in values.unbind(1)]
        return values.detach(), (torch.stack(rows, 1).nan_to_num() + _SHARE * self.controls.slopes) * self.known[
            ..., None
        ]

    def _values(self, whitened: Tensor, notes: Tensor) -> Tensor:
        conditions = Conditions(*(line[notes] for line in vars(self.conditions).values()))
        values = self.controls.straight(self.controls.region.points(whitened), conditions)
        return torch.where(self.known[notes], values, 0.0).nan_to_num()


def _slope(points: Tensor, values: Tensor) -> Tensor:
    """The slope (dim,) of values (n,) over points (n, dim), by ridge regression; NaN values do not count."""
    known = values.isfinite()
    if not known.any():
        return torch.zeros(points.shape[1])
    x, y = points[known] - points[known].mean(0), values[known] - values[known].mean()
    return torch.linalg.solve(x.T @ x + _RIDGE * torch.eye(x.shape[1]), x.T @ y)
