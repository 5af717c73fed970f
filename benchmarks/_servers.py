"""Private sound servers without a sound card: JACK on its dummy driver, PulseAudio with a null sink."""

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Server(NamedTuple):
    """A sound server that runs.

    Attributes:
        name: "jack" or "pulse".
        device: what PortAudio calls its output.
        rate: Hz.
    """

    name: str
    device: str
    rate: int


def missing(name: str) -> str | None:
    """What has to be installed before a server can run, as a sentence; None if nothing."""
    programs = {"jack": ("jackd", "jack_wait"), "pulse": ("pulseaudio", "pactl", "pacat", "parec")}[name]
    absent = [program for program in programs if not shutil.which(program)]
    return f"{', '.join(absent)} not found; scripts/setup --tests installs it." if absent else None


@contextlib.contextmanager
def jack(rate: int = 44100, block: int = 256) -> Iterator[Server]:
    """JACK on its dummy driver, a steady clock; PortAudio and JACK clients of this process and its children use it."""
    name = f"timbre{secrets.token_hex(4)}"  # one of its own for every start
    settings = {"JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1", "JACK_NO_AUDIO_RESERVATION": "1"}
    command = ["jackd", "-n", name, "--realtime", "-P", "60", "-t", "2000", "-d", "dummy", "-r", str(rate)]
    command += ["-p", str(block), "-C", "2", "-P", "2"]
    with _environment(settings), tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            subprocess.run(["jack_wait", "-s", name, "-w", "-t", "10"], check=True, stdout=log, stderr=log)
            yield Server("jack", "system", rate)
        finally:
            _stop(server)


@contextlib.contextmanager
def pulse(rate: int = 44100) -> Iterator[Server]:
    """PulseAudio with a null sink, reached through ALSA's default device."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "pulse").mkdir(mode=0o700)
        (home / ".asoundrc").write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
        socket = home / "pulse" / "native"
        settings = {"XDG_RUNTIME_DIR": folder, "PULSE_RUNTIME_PATH": str(home / "pulse"), "HOME": folder}
        settings |= {"PULSE_SERVER": f"unix:{socket}"}
        command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        command += ["-L", f"module-native-protocol-unix auth-anonymous=1 socket={socket}"]
        command += ["-L", f"module-null-sink sink_name=out rate={rate} channels=2"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with _environment(settings):
            server = subprocess.Popen(command, **quiet)
            awake = None
            try:
                _wait_for(lambda: subprocess.run(["pactl", "info"], **quiet).returncode == 0)
                # A silent client keeps the sink in small blocks; without one each new stream stalls at first.
                awake = subprocess.Popen(
                    ["pacat", "--raw", "--latency-msec=10", "--process-time-msec=5", "-d", "out", "/dev/zero"], **quiet
                )  # fmt: skip
                yield Server("pulse", "default", rate)
            finally:
                for process in (awake, server):
                    if process:
                        _stop(process)


class Recorder:
    """Records what a server plays, in a process of its own, with the time at which each sample came.

    Use it in a `with` block; :meth:`stop` ends it and gives the recording.
    """

    def __init__(self, server: Server) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._file = Path(self._folder.name) / "recording.npz"
        script = Path(__file__).with_name("_recorder.py")
        command = [sys.executable, str(script), server.name, str(server.rate), str(self._file)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None  # it was asked for
        if self._process.stdout.readline().strip() != "ready":
            raise RuntimeError("The recorder did not start.")

    def stop(self) -> "Recording":
        """End the recording."""
        self._process.communicate()
        with np.load(self._file) as found:
            return Recording(found["samples"], found["times"], found["places"], int(found["xruns"]))

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        self._folder.cleanup()


class Recording(NamedTuple):
    """What was recorded.

    Attributes:
        samples: float32 (n,).
        times, places: when (s, `time.monotonic`) blocks came, and the places of their first samples.
        xruns: what the server counted.
    """

    samples: np.ndarray
    times: np.ndarray
    places: np.ndarray
    xruns: int

    def place(self, time: float) -> float:
        """The place of the sample that came at a time, by the blocks that came most promptly."""
        late = self.times - self.places / self.rate
        return float((time - np.quantile(late, 0.05)) * self.rate)

    @property
    def rate(self) -> float:
        """Samples per second, as they came."""
        return float(np.polyfit(self.times, self.places, 1)[0])


@contextlib.contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _wait_for(ready: Callable[[], bool]) -> None:
    for _ in range(100):
        if ready():
            return
        time.sleep(0.1)
    raise RuntimeError("The sound server did not start within 10 s.")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
