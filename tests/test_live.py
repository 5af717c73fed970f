"""Live play through a real sound server, JACK on its dummy driver; and the measures of benchmarks/live.py."""

import sys
from pathlib import Path

import numpy as np
import pytest

from timbre.playback.engine import Engine
from timbre.space import Space

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import live  # noqa: E402  (benchmarks are no package)
from _servers import jack, missing, pulse  # noqa: E402


def usable(name: str) -> str | None:
    """Why a server cannot be used here, or None."""
    for module in ("sounddevice", "pythonosc", "rtmidi", *(("jack",) if name == "jack" else ())):
        try:
            __import__(module)
        except (ImportError, OSError) as error:
            return f"{module} is missing: {error}"
    return missing(name)


@pytest.fixture(autouse=True)
def by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode with torch, which needs no preparation."""
    for name in ("Engine", "Player"):
        kind = getattr(live, name)
        monkeypatch.setattr(live, name, lambda *args, kind=kind, **options: kind(*args, **options, runtime="torch"))


@pytest.mark.skipif(usable("jack") is not None, reason=str(usable("jack")))
@pytest.mark.parametrize("control", ["osc", "midi"])
def test_a_note_is_recorded_back_from_jack_in_tune(tiny_space: Space, control: str):
    with jack(44100, 256) as server:
        row = live.notes(tiny_space, server, control, 256, 3)
    assert abs(row["cents"]) < 5
    assert 1.0 < row["latency_ms"] < 500.0  # times are noise here; that it is measured at all is what is tested
    assert row["clicks"] <= 3 + row["underruns"]


@pytest.mark.slow
@pytest.mark.skipif(usable("pulse") is not None, reason=str(usable("pulse")))
def test_a_note_is_recorded_back_from_pulseaudio_in_tune(tiny_space: Space):
    with pulse(44100) as server:
        row = live.notes(tiny_space, server, "osc", 256, 3)
    assert abs(row["cents"]) < 5


def test_the_click_counter_finds_what_was_put_in_and_nothing_else(tiny_space: Space):
    engine = Engine(tiny_space, sample_rate=44100, runtime="torch")
    engine.hold(0.3)
    for pitch in (48, 60, 67):
        engine.note_on(pitch)
    sound = engine.render(3 * 44100)
    assert live.clicks(sound, 44100) == 0
    places = [40000, 61234, 90001, 120000]
    broken = sound.copy()
    for place in places:
        broken[place:] = np.roll(sound, 97)[place:] if place == 61234 else broken[place:]  # a jump
        broken[place] += 0.1
    assert live.clicks(broken, 44100) == len(places)
