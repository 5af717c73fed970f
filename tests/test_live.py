"""Live play through a real sound server, JACK on its dummy driver; and the measures of benchmarks/live.py."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timbre.playback.engine.engine import Engine
from timbre.space import Space

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import live  # noqa: E402  (benchmarks are no package)
from _heard import clicks, find, gaps  # noqa: E402
from _servers import Recording, jack, missing, pulse  # noqa: E402

RATE = 44100


def unusable(name: str) -> str | None:
    """Why a server cannot be used here, or None."""
    for module in ("sounddevice", "pythonosc", "rtmidi", *(("jack",) if name == "jack" else ())):
        try:
            __import__(module)
        except (ImportError, OSError) as error:
            return f"{module} is missing: {error}"
    return missing(name)


def test_notes_by_midi_and_osc_are_recorded_back_from_jack(tiny_space: Space):
    if reason := unusable("jack"):
        pytest.skip(reason)

    def plan(session: live.Session) -> None:
        session.notes("midi", 2)
        session.notes("osc", 2)
        session.morph(2, 1.0)

    with jack(RATE, 256) as server:
        rows = {row["control"]: row for row in live.measured(tiny_space, server, 256, plan)}
    for control in ("midi", "osc"):
        row = rows[control]
        assert row["cents"] < 5
        assert row["cents_offline"] < 5
        assert 0.0 < row["latency_ms"] <= row["worst_ms"]  # how long is noise here; that it is found is the test
        assert row["clicks"] <= 3 + row["underruns"] + row["xruns"]
    assert rows["morph"]["clicks"] <= 3 + rows["morph"]["underruns"] + rows["morph"]["xruns"]


@pytest.mark.slow
def test_notes_by_midi_messages_and_osc_are_recorded_back_from_pulseaudio(tiny_space: Space):
    if reason := unusable("pulse"):
        pytest.skip(reason)

    def plan(session: live.Session) -> None:
        session.notes("midi in process", 3)
        session.notes("osc", 3)

    with pulse(RATE) as server:
        rows = list(live.measured(tiny_space, server, 256, plan))
    assert all(row["cents"] < 5 and row["latency_ms"] > 0.0 for row in rows)


@pytest.mark.parametrize("name", ["jack", "pulse"])
def test_a_server_that_is_not_installed_is_named(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    server = {"jack": jack, "pulse": pulse}[name]
    with pytest.raises(RuntimeError, match=rf"{name}.* not found; scripts/setup --tests installs"), server():
        pass


@pytest.fixture(scope="module")
def chord(tiny_space: Space) -> np.ndarray:
    """Three seconds of three held notes that move."""
    engine = Engine(tiny_space, sample_rate=RATE)
    engine.hold(0.3)
    for pitch in (48, 60, 67):
        engine.note_on(pitch)
    engine.render(RATE // 2)
    engine.at(tiny_space.atlas.points[-1], 2.0)
    return engine.render(3 * RATE)


@settings(max_examples=20)
@given(st.lists(st.integers(1, 10), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_clicks_that_were_put_in_are_counted_and_nothing_else(chord: np.ndarray, spacing: list[int], seed: int):
    rng, broken = np.random.default_rng(seed), chord.copy()
    places = np.cumsum(spacing) * RATE // 20 + rng.integers(0, 400)
    broken[places] += rng.choice([-1, 1], len(places)) * rng.uniform(0.4, 1.0, len(places)) * np.abs(chord).max()
    assert clicks(chord, RATE) == 0
    assert clicks(broken, RATE) == len(places)


def test_a_jump_is_a_click(chord: np.ndarray):
    place = RATE + int(np.argmax(np.abs(chord[RATE : RATE + 2000])))
    assert clicks(np.concatenate([chord[:place], -chord[place:]]), RATE) == 1


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(2, 10), st.integers(250, 1500)), min_size=1, max_size=5))
def test_gaps_that_were_put_in_are_counted_and_nothing_else(chord: np.ndarray, holes: list[tuple[int, int]]):
    broken, place = chord.copy(), 0
    for spacing, length in holes:
        place += spacing * RATE // 20
        broken[place : place + length] = 0.0
    assert gaps(chord, RATE) == 0
    assert gaps(broken, RATE) == len(holes)


@settings(max_examples=10)
@given(st.integers(0, 15000), st.floats(0.1, 3.0), st.integers(0, 2**32 - 1))
def test_a_known_sound_is_found_where_it_begins(chord: np.ndarray, place: int, gain: float, seed: int):
    known = chord[RATE : RATE + 5000]
    noise = np.random.default_rng(seed).standard_normal(20000) * 0.1 * np.std(known)
    assert find(noise, known) is None
    noise[place : place + len(known)] += gain * known
    assert find(noise, known) == place


@settings(max_examples=20)
@given(st.floats(0.0, 4.0), st.floats(0.0, 0.05), st.integers(0, 2**32 - 1))
def test_late_reports_do_not_move_the_clock_of_a_recording(time: float, lateness: float, seed: int):
    places = np.arange(0, 4 * RATE, 256)
    times = 100.0 + places / RATE + lateness * np.random.default_rng(seed).random(len(places))
    times[20::40] = 100.0 + places[20::40] / RATE
    recording = Recording(np.zeros(4 * RATE, np.float32), times, places, np.zeros(0), RATE)
    assert recording.index(100.0 + time) == pytest.approx(time * RATE, abs=1.0)
