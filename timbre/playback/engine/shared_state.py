"""The state of an engine in memory that two processes share, beside the samples of a ring."""

import numpy as np

from timbre.playback.controls import MAX_VOICES, Latency, State
from timbre.playback.output.ring import Ring

_COPIED = ("voices", "limit", "load", "shed", "stolen", "control_delay", "peak", "seconds", "refused")  # as in State
_TEXT = 240  # bytes


def write_state(ring: Ring, state: State, buffering: float) -> None:
    """Write a state for :func:`read_state`; `buffering` is the sound that the engine renders ahead, ms."""
    shared = ring.shared(_layout(len(state.point)))
    for name in _COPIED:
        shared[name] = getattr(state, name)
    shared["buffering"], shared["look_ahead"] = buffering, state.latency.look_ahead
    shared["held"] = len(state.notes)
    shared["notes"][: len(state.notes)] = state.notes
    shared["point"] = state.point
    shared["refusal"] = state.refusal.encode(errors="replace")[:_TEXT]


def read_state(
    ring: Ring, dim: int, runtime: str, sample_rate: int, block: int, device: float, restarts: int = 0
) -> State:
    """The last state that the engine of a ring wrote; `device` is the latency of the device, ms."""
    shared = ring.shared(_layout(dim)).copy()
    latency = Latency(float(shared["buffering"]), float(shared["look_ahead"]), device)
    return State(
        point=shared["point"], notes=tuple(shared["notes"][: shared["held"]].tolist()), latency=latency,
        restarts=restarts, underruns=ring.underruns + ring.stalls, sample_rate=sample_rate, block=block,
        runtime=runtime, refusal=bytes(shared["refusal"]).decode(errors="ignore"),
        **{name: shared[name].item() for name in _COPIED},
    )  # fmt: skip


def _layout(dim: int) -> np.dtype[np.void]:
    counts = [(name, np.int64) for name in ("voices", "limit", "shed", "stolen", "held", "refused")]
    amounts = [(name, np.float64) for name in ("load", "control_delay", "peak", "seconds", "buffering", "look_ahead")]
    rows = [("notes", np.float64, MAX_VOICES), ("point", np.float32, dim), ("refusal", f"S{_TEXT}")]
    return np.dtype([*counts, *amounts, *rows])
