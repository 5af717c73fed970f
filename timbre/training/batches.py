"""Batches of features on the training device."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from timbre.data.features import Features
from timbre.models.conditions import Conditions

Batch = tuple[Tensor, Conditions, np.ndarray]


class Batches:
    """Shuffled batches of rows; their order depends on the seed and the epoch alone, so that a run can go on anywhere.

    Args:
        features: where the rows come from.
        rows: which rows, (n,).
        size: rows per batch; the last batch of an epoch may be smaller, never a single row unless there is only one.
        seed: of the order.
        device: where the batches go.
    """

    def __init__(self, features: Features, rows: np.ndarray, size: int, seed: int, device: torch.device) -> None:
        self.features, self.rows, self.seed, self.device = features, rows, seed, device
        self.count = max(1, round(len(rows) / size))

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, from batch `start` on: dB (batch, bins, frames), controls, row numbers."""
        order = np.random.default_rng([self.seed, number]).permutation(self.rows)
        for rows in np.array_split(order, self.count)[start:]:
            yield batch(self.features, np.sort(rows), self.device)

    def in_order(self) -> Iterator[Batch]:
        """The batches in row order, for measuring."""
        for rows in np.array_split(self.rows, self.count):
            yield batch(self.features, rows, self.device)


def batch(features: Features, rows: np.ndarray, device: torch.device) -> Batch:
    """Some rows as tensors on a device."""
    spectrogram = torch.from_numpy(features.spectrograms[rows].astype(np.float32))
    labels = (torch.from_numpy(column[rows]) for column in (features.pitch, features.velocity, features.release))
    return spectrogram.to(device), Conditions(*labels).to(device), rows
