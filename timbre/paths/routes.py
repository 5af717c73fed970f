"""Ways between given points: the kinds of `Space.path`."""

import numpy as np
import torch

from timbre.errors import ConfigError
from timbre.paths.geodesic import geodesic
from timbre.paths.path import KINDS, Path
from timbre.paths.uniformity import even as make_even
from timbre.space.space import Space

ROUTES = (*KINDS, "base", "geodesic")
_PIECES = 64  # straight ones, of a curve that is no line in the space


def route(space: Space, points: np.ndarray, kind: str, even: bool, pitch: float | None, velocity: float = 0.8) -> Path:
    """A path through points (n, dim); arguments as in :meth:`~timbre.space.space.Space.path`."""
    if kind not in ROUTES:
        raise ConfigError(f"A path of kind {kind!r} is not known; kinds are {', '.join(ROUTES)}.")
    points = points.astype(np.float64)
    if kind == "geodesic":
        return geodesic(space, points, pitch, velocity)
    times = np.linspace(0.0, 1.0, len(points))
    path = base_line(space, points) if kind == "base" else Path(points, times, kind)
    return make_even(space, path, pitch, velocity) if even else path


@torch.no_grad()
def base_line(space: Space, points: np.ndarray) -> Path:
    """Lines in the base space of the posterior's flow, seen in the space.

    The flow carries a diagonal Gaussian to the posterior; lines of the base are the curves that it makes of lines. The
    pitch flow is the identity at middle C, where places of the space are those of the flow.

    Raises:
        ConfigError: if the space has no flow of its own: none, or one whose parameters come with each sound.
    """
    flow = space.model.flow
    if not space.config.model.flows or flow.amortised:
        reason = "its flows are another one for each sound" if flow.amortised else "it has no flows"
        raise ConfigError(f"This space has no base: {reason}. Take a path of kind line.")
    base = flow.inverse(torch.from_numpy(points)).numpy()
    pieces = Path(base, np.linspace(0.0, 1.0, len(base))).sampled(_PIECES)
    curve = flow(torch.from_numpy(pieces.points.astype(np.float32)))[0].double().numpy()
    curve[np.searchsorted(pieces.times, np.linspace(0.0, 1.0, len(base)))] = points
    return Path(curve, pieces.times)
