"""Baselines of the ablation: principal components, and the model of the DAFx-18 paper.

Every baseline is fitted with `fit(table, config, seed)` and has the same interface: points of notes, notes of points,
and nats per note if it has a density. Notes are (n, bins, frames) in dB. AE, WAE and beta-VAE are settings of timbre's
own model, and are not here.
"""

from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from timbre.config import Config
from timbre.data.features.table import Features

LOG_TWO_PI = float(np.log(2.0 * np.pi))
LOUD_DB = 12.0  # the sustained part of a note are the frames within this of its loudest one
UNITS, LAYERS, LATENTS = 2000, 3, 64  # of the DAFx-18 model, as published
BETA, ALPHA, RATE = 2.0, 0.1, 1e-4  # as published: weights of the KL divergence and ratings, Adam's learning rate
EPOCHS = 60  # of each of the two stages; 10,000 were published
BATCH = 128  # frames in a step; not published
SMALLEST_LOG_STD = -5.0  # of the decoder, where 0 is the corpus's largest deviation: a bin at the floor has no noise


class Baseline(Protocol):
    """The interface of all baselines."""

    def encode(self, notes: np.ndarray) -> np.ndarray:
        """Points (n, d) of notes (n, bins, frames)."""

    def decode(self, points: np.ndarray) -> np.ndarray:
        """Notes (n, bins, frames) of points (n, d)."""

    def reconstruct(self, notes: np.ndarray) -> np.ndarray:
        """Reconstructed notes, of the same shape."""

    def nats(self, notes: np.ndarray) -> np.ndarray:
        """-log p(x) or an upper bound of it, (n,), nats per note; the density is over dB, (bins, frames)."""


def notes_of(table: Features, part: str) -> np.ndarray:
    """The notes of a part (n, bins, frames), float32; the training notes where the part has none. No copies."""
    rows = table.rows(part)
    return table.spectrograms[rows if len(rows) else table.rows("train")].astype(np.float32)


