"""Who may ask: hosts, origins, and the headers that keep a page to itself."""

import ipaddress
import re
import socket
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_EVERY = ("0.0.0.0", "::", "")
_AUTHORITY = re.compile(r"[A-Za-z0-9.\-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Hosts:
    """The names by which a server may be addressed: loopback's and the one it is bound to, with its port.

    A page of another site can make its own name lead here (DNS rebinding), but not change the name that the browser
    sends. Bound to all addresses, every number is one of this machine's, and its name too; other names are not.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port, self._every = port, host in _EVERY
        own = [socket.gethostname().lower()] if self._every else [host.strip("[]").lower()]
        self._names = {*_LOOPBACK, *own}

    def __contains__(self, authority: object) -> bool:
        """Whether a Host header (name, or name:port) is one of them."""
        if not isinstance(authority, str) or not _AUTHORITY.fullmatch(authority):
            return False
        found = urlsplit(f"//{authority}")
        try:
            name, port = found.hostname or "", found.port or 80
        except ValueError:
            return False
        return port == self.port and (name in self._names or (self._every and _is_number(name)))


class Guard:
    """Lets through what comes from this server's own page, and gives each answer its headers (ASGI middleware).

    Args:
        app: what it guards.
        hosts: names of the server.
    """

    def __init__(self, app: Any, hosts: Hosts) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        reason = self._reason(scope, headers)
        if reason is None:
            await self.app(scope, receive, _with_headers(send, headers["host"]))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": reason})  # before accepting: a plain 403
        else:
            await JSONResponse({"error": reason}, 403)(scope, receive, _with_headers(send, ""))

    def _reason(self, scope: Any, headers: Headers) -> str | None:
        """Why a request is refused."""
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            return "This server was addressed by a name that is not its own; use the address that it printed."
        if scope["type"] == "websocket" and not origins:
            return "A socket without an origin is refused; open the page in a browser."
        if origins and origins != [f"http://{hosts[0]}"]:
            return "The request comes from a page of another site, and is refused."
        arriving = scope["type"] == "http" and scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not arriving:
            return "The request comes from a page of another site, and is refused."
        return None


def _with_headers(send: Any, host: str) -> Any:
    rules = {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'"}
    rules |= dict.fromkeys(("script-src", "style-src", "img-src", "worker-src"), "'self'")
    rules["connect-src"] = f"'self' ws://{host}" if host else "'none'"
    policy = "; ".join(f"{name} {value}" for name, value in rules.items())

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update({**_FIXED, "Content-Security-Policy": policy})
            headers.setdefault("Cache-Control", "no-cache")
        await send(message)

    return sending


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
