"""Laplace's approximation to the posterior of one note: a Gaussian around its most likely point."""

import torch
from torch import Tensor

from timbre.models.conditions import Conditions
from timbre.models.vae import LOG_TWO_PI, VAE

DECODED = 32  # points of one note that are decoded at a time, in about 100 MiB
NUDGE = 0.01  # of a point, for central differences: float32 resolves 0.001 dB
STRIDES = (1.0, 0.5, 0.25, 0.1, 0.03)  # fractions of a Gauss-Newton step that are tried


def decoded_errors(model: VAE, z: Tensor, spectrogram: Tensor, conditions: Conditions) -> Tensor:
    """Square errors summed over the evidence, dB^2 (points,) in float64, of points (points, dim) for one note
    (bins, frames): the model's misfit times its number of independent values.
    """
    parts = [
        model.misfit(model.decode(part, conditions), spectrogram.expand(len(part), -1, -1)) for part in z.split(DECODED)
    ]
    return float(model.evidence) * torch.cat(parts).double()


class Laplace:
    """Gaussian N(mode, precision^-1) with the Gauss-Newton precision 1 + J J^T / width^2 (MacKay 1992).

    The mode is found by Gauss-Newton steps on |x - decode(z)|^2 / (2 width^2) + |z|^2 / 2, each shortened to the best
    of a few fractions; J is computed by central differences. The model is in eval mode; it takes `steps` steps from a
    point `start` (dim,), for the spectrogram (bins, frames) of one note in dB, its controls (a batch of one), and a
    likelihood of standard deviation `width_db`.
    """

    def __init__(
        self, model: VAE, start: Tensor, spectrogram: Tensor, conditions: Conditions, width_db: float, steps: int
    ) -> None:
        self.model, self.spectrogram, self.conditions, self.width = model, spectrogram, conditions, width_db
        self.mode = start
        for _ in range(steps):
            slope, precision = self._derivatives()
            step = torch.linalg.solve(precision, slope).to(start.dtype)
            tried = torch.stack([self.mode + share * step for share in STRIDES] + [self.mode])
            error = decoded_errors(model, tried, spectrogram, conditions)
            self.mode = tried[(error / width_db**2 + tried.double().square().sum(1)).argmin()]
        self.factor = torch.linalg.cholesky(self._derivatives()[1])

    def sample(self, count: int) -> tuple[Tensor, Tensor]:
        """Samples (count, dim) and their log densities (count,), nats in float64."""
        noise = torch.randn(count, len(self.mode), device=self.mode.device).double()
        offset = torch.linalg.solve_triangular(self.factor.mT, noise.mT, upper=True).mT
        log_density = self.factor.diagonal().log().sum() - 0.5 * (noise.square() + LOG_TWO_PI).sum(1)
        return self.mode + offset.to(self.mode.dtype), log_density

    def _derivatives(self) -> tuple[Tensor, Tensor]:
        """Gradient (dim,) of the log posterior at the mode, and its precision (dim, dim)."""
        nudges = NUDGE * torch.eye(len(self.mode), device=self.mode.device, dtype=self.mode.dtype)
        near = torch.cat([self.mode + nudges, self.mode - nudges, self.mode[None]])
        decoded = torch.cat([self.model.decode(part, self.conditions).flatten(1) for part in near.split(DECODED)])
        plus, minus, here = decoded.double().tensor_split((len(nudges), 2 * len(nudges)))
        weight = self.model.counted(here[0].reshape(1, *self.spectrogram.shape), self.spectrogram[None]).flatten()
        share = (self.model.evidence * weight / weight.sum()).sqrt()
        jacobian = share * (plus - minus) / (2.0 * NUDGE)
        slope = jacobian @ (share * (self.spectrogram.flatten() - here[0])) / self.width**2 - self.mode.double()
        return slope, jacobian @ jacobian.mT / self.width**2 + torch.eye(len(slope), device=slope.device)
