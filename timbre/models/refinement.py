"""A note's posterior: how it settles where the decoder is near the note, its standard deviation, and refinement."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from timbre.models.conditions import Conditions
from timbre.models.vae import LOG_TWO_PI, VAE, Posterior, log_prior
from timbre.spectral.listening import softened

DRAWS = 128  # of each posterior; they give the standard deviation of a Gaussian to 6%
_MEASURED = 32  # draws with which a bound is measured
_STRIDE = 4  # a step decodes every fourth frame, the next steps the others
_RATE, _LAST = 0.1, 0.002  # learning rates
_LEAST = 1e-3  # dB^2: smaller errors count as this
PULL = 0.015  # deviation of settled points from the encoder's, in each dimension; 1 is the mean distance of two notes
_SETTLING = 0.06  # learning rate


@dataclass(frozen=True)
class Refined:
    """A refined posterior (the given one where no step improved it), and the evidence bounds before and after, nats, at
    the noise level that fits the note best.
    """

    posterior: Posterior
    elbo_before: float
    elbo_after: float


@torch.enable_grad()
def descend(
    start: Sequence[Tensor], loss: Callable[..., Tensor], steps: int, rate: float, last: float = 0.0
) -> list[Tensor]:
    """Copies of the `start` values after steps of Adam (Kingma and Ba 2015).

    `loss` is a function of the number of the step and the values. The learning rate falls in a line to `last`, from
    `rate` above it.
    """
    values = [value.detach().clone().requires_grad_(True) for value in start]
    optimizer = torch.optim.Adam(values)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1.0 - step / steps) + last
        for value, gradient in zip(values, torch.autograd.grad(loss(step, *values), values), strict=True):
            value.grad = gradient
        optimizer.step()
    return [value.detach() for value in values]


def note_posterior(model: VAE, spectrogram: Tensor, conditions: Conditions) -> Posterior:
    """The posteriors of notes, dB (batch, bins, frames): the encoder's, whose means then settle.

    The encoder does not find the points from which notes decode best, on its training notes neither (the amortisation
    gap, Cremer et al. 2018). So the base mean takes `model.settle` steps of Adam towards the most likely point, with a
    Gaussian prior around the encoder's, of which a deviation is .015 of the mean distance of two notes: dissimilarities
    hardly change, as most of the movement is in dimensions in which sounds differ little. What is below the floor of
    the listening features does not count, so that faint noise does not move a point. The results do not depend on the
    batch.
    """
    with torch.no_grad():
        posterior = model.posterior(spectrogram, conditions)
    if model.map is None or not model.settle:
        return posterior
    start, width, heard = posterior.mean, PULL / model.map.deviation, softened(spectrogram)

    def loss(step: int, mean: Tensor) -> Tensor:
        frames = torch.arange(step % _STRIDE, model.frames, _STRIDE, device=mean.device)
        z, _ = posterior.flow(mean, posterior.parameters)
        mse = model.misfit(softened(model.decode(z, conditions, frames)), heard, frames).clamp_min(_LEAST)
        away = (mean - start) / width
        return 0.5 * (model.evidence * mse.log().sum() + z.square().sum() + away.square().sum())

    (mean,) = descend([start], loss, model.settle, _SETTLING, _LAST)
    return replace(posterior, mean=mean)


@torch.no_grad()
def note_points(model: VAE, spectrogram: Tensor, conditions: Conditions) -> Tensor:
    """Points of notes in the space (batch, dim): the centers of their posteriors, moved by the pitch flow if any."""
    return model.from_latent(note_posterior(model, spectrogram, conditions).center, conditions.pitch)


@torch.no_grad()
def posterior_std(model: VAE, posterior: Posterior, pitch: Tensor, seed: int = 0) -> Tensor:
    """Standard deviations of posteriors in each dimension of the space, (batch, dim).

    They are those of 128 draws, mapped by the flow and, where the model takes pitch out (MIDI, (batch,); NaN: unknown),
    by that flow as well. All posteriors share the draws, so that a note's result does not depend on its batch.
    """
    count, dim = posterior.mean.shape
    repeated = posterior.take(torch.arange(count).repeat_interleave(DRAWS))
    z, _ = repeated.mapped(_noise(DRAWS, dim, seed).repeat(count, 1))
    return model.from_latent(z.reshape(count, DRAWS, dim), pitch[:, None]).std(1)


def refined(
    model: VAE, spectrogram: Tensor, conditions: Conditions, posterior: Posterior, steps: int, seed: int = 0
) -> Refined:
    """The posterior of one note after steps of Adam on the evidence bound, over its base mean and log std.

    Semi-amortised inference (Kim et al. 2018): the bound is E_q[log p(x|z)] - KL(q || p), estimated in each step from
    two opposite draws and every fourth frame; the likelihood is that of training (sigma-VAE), with the noise level that
    fits this note best. The model does not change. The bound before and after is measured with the same 32 draws and
    all frames.

    Args:
        model: in eval mode.
        spectrogram: dB, (1, bins, frames).
        conditions, posterior: of the note.
        steps: 1 or more.
        seed: of the draws.
    """
    draws = torch.randn(steps, 1, posterior.mean.shape[1], generator=torch.Generator().manual_seed(seed))

    def loss(step: int, mean: Tensor, log_std: Tensor) -> Tensor:
        frames = torch.arange(step % _STRIDE, model.frames, _STRIDE)
        tried = replace(posterior, mean=mean, log_std=log_std)
        return -_bound(model, spectrogram, conditions, tried, torch.cat([draws[step], -draws[step]]), frames)

    mean, log_std = descend([posterior.mean, posterior.log_std], loss, steps, _RATE, _LAST)
    moved, noise = replace(posterior, mean=mean, log_std=log_std), _noise(_MEASURED, mean.shape[1], seed)
    with torch.no_grad():
        before, after = (float(_bound(model, spectrogram, conditions, q, noise)) for q in (posterior, moved))
    return Refined(moved, before, after) if after > before else Refined(posterior, before, before)


def _bound(
    model: VAE, spectrogram: Tensor, conditions: Conditions, posterior: Posterior, noise: Tensor,
    frames: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The evidence bound of one note, nats, from base noise (draws, dim); the given frames stand for all."""
    z, log_q = posterior.take([0] * len(noise)).mapped(noise)
    mse = model.misfit(model.decode(z, conditions, frames), spectrogram.expand(len(z), -1, -1), frames).mean()
    likelihood = -0.5 * model.evidence * (LOG_TWO_PI + 1.0 + torch.log(mse.clamp_min(_LEAST)))
    return likelihood - (log_q - log_prior(z)).mean()


def _noise(draws: int, dim: int, seed: int) -> Tensor:
    """Standard normal draws and their opposites, (draws, dim), with a standard deviation of exactly 1."""
    half = torch.randn(draws // 2, dim, generator=torch.Generator().manual_seed(seed))
    noise = torch.cat([half, -half])
    return noise / noise.std(0)
