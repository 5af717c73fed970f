"""The maximum mean discrepancy between a batch of points and the prior."""

import torch
from torch import Tensor

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
DRAWS = 256  # of the prior, for each batch: enough for their noise to be small


def discrepancy(z: Tensor) -> Tensor:
    """Squared maximum mean discrepancy of points (batch, dim) from the standard normal prior, an unbiased estimate.

    The kernel is the inverse multiquadratic sum over s of C / (C + |x - y|^2), C = 2 dim s, with s from 0.1 to 10
    (Tolstikhin et al. 2018, arXiv 1711.01558, and their code); the prior is represented by 256 new draws. About 0 for
    points from the prior, below 0 by chance, at most 14. A single point has no pairs; only its distance from the prior
    counts.
    """
    drawn = torch.randn(DRAWS, z.shape[1], device=z.device, dtype=z.dtype)
    own, across, prior = (_kernel(a, b) for a, b in ((z, z), (z, drawn), (drawn, drawn)))
    return _off_diagonal(own) + _off_diagonal(prior) - 2.0 * across.mean()


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    square = (a.unsqueeze(1) - b).square().sum(-1)
    return sum((2.0 * a.shape[1] * s / (2.0 * a.shape[1] * s + square) for s in SCALES), torch.zeros_like(square))


def _off_diagonal(kernel: Tensor) -> Tensor:
    count = len(kernel)
    return (kernel.sum() - kernel.diagonal().sum()) / (count * max(1, count - 1))
