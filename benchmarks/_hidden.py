"""Posteriors of notes of which a part is hidden: the true ones are wide there, so that flows can be judged.

The decoder of a trained space and its prior N(0, I) stay fixed. They define p(z | y) of what is seen of a note, y.
Encoder and flow are fitted anew to such notes, on the evidence of what is seen. Bounds with one decoder are bounds on
one log p(y): a difference of two is a difference of the posteriors alone.
"""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timbre.config import Config
from timbre.data.features.augmentation import Noise, decibels, power
from timbre.data.features.example import LEVEL_DB
from timbre.data.features.table import Features
from timbre.models.conditions import Conditions
from timbre.models.vae import LOG_TWO_PI, VAE, log_prior
from timbre.training.batches import Batch, Batches

HIDDEN = ("nothing", "pitch", "half", "noise")
NOISE_DB = -10.0  # relative to the note
BATCH, RATE = 32, 2e-3  # notes in a step; learning rate
LEARNED, MEASURED = 6, 4  # every n-th frame is decoded
GRADIENT = 1.0  # largest norm


@dataclass(frozen=True)
class Seen:
    """What is seen of notes.

    Attributes:
        levels: what the encoder sees, dB (batch, bins, frames).
        weight: of each value as evidence, 0 or 1, of that shape.
        share: of the audible values that are evidence, (batch,).
        conditions: the controls that are known.
    """

    levels: Tensor
    weight: Tensor
    share: Tensor
    conditions: Conditions


class Hiding:
    """Hides parts of notes: the pitch and velocity; the first or second half; what is below noise at -10 dB."""

    def __init__(self, config: Config) -> None:
        self.noise, self.floor = Noise(config, "cpu"), config.spectrogram.floor_db
        self.audible_db = config.training.audible_db or math.inf

    def __call__(self, batch: Batch, kinds: list[str], random: np.random.Generator) -> Seen:
        """The notes of a batch, each with another of HIDDEN hidden."""
        x, count, frames = batch.spectrogram, len(batch.rows), batch.spectrogram.shape[2]
        kind = np.array(kinds)
        level_db = np.where(kind == "noise", LEVEL_DB + NOISE_DB, -np.inf)
        start = int(random.integers(self.noise.white.shape[1] - frames))
        white, tilt = (
            self.noise.white[:, start : start + frames],
            self.noise.tilt(level_db, random.uniform(0, 1, count)),
        )
        heard, noise = power(x, self.floor), tilt[:, :, None] * white
        first = torch.arange(frames) < frames // 2
        order = torch.from_numpy(random.uniform(size=count) < 0.5)[:, None]
        half = torch.where(torch.from_numpy(kind == "half")[:, None], first == order, True)[:, None]
        audible = x > x.amax((1, 2), keepdim=True) - self.audible_db
        visible = audible & half & (heard > noise)
        levels = torch.where(half, decibels(heard + noise, self.floor), self.floor)
        share = visible.sum((1, 2)) / audible.sum((1, 2)).clamp_min(1)
        unknown, old = torch.from_numpy(kind == "pitch"), batch.conditions
        known = [torch.where(unknown, math.nan, value) for value in (old.pitch, old.velocity)]
        return Seen(levels, visible.float(), share, Conditions(*known, old.release))


@dataclass(frozen=True)
class Truth:
    """The fixed part: a decoder, and its likelihood N(decoded, width^2) of `evidence` independent values of a note."""

    model: VAE
    width: float

    @property
    def evidence(self) -> float:
        """Independent values of a note."""
        return float(self.model.evidence)

    @classmethod
    def of(cls, model: VAE, valid: Batches, hiding: Hiding) -> "Truth":
        """The likelihood of a trained model: its width is the audible error of validation notes."""
        total, notes = 0.0, 0
        for batch in valid.in_order():
            seen = hiding(batch, ["nothing"] * len(batch.rows), np.random.default_rng(0))
            with torch.no_grad():
                z, _ = model.posterior(seen.levels, seen.conditions).sample()
                total += float(cls(model, 1.0).misfit(z, batch.spectrogram, seen, MEASURED).sum())
            notes += len(batch.rows)
        return cls(model, math.sqrt(total / notes))

    def misfit(self, z: Tensor, notes: Tensor, seen: Seen, stride: int, start: int = 0) -> Tensor:
        """Mean square errors of the visible values of notes decoded from z (batch, dim), dB^2 (batch,)."""
        frames = torch.arange(start, notes.shape[2], stride)
        error = self.model.decode(z, seen.conditions, frames) - notes[:, :, frames]
        weight = seen.weight[:, :, frames]
        return (weight * error.square()).sum((1, 2)) / weight.sum((1, 2)).clamp_min(1.0)

    def log_likelihood(self, z: Tensor, notes: Tensor, seen: Seen, stride: int, start: int = 0) -> Tensor:
        """log p(y | z), nats (batch,)."""
        misfit = self.misfit(z, notes, seen, stride, start) / self.width**2
        return -0.5 * self.evidence * seen.share * (LOG_TWO_PI + 2.0 * math.log(self.width) + misfit)


