"""What a run shows: a progress bar, and TensorBoard logs with figures, images and sounds."""

import contextlib
import os
import secrets
import sys
import time
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

LOG_EVERY = 10  # steps


class Journal:
    """The progress bar and the logs of a run.

    Args:
        folder: for the TensorBoard logs; None writes none. They are no reason to end a run: where they cannot be
            written, as on a full disk, a sentence on stderr says so, and the run goes on without them.
        progress: whether to show a bar on stderr.
        done: share of the run that is done already, 0..1.
    """

    def __init__(self, folder: Path | None, progress: bool, done: float = 0.0) -> None:
        self._log, self._validation, self._progress = _Log(folder) if folder else None, "", progress
        interactive = sys.stderr.isatty() or "ipykernel" in sys.modules
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
        if self._log:
            self._log.flush()
        name, value = next(iter(figures.items()))
        self._validation = f"validation {name} {value:.3f}, "

    def say(self, sentence: str) -> None:
        """Print a sentence above the bar, if there is one."""
        if self._progress:
            tqdm.write(f"timbre: {sentence}", file=sys.stderr)

    def close(self) -> None:
        """End the bar and the logs."""
        self._bar.close()
        if self._log:
            self._log.close()

    @property
    def logs(self) -> bool:
        """Whether there is a log for images and sounds."""
        return self._log is not None

    def image(self, name: str, values: Tensor, step: int) -> None:
        """Log an image (rows, columns), 0 to 1."""
        if self._log:
            self._log.add("image", name, values, step, dataformats="HW")

    def sound(self, name: str, samples: Tensor, sample_rate: int, step: int) -> None:
        """Log a sound (samples,), -1 to 1."""
        if self._log:
            self._log.add("audio", name, samples, step, sample_rate=sample_rate)

    def _scalars(self, part: str, values: dict[str, float], step: int) -> None:
        if self._log:
            for name, value in values.items():
                self._log.add("scalar", f"{part}/{name}", value, step)


class _Log:
    """A file of TensorBoard events. TensorBoard's own writer prints the traceback of its thread on a full disk."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._records = folder, None
        self._guarded(self._open)
        self._write(file_version="brain.Event:2")

    def add(self, kind: str, name: str, value: Any, step: int, **more: Any) -> None:
        """Add a summary that a function of torch.utils.tensorboard.summary makes: "scalar", "image" or "audio"."""
        from torch.utils.tensorboard import summary

        self._write(summary=getattr(summary, kind)(name, value, **more), step=step)

    def flush(self) -> None:
        """Write what is buffered."""
        if self._records:
            self._guarded(self._records.flush)

    def close(self) -> None:
        """End the file."""
        if self._records:
            self._guarded(self._records.close)

    def _open(self) -> None:
        from torch.utils.tensorboard import RecordWriter

        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{os.getpid()}.{secrets.token_hex(4)}"
        file = open(self.folder / name, "wb")  # noqa: SIM115
        weakref.finalize(self, file.close)
        self._records = RecordWriter(file)

    def _write(self, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        if self._records:
            event = Event(wall_time=time.time(), **content).SerializeToString()
            self._guarded(lambda: self._records.write(event))

    def _guarded(self, write: Callable[[], object]) -> None:
        """Write; after an error say so once, and write nothing more."""
        try:
            write()
        except OSError as error:
            records, self._records = self._records, None
            if records:
                with contextlib.suppress(OSError):
                    records.close()
            sentence = f"The logs in {self.folder} cannot be written: {error.strerror}; training goes on without them."
            tqdm.write(f"timbre: {sentence}", file=sys.stderr)


def evenly(count: int, rows: np.ndarray) -> np.ndarray:
    """At most `count` of the rows, evenly spaced."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
