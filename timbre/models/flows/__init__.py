"""Normalizing flows that enrich the posterior, of five kinds behind one interface."""

from collections.abc import Callable
from functools import partial

from timbre.errors import ConfigError
from timbre.models.flows.flow import Flow
from timbre.models.flows.networks import NetworkFlow
from timbre.models.flows.planar import EPSILON, PlanarFlow, constrained_u
from timbre.models.flows.radial import RadialFlow, constrained_beta

__all__ = [
    "EPSILON",
    "FLOWS",
    "Flow",
    "NetworkFlow",
    "PlanarFlow",
    "RadialFlow",
    "constrained_beta",
    "constrained_u",
    "make_flow",
]

FLOWS: dict[str, Callable[[int, int, bool], Flow]] = {
    "planar": PlanarFlow,
    "radial": RadialFlow,
    "coupling": partial(NetworkFlow, "coupling"),
    "autoregressive": partial(NetworkFlow, "autoregressive"),
    "spline": partial(NetworkFlow, "spline"),
}


def make_flow(kind: str, dim: int, layers: int, amortised: bool = False) -> Flow:
    """A flow of the given kind, near the identity but for planar ones.

    Args:
        kind: one of `FLOWS`.
        dim: dimensions of z.
        layers: K, 0 or more; with 0 the flow is the identity.
        amortised: whether its parameters come with every call.

    Raises:
        ConfigError: if there is no such kind, or it cannot have so few dimensions.
    """
    if kind not in FLOWS:
        raise ConfigError(f"There is no flow of kind {kind!r}; kinds are {', '.join(FLOWS)}.")
    return FLOWS[kind](dim, layers, amortised)
