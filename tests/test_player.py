"""The player: its processes, its recording, its manners when something is wrong."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import timbre
from timbre.audio.pitch import measure_pitch
from timbre.errors import AudioError, ConfigError
from timbre.playback import Player
from timbre.playback.output.ring import Feed, Ring
from timbre.space import Space


@pytest.fixture(scope="module")
def recorded(tiny_space: Space, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Player, Path]]:
    """A player without a device that records."""
    file = tmp_path_factory.mktemp("player") / "out.wav"
    with Player(tiny_space, output="clock", record=file, sample_rate=44100) as player:
        yield player, file


def until(what, seconds: float = 20.0) -> bool:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


def test_notes_sound_and_the_state_is_told(recorded: tuple[Player, Path], tiny_space: Space):
    player, _ = recorded
    player.hold(0.3)
    player.note_on(69)
    player.note_on(None, key="drum")
    assert until(lambda: len(player.state().notes) == 2)
    state = player.state()
    assert state.notes[0] == 69.0
    assert np.isnan(state.notes[1])
    assert state.voices == 2
    assert state.runtime == "torch"
    assert state.sample_rate == 44100
    assert 256 / 44.1 < state.latency.buffering < 400
    assert state.latency.total == pytest.approx(sum(state.latency))
    b = tiny_space.atlas.points[1]
    player.at(b)
    assert until(lambda: np.allclose(player.state().point, b, atol=1e-3))
    assert until(lambda: player.state().peak > 1e-3)
    player.panic()
    assert until(lambda: player.state().voices == 0)
    player.check()


def test_the_recording_appears_whole_when_the_player_is_closed(tiny_space: Space, tmp_path: Path):
    file = tmp_path / "a4.wav"
    with Player(tiny_space, output="clock", record=file) as player:
        player.hold(0.3)
        player.note_on(69)
        assert until(lambda: player.state().seconds > 2.0)
        assert not file.exists()
    sound = timbre.read(file)
    assert sound.sample_rate == 22050
    assert sound.duration > 1.9
    measured = measure_pitch(timbre.Audio(sound.samples[0][22050:], 22050), 69)
    assert measured is not None
    assert abs(measured - 69) < 0.05
    assert [path.name for path in tmp_path.iterdir()] == ["a4.wav"]


def test_a_caller_may_read_the_ring_itself(tiny_space: Space):
    with Player(tiny_space, output="ring") as player:
        player.note_on(60)
        heard = np.zeros(0, np.float32)
        assert until(lambda: player.ring.filled > 0)
        end = time.monotonic() + 20
        while len(heard) < 11025 and time.monotonic() < end:
            heard = np.concatenate([heard, player.ring.read(512)])
        assert np.abs(heard).max() > 1e-3


def test_a_closed_player_says_so(tiny_space: Space):
    player = Player(tiny_space, output="ring")
    player.close()
    player.close()
    with pytest.raises(ConfigError, match="closed"):
        player.note_on(60)
    with pytest.raises(ConfigError, match="closed"):
        player.state()


def test_no_process_outlives_whoever_started_it(tiny_folder: Path):
    code = (
        "import timbre, time\n"
        "from timbre.playback import Player\n"
        f"player = Player(timbre.load({str(tiny_folder)!r}), output='ring')\n"
        "print(player.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    started = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    pid = int(started.stdout.readline())
    started.kill()
    started.wait()
    started.stdout.close()

    def gone() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
        except FileNotFoundError:
            return True

    assert until(gone)


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"output": "tape"}, ConfigError, "one of device, clock, ring"),
        ({"voices": 0}, ConfigError, "number of voices"),
        ({"block": 4}, ConfigError, "16 to 8192 samples, got 4"),
        ({"record": "no/such/folder/a.wav"}, AudioError, "no/such/folder"),
        ({"record": "a.txt"}, AudioError, "a.txt"),
        ({"runtime": "tflite"}, ConfigError, "onnxruntime and torch"),
        ({"sample_rate": 7}, ConfigError, "192000 Hz, got 7"),
    ],
)
def test_what_cannot_be_is_refused(tiny_space: Space, options: dict[str, object], error, sentence: str):
    with pytest.raises(error, match=sentence):
        Player(tiny_space, **{"output": "clock", **options})  # type: ignore[arg-type]


def test_a_ring_gives_back_what_was_written_across_processes():
    ring = Ring(1000)
    other = Ring(file=ring.file)
    written, read = [], []
    rng = np.random.default_rng(0)
    for _ in range(300):
        block = rng.standard_normal(int(rng.integers(0, 400))).astype(np.float32)
        count = ring.write(block)
        assert count == len(block) or other.filled == 1000
        written.append(block[:count])
        read.append(other.read(int(rng.integers(0, 500))))
    read.append(other.read(1000))
    np.testing.assert_array_equal(np.concatenate(read), np.concatenate(written))
    other.close()
    ring.close()


def test_a_feed_neither_clicks_nor_stops_where_samples_are_missing():
    ring = Ring(1 << 16)
    feed, out = Feed(ring, 44100), np.full(256, np.nan, np.float32)
    feed.fill(out)
    assert not out.any()
    assert ring.underruns == 0  # it does not run yet
    ring.running = True
    sine = np.sin(2 * np.pi * 440 * np.arange(20000) / 44100).astype(np.float32)
    heard = []
    for place in range(0, 20000, 200):  # the writer is slower than the reader
        ring.write(sine[place : place + 200])
        feed.fill(out)
        heard.append(out.copy())
    sound = np.concatenate(heard)
    assert ring.underruns > 50
    assert np.isfinite(sound).all()
    hard = np.concatenate([np.r_[block[:200], np.zeros(56)] for block in np.array_split(sine, 100)])
    assert np.abs(np.diff(sound)).max() < 0.3 * np.abs(np.diff(hard)).max()
    ring.close()
