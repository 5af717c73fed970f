"""The listening map: coordinates of a note whose distances follow listeners, as a fixed linear map."""

import torch
from torch import Tensor, nn

from timbre.spectral.listening import ListeningFeatures

_SPARE, _ROUNDS = 16, 4  # further components of the random method, and its power iterations
_LEAST = 1e-3  # of a component's deviation, relative to the first one's


class ListeningMap(nn.Module):
    """Principal components of listening features, each divided by its standard deviation.

    A fixed map of 24 components keeps more of the agreement with listeners, above all on other sources, than a network
    that is trained to follow their distances (docs/latent.md).

    Attributes:
        components: (dim, size), orthonormal rows; 0 where there were too few notes.
        center: mean of the features, (size,).
        deviation: of the components, (dim,), in units of the mean distance of two notes.
    """

    def __init__(self, features: ListeningFeatures, dim: int) -> None:
        super().__init__()
        self.features = features
        self.components = nn.Buffer(torch.zeros(dim, features.size))
        self.center = nn.Buffer(torch.zeros(features.size))
        self.deviation = nn.Buffer(torch.ones(dim))

    def forward(self, spectrogram: Tensor, pitch: Tensor) -> Tensor:
        """Coordinates (batch, dim), about unit variance, of notes, dB (batch, bins, frames), at a pitch (batch,)."""
        return (self.features(spectrogram, pitch) - self.center) @ self.components.T / self.deviation

    @torch.no_grad()
    def fit(self, vectors: Tensor) -> None:
        """Fit the components to features (notes, size); the result does not depend on chance."""
        if len(vectors):
            self.center.copy_(vectors.mean(0))
        count = min(len(self.components), len(vectors) - 1)
        if count < 1:
            return
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # of a randomised method (Halko et al. 2011)
            _, sizes, axes = torch.pca_lowrank(vectors, min(count + _SPARE, *vectors.shape), niter=_ROUNDS)
        axes, deviation = axes.T[:count], sizes[:count] / len(vectors) ** 0.5
        self.components[:count] = torch.sign(axes.sum(1, keepdim=True)) * axes  # their signs are arbitrary
        self.deviation[:count] = deviation.clamp_min(_LEAST * float(deviation.max()))
