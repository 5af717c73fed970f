"""`serve`: shows a space in the browser: socket, player, worker, web application and server."""

import socket
import sys
import threading
import time
import webbrowser
from contextlib import closing, suppress
from pathlib import Path

import uvicorn
import websockets  # noqa: F401  (uvicorn needs it for sockets)
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from timbre.app.connections import HttpConnection
from timbre.app.exports import FAILED, Exports
from timbre.app.guard import Guard, Hosts, numeric_address
from timbre.app.jobs import TooLong
from timbre.app.live import MAX_MESSAGE, Client
from timbre.app.routes import AppState, Routes
from timbre.app.worker import Busy, Worker, ctrl_c_held
from timbre.errors import ConfigError, DeviceError, TimbreError
from timbre.files import expanded
from timbre.maps.planes import plane
from timbre.page import STATIC
from timbre.playback.engine.frames import PREPARING, is_ready
from timbre.playback.player import Player
from timbre.playback.terminal import leaving_on_signals
from timbre.shapes.presets import read_presets
from timbre.space import Space, load
from timbre.space.names import find_space

PORT = 8765
_MAX_FRAME = 16 * MAX_MESSAGE  # bytes; a longer message closes the socket, one above MAX_MESSAGE is answered
_MOST_CONNECTIONS = 256
_SWITCH_INTERVAL = 0.00005  # s until a thread that computes, such as points along an axis, lets the sound go on
_END_TIMEOUT = 2  # s for open connections when the server ends


def serve(
    space: str | Path,
    notes: str | Path | None = None,
    host: str = "127.0.0.1",
    port: int = PORT,
    open_page: bool = False,
) -> None:
    """Show a space in the browser until the process is interrupted.

    Args:
        space: folder of a space, where presets are saved too; or its name, then they are saved in the user's data
            folder.
        notes: folder of the library that it was trained on, for playing its recordings next to the decoded notes.
        host: address to listen at. Anyone who reaches it can play; there is no password.
        port: to listen at; 0 takes a free one.
        open_page: open the system's browser.

    Raises:
        DeviceError: the packages of the extra `app` are missing (raised by the import), or the address is in use or
            not of this machine.
        ConfigError: a folder is missing, or the port is out of range.
        CheckpointError: the space cannot be read.
    """
    library = expanded(notes) if notes is not None else None
    if library is not None and not library.is_dir():
        raise ConfigError(f"There is no folder {notes}; give --notes the folder of the library.")
    listening = listen(host, port)
    _warn(host)
    sys.setswitchinterval(_SWITCH_INTERVAL)
    with listening, leaving_on_signals():
        loaded, port = load(space), listening.getsockname()[1]
        with ctrl_c_held():
            threading.Thread(target=_prepare, args=(loaded,), name="timbre map").start()
        folder = find_space(space)
        presets = read_presets(space, loaded)
        presets.warn()
        if not is_ready(loaded):
            print(PREPARING, flush=True)
        with (
            closing(Worker(folder)) as worker,
            closing(Exports(lambda: Worker(folder))) as exports,
            Player(loaded, presets, output="ring") as player,
        ):
            state = AppState(loaded, space, library, Client(player, player), worker, exports)
            server = make_server(make_site(state, Hosts(host, port)))
            address = f"http://{_authority(host, port)}/"
            print(f"{folder.resolve().name} is at {address}  (Ctrl-C ends it)", flush=True)
            if open_page:
                threading.Thread(target=_open, args=(server, address), daemon=True).start()
            server.run([listening])


def _prepare(space: Space) -> None:
    """Find the plane that the page shows first, while the engine starts."""
    with suppress(ConfigError):  # too few library notes; the page says so
        plane(space)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; a ConfigError or DeviceError as in :func:`serve`."""
    if not 0 <= port <= 65535:
        raise ConfigError(f"The port must be 1 to 65535, or 0 for a free one, got {port}.")
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return socket.create_server(addresses[0][4][:2], family=addresses[0][0], backlog=64)
    except socket.gaierror as error:
        reason = f"--host must be an address of this machine, got {host} ({error.strerror})"
        raise DeviceError(f"{reason}; 127.0.0.1 always works.") from error
    except OSError as error:
        reason = f"{host}:{port} cannot be used ({error.strerror})"
        raise DeviceError(f"{reason}; choose another port with --port, or --port 0 for a free one.") from error


def _warn(host: str) -> None:
    """Warn on stderr if other machines can reach the address."""
    address = numeric_address(host)
    if not (address.is_loopback if address else host == "localhost"):
        powers = "play this space, change its presets and hear its sounds; there is no password and no encryption."
        print(f"timbre: warning: anyone who reaches {host} can {powers}", file=sys.stderr)


def _authority(host: str, port: int) -> str:
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def make_site(state: AppState, hosts: Hosts) -> Starlette:
    """The web application, which may be addressed by the names in `hosts`."""
    routes = Routes(state)
    return Starlette(
        routes=[
            Route("/", routes.index),
            Route("/api/space", routes.space),
            Route("/api/address", routes.address),
            Route("/api/plane", routes.plane),
            Route("/api/heat", routes.heat),
            Route("/api/view", routes.view),
            Route("/api/axes", routes.axes),
            Route("/api/nearest", routes.nearest),
            Route("/api/draw", routes.draw),
            Route("/api/sound", routes.sound),
            Route("/api/original", routes.original),
            Route("/api/place", routes.place, methods=["POST"]),
            Route("/api/render", routes.render, methods=["POST"]),
            Route("/api/path", routes.path, methods=["POST"]),
            Route("/api/export", routes.exports),
            Route("/api/export", routes.export, methods=["POST"]),
            Route("/api/export", routes.delete_export, methods=["DELETE"]),
            Route("/api/export/file", routes.exported),
            Route("/api/presets", routes.presets),
            Route("/api/presets", routes.save_preset, methods=["PUT"]),
            Route("/api/presets", routes.delete_preset, methods=["DELETE"]),
            WebSocketRoute("/live", state.client.serve),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers=dict.fromkeys((TimbreError, HTTPException, Busy), _refused) | {Exception: _failed},
    )


async def _refused(_: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code)
    statuses: dict[type, int] = {TooLong: 413, Busy: 503}
    return JSONResponse({"error": str(error)}, statuses.get(type(error), 400))


async def _failed(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": FAILED}, 500)


def make_server(site: object) -> uvicorn.Server:
    """A web server for an application, with limits; it prints faults only."""
    config = uvicorn.Config(
        site, log_level="warning", access_log=False, server_header=False, ws="websockets-sansio",
        http=HttpConnection, ws_max_size=_MAX_FRAME, ws_per_message_deflate=False,  # samples do not become smaller
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_END_TIMEOUT, lifespan="off",
    )  # fmt: skip
    return uvicorn.Server(config)


def _open(server: uvicorn.Server, address: str) -> None:
    while not server.started:
        time.sleep(0.05)
    webbrowser.open(address)
