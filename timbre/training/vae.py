"""Training of the VAE of a space, on the features of a library."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from timbre.config import Config, TrainingConfig
from timbre.data.features.augmentation import Augmentation
from timbre.data.features.table import Features
from timbre.errors import LibraryError
from timbre.models.checkpoint import write_folder
from timbre.models.refinement import note_posterior
from timbre.models.vae import VAE
from timbre.spectral import Spectrogram
from timbre.training import schedule
from timbre.training.batches import Batch, Batches, read_batch
from timbre.training.coordinates import Coordinates
from timbre.training.journal import Journal, evenly
from timbre.training.measure import errors
from timbre.training.measure import evidence as independent_values
from timbre.training.order import Order
from timbre.training.ranks import Ranks
from timbre.training.regularization import NoteLabels, Regularizers, recordings
from timbre.training.run import Figures, Run, Task, Validation

MEASURE_EVERY = 100  # steps between validations, rounded up to whole epochs
MEASURE_SIZE = 64  # notes at a time
MEASURE_STRIDE = 4  # a validation decodes every fourth frame
LEAST_EVIDENCE = 0.01  # independent values, as a share of all: fewer are left by a decoder that has not learned enough
LEARNED = 0.3  # share of a run after which residuals are noise, and not what is still to be learned
KNOWN = 128  # training notes whose residuals are counted as evidence
MAP_NOTES = 4096  # to which the listening map is fitted, at most
DECODE_STRIDE = 6  # training decodes every sixth frame of a note: an unbiased estimate at a fraction of the cost


class VAETask(Task):
    """The VAE of a space as a task.

    Several ranks train one model, each on its own features: every step averages their gradients, and all take the same
    number of steps. All end with the same weights; the first one writes.

    Args:
        features: of the library, or of this rank's share of it.
        names: files of the library's notes, for messages.
        config: all settings.
        out: the run's folder: checkpoints/best, checkpoints/last, logs, resume; None keeps everything in memory.
        fingerprint, ranks: see :class:`Task`.
        labels: of the library's notes.
        terms: further regularizers by name, see :class:`~timbre.training.regularization.Regularizers`.

    Raises:
        ConfigError: if a term needs ratings and there are none.
    """

    net: VAE
    shown = ("l1_db", "kl_nats")

    def __init__(
        self, features: Features, names: list[str], config: Config, out: Path | None, fingerprint: str,
        ranks: Ranks | None = None, labels: NoteLabels | None = None, terms: Mapping[str, nn.Module] | None = None,
    ) -> None:  # fmt: skip
        folder, logs = (out / "resume", out / "logs") if out else (None, None)
        super().__init__(config.training, "training", identity(config, terms or {}), fingerprint, folder, logs, ranks)
        self.features, self.names, self.config, self.out = features, names, config, out
        self.net = self.seeded(lambda: VAE(config))
        self.optimizer = _optimizer(self.net, config.training)
        self.spectrogram = Spectrogram(config.spectrogram).to(self.device)
        self.regularizers = Regularizers(config, labels, features, self.spectrogram, self.device, terms)
        self.memory = self.regularizers.terms
        self.memory.register_buffer("evidence", self.net.evidence.clone())
        self.train, self.valid, self.test = self._all_batches(labels)
        self.count = self.train.count
        stages = config.regularization.stage if config.regularization.schedule == "two_stage" else 0.0
        self.comparable = max(config.training.warmup, config.training.beta_warmup, LEARNED, stages)
        self.known = Batches(self.features, evenly(KNOWN, self.train.rows), MEASURE_SIZE, 0, self.device)
        self.validate_every = -(-MEASURE_EVERY // self.count) * self.count
        # Per independent value, so that clipping means the same at every size; AdamW's step is unchanged.
        self.scale = float(self.net.evidence)
        self._fit_map()
        self.coordinates = Coordinates(self.net.map, features)

    def _all_batches(self, labels: NoteLabels | None) -> tuple[Batches, Batches, Batches]:
        """Batches to learn from, to choose the best weights by, and to test."""
        size, seed = self.settings.batch_size, self.settings.seed
        train, valid, test = (self.features.rows(part, copies=True) for part in ("train", "valid", "test"))
        fewest = min(self.ranks.gather(len(train)))
        every, held_out = self.ranks.sum(len(train), len(valid))
        if fewest == 0:
            raise LibraryError(f"One of {self.ranks.world} processes has no notes to learn from; start fewer of them.")
        count = min(fewest, max(1, round(every / self.ranks.world / size)))
        augmentation = Augmentation(self.config, self.device, self.ranks.rank)
        order = Order(train, recordings(self.features, labels, train), seed, self.config.data.balance)
        return (
            Batches(self.features, train, size, seed, self.device, count, augmentation, order=order),
            Batches(self.features, valid if held_out else train, MEASURE_SIZE, 0, self.device),
            Batches(self.features, test, MEASURE_SIZE, 0, self.device),
        )

    @torch.no_grad()
    def _fit_map(self) -> None:
        """Fit the listening map to notes of all ranks, the same number of each."""
        if self.net.map is None:
            return
        features = self.net.map.to(self.device).features
        rows = evenly(MAP_NOTES // self.ranks.world, self.train.rows)
        pieces = np.array_split(rows, -(-len(rows) // MEASURE_SIZE))
        read = (read_batch(self.features, piece, self.device) for piece in pieces)
        own = torch.cat([features(batch.spectrogram, batch.conditions.pitch).cpu() for batch in read])
        every = torch.cat(self.ranks.gather(own))
        self.net.map.fit(every[every.isfinite().all(1)].to(self.device))

    def batches(self, epoch: int, start: int) -> Iterator[Batch]:
        """Batches of an epoch, from batch number `start` on."""
        return self.train.epoch(epoch, start)

    def objective(self, batch: Batch, step: int, done: float) -> Callable[[VAE], Figures]:
        """The free energy of a batch with its regularizers, as a function of the network."""
        seeds = np.random.SeedSequence((self.settings.seed, self.ranks.rank, step))
        torch.manual_seed(int(seeds.generate_state(1, np.uint64)[0] >> 1))
        beta, free = schedule.beta(self.settings, done), self.settings.free_bits * self.config.model.dim
        known, evidence = batch.conditions.hide(self.settings.unknown), self.memory.get_buffer("evidence")
        term = self.regularizers.term(batch, done, float(evidence) / batch.spectrogram[0].numel())

        mapped = self.coordinates(batch, known)
        pooled = self.ranks.mean if self.ranks.world > 1 else None

        def compute(net: VAE) -> Figures:
            net.evidence.copy_(evidence)
            loss = net.loss(batch.spectrogram, known, beta, free, DECODE_STRIDE, batch.seen, mapped, term, pooled)
            terms = {f"{name}_nats": value for name, value in self.regularizers.values.items()}
            return {**vars(loss), **terms, "beta": beta}

        return compute

    def validate(self, done: float) -> Validation:
        """Errors on the validation notes. A second stage replaces earlier weights: its aim is not part of the error."""
        error = errors(self.net, self.valid, stride=MEASURE_STRIDE, ranks=self.ranks)
        if not self.settings.evidence and done >= LEARNED:
            found = independent_values(self.net, self.known, self.ranks)
            least = LEAST_EVIDENCE * self.config.spectrogram.bins * self.net.frames
            self.memory.get_buffer("evidence").fill_(max(found or 0.0, least))
        second = schedule.stage(self.config.regularization, done) == 2
        return Validation(error.l1_db, {"l1_db": error.l1_db, "rmse_db": error.rmse_db}, second)

    def files(self, batch: Batch) -> list[str]:
        """Names of the files in a batch."""
        return [self.names[note] for note in self.features.note[batch.rows]]

    @torch.no_grad()
    def log_examples(self, journal: Journal, step: int) -> None:
        """Log three validation notes and their reconstructions, as images (low bands below) and sounds of peak 1."""
        config = self.spectrogram.config
        if not (journal.logs and len(self.valid.rows)):
            return
        heard = torch.arange(self.net.dense, device=self.device)
        shown = read_batch(self.features, evenly(3, self.valid.rows), self.device)
        center = self.net.posterior(shown.spectrogram, shown.conditions).center
        both = torch.stack([shown.spectrogram[..., heard], self.net.decode(center, shown.conditions, heard)], 1)
        images = ((both - config.floor_db) / -config.floor_db).clamp(0, 1).flip(2)
        for index, (pair, image) in enumerate(zip(both, images, strict=True)):
            journal.image(f"note {index}: original, decoded", torch.cat(list(image), 1), step)
            sounds = self.spectrogram.inverse(pair, inverter="pghi")
            sounds = sounds / sounds.abs().amax(-1, keepdim=True).clamp_min(1e-9)
            for name, sound in zip(("original", "decoded"), sounds, strict=True):
                journal.sound(f"note {index}/{name}", sound, config.sample_rate, step)

    def write_checkpoint(self, kind: str, weights: dict[str, Tensor], step: int) -> None:
        """Write the weights to checkpoints/`kind`."""
        if self.out:
            folder = self.out / "checkpoints" / kind
            write_folder(folder, self.config, {}, {"model.safetensors": weights}, step=step)

    def report(self, run: Run, taken: dict[str, float]) -> dict[str, Any]:
        """Figures of the run, with the errors on the test notes."""
        report = {name if name in ("step", "epoch") else f"valid_{name}": value for name, value in run.best.items()}
        report["evidence"] = float(self.memory.get_buffer("evidence"))
        if run.plateau.begun is not None:
            report["plateau_epoch"] = round(run.plateau.epoch)
        report |= {"stage": schedule.stage(self.config.regularization, run.done), **taken}
        if self.ranks.sum(len(self.test.rows))[0]:
            error = errors(
                self.net,
                self.test,
                lambda b: note_posterior(self.net, b.spectrogram, b.conditions).center,
                ranks=self.ranks,
            )
            report |= {f"test_{name}": value for name, value in vars(error).items()}
        return report


def identity(config: Config, regularizers: Iterable[str]) -> dict[str, Any]:
    """The settings that a continued run must share: the config, and the names of further regularizers."""
    return config.to_dict() | {"regularizers": dict.fromkeys(regularizers, "given")}


def _optimizer(net: VAE, settings: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW; weight decay on matrices only, since biases and gains do not gain from it."""
    matrices = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.99))