def started(old: VAE, config: Config, seed: int) -> VAE:
    """A model with the flow of `config` and the other weights of a trained one; further outputs are for the flow."""
    torch.manual_seed(seed)
    net, trained = VAE(config), old.state_dict()
    for name, value in net.state_dict().items():
        if name in trained and not name.startswith("flow."):
            value[tuple(slice(size) for size in trained[name].shape)] = trained[name]
    return net


def fitted(truth: Truth, config: Config, table: Features, hiding: Hiding, steps: int, seed: int) -> VAE:
    """A model with the flow of `config`, whose encoder and flow are fitted to notes with all kinds of parts hidden.

    It starts from the trained encoder, which knows the posteriors of notes that are wholly seen.
    """
    net = started(truth.model, config, seed)
    learned = [*net.encoder.parameters(), *net.flow.parameters()]
    optimizer = torch.optim.AdamW(learned, lr=RATE, weight_decay=1e-2)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    batches, random = Batches(table, table.rows("train"), BATCH, seed, torch.device("cpu")), np.random.default_rng(seed)
    step, epoch = 0, 0
    while step < steps:
        for batch in batches.epoch(epoch):
            seen = hiding(batch, random.choice(HIDDEN, len(batch.rows)).tolist(), random)
            z, log_q = net.posterior(seen.levels, seen.conditions).sample()
            likelihood = truth.log_likelihood(z, batch.spectrogram, seen, LEARNED, int(random.integers(LEARNED)))
            loss = (log_q - log_prior(z) - likelihood).mean() / truth.evidence
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learned, GRADIENT)
            optimizer.step()
            rates.step()
            step += 1
            if step == steps:
                break
        epoch += 1
    return net.eval()


@torch.no_grad()
def bounds(truth: Truth, net: VAE, notes: Batches, hiding: Hiding, kind: str, samples: int) -> dict[str, Any]:
    """Bounds on -log p(y) of notes with a part hidden, nats per note, and the width of their posteriors.

    gap_nats: the -ELBO less the IWAE, a lower bound on KL(q(z | y) || p(z | y)). effective_samples: of the importance
    weights, (sum w)^2 / sum w^2; the IWAE is tight if there are many.
    """
    torch.manual_seed(0)
    weights, stds = [], []
    for batch in notes.in_order():
        seen = hiding(batch, [kind] * len(batch.rows), np.random.default_rng(batch.rows.tolist()))
        posterior = net.posterior(seen.levels, seen.conditions)
        for row in range(len(batch.rows)):
            own = partial(_row, row)
            z, log_q = posterior.take([row] * samples).sample()
            controls = Conditions(*(own(value) for value in vars(seen.conditions).values()))
            part = replace(seen, weight=own(seen.weight), share=own(seen.share), conditions=controls)
            likelihood = truth.log_likelihood(z, own(batch.spectrogram), part, MEASURED)
            weights.append((likelihood + log_prior(z) - log_q).double())
            stds.append(z.std(0).mean())
    log_w = torch.stack(weights)
    elbo = -float(log_w.mean())
    iwae = -float((log_w.logsumexp(1) - math.log(samples)).mean())
    effective = (2.0 * log_w.logsumexp(1) - (2.0 * log_w).logsumexp(1)).exp().mean()
    return {
        "elbo_nats": elbo, "iwae_nats": iwae, "gap_nats": elbo - iwae, "posterior_std": float(torch.stack(stds).mean()),
        "effective_samples": float(effective),
    }  # fmt: skip


def _row(index: int, value: Tensor) -> Tensor:
    return value[index : index + 1]
