"""What the page's engine knows of the named axes: a small network, fitted to sounds that are decoded and measured."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbre.models.conditions import Conditions
from timbre.models.regularizers.axes import MIDDLE_C, bend, unbend
from timbre.space import Space

BATCHES = 128  # of points that are measured
_BATCH, _ROUNDS, _VELOCITY = 64, 4, 0.8  # points in a batch; rounds of as many batches each; of the notes
_HELD_OUT = 10  # every tenth point is held out to measure the error
_WIDTH, _DECAY, _RATE, _TOLERANCE = 64, 0.5, 4e-3, 0.3  # of the network, and of its fit
_EPOCHS, _FITTED = 100, 128  # of a fit, and points in its batches
_FARTHEST = 2.5  # step along an axis of a point that is measured
_STEPS, _LONGEST, _LEASH, _EXACT, _SOFT = 8, 1.0, 0.3, 0.05, 0.5  # as in the page, see engine/axes.js


class FittedAxes(NamedTuple):
    """The tensors of the page, by name, and the median error of the values of held-out points on each axis."""

    arrays: dict[str, np.ndarray]
    errors: dict[str, float]


class AxisNetwork(nn.Module):
    """Values of sounds on named axes, from their points; the page's engine has the same functions.

    Args:
        notes: points of the library (n, dim).
        axes: their number.
    """

    mean: Tensor
    scale: Tensor
    radius: Tensor

    def __init__(self, notes: np.ndarray, axes: int) -> None:
        super().__init__()
        points = torch.from_numpy(notes)
        self.register_buffer("mean", points.mean(0))
        self.register_buffer("scale", points.std(0, correction=0).clamp_min(1e-3))
        self.register_buffer("radius", self.whitened(points).norm(dim=1).quantile(0.99)[None])
        hidden = (nn.Linear(_WIDTH, _WIDTH), nn.SiLU())
        self.layers = nn.Sequential(nn.Linear(points.shape[1], _WIDTH), nn.SiLU(), *hidden, nn.Linear(_WIDTH, axes))

    def whitened(self, points: Tensor) -> Tensor:
        """Points (n, dim) in standard deviations of the library notes."""
        return (points - self.mean) / self.scale

    @torch.no_grad()
    def values(self, points: Tensor) -> Tensor:
        """Values (n, axes) of the sounds of points (n, dim), -3 to 3."""
        return bend(self.layers(self.whitened(points)))

    def moved(self, points: Tensor, axis: Tensor, value: Tensor) -> Tensor:
        """The nearest points (n, dim) whose sounds have values (n,) on axes (n,), given by their numbers.

        Gauss-Newton steps, as in :meth:`timbre.space.moving.AxisControls.moved`, on the network.
        """
        start = self.whitened(points)
        most = start.norm(dim=1, keepdim=True).clamp_min(self.radius)
        target = self._slopes(start)[0].scatter(1, axis[:, None], unbend(value.clamp(-3.0, 3.0))[:, None])
        errors = torch.full_like(target, _SOFT).scatter(1, axis[:, None], _EXACT)
        at, best, lowest = start, start, torch.full_like(value, torch.inf)
        for n in range(_STEPS + 1):
            (values, slopes), offset = self._slopes(at), at - start
            cost = ((target - values) / errors).square().sum(1) + _LEASH * offset.square().sum(1)
            best, lowest = torch.where((cost < lowest)[:, None], at, best), torch.minimum(cost, lowest)
            if n < _STEPS:
                wanted = target - values + torch.einsum("nad,nd->na", slopes, offset)
                system = slopes @ slopes.mT + _LEASH * torch.diag_embed(errors.square())
                step = torch.einsum("nad,na->nd", slopes, torch.linalg.solve(system, wanted)) - offset
                at = at + step * (_LONGEST / step.norm(dim=1, keepdim=True).clamp_min(_LONGEST))
                at = at * (most / at.norm(dim=1, keepdim=True).clamp_min(1e-9)).clamp_max(1.0)
        return self.mean + self.scale * best

    @torch.enable_grad()
    def _slopes(self, whitened: Tensor) -> tuple[Tensor, Tensor]:
        """Values (n, axes), not compressed, of whitened points, and how they change with them (n, axes, dim)."""
        at = whitened.detach().requires_grad_(True)
        values = self.layers(at)
        rows = [torch.autograd.grad(column.sum(), at, retain_graph=True)[0] for column in values.unbind(1)]
        return values.detach(), torch.stack(rows, 1)


def fitted_axes(space: Space, step: Callable[[], object], batches: int = BATCHES) -> FittedAxes:
    """Fit the network of a space with named axes; `step` is called for each of the batches.

    The points of the first round are library notes and random ones. Those of the next have been moved along axes by the
    network as it is then: where it is wrong, it leads to points at which no note lies, and learns what they are.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        points, values = torch.zeros(0, space.dim), torch.zeros(0, len(space.axes))
        network = AxisNetwork(space.atlas.points, len(space.axes))
        for n in range(_ROUNDS):
            begin = _some_points(space, batches // _ROUNDS * _BATCH, n)
            new = begin if n == 0 else _moved(network, begin)
            points, values = torch.cat([points, new]), torch.cat([values, *_measured(space, new, step)])
            network = AxisNetwork(space.atlas.points, len(space.axes))
            _fit(network, points, values)
    held = torch.arange(len(points)) % _HELD_OUT == 0
    errors = (network.values(points[held]) - values[held]).abs().nanmedian(0).values.nan_to_num().tolist()
    arrays = {f"axes.{name}": value.numpy() for name, value in network.state_dict().items()}
    return FittedAxes(arrays, dict(zip([axis.name for axis in space.axes], errors, strict=True)))


def axes_size(space: Space) -> int:
    """The size of the tensors, bytes."""
    dim, axes = space.dim, len(space.axes)
    return 4 * (2 * dim + 1 + (dim + 1 + _WIDTH + 1) * _WIDTH + (_WIDTH + 1) * axes) if axes else 0


def _some_points(space: Space, count: int, seed: int) -> Tensor:
    """Points (count, dim): library notes, and as many random ones."""
    notes = space.atlas.points[np.random.default_rng(seed).integers(len(space.atlas), size=count // 2)]
    return torch.from_numpy(np.concatenate([notes, space.draw(count - len(notes), seed)]).astype(np.float32))


def _moved(network: AxisNetwork, points: Tensor) -> Tensor:
    """Points moved along random axes."""
    own = network.values(points)
    axis, step = torch.randint(own.shape[1], (len(own),)), _FARTHEST * (2.0 * torch.rand(len(own)) - 1.0)
    return network.moved(points, axis, own.gather(1, axis[:, None])[:, 0] + step)


def _measured(space: Space, points: Tensor, step: Callable[[], object]) -> Iterator[Tensor]:
    """Values of the sounds of points at middle C, by batches."""
    for z in points.split(_BATCH):
        yield space.axis_controls.values(
            z, Conditions(*(torch.full((len(z),), value) for value in (MIDDLE_C, _VELOCITY, torch.inf)))
        )
        step()


def _fit(network: AxisNetwork, points: Tensor, values: Tensor) -> None:
    """Fit the network to values (n, axes) of points (n, dim), NaN where not defined."""
    fitted = torch.arange(len(points)) % _HELD_OUT != 0
    inputs, targets = network.whitened(points[fitted]), unbend(values[fitted])
    known = targets.isfinite()
    targets = targets.nan_to_num()
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    batches = -(-len(inputs) // _FITTED)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=_EPOCHS * batches)
    for _ in range(_EPOCHS):
        for rows in torch.randperm(len(inputs)).split(_FITTED):
            errors = F.huber_loss(network.layers(inputs[rows]), targets[rows], reduction="none", delta=_TOLERANCE)
            loss = (errors * known[rows]).sum() / known[rows].sum().clamp_min(1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
