"""A training run, whatever is trained: steps, validation, the best weights, and a state from which it continues."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from timbre.config import TrainingConfig
from timbre.errors import TrainingError
from timbre.training import schedule
from timbre.training.average import Average
from timbre.training.interrupts import interrupts_held
from timbre.training.journal import Journal
from timbre.training.plateau import Plateau
from timbre.training.ranks import Ranks, join
from timbre.training.resume import checked, expected_fields, load_state, save_state
from timbre.wording import counted

T = TypeVar("T")
SAVE_EVERY = 60.0  # s of training between saved states
Figures = dict[str, Tensor | float]


class Validation(NamedTuple):
    """The error of the averaged weights on the validation notes, the smallest of which is kept; figures by name for the
    logs and the report; and whether these weights replace earlier ones even if their error is larger.
    """

    error: float
    figures: dict[str, float]
    replaces: bool = False


class Task(ABC):
    """What a :class:`Run` trains: a network, its optimizer, its batches and its objective.

    Args:
        settings: device, threads, seed, schedule, gradient norm and average.
        table: name of the settings' table, for error messages.
        identity: settings that a continued run must share, as plain values.
        fingerprint: of the notes, which a continued run must share too.
        folder: for the state from which a run continues; None keeps it in memory.
        logs: folder for TensorBoard logs; None writes none.
        ranks: the processes that train together; default: those that the environment names.
    """

    net: nn.Module
    optimizer: torch.optim.Optimizer  # of the network's parameters
    count: int  # batches in an epoch
    validate_every: int  # steps between validations
    shown: tuple[str, ...]  # names of the figures for the progress bar
    comparable: float = 0.0  # share of the run after which validation errors can be compared
    scale: float = 1.0  # the objective is divided by this before its gradient is taken

    def __init__(
        self, settings: TrainingConfig, table: str, identity: dict[str, Any], fingerprint: str,
        folder: Path | None = None, logs: Path | None = None, ranks: Ranks | None = None,
    ) -> None:  # fmt: skip
        self.settings, self.table, self.identity, self.fingerprint = settings, table, identity, fingerprint
        self.folder, self.logs, self.ranks = folder, logs, ranks or join(settings)
        self.memory = nn.Module()  # its state is saved and restored by each rank
        self.device = self.ranks.fabric.device
        if settings.threads:
            torch.set_num_threads(settings.threads)

    def seeded(self, make: Callable[[], T]) -> T:
        """The network that `make` returns, whose weights depend on the seed alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            return make()

    def fit(self, progress: bool = False) -> dict[str, Any]:
        """Train the network, continuing from the saved state if there is one.

        The network then has the averaged weights that did best in validation, on the CPU and in eval mode.

        Returns:
            Plain figures, units in the names.

        Raises:
            TrainingError: if the loss is not a finite number; the best weights so far remain saved.
            CheckpointError: if the saved state is of a run with other settings or notes.
            KeyboardInterrupt: after Ctrl-C or SIGTERM on any rank, when the state has been saved.
        """
        with torch.random.fork_rng(devices=[]):  # the caller's random numbers are left alone
            run = Run(self, progress)
            report = self.report(run, run.complete())
        self.net.cpu()
        return report

    @abstractmethod
    def batches(self, epoch: int, start: int) -> Iterator[Any]:
        """The batches of an epoch, from batch number `start` on; each has `rows`, the numbers of its notes."""

    @abstractmethod
    def objective(self, batch: Any, step: int, done: float) -> Callable[[Any], Figures]:
        """A function of the network that computes "objective", which is minimised, and figures for the logs.

        Its random numbers depend on the seed, the rank and the number of the step, from 0, alone, so that a run can
        continue anywhere. `done` is the share of the run that is done, 0..1.
        """

    @abstractmethod
    def validate(self, done: float) -> Validation:
        """Measure the network, which has the averaged weights and is in eval mode."""

    @abstractmethod
    def report(self, run: "Run", taken: dict[str, float]) -> dict[str, Any]:
        """The figures of a complete run; `taken` is from :meth:`Run.complete`."""

    def files(self, batch: Any) -> list[str]:
        """Names of the files in a batch, for error messages."""
        return []

    def log_examples(self, journal: Journal, step: int) -> None:  # noqa: B027
        """Log examples of the best weights so far, which the network has."""

    def write_checkpoint(self, kind: str, weights: dict[str, Tensor], step: int) -> None:  # noqa: B027
        """Write the weights that are "last" or "best"."""


