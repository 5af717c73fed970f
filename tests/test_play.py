"""`timbre play`: through a real terminal, recorded; what it refuses before anything starts; how it ends."""

import ctypes.util
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path as FilePath

import numpy as np
import pytest
from pythonosc.osc_message_builder import OscMessageBuilder

import timbre
from timbre.__main__ import main
from timbre.audio.pitch import measure_pitch
from timbre.paths import Path
from timbre.playback import Player
from timbre.playback.inputs.mapping import read_mapping
from timbre.playback.terminal import save_preset, session
from timbre.shapes.path_files import write_path
from timbre.shapes.presets import Preset, Presets, read_presets, write_presets
from timbre.space import Space

ROOT = FilePath(__file__).resolve().parents[1]


@pytest.fixture
def folder(tiny_folder: FilePath, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch) -> FilePath:
    """A space of one's own in the folder where one works."""
    monkeypatch.chdir(tmp_path)
    return FilePath(shutil.copytree(tiny_folder, tmp_path / "space"))


@pytest.fixture(scope="module")
def player(tiny_space: Space) -> Iterator[Player]:
    with Player(tiny_space, output="clock") as player:
        yield player


class Terminal:
    """A program in a terminal of its own: what is typed, and what it has shown."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.typed, read = pty.openpty()
        termios.tcsetwinsize(self.typed, (30, 100))
        self.before = termios.tcgetattr(self.typed)
        self.process = subprocess.Popen(
            [sys.executable, *arguments], stdin=read, stdout=read, stderr=read, start_new_session=True,
            env=os.environ | {"TERM": "xterm-256color", "PYTHONPATH": f"{ROOT}{os.pathsep}."} | environment,
        )  # fmt: skip
        self.shown, self._read = b"", read
        self._reader = threading.Thread(target=self._follow, daemon=True)
        self._reader.start()

    def _follow(self) -> None:
        while True:
            try:
                self.shown += os.read(self.typed, 4096)
            except OSError:
                return

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", self.shown.decode(errors="replace"))

    def until(self, pattern: str, seconds: float = 120.0) -> None:
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            assert time.monotonic() < end, f"{pattern} has not come: {self.text[-3000:]}"
            time.sleep(0.02)

    def type(self, keys: bytes) -> None:
        os.write(self.typed, keys)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._read)
        os.close(self.typed)


def free() -> int:
    """A port that nobody uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def loud(file: FilePath) -> timbre.Audio:
    """What sounds in a recording, without the silence around it."""
    audio = timbre.read(file)
    there = np.flatnonzero(np.abs(audio.samples[0]) > 1e-3)
    return timbre.Audio(audio.samples[:, there[0] : there[-1] + 1], audio.sample_rate)


KNOB = """
import threading, time, mido
from mido.ports import BaseInput

def get_devices(**_):
    return [{"name": "a knob", "is_input": True, "is_output": False}]

class Input(BaseInput):
    def _open(self, callback=None, **_):
        self.over = threading.Event()
        threading.Thread(target=self.turn, args=(callback,), daemon=True).start()
    def turn(self, callback):
        value = 0
        while not self.over.wait(0.05):
            value = (value + 1) % 128
            callback(mido.Message("control_change", control=21, value=value))
    def _close(self):
        self.over.set()
"""


