"""Batches of features on the training device."""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from timbre.data.features.augmentation import Augmentation
from timbre.data.features.table import Features
from timbre.models.conditions import Conditions

_CHUNK = 1024  # rows that are on their way to a device at a time


class Batch(NamedTuple):
    """Some notes."""

    spectrogram: Tensor
    """dB, (batch, bins, frames)."""
    conditions: Conditions
    """Their controls."""
    rows: np.ndarray
    """Row numbers, (batch,)."""
    seen: Tensor
    """What the encoder is to see of them: the same, or disturbed."""


class Batches:
    """Shuffled batches of rows; their order depends on the seed and the epoch alone, so that a run can go on anywhere.

    While one batch is used, the system reads the next one from the disk; gathering it then takes less than a hundredth
    of a step on a CPU, so that no thread of ours is needed for it. On a GPU the rows are kept in its memory, as the
    float16 that they are, where that takes up to half of what is free at the first batch. The values are the same.

    Args:
        features: where the rows come from.
        rows: which rows, (n,).
        size: rows per batch, about: the batches of an epoch differ by one row at most.
        seed: of the order.
        device: where the batches go.
        count: batches of an epoch; by default as many as make their size come nearest to `size`.
        augmentation: what :meth:`epoch` does to the notes, and to what the encoder sees of them.
        resident: whether to keep the rows on the device; None does on a GPU, where they fit.
    """

    def __init__(
        self, features: Features, rows: np.ndarray, size: int, seed: int, device: torch.device,
        count: int | None = None, augmentation: Augmentation | None = None, resident: bool | None = None,
    ) -> None:  # fmt: skip
        self.features, self.rows, self.seed, self.device = features, rows, seed, device
        self.count = count or max(1, round(len(rows) / size))
        self.augmentation, self.resident = augmentation, resident

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, from batch `start` on."""
        order = np.random.default_rng([self.seed, number]).permutation(self.rows)
        batches = [np.sort(rows) for rows in np.array_split(order, self.count)[start:]]
        for place, found in enumerate(self._gathered(batches), start):
            yield disturbed(found, self.augmentation, number, place) if self.augmentation else found

    def in_order(self) -> Iterator[Batch]:
        """The batches in row order, undisturbed, for measuring."""
        return self._gathered([rows for rows in np.array_split(self.rows, self.count) if len(rows)])

    def _gathered(self, batches: list[np.ndarray]) -> Iterator[Batch]:
        if self.is_resident:
            yield from map(self._residents.batch, batches)
            return
        for rows, following in zip_longest(batches, batches[1:]):
            read = read_batch(self.features, rows, self.device)
            if following is not None:
                self.features.spectrograms.expect(following)
            yield read

    @cached_property
    def is_resident(self) -> bool:
        """Whether the rows are kept on the device; a GPU must have the memory, at the time of the first batch."""
        if self.resident is not None or self.device.type != "cuda":
            return bool(self.resident)
        size = 2 * len(self.rows) * math.prod(self.features.spectrograms.shape[1:])
        return bool(size <= torch.cuda.mem_get_info(self.device)[0] // 2)

    @cached_property
    def _residents(self) -> "Resident":
        return Resident(self.features, self.rows, self.device)


class Resident:
    """Rows that are kept on the device.

    Args:
        features: where they come from.
        rows: their numbers, (n,).
        device: where they are kept.
    """

    def __init__(self, features: Features, rows: np.ndarray, device: torch.device) -> None:
        self.rows, self.device = np.sort(rows), device
        self.spectrograms = torch.empty(len(rows), *features.spectrograms.shape[1:], dtype=torch.float16, device=device)
        for start in range(0, len(rows), _CHUNK):
            part = self.rows[start : start + _CHUNK]
            self.spectrograms[start : start + len(part)] = torch.from_numpy(features.spectrograms[part])
        self.labels = _labels(features, self.rows, device)

    def batch(self, rows: np.ndarray) -> Batch:
        """Some of the rows, as :func:`read_batch` gives them; all that goes to the device is which ones."""
        index = send(np.searchsorted(self.rows, rows), self.device)
        spectrogram = self.spectrograms[index].float()
        return Batch(spectrogram, Conditions(*(label[index] for label in self.labels)), rows, spectrogram)


def disturbed(found: Batch, augmentation: Augmentation, number: int, place: int) -> Batch:
    """A batch as it is learned from in epoch `number`: some notes cut short, and what the encoder sees disturbed."""
    spectrogram, release = augmentation.cut(found.spectrogram, found.conditions.release, number, place)
    seen = augmentation(spectrogram, number, place)
    return Batch(spectrogram, replace(found.conditions, release=release), found.rows, seen)


def read_batch(features: Features, rows: np.ndarray, device: torch.device) -> Batch:
    """Some rows as tensors on a device."""
    spectrogram = send(features.spectrograms[rows], device).float()
    return Batch(spectrogram, Conditions(*_labels(features, rows, device)), rows, spectrogram)


def send(array: np.ndarray, device: torch.device) -> Tensor:
    """An array on a device; a GPU is not waited for, which takes pinned memory."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _labels(features: Features, rows: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    pitch, velocity, release = (
        send(column[rows], device) for column in (features.pitch, features.velocity, features.release)
    )
    return pitch, velocity, release
