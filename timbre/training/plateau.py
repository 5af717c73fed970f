"""The end of a run whose validation error no longer falls."""

import math
from typing import Any

DECAY = 0.2  # length of the final decay as a share of what was trained before


class Plateau:
    """Counts epochs without a smaller validation error; after `patience` of them, the run begins its final decay.

    While the learning rate is high, a plateau is no minimum: the error falls once more as the rate falls. So the rest
    of the run's schedules is not cut off but passed through faster, in a fifth of the time before (a short decay after
    a long constant rate comes as far as a cosine over the whole run: Haegele et al. 2024, Scaling laws and
    compute-optimal training beyond fixed training durations).

    Attributes:
        patience: epochs; 0 waits for ever.
        error, epoch: the smallest error so far, and the epoch after which it was measured.
        begun: share of the planned run, 0..1, at which the decay began; None before.
    """

    def __init__(self, patience: int) -> None:
        self.patience, self.error, self.epoch = patience, math.inf, 0.0
        self.begun: float | None = None

    def begins(self, error: float, epoch: float, share: float) -> bool:
        """Take a validation error at a share of the planned run; whether the decay begins with it."""
        if error < self.error:
            self.error, self.epoch = error, epoch
        waited = self.patience and epoch - self.epoch >= self.patience
        if not waited or self.begun is not None or share >= 1.0:
            return False
        self.begun = share
        return True

    def done(self, share: float) -> float:
        """The share of the schedules that is done at a share of the planned run."""
        if self.begun is None:
            return share
        return self.begun + (1.0 - self.begun) * (share - self.begun) / self.decay

    @property
    def decay(self) -> float:
        """Length of the decay as a share of the planned run, the rest of it at most; 0 before it begins."""
        return min(DECAY * self.begun, 1.0 - self.begun) if self.begun else 0.0

    def state(self) -> dict[str, Any]:
        """Plain values, from which :meth:`restore` continues."""
        return {"error": self.error, "epoch": self.epoch, "begun": self.begun}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a :meth:`state`; a ValueError if it is none."""
        error, epoch, begun = float(state["error"]), float(state["epoch"]), state["begun"]
        if math.isnan(error) or not epoch >= 0.0 or not (begun is None or 0.0 < begun < 1.0):
            raise ValueError(f"must be the state of a plateau, got {state}")
        self.error, self.epoch, self.begun = error, epoch, begun
