"""Sound servers without a sound card, and a recorder: JACK on its dummy driver, PulseAudio with a null sink."""

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
from typing import Any, NamedTuple

import numpy as np

_QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Server(NamedTuple):
    """A running sound server.

    Attributes:
        name: "jack" or "pulse".
        device: name of its output in PortAudio.
        rate: Hz.
    """

    name: str
    device: str
    rate: int


def missing(name: str) -> str | None:
    """A sentence about the missing programs of a server; None if all are installed."""
    programs = {"jack": ("jackd", "jack_wait"), "pulse": ("pulseaudio", "pactl", "pacat", "parec")}[name]
    absent = [program for program in programs if not shutil.which(program)]
    return f"{', '.join(absent)} not found; scripts/setup --tests installs it." if absent else None


@contextlib.contextmanager
def jack(rate: int = 44100, block: int = 256) -> Iterator[Server]:
    """JACK on its dummy driver, a steady clock, for PortAudio and JACK clients of this process and its children."""
    name = f"timbre{secrets.token_hex(4)}"  # a new one for each start
    settings = {"JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1", "JACK_NO_AUDIO_RESERVATION": "1"}
    command = ["jackd", "-n", name, "--realtime", "-P", "60", "-t", "2000", "-d", "dummy", "-r", str(rate)]
    command += ["-p", str(block), "-C", "2", "-P", "2"]
    _require("jack")
    with _environment(settings), tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            if subprocess.run(["jack_wait", "-s", name, "-w", "-t", "10"], stdout=log, stderr=log).returncode:
                log.seek(0)
                raise RuntimeError(f"jackd did not start. {log.read().decode(errors='replace').strip()}")
            yield Server("jack", "system", rate)
        finally:
            _stop(server)


@contextlib.contextmanager
def pulse(rate: int = 44100) -> Iterator[Server]:
    """PulseAudio with a null sink, as ALSA's default device."""
    _require("pulse")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as processes:
        runtime = Path(folder) / "pulse"
        runtime.mkdir(mode=0o700)
        alsa = Path(folder) / "alsa.conf"
        alsa.write_text("</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\nctl.!default { type pulse }\n")
        socket = runtime / "native"
        settings = {"PULSE_RUNTIME_PATH": str(runtime), "PULSE_SERVER": f"unix:{socket}", "ALSA_CONFIG_PATH": str(alsa)}
        command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        command += ["-L", f"module-native-protocol-unix auth-anonymous=1 socket={socket}"]
        command += ["-L", f"module-null-sink sink_name=out rate={rate} channels=2"]
        with _environment(settings):
            processes.callback(_stop, subprocess.Popen(command, **_QUIET, env={**os.environ, "HOME": folder}))
            _wait_for(lambda: subprocess.run(["pactl", "info"], **_QUIET).returncode == 0)
            # A silent client keeps the blocks of the sink small; without it each new stream stalls at first.
            awake = ["pacat", "--raw", "--latency-msec=10", "--process-time-msec=5", "-d", "out", "/dev/zero"]
            processes.callback(_stop, subprocess.Popen(awake, **_QUIET))
            yield Server("pulse", "default", rate)


class Recorder:
    """Records what a server plays, with times, in a process of its own.

    Use it in a `with` block; :meth:`stop` ends it and returns the recording.
    """

    def __init__(self, server: Server) -> None:
        self._folder, self._rate = tempfile.TemporaryDirectory(), server.rate
        self._file = Path(self._folder.name) / "recording.npz"
        script = Path(__file__).with_name("_recorder.py")
        command = [sys.executable, str(script), server.name, str(server.rate), str(self._file)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None  # it is a pipe
        if self._process.stdout.readline().strip() != "ready":
            raise RuntimeError("The recorder did not start.")

    def stop(self) -> "Recording":
        """End the recording."""
        self._process.communicate()
        with np.load(self._file) as arrays:
            return Recording(**arrays, rate=self._rate)

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        self._folder.cleanup()


class Recording(NamedTuple):
    """A recording.

    Attributes:
        samples: float32 (n,).
        times: start times of the blocks (s, `time.monotonic`).
        starts: indices of their first samples.
        xruns: times (s) at which the server reported a dropout; JACK only.
        rate: Hz.
    """

    samples: np.ndarray
    times: np.ndarray
    starts: np.ndarray
    xruns: np.ndarray
    rate: int

    def index(self, time: float) -> float:
        """Index of the sample at a time, by the earliest of the blocks within half a second; the others were late."""
        near = np.abs(self.times - time) < 0.5
        start = np.min(self.times[near] - self.starts[near] / self.rate)
        return float((time - start) * self.rate)

    def part(self, begin: float, end: float) -> np.ndarray:
        """Samples between two times."""
        return self.samples[round(self.index(begin)) : round(self.index(end))]


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


def _require(name: str) -> None:
    if sentence := missing(name):
        raise RuntimeError(sentence)


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
