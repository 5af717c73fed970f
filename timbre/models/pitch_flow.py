"""Where a place lies at another pitch: the flow that takes pitch out of a space and puts it back.

An instrument's notes are strung out in the latent of an autoencoder, each kind along a way of its own, as its timbre
changes from low to high. :class:`PitchFlow` follows these ways: a point is carried to where its instrument has middle
C. Given the pitch it can be undone, so that the decoder loses nothing.
"""

import torch
from torch import Tensor, nn

MIDDLE_C = 60.0  # MIDI: the pitch whose places all points are given as
LAYERS = 6
HIDDEN = 64
STRETCH = 1.0  # nepers by which a layer changes a dimension at most


class PitchFlow(nn.Module):
    """A flow that knows the pitch: affine couplings (Dinh et al. 2017, Real NVP) that are the identity at middle C.

    Each layer shifts and stretches half of the dimensions by what a network makes of the other half and of the
    distance from middle C, in octaves; both grow with that distance. The halves differ from layer to layer. It begins
    as the identity. Where the pitch is unknown (NaN) a point stays what it is.

    Named axes are shifted only, in a last layer, by what a network makes of the other dimensions, which do not depend
    on them: a step along an axis is the same step before and after.

    Args:
        dim: dimensions of the points.
        named: how many of the first ones are named axes.

    Attributes:
        center, scale: of the latent points, (dim,), which the layers see standardised.
    """

    center: Tensor
    scale: Tensor
    moved: Tensor
    free: Tensor

    def __init__(self, dim: int, named: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # the rest of a model is drawn as if there were no such flow
            torch.manual_seed(0)
            self.nets = nn.ModuleList(_net(dim) for _ in range(LAYERS + (named > 0))).requires_grad_(
                False
            )  # learned by itself
        self.register_buffer("center", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))
        self.register_buffer("moved", _parts(dim, named), persistent=False)
        self.register_buffer("free", (torch.arange(dim) >= named).float(), persistent=False)

    def forward(self, z: Tensor, pitch: Tensor) -> Tensor:
        """Points (..., dim) of latent points (..., dim) of notes of a pitch (...), MIDI; these shapes broadcast."""
        away = _octaves(pitch)
        z = (z - self.center) / self.scale
        for net, moved in zip(self.nets, self.moved, strict=True):
            shift, stretch = self._change(net, z, moved, away)
            z = z + moved * (z * torch.expm1(stretch) + shift)
        return self.center + self.scale * z

    def inverse(self, points: Tensor, pitch: Tensor) -> Tensor:
        """The latent points (..., dim) of which points (..., dim) came, at a pitch (...), MIDI."""
        away = _octaves(pitch)
        z = (points - self.center) / self.scale
        for net, moved in zip(reversed(self.nets), self.moved.flip(0), strict=True):
            shift, stretch = self._change(net, z, moved, away)
            z = z + moved * ((z - shift) * torch.exp(-stretch) - z)
        return self.center + self.scale * z

    def _change(self, net: nn.Module, z: Tensor, moved: Tensor, away: Tensor) -> tuple[Tensor, Tensor]:
        """What a layer adds to the dimensions that it moves, and the logarithm of what it multiplies them by."""
        shape = torch.broadcast_shapes(z.shape[:-1], away.shape[:-1])
        seen = (z * self.free * (1.0 - moved)).expand(*shape, -1)
        shift, raw = net(torch.cat([seen, away.expand(*shape, -1)], -1)).chunk(2, -1)
        return away * shift, STRETCH * torch.tanh(away * raw / STRETCH) * self.free


def _net(dim: int) -> nn.Sequential:
    net = nn.Sequential(
        nn.Linear(dim + 1, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, 2 * dim)
    )
    nn.init.zeros_(net[-1].weight)  # type: ignore[arg-type]
    nn.init.zeros_(net[-1].bias)  # type: ignore[arg-type]
    return net


def _parts(dim: int, named: int) -> Tensor:
    """Which dimensions each layer moves, 0 or 1, (layers, dim): random halves, the other half after each; the axes."""
    generator = torch.Generator().manual_seed(0)
    out = torch.zeros(LAYERS + (named > 0), dim)
    for layer in range(0, LAYERS, 2):
        free = named + torch.randperm(dim - named, generator=generator)
        out[layer, free[: len(free) // 2]] = 1.0
        out[layer + 1, free[len(free) // 2 :]] = 1.0
    if named:
        out[LAYERS, :named] = 1.0
    return out


def _octaves(pitch: Tensor) -> Tensor:
    return torch.nan_to_num((pitch - MIDDLE_C) / 12.0).unsqueeze(-1)
