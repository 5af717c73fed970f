"""Normalizing flows for the posterior: seven kinds with one interface."""

from collections.abc import Callable
from functools import partial

from timbre.errors import ConfigError
from timbre.models.flows.flow import Flow
from timbre.models.flows.networks import NetworkFlow
from timbre.models.flows.planar import PlanarFlow
from timbre.models.flows.radial import RadialFlow
from timbre.models.flows.sylvester import HouseholderFlow, SylvesterFlow

__all__ = [
    "FLOWS", "Flow", "HouseholderFlow", "NetworkFlow", "PlanarFlow", "RadialFlow", "SylvesterFlow", "make_flow",
]  # fmt: skip

FLOWS: dict[str, Callable[[int, int, bool], Flow]] = {
    "planar": PlanarFlow,
    "radial": RadialFlow,
    "householder": HouseholderFlow,
    "sylvester": SylvesterFlow,
    "coupling": partial(NetworkFlow, "coupling"),
    "autoregressive": partial(NetworkFlow, "autoregressive"),
    "spline": partial(NetworkFlow, "spline"),
}


def make_flow(kind: str, dim: int, layers: int, amortised: bool = False) -> Flow:
    """A new :class:`Flow` of a kind in `FLOWS`, near the identity except for an odd number of reflections.

    Raises:
        ConfigError: if there is no such kind, or `dim` is too small for it.
    """
    if kind not in FLOWS:
        raise ConfigError(f"model.flow must be one of {', '.join(FLOWS)}, got {kind!r}.")
    return FLOWS[kind](dim, layers, amortised)
