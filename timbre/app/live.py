"""Live sound of the page: messages in, blocks of samples out, over a socket that one page has at a time."""

import asyncio
import contextlib
import json
import math
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from timbre.app.fields import Field, flag, number, optional, path, read_fields, row, targets, text
from timbre.config.settings import require
from timbre.errors import ConfigError, TimbreError
from timbre.files import parse_json
from timbre.playback.controls import Controls, State
from timbre.playback.player import Player

MAX_MESSAGE = 1 << 20  # characters
TAKEN, FAILED = 4001, 4002  # close codes of the socket
_BLOCK = 512  # samples sent at a time
_MAX_AHEAD = 1.0  # s of sound on its way to the page
_POLL_INTERVAL = 0.002  # s between looks at an empty ring
_STATE_INTERVAL = 0.2  # s
_CLOSE_TIMEOUT = 1.0  # s


class Client:
    """The one page that plays. A new page takes over, and the previous one is notified.

    The source of the sound is a player with output="ring", often the same object as the controls.
    """

    def __init__(self, controls: Controls, source: Player) -> None:
        self.controls, self.source = controls, source
        self._connection: _Connection | None = None

    async def serve(self, socket: WebSocket) -> None:
        """Play for a page until it leaves or another one takes over."""
        await socket.accept()
        connection = _Connection(socket, self.controls, self.source)
        before, self._connection = self._connection, connection
        if before is not None:
            await before.close(TAKEN, "Another page plays now; this one is silent.")
        try:
            await connection.run()
        finally:
            if self._connection is connection:
                self._connection = None
                self.controls.panic()


class _Connection:
    """The socket of one page.

    The page reports how many samples it has played and how many it wants ahead, and gets no more than that. So the
    sound card of the page is the only clock, and no queue grows.
    """

    def __init__(self, socket: WebSocket, controls: Controls, source: Player) -> None:
        self.socket, self.controls, self.source = socket, controls, source
        self._played = self._sent = self._ahead = 0
        self._credit = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Play until the page leaves."""
        await self._send(hello={"sample_rate": self.source.sample_rate})
        self.controls.panic()
        while self.source.ring.read(1 << 15).size:  # left from an earlier page
            await asyncio.sleep(0)
        self._tasks = [asyncio.ensure_future(loop()) for loop in (self._receive, self._feed, self._report)]
        done, pending = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for error in (task.exception() for task in done if not task.cancelled()):
            if isinstance(error, TimbreError):
                await self.close(FAILED, str(error)[:120])
            elif error is not None and not isinstance(error, WebSocketDisconnect | RuntimeError):
                raise error

    async def close(self, code: int, reason: str) -> None:
        """Close the socket with a reason."""
        with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):  # a page that does not read keeps no other from playing
                await self.socket.close(code, reason)
        for task in self._tasks:
            task.cancel()

    async def _receive(self) -> None:
        while True:
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            try:
                self._carry_out(parse_json(_content(message), FilePath("The message"), ConfigError))
            except TimbreError as error:
                await self._send(error=str(error))
            except Exception:  # noqa: BLE001  (a fault of timbre: the trace is for its terminal, and the sound goes on)
                traceback.print_exc()
                await self._send(error="The server had an internal error; its terminal shows the details.")

    def _carry_out(self, message: Any) -> None:
        name = message.pop("do", None) if isinstance(message, dict) else None
        if not isinstance(name, str) or name not in _FIELDS:
            raise ConfigError(f"The field do of a message must be one of {', '.join(_FIELDS)}.")
        values = read_fields(message, **_FIELDS[name])
        if name == "credit":
            self._played, self._ahead = int(values["played"]), int(values["ahead"])
            self._credit.set()
        else:
            _COMMANDS[name](self.controls, **values)

    async def _feed(self) -> None:
        limit = int(_MAX_AHEAD * self.source.sample_rate)
        while True:
            room = min(self._ahead, limit) - (self._sent - self._played)
            if room <= 0:
                self._credit.clear()
                await self._credit.wait()
                continue
            samples = self.source.ring.read(min(room, _BLOCK))
            if not samples.size:
                self.source.check()
                await asyncio.sleep(_POLL_INTERVAL)
                continue
            self._sent += len(samples)
            await self.socket.send_bytes(np.ascontiguousarray(samples, "<f4").tobytes())

    async def _report(self) -> None:
        restarts = self.controls.state().restarts
        while True:
            state = self.controls.state()
            if state.restarts > restarts:
                restarts = state.restarts
                await self._send(error="The engine had stopped and was started again; held notes sound again.")
            await self._send(state=_state_values(state))
            await asyncio.sleep(_STATE_INTERVAL)

    async def _send(self, **values: Any) -> None:
        await self.socket.send_text(json.dumps(values, allow_nan=False))


def _content(message: Any) -> bytes:
    """The text of a message in UTF-8; a ConfigError if it is binary or too long."""
    text = message.get("text")
    require(text is not None, "A message must be text with an object of JSON, got binary data.")
    require(len(text) <= MAX_MESSAGE, f"A message must have at most {MAX_MESSAGE} characters, got {len(text)}.")
    return text.encode("utf-8", "backslashreplace")


def _state_values(state: State) -> dict[str, Any]:
    """A state as values that JSON can hold."""
    values = asdict(state)
    values["point"] = [round(float(value), 5) for value in state.point]
    values["notes"] = [None if math.isnan(note) else note for note in state.notes]
    values["latency"] = state.latency._asdict()
    return values


_COMMANDS: dict[str, Callable[..., None]] = {
    "note_on": Controls.note_on,
    "note_off": Controls.note_off,
    "express": Controls.express,
    "at": Controls.at,
    "path": Controls.path,
    "hold": Controls.hold,
    "gain": Controls.gain,
    "panic": Controls.panic,
}
_FIELDS: dict[str, dict[str, Field]] = {
    "credit": {"played": Field(number), "ahead": Field(number)},
    "note_on": {
        "key": Field(text),
        "pitch": Field(optional(number)),
        "velocity": Field(number),
        "values": Field(targets, None),
    },
    "note_off": {"key": Field(text)},
    "express": {"key": Field(text), "values": Field(targets)},
    "at": {"point": Field(row), "glide": Field(number, 0.0)},
    "path": {"path": Field(optional(path)), "duration": Field(number, 4.0), "loop": Field(flag, False)},
    "hold": {"seconds": Field(optional(number))},
    "gain": {"decibels": Field(number)},
    "panic": {},
}
"""Messages of the page and their fields. All but "credit" are commands of :class:`Controls`."""
