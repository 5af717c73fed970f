"""What an engine tells of itself across processes: its state as numbers in the ring's memory."""

import numpy as np

from timbre.playback.controls import MOST_VOICES, Latency, State
from timbre.playback.engine.engine import Engine
from timbre.playback.output.ring import Ring

_NOTES = 16  # place of the first note's pitch; before it the plain figures
_POINT = _NOTES + MOST_VOICES


def tell(ring: Ring, engine: Engine, ahead: int) -> None:
    """Write an engine's state beside its samples; `ahead` is what it keeps in the ring."""
    state = engine.state()
    late = state.latency.look_ahead
    plain = (
        state.voices, state.limit, state.load, state.shed, state.stolen, late, state.control_delay, state.peak,
        state.seconds, 1000.0 * ahead / engine.sample_rate, len(state.notes), len(state.point),
    )  # fmt: skip
    ring.facts[: len(plain)] = plain
    ring.facts[_NOTES : _NOTES + len(state.notes)] = state.notes
    ring.facts[_POINT : _POINT + len(state.point)] = state.point


def read(ring: Ring, runtime: str, sample_rate: int, block: int, device: float) -> State:
    """The state that the engine of a ring has told last; `device` is the device's latency, s."""
    values = ring.facts.copy()
    voices, limit, load, shed, stolen, late, delay, peak, seconds, ahead, notes, dim = values[:12]
    return State(
        values[_POINT : _POINT + int(dim)].astype(np.float32), tuple(values[_NOTES : _NOTES + int(notes)].tolist()),
        int(voices), int(limit), float(load), ring.underruns + ring.stalls, int(shed), int(stolen),
        Latency(float(ahead), float(late), 1000.0 * device), float(delay), float(peak), float(seconds), sample_rate,
        block, runtime,
    )  # fmt: skip
