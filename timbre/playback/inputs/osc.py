"""OSC: a space that sounds is played by messages over UDP (Wright and Freed 1997), and answers."""

import heapq
import itertools
import selectors
import socket
import threading
import time
from pathlib import Path as FilePath
from types import TracebackType
from typing import Any

from timbre.errors import ConfigError, DeviceError, TimbreError
from timbre.playback.controls import Controls
from timbre.playback.inputs._osc_addresses import Addresses
from timbre.playback.inputs._osc_packets import Message, NotOSC, messages
from timbre.playback.inputs._problems import Problems

PORT, HOST = 9000, "127.0.0.1"
AHEAD = 10.0  # s: how far ahead a bundle may be due
_WAITING = 1024  # messages that are not due yet
_ROOM = 1 << 20  # bytes of packets that have come and were not looked at yet; the system may give less
_SENDERS = 64  # whose wish for another port is remembered
_LONGEST = 500  # letters of an answer
_ANSWERS = frozenset({"error", "state", "axes", "presets"})

_Sender = tuple[Any, ...]


class OscServer:
    """Plays a space by OSC. Use it in a `with` block: it opens the port and listens in a thread of its own.

    The messages are described in docs/midi-and-osc.md. Whatever is wrong with one is told to its sender by /error, and
    counted; packets that are not OSC are counted only.

    Args:
        controls: what is played.
        port: UDP, 0 to 65535; 0 takes a free one.
        host: address to listen at. Whoever can reach it can play; the default is this machine alone.
        files: folder of the path files that /path may name; None: none.

    Attributes:
        port: the one in use, once it is open.
        problems: what was wrong: how often, and the last of it.

    Raises:
        ConfigError: the port is out of range, or there is no such folder.
        DeviceError: from `with`: the port is in use, the host is none of this machine's, or python-osc is missing.
    """

    def __init__(
        self, controls: Controls, port: int = PORT, host: str = HOST, files: "str | FilePath | None" = None
    ) -> None:
        if not 0 <= port <= 65535:
            raise ConfigError(f"OSC port {port} was asked for; 1 to 65535 are wanted, or 0 for a free one.")
        folder = None if files is None else FilePath(files)
        if folder is not None and not folder.expanduser().is_dir():
            raise ConfigError(f"There is no folder {folder} for path files; make it first.")
        self.port, self.host, self.problems = port, host, Problems()
        self._carry_out = Addresses(controls, folder)
        self._later: list[tuple[float, int, _Sender, Message]] = []
        self._number = itertools.count()
        self._ports: dict[_Sender, int] = {}

    def __enter__(self) -> "OscServer":
        _check_installed()
        self._socket = self._bound()
        self.port = self._socket.getsockname()[1]
        self._stopper, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._listen, name="timbre-osc", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopper.close()
        self._thread.join()
        self._socket.close()
        self._stopped.close()

    def _bound(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM)
        try:
            opened.bind((self.host, self.port))
        except (OSError, UnicodeError) as error:
            opened.close()
            reason = getattr(error, "strerror", None) or error
            raise DeviceError(f"The OSC port {self.port} of {self.host} does not open: {reason}.") from error
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
        return opened

    def _listen(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._stopped, selectors.EVENT_READ)
            while True:
                wait = max(0.0, self._later[0][0] - time.time()) if self._later else None
                ready = [key.fileobj for key, _ in selector.select(wait)]
                if self._stopped in ready:
                    return
                if ready:
                    self._receive()
                while self._later and self._later[0][0] <= time.time():
                    _, _, sender, message = heapq.heappop(self._later)
                    self._answer(sender, message)

    def _receive(self) -> None:
        try:
            packet, sender = self._socket.recvfrom(65536)
        except OSError:  # a packet that is damaged; Windows says here that an earlier answer found nobody
            return
        try:
            found = messages(packet)
        except NotOSC as error:
            self.problems.add(str(error))
            return
        except ConfigError as error:
            self._refuse(sender, str(error))
            return
        for message in found:
            if message.time <= time.time():
                self._answer(sender, message)
            else:
                self._keep(sender, message)

    def _keep(self, sender: _Sender, message: Message) -> None:
        """A message for later."""
        ahead = message.time - time.time()
        if ahead > AHEAD or len(self._later) >= _WAITING:
            self._refuse(sender, f"{message.address[:60]} is due in {ahead:.1f} s; {AHEAD:g} s ahead are the most.")
        else:
            heapq.heappush(self._later, (message.time, next(self._number), sender, message))

    def _answer(self, sender: _Sender, message: Message) -> None:
        """Carry out a message and answer it."""
        if message.address[1:].partition("/")[0] in _ANSWERS:  # or two servers would answer each other for ever
            self.problems.add(f"{message.address[:60]} came, which is an answer; this is the one that answers.")
            return
        try:
            values = self._heed_port(sender, message)
            if message.address == "/panic":
                self._later.clear()
            for address, answer in self._carry_out(message.address, values):
                self._send(sender, address, answer)
        except TimbreError as error:
            self._refuse(sender, str(error))

    def _heed_port(self, sender: _Sender, message: Message) -> list[Any]:
        """The arguments but for the port to which a sender of /query wants its answers, from then on."""
        if message.address != "/query" or len(message.values) != 1:
            return message.values
        port = message.values[0]
        if not (isinstance(port, int) and 0 < port <= 65535):
            raise ConfigError(f"/query came with the port {port!r}; a whole number from 1 to 65535 is wanted.")
        self._ports.pop(sender, None)
        self._ports[sender] = port
        if len(self._ports) > _SENDERS:
            del self._ports[next(iter(self._ports))]
        return []

    def _refuse(self, sender: _Sender, text: str) -> None:
        self.problems.add(text)
        self._send(sender, "/error", [text[:_LONGEST]])

    def _send(self, sender: _Sender, address: str, values: list[Any]) -> None:
        from pythonosc.osc_message_builder import OscMessageBuilder

        builder = OscMessageBuilder(address=address)
        for value in values:
            builder.add_arg(value)
        place = (sender[0], self._ports.get(sender, sender[1]), *sender[2:])
        try:
            self._socket.sendto(builder.build().dgram, place)
        except OSError as error:
            self.problems.add(f"{address} does not reach {place[0]}, port {place[1]}: {error.strerror}.")


def _check_installed() -> None:
    try:
        import pythonosc  # noqa: F401
    except ImportError as error:
        raise DeviceError("OSC needs the package python-osc: pip install 'timbre[play]'.") from error
