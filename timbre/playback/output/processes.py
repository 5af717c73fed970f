"""`WorkerProcess`: a Python module in a process of its own, which exchanges lines of JSON with this one."""

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from timbre.errors import DeviceError
from timbre.playback.output.ring import Ring

_START_TIMEOUT = 600.0  # s until the first answer
_END_TIMEOUT = 3.0  # s
_LAST_WORDS = 4096  # bytes of what it printed


class WorkerProcess:
    """Runs a module as a process. Lines of JSON go to its standard input and come from its standard output.

    The process ends when its standard input is closed, so it never outlives this one. It is in a session of its own:
    Ctrl-C reaches this process alone, which decides when to end it.

    Args:
        module: to run.
        request: the first line.
        rings: that the process inherits.
    """

    def __init__(self, module: str, request: dict[str, Any], rings: Sequence[Ring] = ()) -> None:
        self._name, self._lock = f"The process of the {module.split('.')[-2]}", threading.Lock()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  (open as long as the process runs)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._stderr, bufsize=0, start_new_session=True, pass_fds=[ring.descriptor for ring in rings],
        )  # fmt: skip
        assert self._process.stdin is not None  # both are pipes
        assert self._process.stdout is not None
        self._stdin, self._stdout, self.pid = self._process.stdin, self._process.stdout, self._process.pid
        self.send(request)

    def receive(self, given_up: Callable[[], bool] = lambda: False) -> dict[str, Any]:
        """The next line from the process; a DeviceError if it reports an error, has ended, or is given up."""
        deadline = time.monotonic() + _START_TIMEOUT
        while not select.select([self._stdout], [], [], 0.1)[0]:
            if time.monotonic() > deadline or given_up():
                self.close()
                limit = f"{self._name} must answer within {_START_TIMEOUT:.0f} s"
                raise DeviceError(f"{limit}, got no answer; end other programs and try again.")
        line = self._stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": self.last_words()}
        if "error" in answer:
            self.close()
            raise DeviceError(answer["error"])
        return answer

    def send(self, message: dict[str, Any]) -> None:
        """Send a line to the process; a DeviceError if it has ended."""
        line = memoryview(json.dumps(message).encode() + b"\n")
        try:
            with self._lock:
                while line:
                    line = line[self._stdin.write(line) :]
        except (OSError, ValueError) as error:
            raise DeviceError(self.last_words()) from error

    def check(self) -> None:
        """Raise a DeviceError if the process has ended."""
        if self._process.poll() is not None:
            raise DeviceError(self.last_words())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the process ends, for at most `timeout` s; None is unlimited. Returns whether it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        return self._process.returncode is not None

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            self._stdin.close()
        if not self.wait(_END_TIMEOUT):
            self._process.kill()
            self._process.wait()
        self._stdout.close()
        self._stderr.close()

    def last_words(self) -> str:
        """An error message for the end of the process, with the last line that it printed."""
        lines: list[str] = []
        if not self._stderr.closed:
            self._stderr.seek(max(0, self._stderr.seek(0, os.SEEK_END) - _LAST_WORDS))
            lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        code = self._process.poll()
        how = f" by signal {-code}" if code is not None and code < 0 else ""
        return f"{self._name} has stopped{how}{f'; it printed: {lines[-1]}' if lines else '.'}"
