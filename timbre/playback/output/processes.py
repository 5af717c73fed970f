"""Processes of our own that talk in lines of JSON."""

import contextlib
import json
import select
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

from timbre.errors import DeviceError

_STARTING = 600.0  # s that a process may take to say its first word
_ENDING = 3.0  # s


class WorkerProcess:
    """A Python module that runs as a process of its own.

    It gets lines of JSON on its standard input and ends with it; what it says comes as lines of JSON as well. It does
    not outlive the one that started it.

    Args:
        module: its name.
        request: the first line.
    """

    def __init__(self, module: str, request: dict[str, Any]) -> None:
        self._module, self._lock = module, threading.Lock()
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the process)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._complaints, bufsize=0,
        )  # fmt: skip
        self.send(request)

    def answer(self) -> dict[str, Any]:
        """The next line that it says.

        Raises:
            DeviceError: the line is an error, or the process ended.
        """
        assert self._process.stdout is not None  # it was asked for
        until = time.monotonic() + _STARTING
        while not select.select([self._process.stdout], [], [], 0.1)[0]:
            if time.monotonic() > until:
                self.close()
                raise DeviceError(f"{self._module} has not answered for {_STARTING:.0f} s; is the machine very busy?")
        line = self._process.stdout.readline()
        if not line:
            words = self._last_words()
            self.close()
            raise DeviceError(f"{self._module} has stopped. {words}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            self.close()
            raise DeviceError(answer["error"])
        return answer

    def send(self, message: dict[str, Any]) -> None:
        """Give it a line; a DeviceError if it has ended."""
        line = memoryview(json.dumps(message).encode() + b"\n")
        try:
            with self._lock:
                assert self._process.stdin is not None  # it was asked for
                while line:
                    line = line[self._process.stdin.write(line) :]
        except (OSError, ValueError) as error:
            raise DeviceError(f"{self._module} has stopped. {self._last_words()}") from error

    def check(self) -> None:
        """Raise a DeviceError if it has ended."""
        if self._process.poll() is not None:
            raise DeviceError(f"{self._module} has stopped. {self._last_words()}")

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def wait(self, timeout: float | None) -> bool:
        """Wait for its end; whether it came."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None  # it was asked for
            self._process.stdin.close()
        if not self.wait(_ENDING):
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._complaints.close()

    def _last_words(self) -> str:
        words: list[str] = []
        if not self._complaints.closed:
            self._complaints.seek(0)
            words = self._complaints.read().decode(errors="replace").strip().splitlines()
        return f"Its last words: {words[-1]}" if words else "It left no word."
