"""The page of `timbre app` without its browser: plays over the socket, and counts underruns as its worklet does."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from timbre.playback.controls import Controls, Key
from timbre.space import Space
from timbre.synth.shaping import Target

_QUANTUM, _REPORT = 128, 2  # samples that a browser asks for at a time, and quanta between reports, as in worklet.js
_FIRST, _CALM = 0.06, 10.0  # s: sound buffered at first; without an underrun until less is buffered
_START = 60.0  # s, within which the server answers


class PageClient(Controls):
    """Commands as the page sends them; a thread takes the sound at the pace of a sound card.

    Attributes:
        underruns: how often no sound was there.
        last: state that the server reported last.
    """

    def __init__(self, space: Space, socket: ClientConnection) -> None:
        super().__init__(space)
        self.last: dict[str, Any] = {}
        self.underruns = self._filled = 0
        self._socket = socket
        self._rate = json.loads(socket.recv(_START))["hello"]["sample_rate"]
        for task in (self._receive, self._play):
            threading.Thread(target=self._until_closed, args=(task,), daemon=True).start()

    def note_on(
        self, pitch: float | None, velocity: float = 0.8, key: Key | None = None,
        values: Mapping[Target, float] | None = None,
    ) -> None:  # fmt: skip
        self._tell(do="note_on", key=key, pitch=pitch, velocity=velocity, values=values)

    def express(self, key: Key, values: Mapping[Target, float]) -> None:
        self._tell(do="express", key=key, values=values)

    def hold(self, seconds: float | None) -> None:
        self._tell(do="hold", seconds=seconds)

    def _tell(self, **message: Any) -> None:
        self._socket.send(json.dumps(message))

    def _until_closed(self, task: Callable[[], None]) -> None:
        with suppress(ConnectionClosed):
            task()

    def _receive(self) -> None:
        for message in self._socket:
            if isinstance(message, bytes):
                self._filled += len(message) // 4
                continue
            found = json.loads(message)
            assert "error" not in found, found
            self.last = found.get("state", self.last)

    def _play(self) -> None:
        least = ahead = round(_FIRST * self._rate)
        filling, played, calm, begun = True, 0, 0, time.monotonic()
        for quantum in range(1 << 40):
            time.sleep(max(0.0, begun + quantum * _QUANTUM / self._rate - time.monotonic()))
            filling = filling and self._filled - played < ahead
            if not filling and self._filled - played < _QUANTUM:
                filling, calm, ahead, self.underruns = True, 0, round(1.5 * ahead), self.underruns + 1
            elif not filling:
                played, calm = played + _QUANTUM, calm + _QUANTUM
                if calm > _CALM * self._rate:
                    ahead, calm = max(least, round(0.8 * ahead)), 0
            if quantum % _REPORT == 0:
                self._tell(do="credit", played=played, ahead=ahead)


@contextmanager
def played_by_page(space: Space, name: str) -> Iterator[PageClient]:
    """Start `timbre app` for a space of a name, and play it."""
    words = [sys.executable, "-u", "-m", "timbre", "app", name, "--no-open", "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        try:
            address = next(word for word in server.stdout.readline().split() if word.startswith("http")).rstrip("/")
            live = address.replace("http", "ws") + "/live"
            with connect(live, origin=address, open_timeout=_START, max_size=None) as socket:  # type: ignore[arg-type]
                yield PageClient(space, socket)
        finally:
            server.terminate()
