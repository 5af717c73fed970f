"""The page's sound: messages in, blocks of samples out, over one socket that one page has at a time."""

import asyncio
import contextlib
import json
import math
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from timbre.app.reading import Field, flag, maybe, number, parsed, path, picked, row, text
from timbre.errors import ConfigError, TimbreError
from timbre.playback.controls import Controls, State

MESSAGE = 1 << 20  # bytes of a message at most
_BLOCK = 512  # samples sent together at most
_DEEPEST = 1.0  # s that may be on their way to a page
_PAUSE = 0.002  # s until an empty ring is looked at again
_TELLING = 0.2  # s between two reports of the state
TAKEN, FAILED = 4001, 4002  # why a socket was closed


class BlockRing(Protocol):
    """Samples that wait to be heard."""

    def read(self, count: int) -> np.ndarray:
        """Up to `count` samples, float32; never waits."""


class BlockSource(Protocol):
    """What makes the sound: a :class:`~timbre.playback.Player` with output="ring"."""

    sample_rate: int

    @property
    def ring(self) -> BlockRing:
        """Where the sound comes out."""

    def check(self) -> None:
        """Raise a DeviceError if it can make no more."""


class Client:
    """The one place from which is played. Whoever comes takes it, and who had it is told.

    Args:
        controls: what is played.
        source: where its sound comes from; often the same object.
    """

    def __init__(self, controls: Controls, source: BlockSource) -> None:
        self.controls, self.source = controls, source
        self._guest: _Guest | None = None

    async def serve(self, socket: WebSocket) -> None:
        """Play for a page until it leaves or another one comes."""
        await socket.accept()
        before, self._guest = self._guest, _Guest(socket, self.controls, self.source)
        guest = self._guest
        if before is not None:
            await before.leave(TAKEN, "Another page plays now; this one has fallen silent.")
        try:
            await guest.play()
        finally:
            if self._guest is guest:
                self._guest = None
                self.controls.panic()


class _Guest:
    """One page's socket.

    The page says how many samples it has played and how many it wants ahead; no more than that are on their way. So
    its clock is the clock, and what waits does not grow.
    """

    def __init__(self, socket: WebSocket, controls: Controls, source: BlockSource) -> None:
        self.socket, self.controls, self.source = socket, controls, source
        self._played = self._sent = self._ahead = 0
        self._credit = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def play(self) -> None:
        """Until the page leaves."""
        await self._tell(hello={"sample_rate": self.source.sample_rate})
        self.controls.panic()
        while self.source.ring.read(1 << 15).size:  # what an earlier page has not heard
            await asyncio.sleep(0)
        loops = (self._listen, self._feed, self._report)
        self._tasks = [asyncio.ensure_future(loop()) for loop in loops]
        done, pending = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            if not task.cancelled():
                await self._mourn(task.exception())

    async def leave(self, code: int, reason: str) -> None:
        """Say why, and close."""
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await self.socket.close(code, reason)
        for task in self._tasks:
            task.cancel()

    async def _mourn(self, error: BaseException | None) -> None:
        if isinstance(error, TimbreError):
            await self.leave(FAILED, str(error)[:120])
        elif error is not None and not isinstance(error, WebSocketDisconnect | RuntimeError):
            raise error

    async def _listen(self) -> None:
        while True:
            message = await self.socket.receive_text()
            try:
                self._obey(parsed(message))
            except TimbreError as error:
                await self._tell(error=str(error))

    def _obey(self, message: Any) -> None:
        if not isinstance(message, dict) or str(message.get("do")) not in _DOES:
            raise ConfigError(f"The message wants a field do: {', '.join(_DOES)}.")
        values = picked({name: value for name, value in message.items() if name != "do"}, **_DOES[message["do"]])
        if message["do"] == "credit":
            self._played, self._ahead = int(values["played"]), int(values["ahead"])
            self._credit.set()
        else:
            getattr(self.controls, message["do"])(**values)

    async def _feed(self) -> None:
        most = int(_DEEPEST * self.source.sample_rate)
        while True:
            room = min(self._ahead, most) - (self._sent - self._played)
            if room <= 0:
                self._credit.clear()
                await self._credit.wait()
                continue
            samples = self.source.ring.read(min(room, _BLOCK))
            if not samples.size:
                self.source.check()
                await asyncio.sleep(_PAUSE)
                continue
            self._sent += len(samples)
            await self.socket.send_bytes(np.ascontiguousarray(samples, "<f4").tobytes())

    async def _report(self) -> None:
        while True:
            await self._tell(state=_plain(self.controls.state()))
            await asyncio.sleep(_TELLING)

    async def _tell(self, **what: Any) -> None:
        await self.socket.send_text(json.dumps(what, allow_nan=False))


def _plain(state: State) -> dict[str, Any]:
    """The state as JSON can hold it."""
    values = asdict(state)
    values["point"] = [round(float(value), 5) for value in state.point]
    values["notes"] = [None if math.isnan(note) else note for note in state.notes]
    values["latency"] = state.latency._asdict()
    return values


_KEY = {"key": Field(text)}
_DOES: dict[str, dict[str, Field]] = {
    "credit": {"played": Field(number), "ahead": Field(number)},
    "note_on": {"pitch": Field(maybe), "velocity": Field(number), **_KEY},
    "note_off": _KEY,
    "at": {"point": Field(row), "glide": Field(number, 0.0)},
    "path": {"path": Field(lambda name, value: value and path(name, value)), "duration": Field(number, 4.0)}
    | {"loop": Field(flag, False)},
    "hold": {"seconds": Field(lambda name, value: None if value is None else number(name, value))},
    "panic": {},
}
