"""What the page's engine knows of the library notes: their points, and what is heard of them."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from safetensors.numpy import save

from timbre.models.flows.planar import PlanarFlow
from timbre.models.regularizers.axes import MIDDLE_C
from timbre.space import Space


def notes_file(space: Space, shown: np.ndarray, more: Mapping[str, np.ndarray]) -> bytes:
    """The library notes at some indices, and more tensors, as a safetensors file."""
    points = space.atlas.points[shown].astype(np.float32)
    trained = np.array(space.atlas.splits, dtype=str)[shown] == "train"
    arrays = {"points": points, "trained": trained.astype(np.int32)}
    arrays |= {**dict(_heard(space, points)), **more}
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, {"format": "timbre-web"})


def notes_size(space: Space, shown: np.ndarray) -> int:
    """About the size of :func:`notes_file`, bytes."""
    return 4 * len(shown) * (space.dim + 1)


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
