"""What the page's engine knows of the library notes: points, what is heard of them, and values on the named axes."""

from collections.abc import Iterator

import numpy as np
import torch
from safetensors.numpy import save

from timbre.models.conditions import Conditions
from timbre.models.flows.planar import PlanarFlow
from timbre.models.regularizers.axes import MIDDLE_C
from timbre.space import Space

_MEASURED, _BATCH = 512, 64  # library notes whose sounds are measured, and how many at a time
_RIDGE = 8.0  # as many notes without any change, in the regression of values on points


def notes_file(space: Space, shown: np.ndarray) -> bytes:
    """The library notes at some indices as a safetensors file."""
    points = space.atlas.points[shown].astype(np.float32)
    trained = np.array(space.atlas.splits, dtype=str)[shown] == "train"
    arrays = {"points": points, "trained": trained.astype(np.int32)}
    arrays |= {**dict(_heard(space, points)), **dict(_axes(space))}
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, {"format": "timbre-web"})


def notes_size(space: Space, shown: np.ndarray) -> int:
    """About the size of :func:`notes_file`, bytes."""
    measured = min(len(space.atlas), _MEASURED) if space.axes else 0
    return 4 * (len(shown) * (space.dim + 1) + measured * (space.dim + len(space.axes)))


def _heard(space: Space, points: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """How heard coordinates at middle C follow from what the engine computes: by scales, or a map of the points."""
    heard = space.hearing.heard(points, MIDDLE_C)
    flow = space.model.flow
    if space.model.map is None or flow.amortised or not flow.layers or isinstance(flow, PlanarFlow):
        base = _base(space, points)[:, : heard.shape[1]]
        yield "heard.scale", ((heard * base).sum(0) / np.maximum(np.square(base).sum(0), 1e-12)).astype(np.float32)
        return
    design = np.concatenate([points, np.ones((len(points), 1))], 1)
    found = np.linalg.lstsq(design, heard, rcond=None)[0].T.astype(np.float32)
    yield "heard.scale", np.ones(heard.shape[1], np.float32)
    yield "heard.matrix", found[:, :-1]
    yield "heard.offset", found[:, -1]


@torch.no_grad()
def _base(space: Space, points: np.ndarray) -> np.ndarray:
    """What the engine computes of points (n, dim) at middle C: latent points, or the base of a planar flow."""
    model = space.model
    z = model.latent(torch.from_numpy(points), torch.full((len(points),), MIDDLE_C))
    return np.asarray((z if model.map is None or model.flow.amortised else model.flow.inverse(z)).double().numpy())


def _axes(space: Space) -> Iterator[tuple[str, np.ndarray]]:
    """Directions of the named axes (axes, dim), and values of some notes with their slopes (axes, dim + 1)."""
    if not space.axes:
        return
    chosen = np.random.default_rng(0).permutation(len(space.atlas))[:_MEASURED]
    points, values = space.atlas.points[chosen].astype(np.float32), _values(space, chosen)
    slopes = np.stack([_slope(points, column) for column in values.T])
    lines = np.concatenate([points, np.ones((len(points), 1))], 1) @ slopes.T
    yield "axes.directions", space.axis_controls.directions.numpy()
    yield "axes.slopes", slopes.astype(np.float32)
    yield "axes.points", points
    yield "axes.values", np.where(np.isnan(values), lines, values).astype(np.float32)
    yield "axes.scale", np.maximum(space.atlas.points.std(0), 1e-3).astype(np.float32)


def _values(space: Space, chosen: np.ndarray) -> np.ndarray:
    """Values (n, axes) of library notes, heard at middle C, or without pitch where they have none."""
    points, pitches = torch.from_numpy(space.atlas.points[chosen]), torch.from_numpy(space.atlas.pitches[chosen])
    pitches = torch.where(pitches.isfinite(), MIDDLE_C, torch.nan)
    parts = []
    for z, pitch in zip(points.split(_BATCH), pitches.split(_BATCH), strict=True):
        conditions = Conditions(pitch, torch.full_like(pitch, torch.nan), torch.full_like(pitch, torch.inf))
        parts.append(space.axis_controls.values(z, conditions).numpy())
    return np.concatenate(parts) if parts else np.zeros((0, len(space.axes)))


def _slope(points: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The line (dim + 1,) through values (n,) of points (n, dim), by ridge regression; NaN values do not count."""
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(points.shape[1] + 1)
    middle, mean = points[known].mean(0), values[known].mean()
    x, y = points[known] - middle, values[known] - mean
    slope = np.linalg.solve(x.T @ x + _RIDGE * np.diag(x.var(0) + 1e-6), x.T @ y)
    return np.append(slope, mean - middle @ slope)
