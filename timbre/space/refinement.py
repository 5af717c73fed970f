"""A note's posterior: how wide it is, and made better than the encoder's by gradient steps on the evidence bound."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from timbre.models.conditions import Conditions
from timbre.models.vae import LOG_TWO_PI, VAE, Posterior, log_prior

DRAWS = 128  # of each posterior, for its spread; the standard deviation of a Gaussian is then known to 6%
_MEASURED = 32  # draws that a bound is measured with
_STRIDE = 4  # every fourth frame is decoded in a step, the others in the next ones
_FIRST, _LAST = 0.1, 0.002  # learning rates
_LEAST = 1e-3  # dB^2: below this an error is none


@dataclass(frozen=True)
class Refined:
    """A note's posterior before and after.

    Attributes:
        posterior: the better one, a batch of one; the encoder's where no step gained.
        elbo_before, elbo_after: evidence bounds, nats, at the noise level that suits the note best.
    """

    posterior: Posterior
    elbo_before: float
    elbo_after: float


@torch.no_grad()
def spread(model: VAE, posterior: Posterior, pitch: Tensor, seed: int = 0) -> Tensor:
    """Standard deviations of posteriors in each dimension of the space, (batch, dim).

    They are those of 128 draws, sent through the flow and, where the model takes pitch out, through that flow as well.
    All posteriors share the draws, so that a note's spread does not depend on the batch that it is in.

    Args:
        model: in eval mode.
        posterior: of notes.
        pitch: theirs, MIDI (batch,); NaN is unknown.
        seed: of the draws.
    """
    noise = _noise(DRAWS, posterior.mean.shape[1], seed)
    z = _pushed(posterior, noise)[0]
    if model.pitch_flow:
        z = model.pitch_flow(z, pitch[:, None])
    return z.std(1)


def refined(
    model: VAE, spectrogram: Tensor, conditions: Conditions, posterior: Posterior, steps: int, seed: int = 0
) -> Refined:
    """Steps of Adam on the evidence bound over the base mean and log standard deviation of one note.

    Semi-amortised inference (Kim et al. 2018): the bound is E_q[log p(x|z)] - KL(q || p), estimated in each step from
    two opposite draws and every fourth frame; the likelihood is that of training (sigma-VAE), with the noise level that
    suits this note best. The model stays as it is. The bound before and after is measured over the same 32 draws and
    all frames.

    Args:
        model: in eval mode.
        spectrogram: dB, (1, bins, frames).
        conditions: of the note.
        posterior: the encoder's.
        steps: 1 or more.
        seed: of the draws.
    """
    moved = _climbed(model, spectrogram, conditions, posterior, steps, seed)
    noise = _noise(_MEASURED, posterior.mean.shape[1], seed)
    with torch.no_grad():
        before, after = (float(_bound(model, spectrogram, conditions, q, noise)) for q in (posterior, moved))
        if after <= before:
            moved, after = posterior, before
    return Refined(moved, before, after)


@torch.no_grad()
def error_db(model: VAE, spectrogram: Tensor, conditions: Conditions, posterior: Posterior) -> float:
    """Mean absolute error, dB, of the decoded center of one note's posterior."""
    return float((model.decode(posterior.center, conditions) - spectrogram).abs().mean())


@torch.enable_grad()
def _climbed(
    model: VAE, spectrogram: Tensor, conditions: Conditions, posterior: Posterior, steps: int, seed: int
) -> Posterior:
    mean, log_std = (value.detach().clone().requires_grad_(True) for value in (posterior.mean, posterior.log_std))
    optimizer = torch.optim.Adam([mean, log_std])
    noise = torch.randn(steps, 1, mean.shape[1], generator=torch.Generator().manual_seed(seed))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _FIRST * (1.0 - step / steps) + _LAST
        frames = torch.arange(step % _STRIDE, model.frames, _STRIDE)
        tried = replace(posterior, mean=mean, log_std=log_std)
        bound = _bound(model, spectrogram, conditions, tried, torch.cat([noise[step], -noise[step]]), frames)
        mean.grad, log_std.grad = torch.autograd.grad(-bound, [mean, log_std])
        optimizer.step()
    return replace(posterior, mean=mean.detach(), log_std=log_std.detach())


def _bound(
    model: VAE, spectrogram: Tensor, conditions: Conditions, posterior: Posterior, noise: Tensor,
    frames: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The evidence bound of one note, nats, from base noise (draws, dim); some frames stand for all."""
    z, log_abs_det = (value[0] for value in _pushed(posterior, noise))
    log_q = -0.5 * (noise.square() + LOG_TWO_PI).sum(-1) - posterior.log_std.sum() - log_abs_det
    seen = spectrogram if frames is None else spectrogram[:, :, frames]
    mse = (model.decode(z, conditions, frames) - seen).square().mean()
    likelihood = -0.5 * spectrogram.numel() * (LOG_TWO_PI + 1.0 + torch.log(mse.clamp_min(_LEAST)))
    return likelihood - (log_q - log_prior(z)).mean()


def _pushed(posterior: Posterior, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Base noise (draws, dim) as draws (batch, draws, dim) of each posterior, and the flow's log |det| of them."""
    base = posterior.mean[:, None] + posterior.log_std.exp()[:, None] * noise
    count, draws, dim = base.shape
    own = None if posterior.parameters is None else posterior.parameters.repeat_interleave(draws, 0)
    z, log_abs_det = posterior.flow(base.reshape(-1, dim), own)
    return z.reshape(count, draws, dim), log_abs_det.reshape(count, draws)


def _noise(draws: int, dim: int, seed: int) -> Tensor:
    """Standard normal draws and their opposites, (draws, dim), with a standard deviation of exactly 1."""
    half = torch.randn(draws // 2, dim, generator=torch.Generator().manual_seed(seed))
    noise = torch.cat([half, -half])
    return noise / noise.std(0)
