"""How likely notes are under a model: bounds on -log p(x), one yardstick for all posteriors, in nats per note.

The likelihood of a spectrogram given its point is Gaussian, N(x; decode(z), width^2) for every bin and frame alike,
with one width for all notes that is taken from validation notes; the prior is the standard normal. The figures are
densities of decibels: compare models only at one front end and duration.
"""

import math
from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from timbre.errors import ConfigError, LibraryError
from timbre.evaluation._laplace import Laplace, decoded_errors
from timbre.models.conditions import Conditions
from timbre.models.vae import LOG_TWO_PI, VAE, Posterior, log_prior
from timbre.training.batches import Batch


class Notes(Protocol):
    """Anything that gives notes batch by batch, such as :class:`~timbre.training.batches.Batches`."""

    def in_order(self) -> Iterator[Batch]:
        """The batches, always in the same order."""


def noise_level(model: VAE, batches: Notes, samples: int = 4, seed: int = 0) -> float:
    """The width that makes notes most likely: the root mean square error of decoded samples of their posteriors, dB.

    It is where :func:`elbo` over the same notes is lowest. Take it from validation notes, and measure others.

    Args:
        model: in eval mode.
        batches: which notes.
        samples: of each note's posterior.
        seed: of the samples.

    Raises:
        LibraryError: if there are no notes.
    """
    errors, _ = _samples(model, batches, samples, seed)
    return math.sqrt(float(errors.mean()) / (model.decoder.bins * model.frames))


def log_weights(
    model: VAE, batches: Notes, width_db: float, samples: int = 128, seed: int = 0, refine: int = 0
) -> Tensor:
    """Log importance weights log p(x|z) + log p(z) - log q(z) of samples z of q, (notes, samples), float64, nats.

    Every frame is decoded: a part of the frames would estimate log p(x|z) well, but its exponential not without a bias.

    Args:
        model: in eval mode.
        batches: which notes, in their order.
        width_db: standard deviation of the likelihood, dB.
        samples: of each note; 128 of a 2 s note take most of a second on one core.
        seed: of the samples.
        refine: 0 draws from the encoder's posterior q(z|x). More draws from a Gaussian around each note's most likely
            point, found in so many Gauss-Newton steps from the encoder's, with the curvature that it finds there. That
            is a bound too, of the decoder alone: what the encoder and its flows lose is the difference.

    Raises:
        ConfigError: if the width is not above 0, or there are no samples.
        LibraryError: if there are no notes.
    """
    if not 0.0 < width_db < math.inf:
        raise ConfigError(f"The width of the likelihood is {width_db} dB; it must be above 0.")
    errors, ratios = _samples(model, batches, samples, seed, width_db, refine)
    values = model.decoder.bins * model.frames
    return ratios - 0.5 * errors / width_db**2 - values * (0.5 * LOG_TWO_PI + math.log(width_db))


def elbo(model: VAE, batches: Notes, width_db: float, samples: int = 16, seed: int = 0) -> float:
    """The evidence bound as an upper bound on -log p(x): -E_q[log weight], nats per note; lower is better.

    Kingma and Welling (2014, arXiv 1312.6114). Arguments and errors as for :func:`log_weights`.
    """
    return -float(log_weights(model, batches, width_db, samples, seed).mean())


def iwae(model: VAE, batches: Notes, width_db: float, samples: int = 128, seed: int = 0, refine: int = 0) -> float:
    """The importance-weighted bound on -log p(x), nats per note; lower is better.

    -log of the mean of `samples` importance weights, averaged over the notes (Burda, Grosse and Salakhutdinov 2016,
    arXiv 1509.00519). Its expectation falls with the number of samples, from that of :func:`elbo` to -log p(x). With
    the encoder's posterior it is far from there at any number that can be afforded: notes have so many values that one
    weight outweighs all others. With `refine` = 6, 8 and 32 samples differed by a nat where tried.
    Arguments and errors as for :func:`log_weights`.
    """
    return float(iwae_per_note(log_weights(model, batches, width_db, samples, seed, refine)).mean())


def iwae_per_note(weights: Tensor) -> Tensor:
    """The importance-weighted bound of each note, nats (notes,), from what :func:`log_weights` returns."""
    return math.log(weights.shape[1]) - weights.logsumexp(1)


@torch.no_grad()
def _samples(
    model: VAE, batches: Notes, samples: int, seed: int, width_db: float = 1.0, refine: int = 0
) -> tuple[Tensor, Tensor]:
    """Summed square errors (dB^2) and log p(z) - log q(z) of samples of each note, both (notes, samples)."""
    if samples < 1:
        raise ConfigError(f"{samples} samples of each note were asked for; a bound takes 1 or more.")
    found: list[tuple[Tensor, Tensor]] = []
    device = model.clock.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for part in batches.in_order():
            posterior = model.posterior(part.spectrogram, part.conditions)
            for row, x in enumerate(part.spectrogram):
                own, controls = _one(posterior, row, samples), _row(part.conditions, row)
                if refine:
                    z, log_q = Laplace(model, own.center[0], x, controls, width_db, refine).sample(samples)
                else:
                    z, log_q = own.sample()
                found.append((decoded_errors(model, z, x, controls), log_prior(z).double() - log_q.double()))
    if not found:
        raise LibraryError("There are no notes to measure the likelihood of; give some, or hold some out in data.test.")
    return torch.stack([square for square, _ in found]).cpu(), torch.stack([ratio for _, ratio in found]).cpu()


def _one(posterior: Posterior, row: int, samples: int) -> Posterior:
    """The posterior of one note, as a batch of equal ones."""
    mean, log_std = (value[row].expand(samples, -1) for value in (posterior.mean, posterior.log_std))
    parameters = None if posterior.parameters is None else posterior.parameters[row].expand(samples, -1)
    return Posterior(mean, log_std, posterior.flow, parameters)


def _row(conditions: Conditions, row: int) -> Conditions:
    """The controls of one note: a batch of one, which stands for all samples and is worked out once."""
    some = slice(row, row + 1)
    return Conditions(conditions.pitch[some], conditions.velocity[some], conditions.release[some])
