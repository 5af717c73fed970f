"""Likelihood of notes under a model: bounds on -log p(x), comparable for all posteriors, in nats per note.

The likelihood of a spectrogram given its point is that of training: Gaussian, with one width for all values and notes,
taken from validation notes, and counted as N independent values, the model's `evidence`; the prior is the standard
normal. The values are densities of decibels: compare models only for one spectrogram, duration and N.
"""

import math

import torch
from torch import Tensor

from timbre.errors import ConfigError, LibraryError
from timbre.evaluation._laplace import Laplace, decoded_errors
from timbre.evaluation.notes import EvaluatedNotes
from timbre.models.conditions import Conditions
from timbre.models.refinement import note_posterior
from timbre.models.vae import LOG_TWO_PI, VAE, log_prior
from timbre.space import Space
from timbre.training.batches import NoteBatches

KL_DRAWS = 8  # from each note's posterior


def likelihood(
    space: Space, held: EvaluatedNotes, valid: EvaluatedNotes, samples: int, seed: int
) -> dict[str, float | None]:
    """Figures -ELBO and -IWAE of held-out notes, nats per note, from the same samples, and their noise level, dB.

    The noise level is taken from the validation notes, or from the held-out notes if there are none.
    """
    if not len(held):
        return {}
    width = noise_level(space.model, valid if len(valid) else held, seed=seed)
    weights = log_weights(space.model, held, width, samples, seed)
    return {
        "noise_level_db": width,
        "elbo_nats": -float(weights.mean()),
        "iwae_nats": float(iwae_per_note(weights).mean()),
    }


@torch.no_grad()
def kl_nats(space: Space, notes: EvaluatedNotes) -> float | None:
    """KL(q(z|x) || N(0, 1)) per note, nats: mean of log q(z|x) - log p(z) over draws from q, which covers flows."""
    ratios = []
    for batch in notes.in_order():
        posterior = note_posterior(space.model, batch.spectrogram, batch.conditions)
        for _ in range(KL_DRAWS):
            z, log_q = posterior.sample()
            ratios.append((log_q - log_prior(z)).double())
    return float(torch.cat(ratios).mean()) if ratios else None


def noise_level(model: VAE, batches: NoteBatches, samples: int = 4, seed: int = 0) -> float:
    """Maximum-likelihood width, dB: the root mean square error of decoded samples of the notes' posteriors.

    At this width :func:`elbo` of the same notes is lowest. Take it from validation notes, and measure others. The model
    must be in eval mode; `samples` are drawn of each note's posterior.

    Raises:
        LibraryError: if there are no notes.
    """
    errors, _ = _samples(model, batches, samples, seed)
    return math.sqrt(float(errors.mean()) / float(model.evidence))


def log_weights(
    model: VAE, batches: NoteBatches, width_db: float, samples: int = 128, seed: int = 0, refine: int = 0
) -> Tensor:
    """Log importance weights log p(x|z) + log p(z) - log q(z) of samples z of q, (notes, samples), float64, nats.

    Every frame is decoded: a subset of the frames would estimate log p(x|z) without bias, but not its exponential.

    Args:
        model: in eval mode.
        batches: the notes, in their order.
        width_db: standard deviation of the likelihood, dB.
        samples: of each note; 128 samples of a note of 2 s take almost a second on one core.
        seed: of the samples.
        refine: 0 draws from the encoder's posterior q(z|x). A value above 0 draws from a Gaussian around each note's
            most likely point, found in `refine` Gauss-Newton steps from the encoder's point, with the curvature there.
            The result is a bound for the decoder alone; the difference is the loss due to the encoder and its flows.

    Raises:
        ConfigError: if the width is not above 0, or there are no samples.
        LibraryError: if there are no notes.
    """
    if not 0.0 < width_db < math.inf:
        raise ConfigError(f"The width of the likelihood must be above 0 dB, got {width_db}.")
    errors, ratios = _samples(model, batches, samples, seed, width_db, refine)
    values = float(model.evidence)
    return ratios - 0.5 * errors / width_db**2 - values * (0.5 * LOG_TWO_PI + math.log(width_db))


def elbo(model: VAE, batches: NoteBatches, width_db: float, samples: int = 16, seed: int = 0) -> float:
    """Evidence bound as an upper bound on -log p(x): -E_q[log weight], nats per note; lower is better.

    Kingma and Welling (2014, arXiv 1312.6114). Arguments and errors are those of :func:`log_weights`.
    """
    return -float(log_weights(model, batches, width_db, samples, seed).mean())


def iwae(
    model: VAE, batches: NoteBatches, width_db: float, samples: int = 128, seed: int = 0, refine: int = 0
) -> float:
    """Importance-weighted bound on -log p(x), nats per note; lower is better.

    -log of the mean of `samples` importance weights, averaged over the notes (Burda, Grosse and Salakhutdinov 2016,
    arXiv 1509.00519). Its expectation falls with the number of samples, from that of :func:`elbo` to -log p(x). With
    the encoder's posterior it stays far above that for any affordable number: notes have so many values that one weight
    outweighs all others. With `refine` = 6, results with 8 and 32 samples differed by a nat in tests.
    Arguments and errors are those of :func:`log_weights`.
    """
    return float(iwae_per_note(log_weights(model, batches, width_db, samples, seed, refine)).mean())


def iwae_per_note(weights: Tensor) -> Tensor:
    """Importance-weighted bound of each note, nats (notes,), from the result of :func:`log_weights`."""
    return math.log(weights.shape[1]) - weights.logsumexp(1)


@torch.no_grad()
def _samples(
    model: VAE, batches: NoteBatches, samples: int, seed: int, width_db: float = 1.0, refine: int = 0
) -> tuple[Tensor, Tensor]:
    """Summed square errors (dB^2) and log p(z) - log q(z) of samples of each note, both (notes, samples)."""
    if samples < 1:
        raise ConfigError(f"Samples of each note must be 1 or more, got {samples}.")
    errors, ratios = [], []
    device = model.clock.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for part in batches.in_order():
            posterior = note_posterior(model, part.spectrogram, part.conditions)
            for row, x in enumerate(part.spectrogram):
                own = posterior.take([row] * samples)
                # A batch of one, which is used for all samples and computed once.
                controls = Conditions(*(value[row : row + 1] for value in vars(part.conditions).values()))
                if refine:
                    z, log_q = Laplace(model, own.center[0], x, controls, width_db, refine).sample(samples)
                else:
                    z, log_q = own.sample()
                errors.append(decoded_errors(model, z, x, controls))
                ratios.append(log_prior(z).double() - log_q.double())
    if not errors:
        raise LibraryError("Measuring the likelihood needs notes, got none; give some, or hold some out in data.test.")
    return torch.stack(errors).cpu(), torch.stack(ratios).cpu()
