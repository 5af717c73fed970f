"""Random playing for a long time: nothing breaks, nothing grows, and panic silences it."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from timbre.errors import TimbreError
from timbre.playback.engine.engine import Engine
from timbre.playback.inputs.midi import MidiInput
from timbre.playback.player import Player
from timbre.space import Space

mido = pytest.importorskip("mido")
CHANCES = {"on": 0.4, "off": 0.4, "bend": 0.06, "pedal": 0.06, "control": 0.06, "program": 0.015, "panic": 0.005}
MINUTES = float(os.environ.get("TIMBRE_SOAK_MINUTES", "30"))


def random_message(rng: np.random.Generator) -> "mido.Message":
    """Any message of a busy player: mostly notes."""
    kind = rng.choice(list(CHANCES), p=list(CHANCES.values()))
    note, value = int(rng.integers(0, 128)), int(rng.integers(0, 128))
    if kind in ("on", "off"):
        return mido.Message(f"note_{kind}", note=note, velocity=value)
    if kind == "bend":
        return mido.Message("pitchwheel", pitch=int(rng.integers(-8192, 8192)))
    if kind == "program":
        return mido.Message("program_change", program=value)
    number = {"pedal": 64, "panic": 123}.get(str(kind), int(rng.integers(0, 120)))
    return mido.Message("control_change", control=number, value=value)


def test_a_thousand_random_messages_leave_an_engine_whole(tiny_space: Space):
    rng = np.random.default_rng(0)
    engine = Engine(tiny_space, voices=4)
    midi = MidiInput(engine)
    for _ in range(1000):
        midi.handle(random_message(rng))
        sound = engine.render(int(rng.integers(1, 150)))
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() <= 1.0
        assert len(engine.sounding) <= 4
    engine.panic()
    engine.render(2000)
    assert np.abs(engine.render(2000)).max() == 0.0


@pytest.mark.slow
def test_half_an_hour_of_random_midi_in_flat_memory(tiny_space: Space, monkeypatch: pytest.MonkeyPatch):
    """Seen to pass for 30 minutes; TIMBRE_SOAK_MINUTES shortens it."""
    monkeypatch.delenv("TIMBRE_RUNTIME")  # whatever is installed, as for a user
    rng = np.random.default_rng(1)
    with Player(tiny_space, output="clock", voices=8) as player:
        midi = MidiInput(player)
        begun, sizes, sent = time.monotonic(), [], 0
        while time.monotonic() < begun + 60.0 * MINUTES:
            midi.handle(random_message(rng))
            sent += 1
            time.sleep(float(rng.exponential(0.03)))
            if sent % 100 == 0:
                player.check()
                sizes.append(resident(player.pid) + resident(os.getpid()))
        settled = sizes[len(sizes) // 10 :]
        print(f"{sent} messages; both processes {settled[0]:.0f} to {settled[-1]:.0f} MiB; {player.state()}")
        assert max(settled) - settled[0] < 20.0
        midi.handle(mido.Message("control_change", control=123, value=0))
        time.sleep(1.0)
        state = player.state()
        assert state.voices == 0
        assert state.seconds > 0.95 * 60.0 * MINUTES
        player.check()
    with pytest.raises(TimbreError, match="closed"):
        player.note_on(60)


def resident(pid: int) -> float:
    """MiB that a process holds."""
    text = Path(f"/proc/{pid}/statm").read_text()
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
