"""What the error of reconstructed notes is made of: by level, by frequency, and by time after the onset."""

from collections.abc import Iterable

import numpy as np

from timbre.training.measure import AUDIBLE_DB

LEVELS = ((0.0, 20.0), (20.0, 40.0), (40.0, 60.0))  # dB below the note's peak, as recorded or decoded
TIMES = ((0.0, 0.05), (0.05, 0.3), (0.3, 60.0))  # s after the onset


def parts(pairs: Iterable[tuple[np.ndarray, np.ndarray]], times: np.ndarray) -> dict[str, float]:
    """Mean absolute errors, dB, of decoded and recorded notes, pairs of (notes, bins, frames), dB, at `times`, s.

    `l1_db` and `rmse_db` are over all values; `audible_l1_db` over those within 60 dB of the note's peak, recorded or
    decoded; the others over parts of these: by level (within 20 dB of the peak, and so on), by thirds of the bands from
    the lowest, and by time after the onset. `level_error_db` is the level of the loudest 5 frames, decoded minus
    recorded.
    """
    sums: dict[str, np.ndarray] = {}

    def add(name: str, values: np.ndarray) -> None:
        sums[name] = sums.get(name, np.zeros(2)) + np.array([values.sum(dtype=np.float64), values.size])

    for decoded, recorded in pairs:
        error = np.abs(decoded - recorded)
        below = recorded.max((1, 2), keepdims=True) - np.maximum(decoded, recorded)
        heard = below < AUDIBLE_DB
        add("l1_db", error)
        add("rmse_db", error**2)
        add("audible_l1_db", error[heard])
        for low, high in LEVELS:
            add(f"to_{high:.0f}_db_below_l1_db", error[heard & (below >= (low or -np.inf)) & (below < high)])
        for name, bands in zip(("low", "middle", "high"), np.array_split(np.arange(error.shape[1]), 3), strict=True):
            add(f"{name}_bands_l1_db", error[:, bands][heard[:, bands]])
        for low, high in TIMES:
            name = f"from_{1000 * low:.0f}_ms_l1_db"
            there = (times >= low) & (times < high)
            add(name, error[:, :, there][heard[:, :, there]])
        add("level_error_db", _loudest(decoded) - _loudest(recorded))
    means = {name: float(total / max(1.0, count)) for name, (total, count) in sums.items()}
    return means | {"rmse_db": means["rmse_db"] ** 0.5}


def _loudest(notes: np.ndarray) -> np.ndarray:
    """Levels (notes,), dB, of the loudest 5 frames in a row."""
    power = (10.0 ** (notes.astype(np.float64) / 10.0)).sum(1)
    runs = np.lib.stride_tricks.sliding_window_view(power, min(5, power.shape[1]), axis=1).mean(2)
    return np.asarray(10.0 * np.log10(runs.max(1) + 1e-20))
