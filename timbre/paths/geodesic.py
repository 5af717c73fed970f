"""Geodesics: the shortest paths through a space under the perceptual distance.

The decoder pulls a perceptual distance back into the space (Arvanitidis, Hansen and Hauberg 2018, Latent space oddity):
with A the auditory features of the decoded note, a small step dz is |dA/dz dz| long. A curve of least energy is a
shortest one, with constant speed. It is computed as in Shao, Kumar and Fletcher (2018, The Riemannian geometry of deep
generative models): the energy of a chain of points between fixed ends is lowered, starting from the line.
"""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from timbre.paths.listening import Listening
from timbre.paths.path import Path
from timbre.paths.uniformity import even

_PIECES = 8  # of a chain; a spline runs through its points
_FINE = 64  # steps in which a curve between two points is made even
_PLAIN = 0.02  # weight of the space's own distance, relative to the perceptual one along the line
_STEPS, _GAIN = 8, 0.01  # Gauss-Newton steps at most, and the share of the energy by which one must lower it to go on
_SHIFT = 0.01  # difference of points for the derivatives of features
_HALVINGS = 6  # of a step that would raise the energy


def geodesic(listening: Listening, points: np.ndarray) -> Path:
    """The path of least energy through points, with constant perceptual speed.

    The energy of a chain z_0..z_n between two points is the sum of |A(z_i+1) - A(z_i)|^2 + c |z_i+1 - z_i|^2, with c
    such that the second term is 2% of the first on the line. That term makes the metric definite where the decoder
    does not respond, halves the number of steps, and keeps the path nearer to library notes at the same perceptual
    length (`docs/paths.md`). The energy is lowered by Gauss-Newton steps, each halved until the energy falls.

    The path goes through all of the points (n, dim), n >= 1, and has the same ends to the bit.
    """
    if len(points) == 1:
        return Path(points, np.zeros(1))
    times, coarse = np.linspace(0.0, 1.0, _FINE + 1), np.linspace(0.0, 1.0, _PIECES + 1)
    chains = [chain(listening.sampled(1), a, b) for a, b in pairwise(points)]
    legs = [Path(nodes, coarse, "spline").at(times)[1:] for nodes in chains]
    joined = np.concatenate([chains[0][:1], *legs])
    path = Path(joined, np.linspace(0.0, 1.0, len(joined)))
    return even(listening, path, steps=len(joined) - 1)


def chain(listening: Listening, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The chain of least energy (9, dim) between two points (dim,), which are its ends."""
    line = np.linspace(a, b, _PIECES + 1)
    problem = _Chain(listening, line)
    inner = torch.from_numpy(line[1:-1])
    features = problem.features(inner)
    energy = problem.energy(inner, features)
    for _ in range(_STEPS):
        step, before = problem.step(inner, features), energy
        for halving in range(_HALVINGS):
            trial = inner + 0.5**halving * step
            trial_features = problem.features(trial)
            lower = problem.energy(trial, trial_features)
            if lower < energy:
                inner, features, energy = trial, trial_features, lower
                break
        if not energy < (1.0 - _GAIN) * before:
            break
    return np.concatenate([line[:1], inner.numpy(), line[-1:]])


class _Chain:
    """Energy of the inner points (n, dim) of a chain with fixed ends; all but the decoder is in float64."""

    def __init__(self, listening: Listening, line: np.ndarray) -> None:
        self.listening = listening
        self.ends = torch.from_numpy(line[[0, -1]])
        with torch.no_grad():
            self.end_features = listening.features(self.ends.float()).double()
            perceptual = self._roughness(torch.from_numpy(listening.along(line)))
        plain = self._roughness(torch.from_numpy(line))
        self.weight = _PLAIN * perceptual / plain if plain > 0 else 1.0
        count = len(line) - 2
        ones = torch.ones(count - 1, dtype=torch.float64)
        self.ties = 2.0 * torch.eye(count, dtype=torch.float64) - torch.diag(ones, 1) - torch.diag(ones, -1)

    @torch.no_grad()
    def features(self, inner: Tensor) -> Tensor:
        """Auditory features (n, size) of inner points."""
        return self.listening.features(inner.float()).double()

    def energy(self, inner: Tensor, features: Tensor) -> float:
        """The energy of the whole chain."""
        perceptual = self._roughness(self._with(self.end_features, features))
        return perceptual + self.weight * self._roughness(self._with(self.ends, inner))

    def step(self, inner: Tensor, features: Tensor) -> Tensor:
        """The Gauss-Newton step (n, dim): to the least energy if features were linear in the points."""
        count, dim = inner.shape
        slopes = self._slopes(inner, features)
        perceptual = self._pull(self._with(self.end_features, features))
        plain = self._pull(self._with(self.ends, inner))
        gradient = torch.einsum("nsd,ns->nd", slopes, perceptual) + self.weight * plain
        blocks = torch.einsum("isa,jsb->ijab", slopes, slopes) + self.weight * torch.eye(dim, dtype=torch.float64)
        # The system is block tridiagonal, but a few dozen unknowns are solved faster as a full matrix than as a band.
        system = (self.ties[:, :, None, None] * blocks).transpose(1, 2).reshape(count * dim, count * dim)
        return torch.linalg.solve(system, -gradient.flatten()).reshape(count, dim)

    def _slopes(self, inner: Tensor, features: Tensor) -> Tensor:
        """Jacobians (n, size, dim) of features, by differences: correct to 0.2%, in half the time of torch's forward
        mode, whose first use takes seconds more. Only the energy decides whether a step is taken."""
        count, dim = inner.shape
        moved = inner[:, None] + _SHIFT * torch.eye(dim, dtype=torch.float64)
        change = self.features(moved.reshape(count * dim, dim)).reshape(count, dim, -1) - features[:, None]
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