class Run:
    """One training run of a task; `best` are the figures of the best weights so far, with their "step" and "epoch"."""

    def __init__(self, task: Task, progress: bool = False) -> None:
        self.task, self.settings, self.ranks, self.folder = task, task.settings, task.ranks, task.folder
        folder, ranks = task.folder, task.ranks
        state = load_state(folder, task.identity, task.fingerprint) if folder else None
        self.fabric, self.net = ranks.fabric, task.net
        self.model, self.optimizer = self.fabric.setup(_Forward(task.net), task.optimizer)
        self.average = Average(self.net, self.settings.ema)
        self.epoch, self.batch, self.step, self.notes, self.elapsed = 0, 0, 0, 0, 0.0
        self.plateau, self.saved = Plateau(self.settings.patience), 0.0  # s of training
        self.to_save = True  # whether there is a state to save: that of a run that was not interrupted
        self.error, self.best, self.best_weights = math.inf, dict[str, float](), self.average.weights
        if state:
            with expected_fields(task.folder):
                self._restore(state)
        ranks.require_same((self.epoch, self.batch, self.step), f"states to continue from in {folder}")
        self.journal = Journal(task.logs if ranks.first else None, progress and ranks.first, self.done)

    @property
    def done(self) -> float:
        """The share of the run that is done, 0..1: of its schedules, which pass faster after a plateau."""
        return min(1.0, self.plateau.done(self.share))

    @property
    def share(self) -> float:
        """The share of the planned run that is done, by epochs or by minutes, whichever is larger."""
        by_time = self.elapsed / 60.0 / self.settings.max_minutes if self.settings.max_minutes else 0.0
        return max(self.epochs / self.settings.epochs, by_time)

    @property
    def epochs(self) -> float:
        """Epochs so far, with the share of the current one."""
        return self.epoch + self.batch / self.task.count

    def complete(self) -> dict[str, float]:
        """Train to the end and give the network the best weights, in eval mode: epochs, steps, minutes, notes/s."""
        try:
            with interrupts_held() as asked:
                self.train(asked)
        except KeyboardInterrupt:
            # Else the last saved state remains, from which the same steps are taken again. To save, ranks must agree.
            if self.to_save and self.ranks.world == 1:
                self.save()
            raise
        finally:
            self.journal.close()
        self.net.load_state_dict(self.best_weights)
        self.net.eval()
        speed = self.notes / max(1e-9, self.elapsed)
        return {
            "epochs": self.epoch, "steps": self.step, "train_minutes": self.elapsed / 60.0, "notes_per_s": speed
        }  # fmt: skip

    def train(self, asked: Callable[[], bool] = lambda: False) -> None:
        """Take steps until the run is done, validating and saving on the way.

        After each step, `asked` returns whether to stop; if it does on one rank, all save and raise KeyboardInterrupt.
        """
        self.net.train()
        while self.done < 1.0:
            for batch in self.task.batches(self.epoch, self.batch):
                begun = time.monotonic()
                self.take_step(batch)
                spent, stop = self.ranks.sum(time.monotonic() - begun, asked())
                self.elapsed += spent / self.ranks.world
                self.batch += 1
                if self.batch == self.task.count:
                    self.epoch, self.batch = self.epoch + 1, 0
                self.to_save = True
                taken = self.epoch * self.task.count + self.batch
                if taken % self.task.validate_every == 0 or self.done >= 1.0:
                    self.validate()
                elif stop or self.elapsed - self.saved > SAVE_EVERY:  # the same on all ranks
                    self.save()
                if stop:
                    raise KeyboardInterrupt
                if self.done >= 1.0:
                    break

    def take_step(self, batch: Any) -> None:
        """Take one optimizer step on a batch, and on those of the other ranks."""
        self.to_save = False
        rate = schedule.learning_rate(self.settings, self.done)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        figures = self.model(self.task.objective(batch, self.step, self.done))
        loss = figures["objective"]
        objective, notes = self.ranks.sum(float(loss.detach()), len(batch.rows))
        if not math.isfinite(objective):
            raise TrainingError(self._not_finite(figures, batch))
        self.optimizer.zero_grad()
        self.fabric.backward(loss / self.task.scale)
        # The objective is known to be finite; asking again would wait for the GPU.
        self.fabric.clip_gradients(
            self.model, self.optimizer, max_norm=self.settings.grad_clip, error_if_nonfinite=False
        )
        self.optimizer.step()
        self.step += 1
        self.average.update(self.net, self.step)
        self.notes += int(notes)
        figures |= {"learning_rate": rate, "notes_per_s": self.notes / max(1.0, self.elapsed)}
        self.journal.step(figures, (*self.task.shown, "notes_per_s"), self.done, self.step)

    def validate(self) -> None:
        """Measure the averaged weights, keep them if they are the best so far, and save."""
        current = _copied(self.net.state_dict())
        self.net.load_state_dict(self.average.weights)
        self.net.eval()
        error, figures, replaces = self.task.validate(self.done)
        self.journal.validation(figures, self.step)
        better = replaces or error < self.error
        if better:
            self.error, self.best = error, figures | {"step": self.step, "epoch": self.epoch}
            self.best_weights = _copied(self.average.weights)
            self.task.log_examples(self.journal, self.step)
        if not replaces and self.share >= self.task.comparable and self.plateau.begins(error, self.epochs, self.share):
            self.journal.say(self._advice())
        self.net.load_state_dict(current)
        self.net.train()
        self.save(better)

    def save(self, better: bool = False) -> None:
        """Write the state of all ranks to continue from, and the checkpoints. All ranks must call it; the first writes.

        So the state is one file, complete or not there, whichever rank is killed.
        """
        self.to_save, self.saved = False, self.elapsed
        if self.folder is None:
            return
        memories = self.ranks.gather({name: x.cpu() for name, x in self.task.memory.state_dict().items()})
        if not self.ranks.first:
            return
        self.task.write_checkpoint("last", self.average.weights, self.step)
        if better:  # before the state: what a full disk keeps from being written is written after continuing
            self.task.write_checkpoint("best", self.best_weights, self.step)
        save_state(self.folder, {
            "identity": self.task.identity, "fingerprint": self.task.fingerprint, "memories": memories,
            "model": self.net.state_dict(), "optimizer": self.optimizer.state_dict(),
            "average": self.average.weights, "error": self.error, "best": self.best, "best_weights": self.best_weights,
            "epoch": self.epoch, "batch": self.batch, "count": self.task.count, "step": self.step, "notes": self.notes,
            "elapsed": self.elapsed, "plateau": self.plateau.state(),
        })  # fmt: skip

    def _restore(self, state: dict[str, Any]) -> None:
        """Continue from a state; with another number of ranks, from the same share of the epoch."""
        self.net.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        memories = checked(state["memories"], list)
        if self.ranks.rank < len(memories):  # else there were fewer ranks, and the memory of this one begins anew
            self.task.memory.load_state_dict(memories[self.ranks.rank])
        self.plateau.restore(state["plateau"])
        for name, kind in {
            "epoch": int,
            "step": int,
            "notes": int,
            "elapsed": float,
            "error": float,
            "best": dict,
        }.items():
            setattr(self, name, checked(state[name], kind))
        self.batch = checked(state["batch"], int) * self.task.count // checked(state["count"], int)
        self.saved = self.elapsed
        shapes = {name: value.shape for name, value in self.net.state_dict().items()}
        for key in ("average", "best_weights"):
            if {name: value.shape for name, value in state[key].items()} != shapes:
                raise ValueError(f"{key} are the weights of another network")
            if not all(bool(torch.isfinite(value).all()) for value in state[key].values()):
                raise ValueError(f"{key} are not finite")
        self.average.weights, self.best_weights = (
            {name: value.to(self.fabric.device) for name, value in state[key].items()}
            for key in ("average", "best_weights")
        )

    def _advice(self) -> str:
        rest = max(1, round(self.plateau.decay * self.epochs / self.share))
        return (
            f"Validation has not improved for {counted(round(self.epochs - self.plateau.epoch), 'epoch')}; the best is "
            f"from epoch {self.best['epoch']}. The learning rate now falls to its end, and the run ends after about "
            f"{counted(rest, 'more epoch')} ({self.task.table}.patience)."
        )

    def _not_finite(self, figures: Figures, batch: Any) -> str:
        """A message with the files of the ranks whose own figures are not finite; else, whose loss is not."""
        values = {name: float(torch.as_tensor(value).detach()) for name, value in figures.items()}
        own = not all(math.isfinite(values[name]) for name in self.task.shown)
        every = self.ranks.gather((own, not math.isfinite(values["objective"]), self.task.files(batch)))
        named = [names for own, _, names in every if own] or [names for _, loss, names in every if loss]
        files = ", ".join(sorted({name for names in named for name in names}))
        return (
            f"The loss is not a number at step {self.step + 1} (epoch {self.epoch + 1})"
            + (f"; the batch contains {files}." if files else ".")
            + (f" The best weights so far are kept in {self.folder}." if self.folder and self.best else "")
            + f" Try a lower {self.task.table}.learning_rate."
        )


class _Forward(nn.Module):
    """A forward pass that DDP can follow and that calls a function with the network.

    The function brings its tensors along: those that are passed to a module, Fabric would turn into bfloat16 in mixed
    precision, and round pitches to a quarter of a semitone.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        for parameter in net.parameters():  # DDP waits for every gradient; empty parameters never get one
            parameter.requires_grad_(parameter.requires_grad and parameter.numel() > 0)

    def forward(self, compute: Callable[[nn.Module], Figures]) -> Figures:
        return compute(self.net)


def _copied(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in weights.items()}
