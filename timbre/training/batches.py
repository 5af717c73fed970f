"""Batches of features on the training device."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from timbre.data.augmentation import Augmentation
from timbre.data.features import Features
from timbre.models.conditions import Conditions


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
    of a step on a CPU, so that no thread of ours is needed for it.

    Args:
        features: where the rows come from.
        rows: which rows, (n,).
        size: rows per batch, about: the batches of an epoch differ by one row at most.
        seed: of the order.
        device: where the batches go.
        count: batches of an epoch; by default as many as make their size come nearest to `size`.
        augmentation: what :meth:`epoch` does to what the encoder sees.
    """

    def __init__(
        self, features: Features, rows: np.ndarray, size: int, seed: int, device: torch.device,
        count: int | None = None, augmentation: Augmentation | None = None,
    ) -> None:  # fmt: skip
        self.features, self.rows, self.seed, self.device = features, rows, seed, device
        self.count = count or max(1, round(len(rows) / size))
        self.augmentation = augmentation

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, from batch `start` on."""
        order = np.random.default_rng([self.seed, number]).permutation(self.rows)
        batches = [np.sort(rows) for rows in np.array_split(order, self.count)[start:]]
        for place, found in enumerate(self._gathered(batches), start):
            seen = self.augmentation(found.spectrogram, number, place) if self.augmentation else found.seen
            yield found._replace(seen=seen)

    def in_order(self) -> Iterator[Batch]:
        """The batches in row order, undisturbed, for measuring."""
        return self._gathered([rows for rows in np.array_split(self.rows, self.count) if len(rows)])

    def _gathered(self, batches: list[np.ndarray]) -> Iterator[Batch]:
        for rows, following in zip_longest(batches, batches[1:]):
            found = batch(self.features, rows, self.device)
            if following is not None:
                self.features.spectrograms.expect(following)
            yield found


def batch(features: Features, rows: np.ndarray, device: torch.device) -> Batch:
    """Some rows as tensors on a device."""
    spectrogram = torch.from_numpy(features.spectrograms[rows]).to(device).float()
    labels = (torch.from_numpy(column[rows]) for column in (features.pitch, features.velocity, features.release))
    return Batch(spectrogram, Conditions(*labels).to(device), rows, spectrogram)
