"""`EngineProcess`: an engine in a process of its own, which is started again when it ends by itself."""

import shutil
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from timbre.errors import DeviceError
from timbre.playback.controls import MAX_VOICES, State
from timbre.playback.engine.shared_state import read_state
from timbre.playback.output.processes import WorkerProcess
from timbre.playback.output.ring import Ring
from timbre.space import Space

_MOST_RESTARTS, _PERIOD = 10, 60.0  # number, and s within which they are counted


class EngineProcess:
    """Runs an engine in a process. A process that ends is started again, and plays on what was held and set.

    Args:
        space: that it plays.
        rings: of its sound, the second one for a recording.
        request: `block`, `point` and `settings` of the engine.

    Attributes:
        runtime: decoder backend of the engine.
        restarts: how often it was started again.
        reason: a sentence about the end of the last process that ended by itself.

    Raises:
        DeviceError: it does not start.
    """

    def __init__(self, space: Space, rings: list[Ring], request: dict[str, Any]) -> None:
        self._space, self._rings, self._request = space, rings, request
        self._journal, self._lock, self._ended = _Journal(), threading.Lock(), threading.Event()
        self._failure: Exception | None = None
        self._times: deque[float] = deque(maxlen=_MOST_RESTARTS)
        self.restarts, self.reason, self.runtime = 0, "", ""
        self._process = self._started()
        self._watcher = threading.Thread(target=self._watch, name="timbre-engine", daemon=True)
        self._watcher.start()

    @property
    def pid(self) -> int:
        """Process ID."""
        return self._process.pid

    def send(self, name: str, values: dict[str, Any]) -> None:
        """Send a command. One that comes while the process is started again is carried out afterwards."""
        with self._lock:
            self.check()
            self._journal.add(name, values)
            with suppress(DeviceError):
                self._process.send({"name": name, "values": values})

    def state(self, block: int, sample_rate: int, device: float) -> State:
        """The last state that the engine wrote; `device` is the latency of the device, ms."""
        return read_state(self._rings[0], self._space.dim, self.runtime, sample_rate, block, device, self.restarts)

    def check(self) -> None:
        """Raise a DeviceError if the process has ended and could not be started again."""
        if self._failure is not None:
            raise DeviceError(str(self._failure))

    def close(self) -> None:
        """End the process."""
        self._ended.set()
        self._process.close()
        self._watcher.join()

    def _started(self) -> WorkerProcess:
        """A process that is ready."""
        request = self._request | {"rings": [str(ring.file) for ring in self._rings]}
        process = WorkerProcess("timbre.playback.engine.service", request, self._rings)
        folder = None
        try:
            folder = Path(process.receive(self._ended.is_set)["folder"])
            self._space.save(folder)
            process.send({"saved": True})
            self.runtime = process.receive(self._ended.is_set)["runtime"]
        except BaseException:
            process.close()
            if folder is not None:  # the process removes it, unless it was killed
                shutil.rmtree(folder.parent, ignore_errors=True)
            raise
        return process

    def _watch(self) -> None:
        """Start the process again whenever it ends, until this object is closed."""
        while self._process.wait() and not self._ended.is_set():
            try:
                self._restart()
            except Exception as error:  # noqa: BLE001  (raised by :meth:`check`)
                self._failure = error
                return

    def _restart(self) -> None:
        self.reason = self._process.last_words()
        self._process.close()
        self._continue_where_it_was()
        process = self._started_again()
        with self._lock:
            for name, values in self._journal.commands():
                process.send({"name": name, "values": values})
            self._process = process
            self.restarts += 1
        if self._ended.is_set():
            process.close()

    def _started_again(self) -> WorkerProcess:
        """A process that is ready; one that ends while it starts is started once more."""
        while True:
            self._count_start()
            try:
                return self._started()
            except DeviceError as error:
                if self._ended.is_set():
                    raise
                self.reason = str(error)

    def _count_start(self) -> None:
        """Raise a DeviceError if there were too many starts of late."""
        now = time.monotonic()
        if len(self._times) == _MOST_RESTARTS and now - self._times[0] < _PERIOD:
            times = f"{_MOST_RESTARTS + 1} times within {_PERIOD:g} s"
            raise DeviceError(f"{self.reason.rstrip('.')}, {times}; it is not started again.")
        self._times.append(now)

    def _continue_where_it_was(self) -> None:
        """Let the next process begin at the point of the last one."""
        state = self.state(0, 0, 0.0)
        if state.seconds:
            self._request["point"] = state.point.tolist()


class _Journal:
    """What an engine needs to be told to sound as before: settings, movement, and the notes that are held."""

    def __init__(self) -> None:
        self._settings: dict[str, dict[str, Any]] = {}
        self._notes: dict[Any, dict[str, Any]] = {}
        self._shapes: dict[Any, dict[str, Any]] = {}  # of these notes

    def add(self, name: str, values: dict[str, Any]) -> None:
        """Note a command."""
        if name in ("note_on", "note_off", "shape"):
            self._add_note(name, values["key"], values)
            return
        ended = {"panic": ("sustain", "bend"), "at": ("path",), "path": ("at",)}.get(name, ())
        for other in ended:
            self._settings.pop(other, None)
        if name == "panic":
            self._notes.clear()
            self._shapes.clear()
        else:
            self._settings[name] = values

    def commands(self) -> list[tuple[str, dict[str, Any]]]:
        """The commands that are still in force."""
        notes = [("note_on", values) for values in self._notes.values()]
        return [*self._settings.items(), *(("shape", values) for values in self._shapes.values()), *notes]

    def _add_note(self, name: str, key: Any, values: dict[str, Any]) -> None:
        kept = self._shapes if name == "shape" else self._notes
        kept.pop(key, None)
        if name == "note_off":
            self._shapes.pop(key, None)
        else:
            kept[key] = values
            if len(kept) > MAX_VOICES:
                del kept[next(iter(kept))]