class PCA:
    """Principal components, and the Gaussian that they are the maximum-likelihood estimate of.

    Probabilistic PCA (Tipping and Bishop 1999): x = mean + W z + sigma * noise with W = V (L - sigma^2)^1/2, the first
    d eigenvectors and eigenvalues of the training notes' covariance. Its density is exact and is computed in the
    eigenvectors' axes, where the covariance is diagonal, so no (bins x frames)^2 matrix is needed.

    Points are the projections V^T (x - mean), in dB; `points / deviations` are those of unit variance, as in the space
    of a VAE.

    Attributes:
        deviations: of the training notes along each component, (d,), dB.
        width_training: sigma of maximum likelihood on the training notes, dB: sigma^2 is the mean of the D - d
            eigenvalues left out, most of them 0 where there are fewer notes than bins; it is too small for others.
        width: sigma of maximum likelihood on the validation notes, dB: their RMS error with D - d for D, which is
            the RMS error of samples from the posterior, as fixed for the VAEs too. :meth:`nats` takes this one.
    """

    def __init__(self, notes: np.ndarray, held_out: np.ndarray, dim: int) -> None:
        from sklearn.decomposition import PCA as Principal

        self.shape, self.floor = notes.shape[1:], float(notes.min())
        flat = notes.reshape(len(notes), -1)
        found = Principal(dim, svd_solver="arpack", random_state=0).fit(flat)
        self.mean, self.components = found.mean_, found.components_
        self.deviations = np.sqrt(found.explained_variance_.astype(np.float64))
        free = flat.shape[1] - dim
        scatter = self._parts(notes)[1].sum()
        self.width_training = float(np.sqrt(scatter / (len(notes) - 1) / free))
        self.width = float(np.sqrt(self._parts(held_out)[1].mean() / free))

    @classmethod
    def fit(cls, table: Features, config: Config, seed: int = 0) -> "PCA":
        """Components of the training notes, `config.model.dim` of them; whatever the seed."""
        return cls(notes_of(table, "train"), notes_of(table, "valid"), config.model.dim)

    def encode(self, notes: np.ndarray) -> np.ndarray:
        """Projections (n, d), dB."""
        return (notes.reshape(len(notes), -1) - self.mean) @ self.components.T

    def decode(self, points: np.ndarray) -> np.ndarray:
        """Notes of points; levels below the floor are raised to it."""
        flat = points.astype(np.float32) @ self.components + self.mean
        return np.maximum(flat, self.floor).reshape(-1, *self.shape)

    def reconstruct(self, notes: np.ndarray) -> np.ndarray:
        """Notes decoded from their points."""
        return self.decode(self.encode(notes))

    def nats(self, notes: np.ndarray, width: float | None = None) -> np.ndarray:
        """-log p(x), (n,), exact; sigma is `width` (dB), by default that of the validation notes."""
        points, residual = self._parts(notes)
        noise = (width or self.width) ** 2
        variances = np.maximum(self.deviations**2, noise)
        size = self.mean.size
        distance = (points**2 / variances).sum(1) + residual / noise
        log_det = np.log(variances).sum() + (size - len(variances)) * np.log(noise)
        return 0.5 * (size * LOG_TWO_PI + log_det + distance)

    def _parts(self, notes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Projections (n, d), and the squared residual of each note (n,)."""
        centred = notes.reshape(len(notes), -1) - self.mean
        points = centred @ self.components.T
        left = centred - points @ self.components
        return points.astype(np.float64), np.square(left, dtype=np.float64).sum(1)


class Dafx18(nn.Module):
    """The model of Esling, Chemla-Romeu-Santos and Bitton (DAFx 2018), on the front end of the table.

    A VAE of single frames: from each note the one in the middle of its sustained part, in dB, less the corpus's mean
    and over its largest deviation. Encoder and decoder have three layers of 2,000 ReLU units, the space 64 dimensions;
    both give a Gaussian with a mean and a deviation for each value. Adam at 1e-4; beta rises to 2. A second stage adds
    0.1 R(z, T), :func:`student`, where ratings are given.

    It was published with 10,000 + 10,000 epochs and a beta that rises over the first 100; here 60 + 60, and beta
    rises over the first half of the first stage. The size of a batch was not published.

    A note is the path of its frames, each with a point of its own (:meth:`reconstruct`), or one point held for its
    length (:meth:`encode`, :meth:`decode`).

    Attributes:
        width: RMS error of samples on the frames of the validation notes, dB.
        losses: of each epoch, nats per frame.
    """

    def __init__(self, bins: int, frames: int, mean: float = 0.0, scale: float = 1.0, units: int = UNITS) -> None:
        super().__init__()
        self.frames, self.mean, self.scale = frames, mean, scale
        self.encoder = perceptron(bins, 2 * LATENTS, units)
        self.decoder = perceptron(LATENTS, 2 * bins, units)
        self.width, self.losses = float("nan"), list[float]()

    @classmethod
    def fit(
        cls, table: Features, config: Config, seed: int = 0, target: np.ndarray | None = None, epochs: int = EPOCHS,
        units: int = UNITS,
    ) -> "Dafx18":  # fmt: skip
        """Train on one frame of each training note, without and then, if a target is given, with the ratings.

        Args:
            table: where the notes come from; each starts with its onset.
            config: the settings; of them only the front end counts here.
            seed: of weights, batches and noise.
            target: where the ratings (their MDS) place each note of the library, (library notes, any dimension): the
                point of its instrument; NaN where it has none.
            epochs: of each stage.
            units: in each layer.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            notes = notes_of(table, "train")
            frames = torch.from_numpy(sustained(notes))
            mean = float(frames.mean())
            model = cls(*notes.shape[1:], mean, float((frames - mean).abs().max()), units)
            model._learn(frames, epochs, None)
            if target is not None:
                model._learn(frames, epochs, torch.from_numpy(target[table.note[table.rows("train")]]).float())
            model.eval().requires_grad_(False)
            model.width = model._noise_level(notes_of(table, "valid"))
        return model

    def posterior(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, (..., 64) each, of frames (..., bins) in dB."""
        mean, log_std = self.encoder((frames - self.mean) / self.scale).chunk(2, -1)
        return mean, 4.0 * torch.tanh(log_std / 4.0)

    def predict(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, dB, (..., bins) each, of the frames at points (..., 64)."""
        mean, log_std = self.decoder(z).chunk(2, -1)
        return mean * self.scale + self.mean, log_std.clamp(SMALLEST_LOG_STD, 2.0).exp() * self.scale

    def encode(self, notes: np.ndarray) -> np.ndarray:
        """Points (n, 64): the posterior's mean of the sustained frame."""
        with torch.no_grad():
            return self.posterior(torch.from_numpy(sustained(notes)))[0].numpy()

    def decode(self, points: np.ndarray) -> np.ndarray:
        """Notes of one point each (n, 64), held; or of a path, (n, frames, 64)."""
        with torch.no_grad():
            frames = self.predict(torch.from_numpy(points).float())[0].numpy()
        return frames.swapaxes(1, 2) if points.ndim == 3 else frames[:, :, None].repeat(self.frames, 2)

    def reconstruct(self, notes: np.ndarray) -> np.ndarray:
        """Notes decoded frame by frame, each frame its own point."""
        with torch.no_grad():
            path = [self.posterior(torch.from_numpy(note.T))[0] for note in notes]
            return np.stack([self.predict(z)[0].numpy().T for z in path])

    def nats(self, notes: np.ndarray, samples: int = 8, seed: int = 0) -> np.ndarray:
        """An upper bound of -log p(x), (n,): frames are independent, each with the importance-weighted bound.

        Gaussian likelihood of the width `width`, the same in all bins (Burda et al. 2016 with `samples` draws).
        """
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            return np.array([float(self._bound(torch.from_numpy(note.T), samples, generator)) for note in notes])

    def errors(self, notes: np.ndarray) -> dict[str, float]:
        """Errors in dB: of the frames that it is made for, of whole notes frame by frame, and of one point held."""
        kept = sustained(notes)
        held = self.decode(self.encode(notes))
        pairs = {"frame": (held[:, :, 0], kept), "path": (self.reconstruct(notes), notes), "held": (held, notes)}
        found = {}
        for name, (decoded, wanted) in pairs.items():
            error = (decoded - wanted).astype(np.float64)
            found[f"{name}_l1_db"] = float(np.abs(error).mean())
            found[f"{name}_rmse_db"] = float(np.sqrt(np.square(error).mean()))
        return found

    def loss(self, frames: Tensor, beta: float) -> tuple[Tensor, Tensor]:
        """-log p(x|z) + beta KL for frames (n, bins), nats per frame, and the posterior's means (n, 64)."""
        mean, log_std = self.posterior(frames)
        found, deviation = self.predict(mean + log_std.exp() * torch.randn_like(mean))
        error = 0.5 * (((frames - found) / deviation).square() + LOG_TWO_PI) + deviation.log()
        kl = 0.5 * (mean.square() + (2.0 * log_std).exp() - 1.0) - log_std
        return error.sum(-1).mean() + beta * kl.sum(-1).mean(), mean

    def _learn(self, frames: Tensor, epochs: int, target: Tensor | None) -> None:
        """One stage; the first one if there is no target."""
        optimizer = torch.optim.Adam(self.parameters(), lr=RATE, fused=True)
        for epoch in range(epochs):
            beta = BETA if target is not None else BETA * min(1.0, epoch / max(1.0, epochs / 2))
            parts = torch.randperm(len(frames)).split(BATCH)
            total = 0.0
            for part in parts:
                loss, points = self.loss(frames[part], beta)
                total += float(loss.detach()) * len(part) / len(frames)
                if target is not None:
                    rated = ~target[part].isnan().any(1)
                    loss = loss + ALPHA * student(points[rated], target[part][rated]) / max(1, len(part))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            self.losses.append(total)

    def _noise_level(self, notes: np.ndarray) -> float:
        """RMS error of one sample for each frame, dB."""
        total = 0.0
        for note in notes:
            frames = torch.from_numpy(note.T)
            mean, log_std = self.posterior(frames)
            total += float((self.predict(mean + log_std.exp() * torch.randn_like(mean))[0] - frames).square().mean())
        return float(np.sqrt(total / len(notes)))

    def _bound(self, frames: Tensor, samples: int, generator: torch.Generator) -> Tensor:
        mean, log_std = self.posterior(frames)
        noise = torch.randn(samples, *mean.shape, generator=generator)
        z = mean + log_std.exp() * noise
        log_ratio = 0.5 * (noise.square() - z.square()).sum(-1) + log_std.sum(-1)  # log p(z) - log q(z|x)
        error = ((self.predict(z)[0] - frames) / self.width).double().square().sum(-1)
        size = frames.shape[-1]
        log_weight = log_ratio.double() - 0.5 * error - size * (0.5 * LOG_TWO_PI + np.log(self.width))
        return -(log_weight.logsumexp(0) - np.log(samples)).sum()


def perceptron(inputs: int, outputs: int, units: int = UNITS) -> nn.Sequential:
    """Three hidden layers of ReLU units."""
    sizes = [inputs, *[units] * LAYERS]
    hidden = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(units, outputs))


def sustained(notes: np.ndarray) -> np.ndarray:
    """One frame of each note, (n, bins): the middle one of those within 12 dB of the loudest."""
    level = 10.0 * np.log10((10.0 ** (notes.astype(np.float64) / 10.0)).sum(1))
    loud = [np.flatnonzero(line > line.max() - LOUD_DB) for line in level]
    return np.stack([note[:, places[len(places) // 2]] for note, places in zip(notes, loud, strict=True)])


def student(z: Tensor, target: Tensor) -> Tensor:
    """How far neighbourhoods of points (n, d) are from those of their targets (n, k); 0 or more, nats.

    R(z, T) = sum_i KL(D^z_i || D^T_i) with D^z_ij ~ exp(-|z_i - z_j|^2 / 2 s^2), s^2 = 1/2, and
    D^T_ij ~ 1 / (1 + |T_i - T_j|^2), each summing to 1 over j, j not i (Esling et al. 2018).
    """
    if len(z) < 2:
        return z.sum() * 0.0
    others = ~torch.eye(len(z), dtype=torch.bool, device=z.device)

    def log_share(score: Tensor) -> Tensor:
        return score[others].view(len(z), -1).log_softmax(1)

    own, wanted = log_share(-_squares(z)), log_share(-torch.log1p(_squares(target)))
    return (own.exp() * (own - wanted)).sum()


def _squares(points: Tensor) -> Tensor:
    """Squared distances, (n, n)."""
    return (points[:, None] - points).square().sum(-1)
