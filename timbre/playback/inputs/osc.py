"""`OscServer`: plays a space by OSC messages over UDP (Wright and Freed 1997), and answers them."""

import heapq
import itertools
import selectors
import socket
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path as FilePath
from typing import Any

from timbre.config.settings import require
from timbre.errors import ConfigError, DeviceError, TimbreError
from timbre.files import expanded
from timbre.playback.controls import Controls
from timbre.playback.inputs._osc_addresses import Addresses
from timbre.playback.inputs._osc_packets import Message, NotOSC, messages
from timbre.playback.inputs._problems import Problems
from timbre.wording import needs

PORT, HOST = 9000, "127.0.0.1"
MAX_AHEAD = 10.0  # s until a message is due
_MAX_WAITING = 1024  # messages that are not due yet
_SOCKET_BUFFER = 1 << 20  # bytes; the system may give less
_MAX_SENDERS = 64  # whose answer ports are remembered
_MAX_ERROR = 500  # characters
_ANSWERS = frozenset({"error", "state", "axes", "presets"})

_Sender = tuple[Any, ...]


class OscServer(AbstractContextManager["OscServer"]):
    """Plays a space by OSC. A `with` block opens the port, and listens in a thread.

    docs/midi-and-osc.md describes the messages. An error is answered by /error and counted; a packet that is no OSC is
    only counted.

    Args:
        controls: of the space that plays.
        port: UDP, 0 to 65535; 0 takes a free one.
        host: address to listen at. Anyone who reaches it can play; the default is this machine alone.
        files: folder of the path files that /path may name; default: none.

    Attributes:
        port: the open one.
        problems: count of the errors, and the last one.

    Raises:
        ConfigError: the port is out of range, or the folder is missing.
        DeviceError: from `with`: the port is in use, the host is no address of this machine, or python-osc is missing.
    """

    def __init__(
        self, controls: Controls, port: int = PORT, host: str = HOST, files: "str | FilePath | None" = None
    ) -> None:
        require(0 <= port <= 65535, f"The OSC port must be 1 to 65535, or 0 for a free one, got {port}.")
        folder = None if files is None else expanded(files)
        require(folder is None or folder.is_dir(), f"There is no folder {files} for path files; make it first.")
        self.port, self.host, self.problems = port, host, Problems()
        self._carry_out = Addresses(controls, folder)
        self._waiting: list[tuple[float, int, _Sender, Message]] = []
        self._number = itertools.count()
        self._answer_ports: dict[_Sender, int] = {}

    def __enter__(self) -> "OscServer":
        try:
            import pythonosc  # noqa: F401
        except ImportError as error:
            raise DeviceError(needs("OSC", "python-osc")) from error
        self._socket = self._bound()
        self.port = self._socket.getsockname()[1]
        self._stopper, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._listen, name="timbre-osc", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopper.close()
        self._thread.join()
        self._socket.close()
        self._stopped.close()

    def _bound(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_DGRAM)
        try:
            bound.bind((self.host, self.port))
        except (OSError, UnicodeError) as error:
            bound.close()
            reason = getattr(error, "strerror", None) or error
            raise DeviceError(f"The OSC port {self.port} of {self.host} does not open: {reason}.") from error
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BUFFER)
        return bound

    def _listen(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._stopped, selectors.EVENT_READ)
            while True:
                wait = max(0.0, self._waiting[0][0] - time.time()) if self._waiting else None
                ready = [key.fileobj for key, _ in selector.select(wait)]
                if self._stopped in ready:
                    return
                if ready:
                    with self.problems.counted():
                        self._receive()
                while self._waiting and self._waiting[0][0] <= time.time():
                    _, _, sender, message = heapq.heappop(self._waiting)
                    with self.problems.counted():
                        self._answer(sender, message)

    def _receive(self) -> None:
        try:
            packet, sender = self._socket.recvfrom(65536)
        except OSError:  # a damaged packet; on Windows also an earlier answer that nobody received
            return
        try:
            for message in messages(packet):
                with self.problems.counted():
                    (self._answer if message.time <= time.time() else self._delay)(sender, message)
        except NotOSC as error:
            self.problems.add(str(error))
        except ConfigError as error:
            self._refuse(sender, str(error))

    def _delay(self, sender: _Sender, message: Message) -> None:
        """Keep a message until it is due."""
        ahead = message.time - time.time()
        if ahead > MAX_AHEAD or len(self._waiting) >= _MAX_WAITING:
            limits = f"At most {_MAX_WAITING} messages, due within {MAX_AHEAD:g} s, can wait"
            self._refuse(sender, f"{limits}; {message.address[:60]} is due in {ahead:.1f} s.")
        else:
            heapq.heappush(self._waiting, (message.time, next(self._number), sender, message))

    def _answer(self, sender: _Sender, message: Message) -> None:
        """Carry out a message and answer it."""
        if message.address[1:].partition("/")[0] in _ANSWERS:  # two servers would answer each other without end
            self.problems.add(f"A message must be a command, got the answer {message.address[:60]}.")
            return
        try:
            values = self._without_port(sender, message)
            if message.address == "/panic":
                self._waiting.clear()
            for address, answer in self._carry_out(message.address, values):
                self._send(sender, address, answer)
        except TimbreError as error:
            self._refuse(sender, str(error))

    def _without_port(self, sender: _Sender, message: Message) -> list[Any]:
        """The arguments, without the port of /query, which is remembered for the answers to this sender."""
        if message.address != "/query" or len(message.values) != 1:
            return message.values
        port = message.values[0]
        if not (isinstance(port, int) and 0 < port <= 65535):
            raise ConfigError(f"The port of /query must be a whole number from 1 to 65535, got {port!r}.")
        self._answer_ports.pop(sender, None)
        self._answer_ports[sender] = port
        if len(self._answer_ports) > _MAX_SENDERS:
            del self._answer_ports[next(iter(self._answer_ports))]
        return []

    def _refuse(self, sender: _Sender, text: str) -> None:
        self.problems.add(text)
        self._send(sender, "/error", [text[:_MAX_ERROR]])

    def _send(self, sender: _Sender, address: str, values: list[Any]) -> None:
        from pythonosc.osc_message_builder import build_msg

        target = (sender[0], self._answer_ports.get(sender, sender[1]), *sender[2:])
        try:
            self._socket.sendto(build_msg(address, values).dgram, target)
        except OSError as error:
            self.problems.add(f"{address} does not reach {target[0]}, port {target[1]}: {error.strerror}.")
