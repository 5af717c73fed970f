"""The pitch flow: moves points to their middle-C position, and back before they are decoded.

In the latent space of an autoencoder, the notes of an instrument lie along a curve from low to high, since timbre
changes with pitch. :class:`PitchFlow` follows these curves: it moves a point to where its instrument plays middle C.
Given the pitch it can be inverted, so the decoder loses nothing, except where a point would leave the space.
"""

import math

import torch
from torch import Tensor, nn

MIDDLE_C = 60.0  # MIDI: the pitch at which the flow is the identity
LAYERS = 6
HIDDEN = 64
STRETCH = 1.0  # nepers: the most that a layer stretches or shrinks a dimension
REACH = 3.0  # how far a point may be moved from the center: sqrt(dim), the usual distance, plus these deviations


class PitchFlow(nn.Module):
    """A pitch-conditioned flow: affine couplings (Dinh et al. 2017, Real NVP) that are the identity at middle C.

    Each layer shifts and stretches half of the dimensions by amounts that a network computes from the other half and
    the distance from middle C in octaves, and that grow with that distance. The halves differ between layers. A new
    flow is the identity. Points of unknown pitch (NaN) are not moved.

    Named axes are only shifted, in a last layer, by amounts that a network computes from the other dimensions, so that
    a step along an axis is the same step before and after.

    Args:
        dim: dimensions of the points.
        named: number of the first dimensions that are named axes.
    """

    def __init__(self, dim: int, named: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # the weights of the rest of a model do not depend on this flow
            torch.manual_seed(0)
            self.nets = nn.ModuleList(_net(dim) for _ in range(LAYERS + (named > 0)))
        self.nets.requires_grad_(False)  # the flow is fitted separately
        self.center = nn.Buffer(torch.zeros(dim))  # mean of the latent points, by which inputs are standardised
        self.scale = nn.Buffer(torch.ones(dim))  # their standard deviation
        self.moved = nn.Buffer(_parts(dim, named), persistent=False)
        self.most = math.sqrt(dim - named) + REACH
        self.free = nn.Buffer((torch.arange(dim) >= named).float(), persistent=False)

    def forward(self, z: Tensor, pitch: Tensor) -> Tensor:
        """Points (..., dim) for latent points (..., dim) of notes at a pitch (...), MIDI; the shapes broadcast."""
        away = _octaves(pitch)
        z = (z - self.center) / self.scale
        for net, moved in zip(self.nets, self.moved, strict=True):
            shift, stretch = self._change(net, z, moved, away)
            z = z + moved * (z * torch.expm1(stretch) + shift)
        return self.center + self.scale * z

    def inverse(self, points: Tensor, pitch: Tensor) -> Tensor:
        """The latent points (..., dim) for points (..., dim) at a pitch (...), MIDI.

        At pitches far from those of a sound the curves lead out of the space. Where they lead beyond the distance from
        the center that few notes exceed, or beyond the point's own one if that is larger, a point is moved less far:
        the less, the farther they lead.
        """
        away = _octaves(pitch)
        start = z = (points - self.center) / self.scale
        for net, moved in zip(reversed(self.nets), self.moved.flip(0), strict=True):
            shift, stretch = self._change(net, z, moved, away)
            z = z + moved * ((z - shift) * torch.exp(-stretch) - z)
        z = self._within_reach(start, z)
        return self.center + self.scale * z

    def _within_reach(self, start: Tensor, z: Tensor) -> Tensor:
        """Standardised points (..., dim) that were moved from `start` to z, or less far; named axes stay at z."""
        begin, step = start * self.free, (z - start) * self.free
        most = torch.linalg.vector_norm(begin, dim=-1, keepdim=True).clamp_min(self.most)
        far = torch.linalg.vector_norm(z * self.free, dim=-1, keepdim=True)
        square, along = (step * step).sum(-1, keepdim=True).clamp_min(1e-9), (begin * step).sum(-1, keepdim=True)
        inside = most.square() - (begin * begin).sum(-1, keepdim=True)
        # The share of the step at which its end is `most` from the center, and what is left of it farther away.
        share = (torch.sqrt((along.square() + square * inside).clamp_min(0.0)) - along) / square
        nearer = z * (1.0 - self.free) + begin + share * (most / far.clamp_min(1e-6)).square() * step
        return torch.where(far > most, nearer, z)

    def _change(self, net: nn.Module, z: Tensor, moved: Tensor, away: Tensor) -> tuple[Tensor, Tensor]:
        """The shift of a layer, and the logarithm of its factor."""
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
    """The dimensions that each layer moves, 0 or 1, (layers, dim): random halves, each before the rest; the axes."""
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
