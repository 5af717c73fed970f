"""Geodesics: the shortest ways through a space, as measured by what is heard on them.

The decoder pulls a perceptual distance back into the space (Arvanitidis, Hansen and Hauberg 2018, Latent space oddity):
with A the auditory picture of the decoded note, a small step dz is |dA/dz dz| long. A curve of least energy is a
shortest one, run through at constant speed. It is found as in Shao, Kumar and Fletcher (2018, The Riemannian geometry
of deep generative models): the energy of a chain of points between fixed ends is lowered from the line.
"""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from timbre.paths.listening import Listening
from timbre.paths.path import Path
from timbre.paths.uniformity import even
from timbre.space.space import Space

_PIECES = 8  # of a chain; a spline runs through its points
_FINE = 64  # steps in which a way between two points is made even
_PLAIN = 0.02  # weight of the space's own distance, against the heard one along the line
_STEPS, _ENOUGH = 8, 0.01  # Gauss-Newton steps, and the share of the energy by which one must lower it to go on
_SHIFT = 0.01  # by which points are moved to see how pictures change
_HALVINGS = 6  # of a step that would raise the energy


def geodesic(space: Space, points: np.ndarray, pitch: float | None = 60, velocity: float = 0.8) -> Path:
    """The path of least energy through points, run through evenly.

    The energy of a chain z_0..z_n between two points is the sum of |A(z_i+1) - A(z_i)|^2 + c |z_i+1 - z_i|^2, with c
    so small that the second term is 2% of the first on the line. That term makes the metric definite where the decoder
    does not listen, halves the steps that are needed, and keeps the way nearer to known sounds at the same heard length
    (`docs/paths.md`). It is lowered by Gauss-Newton steps, each halved until the energy falls.

    Args:
        space: the space.
        points: (n, dim), n >= 1; the path goes through all of them, and hits its ends to the bit.
        pitch: MIDI at which the decoder listens; None is without pitch.
        velocity: 0..1.
    """
    if len(points) == 1:
        return Path(points, np.zeros(1))
    listening = Listening(space, pitch, velocity, per_cell=1)
    legs = [_smooth(chain(listening, a, b)) for a, b in pairwise(points)]
    joined = np.concatenate([legs[0][:1], *(leg[1:] for leg in legs)])
    way = Path(joined, np.linspace(0.0, 1.0, len(joined)))
    return even(space, way, pitch, velocity, steps=len(joined) - 1)


def chain(listening: Listening, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A chain of least energy (9, dim) between two points (dim,), which are its ends."""
    line = np.linspace(a, b, _PIECES + 1)
    problem = _Chain(listening, line)
    inner = torch.from_numpy(line[1:-1])
    pictures = problem.pictures(inner)
    energy = problem.energy(inner, pictures)
    for _ in range(_STEPS):
        step, before = problem.step(inner, pictures), energy
        for halving in range(_HALVINGS):
            trial = inner + 0.5**halving * step
            trial_pictures = problem.pictures(trial)
            lower = problem.energy(trial, trial_pictures)
            if lower < energy:
                inner, pictures, energy = trial, trial_pictures, lower
                break
        if not energy < (1.0 - _ENOUGH) * before:
            break
    return np.concatenate([line[:1], inner.numpy(), line[-1:]])


class _Chain:
    """Energy of the inner points (n, dim) of a chain whose ends stay; everything but the decoder in float64."""

    def __init__(self, listening: Listening, line: np.ndarray) -> None:
        self.listening = listening
        self.ends = torch.from_numpy(line[[0, -1]])
        with torch.no_grad():
            self.end_pictures = listening.pictures(self.ends.float()).double()
            heard = self._roughness(torch.from_numpy(listening.along(line)))
        plain = self._roughness(torch.from_numpy(line))
        self.weight = _PLAIN * heard / plain if plain > 0 else 1.0
        count = len(line) - 2
        ones = torch.ones(count - 1, dtype=torch.float64)
        self.ties = 2.0 * torch.eye(count, dtype=torch.float64) - torch.diag(ones, 1) - torch.diag(ones, -1)

    @torch.no_grad()
    def pictures(self, inner: Tensor) -> Tensor:
        """Pictures (n, size) of inner points."""
        return self.listening.pictures(inner.float()).double()

    def energy(self, inner: Tensor, pictures: Tensor) -> float:
        """The energy of the whole chain."""
        heard = self._roughness(self._with(self.end_pictures, pictures))
        return heard + self.weight * self._roughness(self._with(self.ends, inner))

    def step(self, inner: Tensor, pictures: Tensor) -> Tensor:
        """The Gauss-Newton step (n, dim): where the energy would be least if pictures were linear in the points."""
        count, dim = inner.shape
        slopes = self._slopes(inner, pictures)
        heard = self._pull(self._with(self.end_pictures, pictures))
        plain = self._pull(self._with(self.ends, inner))
        gradient = torch.einsum("nsd,ns->nd", slopes, heard) + self.weight * plain
        blocks = torch.einsum("isa,jsb->ijab", slopes, slopes) + self.weight * torch.eye(dim, dtype=torch.float64)
        # Only neighbours are tied; but a few dozen unknowns are solved faster as a full matrix than as a banded one.
        system = (self.ties[:, :, None, None] * blocks).transpose(1, 2).reshape(count * dim, count * dim)
        return torch.linalg.solve(system, -gradient.flatten()).reshape(count, dim)

    def _slopes(self, inner: Tensor, pictures: Tensor) -> Tensor:
        """Jacobians (n, size, dim) of pictures, by differences: right to 0.2%, in half the time of torch's forward
        mode, whose first use costs seconds more. Whether a step is taken is decided by the energy itself."""
        count, dim = inner.shape
        moved = inner[:, None] + _SHIFT * torch.eye(dim, dtype=torch.float64)
        change = self.pictures(moved.reshape(count * dim, dim)).reshape(count, dim, -1) - pictures[:, None]
        return change.mT / _SHIFT

    @staticmethod
    def _with(ends: Tensor, inner: Tensor) -> Tensor:
        return torch.cat([ends[:1], inner, ends[1:]])

    @staticmethod
    def _roughness(rows: Tensor) -> float:
        return float(rows.diff(dim=0).square().sum())

    @staticmethod
    def _pull(rows: Tensor) -> Tensor:
        return 2.0 * rows[1:-1] - rows[:-2] - rows[2:]


def _smooth(nodes: np.ndarray) -> np.ndarray:
    """The spline through a chain (_FINE + 1, dim); its ends are the chain's to the bit."""
    times = np.linspace(0.0, 1.0, len(nodes))
    return Path(nodes, times, "spline").at(np.linspace(0.0, 1.0, _FINE + 1))
