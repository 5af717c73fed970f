"""What a run tells: a progress bar, and TensorBoard logs with pictures and sounds."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from timbre.models.conditions import Conditions
from timbre.models.vae import VAE, Loss
from timbre.spectral import Spectrogram


class Journal:
    """The run's account.

    Args:
        folder: where the TensorBoard logs go; None writes none.
        progress: whether to show a bar on stderr.
        done: share of the run that is done already, 0..1.
    """

    def __init__(self, folder: Path | None, progress: bool, done: float = 0.0) -> None:
        self.writer, self.validation = _writer(folder), ""
        interactive = sys.stderr.isatty()
        self.bar = tqdm(
            total=1.0, initial=done, desc="train", disable=not progress, mininterval=0.5 if interactive else 20.0,
            bar_format="{desc} {percentage:3.0f}%|{bar:24}| {elapsed} < {remaining}{postfix}",
        )  # fmt: skip

    def step(
        self, loss: Loss, terms: dict[str, torch.Tensor], beta: float, rate: float, done: float, speed: float, step: int
    ) -> None:
        """Take in one step: the losses in nats and dB, the regularizers' terms, and where the run stands.

        `speed` is notes per second.
        """
        self.bar.n = min(1.0, done)
        if step % 10:
            return
        losses = {name: float(getattr(loss, name)) for name in ("reconstruction_nats", "kl_nats", "rmse_db", "l1_db")}
        shown = (
            f"{self.validation}training {losses['l1_db']:.2f} dB, KL {losses['kl_nats']:.0f} nats, {speed:.0f} notes/s"
        )
        self.bar.set_postfix_str(shown, refresh=False)
        self.bar.update(0)
        scalars = {**losses, "objective": float(loss.objective.detach()), "beta": beta, "learning_rate": rate}
        self.scalars("train", scalars | {f"{name}_nats": float(value) for name, value in terms.items()}, step)

    def scalars(self, part: str, values: dict[str, float], step: int) -> None:
        """Log numbers under "part/name"."""
        if self.writer:
            for name, value in values.items():
                self.writer.add_scalar(f"{part}/{name}", value, step)

    def validation_error(self, l1_db: float) -> None:
        """Show the latest validation error beside the bar."""
        self.validation = f"validation {l1_db:.2f} dB, "

    def examples(
        self, model: VAE, spectrogram: Spectrogram, notes_db: torch.Tensor, conditions: Conditions, step: int
    ) -> None:
        """Log notes beside their reconstructions, as pictures (low bands below) and as sounds."""
        if not self.writer:
            return
        with torch.no_grad():
            decoded = model.decode(model.posterior(notes_db, conditions).center, conditions)
        both = torch.stack([notes_db, decoded], 1)
        pictures = ((both - spectrogram.config.floor_db) / -spectrogram.config.floor_db).clamp(0, 1).flip(2)
        for index, (pair, picture) in enumerate(zip(both, pictures, strict=True)):
            self.writer.add_image(
                f"note {index}: original, decoded", torch.cat(list(picture), 1).cpu().numpy(), step, dataformats="HW"
            )
            sounds = spectrogram.inverse(pair, inverter="pghi")
            sounds = sounds / sounds.abs().amax(1, keepdim=True).clamp_min(1e-9)
            for name, sound in zip(("original", "decoded"), sounds, strict=True):
                self.writer.add_audio(f"note {index}/{name}", sound.cpu().numpy(), step, spectrogram.config.sample_rate)

    def close(self) -> None:
        """End the bar and the logs."""
        self.bar.close()
        if self.writer:
            self.writer.close()


def _writer(folder: Path | None) -> Any:
    if folder is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


def spread(count: int, rows: np.ndarray) -> np.ndarray:
    """A few rows, evenly spread over the given ones."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
