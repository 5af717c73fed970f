"""`Guard`: refuses requests of other sites, and adds security headers to answers."""

import contextlib
import ipaddress
import re
import socket
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ALL_ADDRESSES = ("0.0.0.0", "::", "")
_AUTHORITY = re.compile(r"[A-Za-z0-9.\-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_OTHER_SITE = "The request must come from this server's own page, got one from another site."
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Hosts:
    """The names of a server, with its port: those of loopback, and the one it is bound to.

    Another site can make its own name point to this server (DNS rebinding), but cannot change the name that the browser
    sends. A server bound to all addresses accepts all numeric addresses and the name of this machine.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port, self._all = port, host in _ALL_ADDRESSES
        self._names = {*_LOOPBACK, (socket.gethostname() if self._all else host.strip("[]")).lower()}

    def __contains__(self, authority: object) -> bool:
        """Whether a Host header (name, or name:port) names this server."""
        if not isinstance(authority, str) or not _AUTHORITY.fullmatch(authority):
            return False
        parts = urlsplit(f"//{authority}")
        try:
            name, port = parts.hostname or "", parts.port or 80
        except ValueError:
            return False
        return port == self.port and (name in self._names or (self._all and numeric_address(name) is not None))


class Guard:
    """ASGI middleware that lets through only requests of the server's own page, and adds headers to all answers."""

    def __init__(self, app: Any, hosts: Hosts) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer or refuse a request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        reason = self._refusal(scope, headers)
        if reason is None:
            await self.app(scope, receive, _with_headers(send, headers["host"]))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": reason})  # before accepting: a plain 403
        else:
            await JSONResponse({"error": reason}, 403)(scope, receive, _with_headers(send, ""))

    def _refusal(self, scope: Any, headers: Headers) -> str | None:
        """Why a request is refused; None if it is not."""
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            return "The server must be addressed by its own name; use the address that it printed."
        if scope["type"] == "websocket" and not origins:
            return "A socket must have an origin, got none; open the page in a browser."
        if origins and origins != [f"http://{hosts[0]}"]:
            return _OTHER_SITE
        opening = scope["type"] == "http" and scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not opening:
            return _OTHER_SITE
        return None


def _with_headers(send: Any, host: str) -> Any:
    rules = {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'"}
    rules |= dict.fromkeys(("script-src", "style-src", "img-src", "worker-src"), "'self'")
    rules["connect-src"] = f"'self' ws://{host}" if host else "'none'"
    policy = "; ".join(f"{name} {value}" for name, value in rules.items())

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update({**_HEADERS, "Content-Security-Policy": policy})
            headers.setdefault("Cache-Control", "no-cache")
        await send(message)

    return sending


def numeric_address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a name is, or None."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(name)
    return None
