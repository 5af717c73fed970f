"""Playing through a real sound system: ALSA's file device, which writes what it is given."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import timbre
from timbre.errors import ConfigError, DeviceError
from timbre.playback import Player
from timbre.space import Space

try:
    import sounddevice  # noqa: F401

    PORTAUDIO = True
except (ImportError, OSError):
    PORTAUDIO = False
needs_portaudio = pytest.mark.skipif(not PORTAUDIO, reason="PortAudio is not installed: scripts/setup --all")

SCRIPT = """
import sys, numpy as np, timbre
from timbre.playback import Player
sound = timbre.Audio((0.5 * np.sin(2 * np.pi * 440 * np.arange(11025) / 22050)).astype(np.float32), 22050)
with Player(22050, device="tofile", block=256) as player:
    player.play(sound)
    print("ended", player.wait(20), "underruns", player.underruns)
    player.play(sound, loop=True)
    print("looping", player.wait(0.2))
    player.stop()
    print("stopped", player.wait(5))
"""


@needs_portaudio
def test_what_is_played_reaches_the_device(tmp_path: Path) -> None:
    target = tmp_path / "out.f32"
    (tmp_path / ".asoundrc").write_text(
        f'pcm.tofile {{ type file slave.pcm "null" file "{target}" format "raw" }}\n'
        "pcm.!default { type null }\nctl.!default { type null }\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:3] == ["ended True underruns 0", "looping False", "stopped True"]
    samples = np.fromfile(target, np.float32)
    start = int(np.flatnonzero(samples)[0])
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(1, 11025) / 22050)
    np.testing.assert_allclose(samples[start : start + 11024], expected, atol=1e-6)


@needs_portaudio
def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(DeviceError, match="no such device"):
        Player(22050, device="no such device at all")


def test_missing_portaudio_is_one_clear_sentence() -> None:
    code = (
        "import sys; sys.modules['sounddevice'] = None\n"
        "from timbre.playback import Player\n"
        "try: Player(22050)\nexcept Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "DeviceError Playing needs the package sounddevice: pip install 'timbre[play]'."


def test_a_callback_plays_once_loops_and_falls_silent(tiny_space: Space) -> None:
    """The callback itself, as the device calls it, without a device."""
    player = Player.__new__(Player)
    player.sample_rate, player.underruns = 22050, 0
    sound = timbre.Audio(np.arange(1, 11, dtype=np.float32) / 10, 22050)
    status = type("Status", (), {"output_underflow": True})

    def block(frames: int) -> list[float]:
        out = np.full((frames, 1), np.nan, np.float32)
        player._fill(out, frames, None, status)
        return [round(10 * float(value)) for value in out[:, 0]]

    player.play(sound)
    assert block(6) == [1, 2, 3, 4, 5, 6]
    assert not player.wait(0)
    assert block(6) == [7, 8, 9, 10, 0, 0]
    assert player.wait(0)
    player.play(sound, loop=True)
    assert block(25) == [*range(1, 11), *range(1, 11), 1, 2, 3, 4, 5]
    player.stop()
    assert block(3) == [0, 0, 0]
    assert player.wait(0)
    assert player.underruns == 4
    with pytest.raises(ConfigError, match="44100 Hz and the player 22050 Hz"):
        player.play(sound.resample(44100))
