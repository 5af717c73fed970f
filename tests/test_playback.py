"""Playing a finished sound through a real sound system: ALSA's file device, which writes what it is given."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from timbre.errors import DeviceError
from timbre.playback.output.output import Output

try:
    import sounddevice  # noqa: F401

    PORTAUDIO = True
except (ImportError, OSError):
    PORTAUDIO = False
needs_portaudio = pytest.mark.skipif(not PORTAUDIO, reason="PortAudio is not installed: scripts/setup --all")

SCRIPT = """
import numpy as np
from timbre.playback.output.output import play_samples
play_samples((0.5 * np.sin(2 * np.pi * 440 * np.arange(11025) / 22050)).astype(np.float32), 22050, "tofile")
"""


@needs_portaudio
def test_what_is_played_reaches_the_device(tmp_path: Path):
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
    left = np.fromfile(target, np.float32).reshape(-1, 2)
    np.testing.assert_array_equal(left[:, 0], left[:, 1])
    start = int(np.flatnonzero(left[:, 0])[0])
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(1, 11025) / 22050)
    np.testing.assert_allclose(left[start : start + 11024, 0], expected, atol=1e-6)


@needs_portaudio
def test_an_unknown_device_is_refused():
    with pytest.raises(DeviceError, match=r"no such device at all|no sound device to play through"):
        Output("no such device at all")


def test_missing_sounddevice_is_one_clear_sentence():
    code = (
        "import sys; sys.modules['sounddevice'] = None\n"
        "from timbre.playback.output.device import find_device\n"
        "try: find_device(None)\nexcept Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "DeviceError Playing needs the package sounddevice: pip install sounddevice."
