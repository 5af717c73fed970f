"""The variational autoencoder: its posterior with flows, calibrated Gaussian likelihood, and objectives."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from timbre.config import Config
from timbre.errors import CheckpointError
from timbre.models.checkpoint import FRESH, Unfilled, require_count, require_shapes
from timbre.models.conditions import Conditions, time_constants
from timbre.models.decoder import DECIBEL, Decoder
from timbre.models.discrepancy import discrepancy
from timbre.models.encoder import ENTRY, FEWEST_FRAMES, Encoder
from timbre.models.flows import Flow, make_flow
from timbre.models.listening_map import ListeningMap
from timbre.models.partials import Partials
from timbre.models.pitch_flow import PitchFlow
from timbre.models.whitening import Whitening
from timbre.spectral import Spectrogram
from timbre.spectral.auditory import AuditoryFeatures
from timbre.spectral.listening import ListeningFeatures, softened

LOG_TWO_PI = math.log(2.0 * math.pi)
NARROWEST = -5.5  # log of the smallest standard deviation of the base distribution
DISCREPANCY_WEIGHT = 0.02  # nats for a discrepancy of 1 in the objective "wae", per independent value of a note
FAINT = 0.1  # weight of values that cannot be heard: no evidence, but not arbitrary
LEVELS = 0.25  # weight of the frames' levels
USUAL_EVIDENCE = 0.05  # independent values of a residual, as a share of all, until they are estimated


@dataclass(frozen=True)
class Posterior:
    """q(z|x): a diagonal Gaussian mapped by a flow."""

    mean: Tensor  # of the base distribution, (batch, dim)
    log_std: Tensor  # of the base distribution, (batch, dim)
    flow: Flow  # maps it to the posterior
    parameters: Tensor | None  # of an amortised flow, (batch, size); None for a global one

    @property
    def center(self) -> Tensor:
        """The flow of the base mean, (batch, dim), which is the note's latent point; not E[z]."""
        return self.flow(self.mean, self.parameters)[0]

    def sample(self) -> tuple[Tensor, Tensor]:
        """A random z (batch, dim) and its log q(z|x) (batch,), nats."""
        return self.mapped(torch.randn_like(self.mean))

    def mapped(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """z (batch, dim) for standard normal noise (batch, dim), and its log q(z|x) (batch,), nats."""
        z, log_abs_det = self.flow(self.mean + self.log_std.exp() * noise, self.parameters)
        log_base = -0.5 * (noise.square() + LOG_TWO_PI).sum(-1) - self.log_std.sum(-1)
        return z, log_base - log_abs_det

    def take(self, rows: Sequence[int] | Tensor) -> "Posterior":
        """The posteriors at some row numbers, which may repeat."""
        parameters = None if self.parameters is None else self.parameters[rows]
        return replace(self, mean=self.mean[rows], log_std=self.log_std[rows], parameters=parameters)


@dataclass(frozen=True)
class Loss:
    """The objective for one batch, and its parts. The -ELBO is the sum of `reconstruction_nats` and `kl_nats`."""

    objective: Tensor  # what is minimised, per note
    reconstruction_nats: Tensor  # -log p(x|z) per note, at the optimal noise level
    kl_nats: Tensor  # KL(q(z|x) || p(z)) per note, one-sample estimate; 0 for "ae", which has no distribution
    rmse_db: Tensor  # root mean square error of the spectrogram, dB
    l1_db: Tensor  # mean absolute error of the spectrogram, dB
    regularization_nats: Tensor  # the regularizer's part, per note; 0 without one


class VAE(nn.Module):
    """The convolutional VAE of a timbre space.

    Args:
        config: the settings; `spectrogram`, `data.duration` and `model` determine the shapes, `training.objective` the
            posterior, `regularization` whether there is a pitch flow.
        flow: the posterior's flow; default: the one of `model.flow`, with which a saved space is loaded.
        empty: whether encoder and decoder are made without values and take no memory until weights are loaded.
    """

    def __init__(self, config: Config, flow: Flow | None = None, empty: bool = False) -> None:
        super().__init__()
        model, settings = config.model, config.spectrogram
        self.dim, self.frames = model.dim, config.note_frames
        spectrogram = Spectrogram(settings)
        partials = Partials(spectrogram, model.harmonics)
        listener = AuditoryFeatures(spectrogram, config.heard)
        self.objective = config.training.objective
        self.flow = flow or make_flow(model.flow, model.dim, model.flows, model.amortised)
        outputs = 2 * model.dim + (self.flow.size if self.flow.amortised else 0)
        with Unfilled() if empty else nullcontext():
            self.encoder = Encoder(settings.bins, outputs, model.encoder_channels, partials, listener, model.dropout)
            self.decoder = Decoder(
                model.dim, settings.bins, model.decoder_channels, model.decoder_blocks, partials,
                config.data.duration, time_constants(config.data.duration, config.data.dense), settings.floor_db,
                model.dropout,
            )  # fmt: skip
            if self.flow.amortised:
                self.encoder.start_at(self.flow.start())
        self.map = _listening_map(config, spectrogram)
        self.residual, self.settle = model.residual, model.settle
        usual = USUAL_EVIDENCE * settings.bins * self.frames
        self.evidence = nn.Buffer(torch.tensor(config.training.evidence or usual))
        self.audible_db = config.training.audible_db
        self.dense = config.dense_frames
        numbers = torch.tensor(config.frame_numbers, device="cpu")
        self.clock = nn.Buffer(numbers / settings.frame_rate, persistent=False)
        self.every = nn.Buffer(torch.arange(config.all_frames) / settings.frame_rate, persistent=False)
        self.floor_db = settings.floor_db
        has_pitch_flow = config.regularization.pitch == "flow"
        named = 0 if self.map else len(config.regularization.axes)  # axes are dimensions of a learned map only
        self.pitch_flow = PitchFlow(model.dim, named) if has_pitch_flow else None
        self.whitening = Whitening(model.dim) if self.map else None
        self.heard_dims = config.regularization.perceptual_dims or model.dim

    def posterior(
        self, spectrogram: Tensor, conditions: Conditions, seen: Tensor | None = None, mapped: Tensor | None = None
    ) -> Posterior:
        """q(z|x) of notes (batch, bins, frames), dB. With the objective "ae" its standard deviation is the minimum.

        `seen` is what the network sees of them, default: the notes. The listening map, which cannot learn, always sees
        the notes; `mapped` are their coordinates on it, if they are known already.
        """
        seen = spectrogram if seen is None else seen
        out = self.encoder(softened(seen) if self.map else seen, conditions).float()
        mean, raw = out[:, : self.dim], out[:, self.dim : 2 * self.dim]
        if self.map:
            reach = self.residual / self.map.deviation
            small = reach * torch.tanh(mean / reach) if self.residual else 0.0 * mean
            with torch.autocast(spectrogram.device.type, enabled=False):  # distances of half precision are too coarse
                mapped = self.map(spectrogram.float(), conditions.pitch) if mapped is None else mapped
                mean = mapped + small
        log_std = -1.5 + 4.0 * torch.tanh(raw / 4.0)  # between e^-5.5 and e^2.5: no overflow, no zero
        if self.objective == "ae":
            log_std = torch.full_like(mean, NARROWEST)
        return Posterior(mean, log_std, self.flow, out[:, 2 * self.dim :] if self.flow.amortised else None)

    def decode_points(self, points: Tensor, conditions: Conditions, frames: Tensor | None = None) -> Tensor:
        """Spectrograms of points (batch, dim) of the space, see :meth:`decode`."""
        return self.decode(self.latent(points, conditions.pitch), conditions, frames)

    def latent(self, points: Tensor, pitch: Tensor) -> Tensor:
        """Latent points (..., dim), for the decoder, of points (..., dim) of the space at a pitch (...), MIDI."""
        z = self.whitening.inverse(points) if self.whitening else points
        return self.pitch_flow.inverse(z, pitch) if self.pitch_flow else z

    @property
    def heard_is_scaled(self) -> bool:
        """Whether distances of heard coordinates are dissimilarities as they are, as with a listening map."""
        return self.map is not None

    def heard(self, points: Tensor, pitch: Tensor) -> Tensor:
        """Heard coordinates (n, k) of points (n, dim) at a pitch (n,), MIDI: dissimilar sounds are far apart.

        They are those of the listening map, in its scale: the base of the posterior's flow, or the latent points if
        notes have flows of their own. Without such a map they are the latent points, of which only the first
        `perceptual_dims` count, if it is set.
        """
        z = self.latent(points, pitch)
        if self.map is None:
            return z[:, : self.heard_dims]
        base = z if self.flow.amortised else self.flow.inverse(z)
        return base * self.map.deviation

    def from_latent(self, z: Tensor, pitch: Tensor) -> Tensor:
        """Points (..., dim) of the space for latent points (..., dim) at a pitch (...): the inverse of `latent`, within
        the reach of the pitch flow."""
        points = self.pitch_flow(z, pitch) if self.pitch_flow else z
        return self.whitening(points) if self.whitening else points

    def decode(self, z: Tensor, conditions: Conditions, frames: Tensor | None = None) -> Tensor:
        """Spectrograms (batch, bins, frames), dB, of latent points (batch, dim): the frames that the encoder sees.

        `frames` are the numbers of some of them; default: all.
        """
        return self.decoder(z, conditions, self.clock if frames is None else self.clock[frames])

    def decode_heard(self, points: Tensor, conditions: Conditions) -> Tensor:
        """Spectrograms of points (batch, dim) of the space, of the time in which sounds are described and compared."""
        return self.decode_points(points, conditions, torch.arange(self.dense))

    def decode_whole(self, points: Tensor, conditions: Conditions) -> Tensor:
        """Spectrograms of points (batch, dim) of the space with every frame, also where the encoder sees few."""
        return self.decoder(self.latent(points, conditions.pitch), conditions, self.every)

    def loss(
        self, spectrogram: Tensor, conditions: Conditions, beta: float, free_nats: float = 0.0, stride: int = 1,
        seen: Tensor | None = None, mapped: Tensor | None = None,
        regularizer: Callable[[Tensor], Tensor] | None = None, pooled: Callable[[Tensor], Tensor] | None = None,
    ) -> Loss:  # fmt: skip
        """The objective for a batch of notes: -log p(x|z) + beta divergence + regularizer(center).

        The likelihood is Gaussian with the noise level that is best for the batch (sigma-VAE, Rybkin et al. 2021). A
        note's residuals depend on each other, so they are the evidence of N independent values, not of all
        (:func:`~timbre.training.measure.evidence`). So with beta = 1 the objective "vae" is the negative ELBO:
        N/2 (log(2 pi e) + log MSE) + KL, with the MSE of :meth:`misfit`. The divergence of "wae" is N/50 times the
        discrepancy between its samples and the prior (Tolstikhin et al. 2018): with batches of 16 notes, a tenth of
        that leaves the standard deviation of the points a fifth too large, and ten times as much raises the error by
        4%. "ae" decodes the center, without a divergence.

        Args:
            spectrogram, conditions: dB, (batch, bins, frames), and the controls, of which some may be unknown.
            beta: weight of the divergence.
            free_nats: KL below this many nats per note costs nothing.
            stride: decode every stride-th frame, from a random start: an unbiased estimate of the error.
            seen: what the encoder's network sees, such as noisy notes (denoising criterion, Im et al. 2017); default:
                the notes.
            mapped: coordinates of the notes on the listening map; default: computed.
            regularizer: a function of the centers (batch, dim) to nats per note, ().
            pooled: the mean of a number over the processes that train together, so that the noise level is that of
                their batches as one; default: this batch alone.
        """
        posterior = self.posterior(spectrogram, conditions, seen, mapped)
        z, divergence, kl = self._drawn(posterior, free_nats)
        start = int(torch.randint(stride, ()))
        frames = torch.arange(start, self.frames, stride, device=z.device)
        decoded = self.decode(z, conditions, frames)
        error, mse = decoded - spectrogram[:, :, frames], self.misfit(decoded, spectrogram, frames).mean()
        if pooled:  # the gradients' mean over processes is that of the logarithm of the mean
            mean = pooled(mse.detach())
            log_mse = torch.log(mean) + (mse - mse.detach()) / mean
        else:
            log_mse = torch.log(mse)
        reconstruction = 0.5 * self.evidence * (LOG_TWO_PI + 1.0 + log_mse)
        extra = regularizer(posterior.center) if regularizer else mse.new_zeros(())
        figures = (reconstruction, kl, error.square().mean().sqrt(), error.abs().mean(), extra)
        return Loss(reconstruction + beta * divergence + extra, *(figure.detach() for figure in figures))

    def misfit(self, decoded: Tensor, spectrogram: Tensor, frames: Tensor | None = None) -> Tensor:
        """Mean square errors of notes (batch,), dB^2: of all values, where what cannot be heard has a tenth of the
        weight, and a quarter as much of the frames' levels, since a mean of decibels is below the mean power.

        Args:
            decoded: levels, dB, (batch, bins, frames).
            spectrogram: of the notes, dB, (batch, bins, all frames).
            frames: the numbers of the decoded frames; default: all.
        """
        level = spectrogram if frames is None else spectrogram[:, :, frames]
        weight = self.counted(decoded.detach(), spectrogram, frames)
        error = (weight * (decoded - level).square()).sum((1, 2)) / weight.sum((1, 2))
        if not self.audible_db:
            return error
        loud, target = _power_level(decoded), _power_level(level)
        heard = torch.where(target > target.amax(1, keepdim=True) - self.audible_db, 1.0, FAINT)
        return error + LEVELS * (heard * (loud - target).square()).sum(1) / heard.sum(1)

    def counted(self, decoded: Tensor, spectrogram: Tensor, frames: Tensor | None = None) -> Tensor:
        """Weights of values in :meth:`misfit`: 1 where the note or what was decoded is within `training.audible_db` of
        the note's peak, .1 elsewhere; arguments as there."""
        if not self.audible_db:
            return torch.ones_like(decoded)
        level = spectrogram if frames is None else spectrogram[:, :, frames]
        quiet = spectrogram.amax((1, 2), keepdim=True) - self.audible_db
        return torch.where((level > quiet) | (decoded > quiet), 1.0, FAINT)

    def _drawn(self, posterior: Posterior, free_nats: float) -> tuple[Tensor, Tensor, Tensor]:
        """Points to decode (batch, dim), their divergence and their KL, nats per note."""
        if self.objective == "ae":
            none = posterior.mean.new_zeros(())
            return posterior.center, none, none
        z, log_q = posterior.sample()
        kl = (log_q - log_prior(z)).mean()
        if self.objective == "wae":
            return z, DISCREPANCY_WEIGHT * self.evidence * discrepancy(z), kl
        return z, kl.clamp_min(free_nats) if free_nats else kl, kl


def _listening_map(config: Config, spectrogram: Spectrogram) -> ListeningMap | None:
    model = config.model
    if model.map != "listening":
        return None
    return ListeningMap(ListeningFeatures(spectrogram, config.heard), model.dim)


def _power_level(spectrogram: Tensor) -> Tensor:
    """Levels of frames (batch, frames), dB: of the powers of all bands together."""
    return torch.logsumexp(spectrogram * DECIBEL, 1) / DECIBEL


def log_prior(z: Tensor) -> Tensor:
    """log p(z) of points (..., dim) under the standard normal prior, nats (...)."""
    return -0.5 * (z.square() + LOG_TWO_PI).sum(-1)


def check_sizes(config: Config, weights: Mapping[str, Tensor], folder: Path) -> None:
    """Refuse weights that do not fit a config before anything of the sizes in the config is made.

    Raises:
        CheckpointError: if they do not fit; `folder` is where they come from.
    """
    model, bins = config.model, config.spectrogram.bins
    if config.note_frames < FEWEST_FRAMES:
        raise CheckpointError(
            f"data.duration in {folder} must be {FEWEST_FRAMES} frames of spectrogram.hop_length or more, got "
            f"{config.note_frames}. {FRESH}"
        )
    shapes = {
        "encoder.entry.weight": (model.encoder_channels, bins + model.harmonics, ENTRY),
        "decoder.point.weight": (model.decoder_channels, model.dim),
        "decoder.head.weight": (2 * bins + model.harmonics, model.decoder_channels),
    }
    if model.map == "listening":
        shapes["map.deviation"] = (model.dim,)
    require_shapes(shapes, weights, folder)
    require_count("model.decoder_blocks", model.decoder_blocks, len(weights), folder)
    if model.flows:
        layer = make_flow(model.flow, model.dim, 1, model.amortised)
        size = model.flows * sum(value.numel() for value in layer.parameters())
        require_count("model.flows", size, sum(value.numel() for value in weights.values()), folder)
