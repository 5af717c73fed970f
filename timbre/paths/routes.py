"""Paths between given points: the kinds of `Space.path`."""

import numpy as np
import torch

from timbre.errors import ConfigError
from timbre.models.flows import Flow
from timbre.paths.geodesic import geodesic
from timbre.paths.listening import Listening
from timbre.paths.path import KINDS, Path
from timbre.paths.uniformity import even as make_even

ROUTES = (*KINDS, "base", "geodesic")
_PIECES = 64  # straight pieces that stand for a curve


def route(listening: Listening, points: np.ndarray, kind: str = "line", even: bool = False) -> Path:
    """A path through points (n, dim); settings and errors as in :meth:`~timbre.space.space.Space.path`."""
    if kind not in ROUTES:
        raise ConfigError(f"The kind of path must be one of {', '.join(ROUTES)}; got {kind!r}.")
    points = points.astype(np.float64)
    if kind == "geodesic":
        return geodesic(listening, points)
    times = np.linspace(0.0, 1.0, len(points))
    path = base_line(listening.model.flow, points) if kind == "base" else Path(points, times, kind)
    return make_even(listening, path) if even else path


@torch.no_grad()
def base_line(flow: Flow, points: np.ndarray) -> Path:
    """Lines in the base space of the posterior's flow, mapped to the latent space.

    The flow carries a diagonal Gaussian to the posterior; it maps lines of the base to curves. The pitch flow is the
    identity at middle C, where points of the space are those of the flow. A ConfigError is raised if the flow is the
    identity, or has other parameters for each sound.
    """
    if flow.amortised or not flow.layers:
        reason = "its flow has other parameters for each sound" if flow.amortised else "it has no flows"
        raise ConfigError(f"This space has no base space: {reason}. Choose a path of kind line.")
    base = flow.inverse(torch.from_numpy(points)).numpy()
    pieces = Path(base, np.linspace(0.0, 1.0, len(base))).sampled(_PIECES)
    curve = flow(torch.from_numpy(pieces.points.astype(np.float32)))[0].double().numpy()
    curve[np.searchsorted(pieces.times, np.linspace(0.0, 1.0, len(base)))] = points
    return Path(curve, pieces.times)
