"""Batches of features on the training device."""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from itertools import zip_longest
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from timbre.data.features.augmentation import Augmentation
from timbre.data.features.table import Features
from timbre.models.conditions import Conditions
from timbre.training.order import Order

_CHUNK = 1024  # rows that are sent to a device at a time


class Batch(NamedTuple):
    """A batch of notes: spectrograms, dB (batch, bins, frames); their controls; their row numbers, (batch,); and the
    spectrograms as the encoder sees them, the same or augmented.
    """

    spectrogram: Tensor
    conditions: Conditions
    rows: np.ndarray
    seen: Tensor


class NoteBatches(Protocol):
    """Notes in batches, such as :class:`Batches`."""

    def in_order(self) -> Iterator[Batch]:
        """The batches, always in the same order."""


class Batches:
    """Shuffled batches of rows. Their order depends on the seed and the epoch alone, so a run can continue anywhere.

    While one batch is used, the system reads the next one from the disk; gathering it then takes less than a hundredth
    of a step on a CPU, so no thread is needed for it. A GPU keeps all rows in its memory, as float16, if they take
    half of what is free at the first batch or less. The values are the same.

    Args:
        features: table of the rows.
        rows: their numbers, (n,).
        size: rows per batch, approximately: the batches of an epoch differ by one row at most.
        seed: of the order.
        device: of the batches.
        count: batches per epoch; default: the count that brings their size nearest to `size`.
        augmentation: applied by :meth:`epoch` to the notes and to the encoder's view of them.
        resident: whether to keep the rows on the device; default: on a GPU, if they fit.
        order: of the rows in :meth:`epoch`; default: all of them, shuffled.
    """

    def __init__(
        self, features: Features, rows: np.ndarray, size: int, seed: int, device: torch.device,
        count: int | None = None, augmentation: Augmentation | None = None, resident: bool | None = None,
        order: Order | None = None,
    ) -> None:  # fmt: skip
        self.features, self.rows, self.seed, self.device = features, rows, seed, device
        self.count = count or max(1, round(len(rows) / size))
        self.augmentation, self.resident, self.order = augmentation, resident, order

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of one epoch, from batch `start` on."""
        shuffled = np.random.default_rng([self.seed, number]).permutation
        order = self.order.epoch(number) if self.order else shuffled(self.rows)
        batches = [np.sort(rows) for rows in np.array_split(order, self.count)[start:]]
        for index, batch in enumerate(self._gathered(batches), start):
            yield augmented(batch, self.augmentation, number, index) if self.augmentation else batch

    def in_order(self) -> Iterator[Batch]:
        """The batches in row order, not augmented, for measuring."""
        return self._gathered([rows for rows in np.array_split(self.rows, self.count) if len(rows)])

    def _gathered(self, batches: list[np.ndarray]) -> Iterator[Batch]:
        if self.is_resident:
            yield from map(self._residents.batch, batches)
            return
        for rows, following in zip_longest(batches, batches[1:]):
            batch = read_batch(self.features, rows, self.device)
            if following is not None:
                self.features.spectrograms.expect(following)
            yield batch

    @cached_property
    def is_resident(self) -> bool:
        """Whether the rows are kept on the device; measured on a GPU at the first batch."""
        if self.resident is not None or self.device.type != "cuda":
            return bool(self.resident)
        size = 2 * len(self.rows) * math.prod(self.features.spectrograms.shape[1:])
        return bool(size <= torch.cuda.mem_get_info(self.device)[0] // 2)

    @cached_property
    def _residents(self) -> "Resident":
        return Resident(self.features, self.rows, self.device)


class Resident:
    """Rows (n,) of a table that are kept on the device."""

    def __init__(self, features: Features, rows: np.ndarray, device: torch.device) -> None:
        self.rows, self.device = np.sort(rows), device
        self.spectrograms = torch.empty(len(rows), *features.spectrograms.shape[1:], dtype=torch.float16, device=device)
        for start in range(0, len(rows), _CHUNK):
            part = self.rows[start : start + _CHUNK]
            self.spectrograms[start : start + len(part)] = torch.from_numpy(features.spectrograms[part])
        self.conditions = _conditions(features, self.rows, device)

    def batch(self, rows: np.ndarray) -> Batch:
        """The batch of some of the rows, as from :func:`read_batch`; only the row numbers are sent to the device."""
        index = send(np.searchsorted(self.rows, rows), self.device)
        spectrogram = self.spectrograms[index].float()
        conditions = Conditions(*(control[index] for control in vars(self.conditions).values()))
        return Batch(spectrogram, conditions, rows, spectrogram)


def augmented(batch: Batch, augmentation: Augmentation, epoch: int, index: int) -> Batch:
    """Batch number `index` of an epoch with some notes cut short and the encoder's view augmented."""
    spectrogram, release = augmentation.cut(batch.spectrogram, batch.conditions.release, epoch, index)
    seen = augmentation(spectrogram, epoch, index)
    return Batch(spectrogram, replace(batch.conditions, release=release), batch.rows, seen)


def read_batch(features: Features, rows: np.ndarray, device: torch.device) -> Batch:
    """Read rows as tensors on a device."""
    spectrogram = send(features.spectrograms[rows], device).float()
    return Batch(spectrogram, _conditions(features, rows, device), rows, spectrogram)


def send(array: np.ndarray, device: torch.device) -> Tensor:
    """Send an array to a device; pinned memory avoids waiting for a GPU."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _conditions(features: Features, rows: np.ndarray, device: torch.device) -> Conditions:
    columns = (features.pitch, features.velocity, features.release)
    return Conditions(*(send(column[rows], device) for column in columns))
