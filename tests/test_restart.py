"""What is left, and what goes on, when a process is killed: the engine, or its player at any moment of its start."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from timbre.errors import ConfigError, DeviceError
from timbre.playback import Player
from timbre.playback.engine.process import _Journal
from timbre.playback.output.processes import WorkerProcess
from timbre.space import Space

COMMANDS = {
    "play": ["--no-audio", "--chord", "C4", "--seconds", "60"],
    "app": ["--port", "0", "--no-open"],
}


def until(what: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.02)
    return what()


@pytest.fixture(scope="module")
def player(tiny_space: Space) -> Iterator[Player]:
    with Player(tiny_space, output="ring") as player:
        yield player


def heard(player: Player, count: int = 11025) -> np.ndarray:
    """The next samples."""
    sound = np.zeros(0, np.float32)

    def enough() -> bool:
        nonlocal sound
        sound = np.concatenate([sound, player.ring.read(512)])
        return len(sound) >= count

    assert until(enough)
    return sound


def test_an_engine_that_is_killed_plays_on_what_was_held_and_set(player: Player):
    player.hold(0.2)
    player.at(player.space.atlas.points[3])
    player.note_on(60)
    player.note_on(64, key="gone")
    player.note_off("gone")
    assert until(lambda: player.ring.filled > 0)
    heard(player)
    for count in (1, 2):
        os.kill(player.pid, signal.SIGKILL)
        player.note_on(67)  # while nothing is there to hear it
        assert until(lambda count=count: player.state().restarts == count)
        assert np.abs(heard(player)).max() > 1e-4
        assert until(lambda: player.state().notes == (60.0, 67.0))
        np.testing.assert_allclose(player.state().point, player.space.atlas.points[3], atol=1e-4)
        assert re.fullmatch(rf"The engine was started again, {count} times? so far: .* by signal 9\.", player.notice)
        player.check()
    player.panic()
    assert until(lambda: player.state().voices == 0)


def test_an_engine_that_is_killed_while_it_starts_again_is_started_once_more(player: Player, monkeypatch):
    engine, restarts = player._engine, player.state().restarts
    assert engine is not None
    started, failures = engine._started, [DeviceError("It has stopped by signal 9.")] * 2

    def start() -> WorkerProcess:
        if failures:
            raise failures.pop()
        return started()

    monkeypatch.setattr(engine, "_started", start)
    player.note_on(60)
    os.kill(player.pid, signal.SIGKILL)
    assert until(lambda: player.state().restarts == restarts + 1)
    assert np.abs(heard(player)).max() > 1e-4
    player.panic()


def test_a_command_that_an_engine_cannot_carry_out_is_counted_and_the_sound_goes_on(player: Player):
    engine = player._engine
    assert engine is not None
    before, restarts = player.state().refused, player.state().restarts
    bad = [
        ("explode", {}), ("at", {"point": [1e39, 0, 0], "glide": 0}), ("bend", {"semitones": float("nan")}),
        ("note_on", {"key": "x"}), ("path", {"points": [[0, 0, float("inf")]], "times": [0]}), ("hold", 3),
    ]  # fmt: skip
    for name, values in bad:
        engine._process.send({"name": name, "values": values})
    engine._process.send({"nonsense": True})
    player.note_on(62)
    assert until(lambda: player.state().refused == before + len(bad) + 1)
    assert np.abs(heard(player)).max() > 1e-4
    assert player.state().restarts == restarts
    assert "refused" in player.notice
    player.panic()


ODD = [
    [1e39, 0, 0], [float("inf")] * 3, [float("nan")] * 3, [101, 0, 0], [10**400] * 3, [10**5000] * 3, 10**5000,
    ["a"] * 3, [[1]], {},
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_no_value_is_too_odd_for_a_sentence(player: Player, odd: object):
    calls = (player.at, player.note_on, player.note_off, player.bend, player.gain, player.preset)
    for call in (*calls, lambda value: player.axis(0, value), lambda value: player.axis(value, 0)):
        with pytest.raises(ConfigError) as caught:
            call(odd)
        assert "\n" not in str(caught.value)


def test_an_engine_that_ends_again_and_again_is_given_up(tiny_space: Space, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("timbre.playback.engine.process._MOST_RESTARTS", 0)
    with Player(tiny_space, output="ring") as player:
        engine = player._engine
        assert engine is not None
        engine._times = type(engine._times)([time.monotonic()], maxlen=1)
        monkeypatch.setattr("timbre.playback.engine.process._MOST_RESTARTS", 1)
        os.kill(player.pid, signal.SIGKILL)
        with pytest.raises(DeviceError, match="by signal 9, 2 times within 60 s; it is not started again"):
            assert until(lambda: player.check() is not None)
        with pytest.raises(DeviceError):
            player.note_on(60)


def test_a_journal_holds_what_is_still_in_force():
    journal = _Journal()
    for name, values in [
        ("sustain", {"down": True}), ("hold", {"seconds": 1}), ("note_on", {"key": 1}), ("panic", {}),
        ("note_on", {"key": 2}), ("at", {"point": [0]}), ("path", {"points": [1]}), ("note_on", {"key": 3}),
        ("note_off", {"key": 2}), ("gain", {"decibels": 1}), ("gain", {"decibels": 2}),
    ]:  # fmt: skip
        journal.add(name, values)
    assert journal.commands() == [
        ("hold", {"seconds": 1}), ("path", {"points": [1]}), ("gain", {"decibels": 2}), ("note_on", {"key": 3}),
    ]  # fmt: skip
    for key in range(1000):
        journal.add("note_on", {"key": key})
    assert len(journal.commands()) < 70


@pytest.fixture
def started(tiny_folder: Path, tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts a command whose temporary files are in `tmp_path`, and whose processes carry its name."""
    processes: list[subprocess.Popen[str]] = []

    def start(command: str) -> subprocess.Popen[str]:
        environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
        words = [sys.executable, "-m", "timbre", command, str(tiny_folder), *COMMANDS[command]]
        processes.append(
            subprocess.Popen(
                words,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def family(folder: Path) -> list[int]:
    """The processes whose temporary folder this is."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"TMPDIR={folder}\0" in (process / "environ").read_text() and "Z" not in state_of(process):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def state_of(process: Path) -> str:
    return (process / "stat").read_text().rpartition(")")[2].split()[0]


def leftovers(folder: Path) -> list[str]:
    """Temporary files of timbre; torch keeps a folder of its own."""
    return [file.name for file in folder.iterdir() if not file.name.startswith("torch")]


needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")


@needs_proc
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("moment", ["a child", "a folder"])
def test_nothing_is_left_of_a_player_that_is_killed_while_it_starts(started, tmp_path: Path, command: str, moment: str):
    rings = set(Path("/dev/shm").glob("timbre*"))
    process = started(command)
    seen = {"a child": lambda: len(family(tmp_path)) > 1, "a folder": lambda: bool(leftovers(tmp_path))}[moment]
    assert until(seen)
    process.kill()
    process.wait()
    assert until(lambda: not family(tmp_path))
    assert leftovers(tmp_path) == []
    assert {ring for ring in Path("/dev/shm").glob("timbre*.ring") if ring not in rings} == set()


@needs_proc
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("moment", ["a child", "a folder"])
def test_ctrl_c_while_a_player_starts_is_one_line(started, tmp_path: Path, command: str, moment: str):
    process = started(command)
    seen = {"a child": lambda: len(family(tmp_path)) > 1, "a folder": lambda: bool(leftovers(tmp_path))}[moment]
    assert until(seen)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=60)
    assert errors in ("timbre: stopped.\n", "")
    assert process.returncode == 130
    assert until(lambda: not family(tmp_path))
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_space_that_is_not_there_is_said_first(command: str, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    from timbre.__main__ import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main([command, "nospace"]) == 1
    assert "no space called nospace" in capsys.readouterr().err
