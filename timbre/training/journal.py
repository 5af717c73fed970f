"""What a run shows: a progress bar, and TensorBoard logs with figures, images and sounds."""

import contextlib
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

LOG_EVERY = 10  # steps


class Journal:
    """The progress bar and the logs of a run.

    Args:
        folder: for the TensorBoard logs; None writes none, and `writer` is None.
        progress: whether to show a bar on stderr.
        done: share of the run that is done already, 0..1.
    """

    def __init__(self, folder: Path | None, progress: bool, done: float = 0.0) -> None:
        self.writer, self._validation = None, ""
        if folder:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(folder))
        interactive = sys.stderr.isatty()
        self._bar = tqdm(
            total=1.0, initial=done, desc="train", disable=not progress, mininterval=0.5 if interactive else 20.0,
            bar_format="{desc} {percentage:3.0f}%|{bar:24}| {elapsed} < {remaining}{postfix}",
        )  # fmt: skip

    def step(self, figures: dict[str, Tensor | float], shown: Iterable[str], done: float, step: int) -> None:
        """Move the bar, and every tenth step log the figures and show some; only then do they leave a GPU."""
        self._bar.n = done
        if step % LOG_EVERY:
            return
        values = {name: float(torch.as_tensor(value).detach()) for name, value in figures.items()}
        text = ", ".join(f"{name} {values[name]:.2f}" for name in shown)
        self._bar.set_postfix_str(self._validation + text, refresh=False)
        self._bar.update(0)
        self._scalars("train", values, step)

    def validation(self, figures: dict[str, float], step: int) -> None:
        """Log the figures of a validation, and show the first of them beside the bar."""
        self._scalars("valid", figures, step)
        name, value = next(iter(figures.items()))
        self._validation = f"validation {name} {value:.3f}, "

    def close(self) -> None:
        """End the bar and the logs."""
        self._bar.close()
        if self.writer:
            with contextlib.suppress(OSError):  # a full disk, which also ends the run, with a sentence of its own
                self.writer.close()

    def _scalars(self, part: str, values: dict[str, float], step: int) -> None:
        if self.writer:
            for name, value in values.items():
                self.writer.add_scalar(f"{part}/{name}", value, step)


def evenly(count: int, rows: np.ndarray) -> np.ndarray:
    """At most `count` of the rows, evenly spaced."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
