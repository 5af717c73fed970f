"""From a folder to a page: the listening socket, the player, the worker, and their end."""

import ipaddress
import socket
import sys
import threading
import time
import webbrowser
from contextlib import closing
from pathlib import Path

import uvicorn

import timbre
from timbre.app.guard import Hosts
from timbre.app.live import MESSAGE, Client
from timbre.app.pages import AppState
from timbre.app.site import make_site
from timbre.app.work import Worker
from timbre.errors import ConfigError, DeviceError
from timbre.playback.engine.frames import PREPARING, is_ready
from timbre.playback.player import Player
from timbre.playback.terminal import leaving_on_signals
from timbre.shapes.presets import read_presets
from timbre.space.names import find_space

_LEAVING = 2  # s that open connections have when the server ends


def run(place: str | Path, notes: Path | None, host: str, port: int, open_page: bool = False) -> None:
    """See :func:`timbre.app.serve`."""
    if notes is not None and not notes.expanduser().is_dir():
        raise ConfigError(f"There is no folder {notes}; give --notes the folder of the library.")
    listening = listen(host, port)
    warn_of(host)
    with listening, leaving_on_signals():
        space, port = timbre.load(place), listening.getsockname()[1]
        presets = read_presets(place, space)
        if not is_ready(space):
            print(PREPARING, flush=True)
        with closing(Worker(find_space(place))) as worker, Player(space, presets, output="ring") as player:
            stage = AppState(space, place, notes and notes.expanduser(), Client(player, player), worker)
            server = make_server(make_site(stage, Hosts(host, port)))
            address = f"http://{_authority(host, port)}/"
            print(f"{find_space(place).resolve().name} is at {address}  (Ctrl-C ends it)", flush=True)
            if open_page:
                threading.Thread(target=_open, args=(server, address), daemon=True).start()
            server.run([listening])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        ConfigError: the port is none.
        DeviceError: the address is in use, or not of this machine.
    """
    if not 0 <= port <= 65535:
        raise ConfigError(f"The port is {port}; a number from 0, for a free one, to 65535 is wanted.")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return socket.create_server(found[0][4][:2], family=found[0][0], backlog=64)
    except socket.gaierror as error:
        raise DeviceError(f"{host} is no address of this machine ({error.strerror}); 127.0.0.1 is itself.") from error
    except OSError as error:
        where = f"{host}:{port} cannot be listened at ({error.strerror})"
        raise DeviceError(f"{where}; choose another port with --port, or --port 0 for a free one.") from error


def warn_of(host: str) -> None:
    """Say on stderr who can reach an address that is not this machine's alone."""
    if not _is_loopback(host):
        print(
            f"timbre: warning: whoever reaches {host} can play this space, keep and remove presets, and hear its "
            "sounds; there is no password and no encryption.",
            file=sys.stderr,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _authority(host: str, port: int) -> str:
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def make_server(site: object) -> uvicorn.Server:
    """A server for an application; bounded, and silent but for faults."""
    config = uvicorn.Config(
        site, log_level="warning", access_log=False, server_header=False, ws="websockets-sansio",
        ws_max_size=MESSAGE, limit_concurrency=64, timeout_graceful_shutdown=_LEAVING, lifespan="off",
    )  # fmt: skip
    return uvicorn.Server(config)


def _open(server: uvicorn.Server, address: str) -> None:
    while not server.started:
        time.sleep(0.05)
    webbrowser.open(address)
