"""Coordinates of a run's notes on the listening map, which does not change while the network learns."""

import torch
from torch import Tensor

from timbre.data.features.table import Features
from timbre.models.conditions import Conditions
from timbre.models.listening_map import ListeningMap
from timbre.training.batches import Batch, send


class Coordinates:
    """Computes each note's coordinates once, since their descriptors take as long as the rest of a step.

    Args:
        table: the fitted map, on the device of the batches; None gives None for every batch.
        features: of the notes.
    """

    def __init__(self, table: ListeningMap | None, features: Features) -> None:
        self.map, self.features = table, features
        size = len(table.deviation) if table else 0
        self.known = torch.full((len(features.note), size), torch.nan)  # by row

    @torch.no_grad()
    def __call__(self, batch: Batch, seen: Conditions) -> Tensor | None:
        """Coordinates (batch, dim) of a batch, whose controls are `seen`, of which some may be hidden."""
        if self.map is None:
            return None
        device, rows = batch.spectrogram.device, torch.from_numpy(batch.rows)
        values = self.known[rows].to(device)
        as_stored = send(self.features.release[batch.rows], device) == batch.conditions.release
        as_stored &= seen.pitch.isnan() == batch.conditions.pitch.isnan()
        new = ~as_stored | values.isnan().any(1)
        if new.any():
            # Rounded, since the last bits depend on the other notes of the batch, and a continued run has others.
            values[new] = self.map(batch.spectrogram[new], seen.pitch[new]).round(decimals=3)
            keep = (new & as_stored).cpu()
            self.known[rows[keep]] = values.cpu()[keep]
        return values
