"""The training loop."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from timbre.config import Config, TrainingConfig
from timbre.data.features.augmentation import Augmentation
from timbre.data.features.table import Features
from timbre.errors import LibraryError, TrainingError
from timbre.models.checkpoint import write_folder
from timbre.models.vae import VAE, Loss
from timbre.spectral import Spectrogram
from timbre.training import schedule
from timbre.training.average import Average
from timbre.training.batches import Batch, Batches, batch
from timbre.training.journal import Journal, spread
from timbre.training.measure import errors
from timbre.training.ranks import Ranks, join
from timbre.training.regularization import NoteLabels, Regularizers
from timbre.training.resume import load_state, save_state

MEASURE_EVERY = 100  # steps between looks at the validation notes, rounded up to whole epochs
MEASURE_SIZE = 64  # notes at a time
MEASURE_STRIDE = 4  # a look decodes every fourth frame
DECODE_STRIDE = 6  # training decodes every sixth frame of a note: an unbiased estimate at a fraction of the cost
SAVE_EVERY = 60.0  # s between saved states within an epoch


@dataclass(frozen=True)
class Fitted:
    """A trained model and what its run found.

    Attributes:
        model: with the averaged weights that did best on the validation notes; on the CPU, in eval mode.
        report: plain figures, units in the names.
    """

    model: VAE
    report: dict[str, Any]


def fit(
    features: Features, names: list[str], config: Config, out: Path | None, library: str, progress: bool,
    ranks: Ranks | None = None, labels: NoteLabels | None = None,
) -> Fitted:  # fmt: skip
    """Train a model on features, going on from the state in `out` where there is one.

    Several ranks train one model, each on its own features: every step averages their gradients, and all take the same
    number of steps. Each comes to the same weights; the first one writes.

    Args:
        features: of the library, or of this rank's share of it.
        names: of the library's notes' files, for messages.
        config: all settings.
        out: the run's folder: checkpoints/best, checkpoints/last, logs, resume; None keeps all in memory.
        library: fingerprint of the notes, so that a run is not continued on others.
        progress: whether to show a bar.
        ranks: the processes of the run; by default those that the environment tells of.
        labels: of the library's notes, which the terms of `config.regularization` read.

    Raises:
        ConfigError: if a term needs ratings and there are none.
        TrainingError: if the loss stops being a number; the best checkpoint so far stays in `out`.
        CheckpointError: if `out` holds a run of other settings or notes.
        KeyboardInterrupt: on Ctrl-C, after the state has been saved.
    """
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers go on as if nothing had been trained
        run = Run(features, names, config, out, library, progress, ranks, labels)
        try:
            run.train()
        except KeyboardInterrupt:
            run.save()
            raise
        finally:
            run.journal.close()
        return run.finish()


class Run:
    """One training run: everything that changes while it lasts."""

    def __init__(
        self, features: Features, names: list[str], config: Config, out: Path | None, library: str, progress: bool,
        ranks: Ranks | None = None, labels: NoteLabels | None = None,
    ) -> None:  # fmt: skip
        self.config, self.settings, self.features, self.names = config, config.training, features, names
        self.out, self.library = out, library
        if self.settings.threads:
            torch.set_num_threads(self.settings.threads)
        state = load_state(out / "resume", config, library) if out else None
        self.ranks = ranks or join(self.settings)
        self.fabric = self.ranks.fabric
        torch.manual_seed(self.settings.seed)
        self.net = VAE(config)
        self.model, self.optimizer = self.fabric.setup(_Objective(self.net), _optimizer(self.net, self.settings))
        self.average = Average(self.net, self.settings.ema)
        self.spectrogram = Spectrogram(config.spectrogram).to(self.fabric.device)
        self.regularizers = Regularizers(config, labels, features, self.spectrogram, self.fabric.device)
        self.batches, self.valid, self.test = self.all_batches()
        self.epoch, self.place, self.step, self.notes, self.elapsed = 0, 0, 0, 0, 0.0
        self.best: dict[str, Any] = {"valid_l1_db": float("inf"), "step": 0, "stage": 1}
        self.best_weights = self.average.weights
        if state:
            self.restore(state)
        self.ranks.require_same(str((self.epoch, self.place, self.step)), f"states to go on from in {out}")
        logs = out / "logs" if out and self.ranks.first else None
        self.journal = Journal(logs, progress and self.ranks.first, self.done)

    def all_batches(self) -> tuple[Batches, Batches, Batches]:
        """Batches to learn from, to choose the best checkpoint by, and never seen in training."""
        device, size = self.fabric.device, self.settings.batch_size
        train, valid, test = (self.features.rows(part, copies=True) for part in ("train", "valid", "test"))
        fewest = int(min(np.concatenate(self.ranks.gather(np.array([len(train)])))))
        every, held_out = self.ranks.sum(len(train), len(valid))
        if fewest == 0:
            raise LibraryError(f"One of {self.ranks.world} processes has no notes to learn from; start fewer of them.")
        count = min(fewest, max(1, round(every / self.ranks.world / size)))
        augmentation = Augmentation(self.config, device, self.ranks.rank)
        return (
            Batches(self.features, train, size, self.settings.seed, device, count, augmentation),
            Batches(self.features, valid if held_out else train, MEASURE_SIZE, 0, device),
            Batches(self.features, test, MEASURE_SIZE, 0, device),
        )

    @property
    def done(self) -> float:
        """The share of the run that is done: by epochs or by minutes, whichever is further."""
        by_epochs = (self.epoch + self.place / self.batches.count) / self.settings.epochs
        by_time = self.elapsed / 60.0 / self.settings.max_minutes if self.settings.max_minutes else 0.0
        return min(1.0, max(by_epochs, by_time))

    def train(self) -> None:
        """Steps until the run is done; looks at the validation notes on the way."""
        every = -(-MEASURE_EVERY // self.batches.count)
        saved = time.monotonic()
        self.net.train()
        while self.done < 1.0:
            for found in self.batches.epoch(self.epoch, self.place):
                begun = time.monotonic()
                self.take_step(found)
                self.elapsed += self.ranks.sum(time.monotonic() - begun)[0] / self.ranks.world
                self.place += 1
                if self.done >= 1.0:
                    break
                if time.monotonic() - saved > SAVE_EVERY:
                    self.save()
                    saved = time.monotonic()
            if self.place >= self.batches.count:
                self.epoch, self.place = self.epoch + 1, 0
            if self.epoch % every == 0 or self.done >= 1.0:
                self.look()

    def take_step(self, found: Batch) -> None:
        """One step of AdamW on one batch, and on those of the other ranks.

        Its noise depends on the seed, the rank and the step alone, so that a run goes on as if it had not stopped.
        """
        torch.manual_seed(_mixed(self.settings.seed, self.ranks.rank, self.step))
        rate, beta = schedule.learning_rate(self.settings, self.done), schedule.beta(self.settings, self.done)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        free = self.settings.free_bits * self.config.model.dim
        known = found.conditions.hide(self.settings.unknown)
        term = self.regularizers.term(found, self.done)
        loss = Loss(
            *self.model(
                lambda net: net.loss(found.spectrogram, known, beta, free, DECODE_STRIDE, found.seen, regularizer=term)
            )
        )
        objective, notes = self.ranks.sum(float(loss.objective.detach()), len(found.rows))
        if not math.isfinite(objective):
            raise TrainingError(self._not_a_number(found, loss))
        self.optimizer.zero_grad()
        # Per value instead of per note, so that clipping means the same at every size; AdamW's step is unchanged.
        self.fabric.backward(loss.objective / found.spectrogram[0].numel())
        # The loss is known to be finite; asking again would wait for the GPU.
        self.fabric.clip_gradients(
            self.model, self.optimizer, max_norm=self.settings.grad_clip, error_if_nonfinite=False
        )
        self.optimizer.step()
        self.step += 1
        self.average.update(self.net, self.step)
        self.notes += int(notes)
        self.journal.step(
            loss, self.regularizers.values, beta, rate, self.done, self.notes / max(1.0, self.elapsed), self.step
        )

    def look(self) -> None:
        """Measure the averaged weights on the validation notes; keep them if they are the best so far; save."""
        live = {name: value.clone() for name, value in self.net.state_dict().items()}
        self.net.load_state_dict(self.average.weights)
        self.net.eval()
        found = errors(self.net, self.valid, stride=MEASURE_STRIDE, ranks=self.ranks)
        self.journal.scalars("valid", {"l1_db": found.l1_db, "rmse_db": found.rmse_db}, self.step)
        self.journal.validation_error(found.l1_db)
        stage = schedule.stage(self.config.regularization, self.done)
        # What a second stage is for is no part of the error: its latest weights count, as those of the first do not.
        better = stage == 2 or found.l1_db < self.best["valid_l1_db"]
        if better:
            self.best = {
                "valid_l1_db": found.l1_db,
                "valid_rmse_db": found.rmse_db,
                "step": self.step,
                "epoch": self.epoch,
                "stage": stage,
            }
            self.best_weights = {name: value.clone() for name, value in self.average.weights.items()}
            if len(self.valid.rows):
                shown = batch(self.features, spread(3, self.valid.rows), self.fabric.device)
                self.journal.examples(self.net, self.spectrogram, shown.spectrogram, shown.conditions, self.step)
        self.net.load_state_dict(live)
        self.net.train()
        self.save(better)

    def save(self, better: bool = False) -> None:
        """Write the state to go on from, and the checkpoints: the first rank, without asking the others.

        Those keep only what the terms remember of their own notes.
        """
        if self.out is None:
            return
        if not self.ranks.first:
            own = {"config": self.config.to_dict(), "library": self.library, "step": self.step}
            save_state(self._own_state(), own | {"regularizers": self.regularizers.terms.state_dict()})
            return
        save_state(self.out / "resume", self.state())
        kinds = {"last": self.average.weights} | ({"best": self.best_weights} if better else {})
        for kind, weights in kinds.items():
            write_folder(
                self.out / "checkpoints" / kind, self.config, {}, {"model.safetensors": weights}, step=self.step
            )

    def state(self) -> dict[str, Any]:
        """Tensors and plain values from which :meth:`restore` goes on; on a CPU, exactly."""
        return {
            "config": self.config.to_dict(), "library": self.library,
            "model": self.net.state_dict(), "optimizer": self.optimizer.state_dict(),
            "average": self.average.weights, "best": self.best, "best_weights": self.best_weights,
            "epoch": self.epoch, "place": self.place, "count": self.batches.count, "step": self.step,
            "notes": self.notes, "elapsed": self.elapsed, "regularizers": self.regularizers.terms.state_dict(),
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; with another number of ranks, from about the same place in the epoch."""
        self.net.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        own = state if self.ranks.first else load_state(self._own_state(), self.config, self.library)
        if own and own["step"] == state["step"]:  # else the terms begin anew with what they remember
            self.regularizers.terms.load_state_dict(own["regularizers"])
        device = self.fabric.device
        self.average.weights = {name: value.to(device) for name, value in state["average"].items()}
        self.best, self.best_weights = state["best"], {k: v.to(device) for k, v in state["best_weights"].items()}
        self.epoch, self.place, self.step = (state[key] for key in ("epoch", "place", "step"))
        self.place = self.place * self.batches.count // state.get("count", self.batches.count)
        self.notes, self.elapsed = state["notes"], state["elapsed"]

    def _own_state(self) -> Path:
        return Path(self.out or "") / "resume" / f"rank{self.ranks.rank}"

    def finish(self) -> Fitted:
        """The best weights, measured on the notes that were never seen."""
        self.net.load_state_dict(self.best_weights)
        self.net.eval()
        report = {**self.best, "epochs": self.epoch, "steps": self.step, "train_minutes": self.elapsed / 60.0}
        report["notes_per_s"] = self.notes / max(1e-9, self.elapsed)
        if self.ranks.sum(len(self.test.rows))[0]:
            found = errors(self.net, self.test, ranks=self.ranks)
            report |= {"test_l1_db": found.l1_db, "test_rmse_db": found.rmse_db, "test_notes": found.notes}
        return Fitted(self.net.cpu().eval(), report)

    def _not_a_number(self, found: Batch, loss: Loss) -> str:
        own = [] if torch.isfinite(loss.objective) else [self.names[note] for note in self.features.note[found.rows]]
        files = sorted(self.ranks.merge(dict.fromkeys(own, "")))
        kept = (
            f" The best checkpoint so far is kept in {self.out / 'checkpoints' / 'best'}."
            if self.out and self.best["step"]
            else ""
        )
        return (
            f"The loss is not a number at step {self.step + 1} (epoch {self.epoch + 1}); "
            f"the batch held {', '.join(files)}.{kept} Try a lower training.learning_rate."
        )


class _Objective(nn.Module):
    """The network behind a forward pass that DDP can follow.

    What is to be computed comes as a function: of tensors, Fabric would make bfloat16 in mixed precision, and round
    pitches to a quarter of a semitone.
    """

    def __init__(self, net: VAE) -> None:
        super().__init__()
        self.net = net
        for parameter in net.parameters():  # DDP waits for every gradient, and those of no flows never come
            parameter.requires_grad_(parameter.requires_grad and parameter.numel() > 0)

    def forward(self, compute: Callable[[VAE], Loss]) -> tuple[Tensor, ...]:
        """The fields of a Loss."""
        return tuple(vars(compute(self.net)).values())


def _mixed(*numbers: int) -> int:
    """One seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def _optimizer(net: VAE, settings: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW; weight decay on matrices only, as decaying biases and gains helps nobody."""
    matrices = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    fused = all(p.is_cuda for p in net.parameters())
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.99), fused=fused or None)
