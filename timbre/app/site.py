"""The page's addresses, who may ask for them, and what is said where something is refused."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from timbre.app.guard import Guard, Hosts
from timbre.app.jobs import TooLong
from timbre.app.pages import STATIC, AppState, Routes
from timbre.app.work import Busy
from timbre.errors import TimbreError


def make_site(stage: AppState, hosts: Hosts) -> Starlette:
    """The application.

    Args:
        stage: what it shows.
        hosts: the names by which it may be addressed.
    """
    pages = Routes(stage)
    routes = [
        Route("/", pages.index),
        Route("/api/space", pages.space),
        Route("/api/plane", pages.plane),
        Route("/api/heat", pages.heat),
        Route("/api/nearest", pages.nearest),
        Route("/api/sound", pages.sound),
        Route("/api/original", pages.original),
        Route("/api/place", pages.place, methods=["POST"]),
        Route("/api/render", pages.render, methods=["POST"]),
        Route("/api/path", pages.path, methods=["POST"]),
        Route("/api/presets", pages.presets),
        Route("/api/presets", pages.keep, methods=["PUT"]),
        Route("/api/presets", pages.remove, methods=["DELETE"]),
        WebSocketRoute("/live", stage.seat.serve),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={
            TimbreError: _refused,
            TooLong: _refused,
            HTTPException: _refused,
            Busy: _refused,
            Exception: _failed,
        },
    )


async def _refused(_: Request, error: Exception) -> Response:
    statuses: dict[type, int] = {TooLong: 413, Busy: 503}
    status = error.status_code if isinstance(error, HTTPException) else statuses.get(type(error), 400)
    sentence = error.detail if isinstance(error, HTTPException) else " ".join(str(error).split())
    return JSONResponse({"error": sentence}, status)


async def _failed(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": "The server met a fault of its own; the terminal that runs it says which."}, 500)