def test_it_is_played_from_a_terminal_by_keys_osc_and_midi(folder: FilePath, tiny_space: Space) -> None:
    """All of it at once: a program in a terminal of its own, and what it leaves behind."""
    FilePath("knob.py").write_text(KNOB)  # a MIDI input that turns controller 21 all the time
    midi, osc = ["--midi", "knob", "--mapping", "m.toml"], ["--osc", str(port := free())]
    options = ["--no-audio", "--record", "out.wav", *midi, *osc]
    terminal = Terminal(str(ROOT / "scripts" / "play.py"), "space", *options, MIDO_BACKEND="knob")
    try:
        terminal.until(r"voices.*of 8")
        assert termios.tcgetattr(terminal.typed)[3] & termios.ICANON == 0
        terminal.type(b"\t=y")  # latched, and an octave higher: y is A5 at first
        terminal.until(r"notes +A6\b")
        time.sleep(1.0)
        message = OscMessageBuilder("/note")
        message.add_arg(60.0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(message.build().dgram, ("127.0.0.1", port))
        terminal.until(r"notes +C4 +A6\b")
        terminal.type(b"p\x1b[Ba")
        terminal.until(r"will move 1\.")
        time.sleep(0.5)
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.process.wait(60) == 130
        terminal.until(r"s played at 22050 Hz; underruns \d+[^\n]*\s+timbre: stopped\.")
        assert "Traceback" not in terminal.text
        assert terminal.shown.count(b"\x1b[?1049h") == terminal.shown.count(b"\x1b[?1049l") == 1
        assert terminal.shown.index(b"\x1b[?1049h") < terminal.shown.index(b"\x1b[>15u")
        assert terminal.shown.index(b"\x1b[<u") < terminal.shown.index(b"\x1b[?1049l")
        assert termios.tcgetattr(terminal.typed) == terminal.before
    finally:
        terminal.close()
    assert list(read_presets(folder, tiny_space)) == ["point 1"]
    assert read_mapping("m.toml", tiny_space).controls[21].to == 1
    kept = sorted(file.name for file in FilePath().iterdir() if not file.name.startswith("__"))
    assert kept == ["knob.py", "m.toml", "out.wav", "space"]
    note = loud(FilePath("out.wav"))
    assert note.duration > 1.3
    assert measure_pitch(timbre.Audio(note.samples[:, :20000], 22050), 93) == pytest.approx(93, abs=0.05)


def test_a_path_with_a_chord_is_played_into_a_file(
    folder: FilePath, tiny_space: Space, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny_space.path(*tiny_space.atlas.points[[0, 9]])
    write_path("rise.json", path, tiny_space)
    options = ["--path", "rise.json", "--duration", "0.5", "--loop", "--chord", "A4", "--hold", "0.3", "--osc", "0"]
    options += ["--no-audio", "--record", "out.wav", "--seconds", "1.5"]
    assert main(["play", "space", *options]) == 0
    begin, end = capsys.readouterr().out.splitlines()
    assert begin == "playing space: 22050 Hz, block 256, torch; no keyboard here, Ctrl-C ends it"
    assert re.fullmatch(r"[\d.]+ s played at 22050 Hz; underruns \d+, .* 0, load \d+%, latency [\d.]+ ms", end)
    audio = timbre.read("out.wav")
    assert 0.5 < audio.duration < 10.0
    assert measure_pitch(loud(FilePath("out.wav")), 69) == pytest.approx(69, abs=0.05)


def test_sessions_end_with_their_time_and_with_signals(player: Player, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    player.note_on(60)
    state = session(player, seconds=0.3, title="tiny")
    assert state.seconds > 0.2
    assert state.notes == (60.0,)
    player.panic()
    for number, expected in (
        (signal.SIGTERM, SystemExit),
        (signal.SIGHUP, SystemExit),
        (signal.SIGINT, KeyboardInterrupt),
    ):
        threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
        with pytest.raises(expected) as stopped:
            session(player)
        if expected is SystemExit:
            assert stopped.value.code == 128 + number
    assert signal.getsignal(signal.SIGTERM) is before
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    assert all("no keyboard here, Ctrl-C ends it" in line for line in lines[::2])
    assert all(" s played at 22050 Hz" in line for line in lines[1::2])
    player.check()


def test_saved_points_get_names_of_their_own(player: Player, tiny_space: Space, tmp_path: FilePath) -> None:
    point = np.arange(3, dtype=np.float32)
    assert save_preset(player, tmp_path, point) == "point 1"
    others = read_presets(tmp_path, tiny_space).adding(Preset("point 2", Path(point[None], np.zeros(1))))
    write_presets(tmp_path, others, tiny_space)  # by another program, meanwhile
    assert save_preset(player, tmp_path, point + 1) == "point 3"
    assert list(read_presets(tmp_path, tiny_space)) == list(player.presets) == ["point 1", "point 2", "point 3"]
    np.testing.assert_array_equal(player.presets["point 3"].path.points, [point + 1])
    player.presets = Presets()


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is refused is refused before the engine starts."""

    def started(*_: object, **__: object) -> None:
        raise AssertionError("the engine was started")

    monkeypatch.setattr(Player, "__init__", started)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "A space must be given"),
        (["no such space", "--no-audio"], "no such space"),
        (["space", "--no-audio", "--device", "0"], "--no-audio uses no device, and --device names one"),
        (["space", "--no-audio", "--record", "no/out.wav"], "there is no folder no"),
        (["space", "--no-audio", "--record", "space"], "space is a folder"),
        (["space", "--no-audio", "--record", "out.mp3"], "a .wav file, got out.mp3"),
        (["space", "--no-audio", "--seconds", "0"], "--seconds must be above 0"),
        (["space", "--no-audio", "--seconds", "nan"], "--seconds must be above 0"),
        (["space", "--no-audio", "--path", "two.json"], "two.json was made with a space (2 dimensions), and this is"),
        (["space", "--no-audio", "--path", "none.json"], "none.json cannot be read"),
        (["space", "--no-audio", "--path", "p.json", "--at", "0,0,0"], "got --at and --path"),
        (["space", "--no-audio", "--loop"], "must come with --path"),
        (["space", "--no-audio", "--duration", "3"], "must come with --path"),
        (["space", "--no-audio", "--at", "0,0"], "must have 3 coordinates"),
        (["space", "--no-audio", "--preset", "dark"], "no preset 'dark'"),
        (["space", "--no-audio", "--chord", "C4", "H4"], "H4"),
        (["space", "--no-audio", "--chord", "5"], "12 to 127"),
        (["space", "--no-audio", "--hold", "0"], "0.01 to 60 s"),
        (["space", "--no-audio", "--path", "p.json", "--duration", "0"], "0.01 to 3600 s"),
        (["space", "--no-audio", "--mapping", "m.toml"], "must come with --midi"),
        (["space", "--no-audio", "--midi", "no such port"], "MIDI"),
        (["space", "--no-audio", "--osc", "70000"], "70000"),
    ],
)
@pytest.mark.usefixtures("no_engine")
def test_what_cannot_be_is_refused_in_a_sentence(
    folder: FilePath, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    for name, point in (("two.json", [0, 0]), ("p.json", [0, 0, 0])):
        FilePath(name).write_text(
            '{"format": "timbre-path", "version": 1, "kind": "line", "times": [0], '
            f'"dim": {len(point)}, "points": [{point}]}}'
        )
    assert main(["play", *options]) == 1
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


@pytest.mark.usefixtures("no_engine")
def test_an_osc_port_in_use_is_refused(folder: FilePath, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        assert main(["play", "space", "--no-audio", "--osc", str(port)]) == 1
    assert f"OSC port {port}" in capsys.readouterr().err


@pytest.mark.usefixtures("no_engine")
@pytest.mark.parametrize("options", [["space"], ["--list-devices"]])
def test_missing_sound_libraries_are_one_sentence_each(
    folder: FilePath, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    for name in ("sounddevice", "_sounddevice"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(ctypes.util, "find_library", lambda _: None)
        assert main(["play", *options]) == 1
    assert capsys.readouterr().err.startswith("timbre: Playing needs the PortAudio library, which is missing;")
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["play", *options]) == 1
    assert "Playing needs the package sounddevice: pip install sounddevice." in capsys.readouterr().err


def portaudio() -> bool:
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError):
        return False
    return True


needs_portaudio = pytest.mark.skipif(not portaudio(), reason="PortAudio is not installed: scripts/setup --all")


def run(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "TIMBRE_CACHE")}
    return subprocess.run(
        [sys.executable, "-m", "timbre", "play", *options], capture_output=True, text=True,
        env=kept | {"PYTHONPATH": str(ROOT)} | environment,
    )  # fmt: skip


@needs_portaudio
def test_without_a_device_it_says_so(folder: FilePath) -> None:
    if "There is no sound device" not in run("--list-devices", HOME=str(folder)).stdout:
        pytest.skip("there is one here")
    done = run("space", HOME=str(folder))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("timbre: There is no sound device to play through;")


@needs_portaudio
@pytest.mark.skipif(sys.platform != "linux", reason="ALSA's devices")
def test_an_unknown_device_is_refused_and_the_known_ones_are_listed(folder: FilePath) -> None:
    (folder / ".asoundrc").write_text('pcm.nowhere { type null hint { show on description "nowhere" } }\n')
    done = run("space", "--device", "cellar", HOME=str(folder))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(r"The sound device 'cellar' is not there; there are: .*\d nowhere", done.stderr)
    listed = run("--list-devices", HOME=str(folder))
    assert listed.returncode == 0
    assert listed.stdout.split("\n")[0].split() == ["number", "name", "system", "channels", "sample_rate"]
    assert re.search(r"\d  nowhere +ALSA", listed.stdout)
