"""Random playing for a long time: nothing breaks, nothing grows, and panic silences it."""

import os
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from recorder import some_presets

from timbre.errors import ConfigError, TimbreError
from timbre.playback.engine.engine import Engine
from timbre.playback.inputs._osc_addresses import Addresses
from timbre.playback.inputs.midi import MidiInput
from timbre.playback.player import Player
from timbre.space import Space

mido = pytest.importorskip("mido")
CHANCES = {"on": 0.4, "off": 0.4, "bend": 0.06, "pedal": 0.06, "control": 0.06, "program": 0.015, "panic": 0.005}
EXPRESSIVE = {
    "on": 0.25, "off": 0.2, "bend": 0.2, "press": 0.1, "poly": 0.02, "slide": 0.1, "pedal": 0.03, "control": 0.06,
    "zone": 0.01, "range": 0.01, "reset": 0.01, "program": 0.005, "panic": 0.005,
}  # fmt: skip
MINUTES = float(os.environ.get("TIMBRE_SOAK_MINUTES", "30"))


def random_message(rng: np.random.Generator, chances: dict[str, float] = CHANCES) -> "list[mido.Message]":
    """Any message of a busy player: mostly notes; with the chances of MPE, on all channels."""
    kind = str(rng.choice(list(chances), p=list(chances.values())))
    note, value, channel = (int(rng.integers(0, most)) for most in (128, 128, 16 if chances is EXPRESSIVE else 1))
    controls = {"pedal": 64, "panic": int(rng.choice([120, 123])), "slide": 74, "reset": 121}
    if chances is CHANCES:
        controls["panic"] = 123
    if kind in ("on", "off"):
        return [mido.Message(f"note_{kind}", channel=channel, note=note, velocity=value)]
    if kind == "bend":
        return [mido.Message("pitchwheel", channel=channel, pitch=int(rng.integers(-8192, 8192)))]
    if kind == "program":
        return [mido.Message("program_change", channel=channel, program=value)]
    if kind == "press":
        return [mido.Message("aftertouch", channel=channel, value=value)]
    if kind == "poly":
        return [mido.Message("polytouch", channel=channel, note=note, value=value)]
    pairs = [(controls.get(kind, int(rng.integers(0, 120))), value)]
    if kind in ("zone", "range"):
        manager = int(rng.choice([0, 15, channel]))
        channel, pairs = (
            manager,
            [(101, 0), (100, 6 if kind == "zone" else 0), (6, value % 18 if kind == "zone" else value)],
        )
    return [mido.Message("control_change", channel=channel, control=one, value=other) for one, other in pairs]


def beaten(space: Space, count: int, members: int) -> None:
    """Random MIDI for an engine: nothing raises, no note is stuck, memory is flat."""
    rng, engine = np.random.default_rng(members), Engine(space, some_presets(space), voices=4)
    midi, sizes = MidiInput(engine, members=members), list[float]()
    for number in range(count):
        for message in random_message(rng, EXPRESSIVE):
            midi.handle(message)
        assert "not carried out" not in midi.problems.last, midi.problems.last
        if number % 100 == 0:
            assert np.isfinite(engine.render(300)).all()
            sizes.append(resident(os.getpid()))
    for channel in range(16):
        for control in (64, 123):
            midi.handle(mido.Message("control_change", channel=channel, control=control, value=0))
    assert engine.state().notes == ()
    assert not any((*midi._down, *midi._sustained, engine._shapes._keys))
    assert max(sizes[len(sizes) // 4 :]) - sizes[len(sizes) // 4] < 20.0
    engine.panic()
    engine.render(2000)
    engine.note_on(60)
    assert np.abs(engine.render(4000)).max() > 0.0


@pytest.mark.parametrize("members", [0, 15])
def test_random_expression_leaves_no_note_behind(tiny_space: Space, members: int):
    beaten(tiny_space, 3000, members)


@pytest.mark.slow
@pytest.mark.parametrize("members", [0, 15])
def test_much_random_expression_leaves_no_note_behind(tiny_space: Space, members: int):
    beaten(tiny_space, 100_000, members)


OSC = (
    "/note",
    "/note/1/60",
    "/note/2/64",
    "/note/1/bend",
    "/note/2/gain",
    "/note/1/axis/0",
    "/note/2/axis/1",
    "/note/1/towards/still",
    "/off/1",
    "/off",
    "/bend",
    "/axis/1",
    "/sustain",
    "/gain",
    "/preset",
    "/panic",
    "/x",
    "/query",
)
"""Addresses, most of them right."""  # fmt: skip


def beaten_by_osc(space: Space, count: int) -> None:
    """The same by OSC; arguments are numbers, texts and nothing."""
    rng, engine = np.random.default_rng(0), Engine(space, some_presets(space), voices=4)
    osc, sizes = Addresses(engine, None), list[float]()
    odd = (0.5, 1, 0, -1.0, 60, 1e39, float("nan"), "still", "1", None, True)
    for number in range(count):
        values = [odd[n] for n in rng.integers(0, len(odd), rng.choice([0, 1, 1, 1, 2, 3]))]
        with suppress(ConfigError):
            osc(str(rng.choice(OSC)), values)
        if number % 100 == 0:
            assert np.isfinite(engine.render(300)).all()
            sizes.append(resident(os.getpid()))
    engine.panic()
    engine.render(2000)
    assert engine.state().notes == ()
    assert max(sizes[len(sizes) // 4 :]) - sizes[len(sizes) // 4] < 20.0


def test_random_osc_leaves_no_note_behind(tiny_space: Space):
    beaten_by_osc(tiny_space, 3000)


@pytest.mark.slow
def test_much_random_osc_leaves_no_note_behind(tiny_space: Space):
    beaten_by_osc(tiny_space, 200_000)


def test_a_thousand_random_messages_leave_an_engine_whole(tiny_space: Space):
    rng = np.random.default_rng(0)
    engine = Engine(tiny_space, voices=4)
    midi = MidiInput(engine)
    for _ in range(1000):
        for message in random_message(rng):
            midi.handle(message)
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
            for message in random_message(rng, EXPRESSIVE if sent % 2 else CHANCES):
                midi.handle(message)
            sent += 1
            time.sleep(float(rng.exponential(0.03)))
            if sent % 100 == 0:
                player.check()
                sizes.append(resident(player.pid) + resident(os.getpid()))
        settled = sizes[len(sizes) // 10 :]
        print(f"{sent} messages; both processes {settled[0]:.0f} to {settled[-1]:.0f} MiB; {player.state()}")
        assert max(settled) - settled[0] < 20.0
        for channel in range(16):
            for control in (64, 123):
                midi.handle(mido.Message("control_change", channel=channel, control=control, value=0))
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
