"""`HttpConnection`: a connection of uvicorn that cannot keep others out by sending or reading nothing."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_HEADER_TIMEOUT, _READ_TIMEOUT = 10.0, 60.0  # s for the header of a request; for a page that reads nothing
_MOST_WAITING = 32  # connections without a request; of more, the oldest are closed


class HttpConnection(H11Protocol):
    """Closes itself if the header of a request does not arrive in time, or its page does not read the answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to wait for a request."""
        self._header_timer = self._read_timer = None  # type: asyncio.TimerHandle | None
        super().connection_made(transport)
        self._wait_for_header()
        waiting = [one for one in self.connections if isinstance(one, HttpConnection) and one._header_timer]
        for one in sorted(waiting, key=HttpConnection._due)[:-_MOST_WAITING]:
            one._stop_waiting()
            one.transport.abort()
            self.connections.discard(one)  # its end comes later; it must not count until then

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Handle what has arrived; a request may be complete, or the header of another one may have begun."""
        super().handle_events()
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._header_timer is None and self.conn.trailing_data[0]:
            self._wait_for_header()

    def pause_writing(self) -> None:
        """Wait for the page to read."""
        super().pause_writing()
        self._read_timer = self.loop.call_later(_READ_TIMEOUT, self.transport.abort)

    def resume_writing(self) -> None:
        """The page has read."""
        super().resume_writing()
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _wait_for_header(self) -> None:
        self._header_timer = self.loop.call_later(_HEADER_TIMEOUT, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _due(self) -> Any:
        return self._header_timer.when() if self._header_timer else float("inf")
