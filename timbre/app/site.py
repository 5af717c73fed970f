"""`make_site`: the web application: addresses, guard and error answers."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from timbre.app.guard import Guard, Hosts
from timbre.app.jobs import TooLong
from timbre.app.routes import STATIC, AppState, Routes
from timbre.app.worker import Busy
from timbre.errors import TimbreError


def make_site(state: AppState, hosts: Hosts) -> Starlette:
    """The web application.

    Args:
        state: what it shows.
        hosts: names by which it may be addressed.
    """
    routes = Routes(state)
    return Starlette(
        routes=[
            Route("/", routes.index),
            Route("/api/space", routes.space),
            Route("/api/plane", routes.plane),
            Route("/api/heat", routes.heat),
            Route("/api/nearest", routes.nearest),
            Route("/api/sound", routes.sound),
            Route("/api/original", routes.original),
            Route("/api/place", routes.place, methods=["POST"]),
            Route("/api/render", routes.render, methods=["POST"]),
            Route("/api/path", routes.path, methods=["POST"]),
            Route("/api/presets", routes.presets),
            Route("/api/presets", routes.save_preset, methods=["PUT"]),
            Route("/api/presets", routes.delete_preset, methods=["DELETE"]),
            WebSocketRoute("/live", state.client.serve),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={
            **dict.fromkeys((TimbreError, TooLong, HTTPException, Busy), _refused),
            Exception: _failed,
        },
    )


async def _refused(_: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code)
    statuses: dict[type, int] = {TooLong: 413, Busy: 503}
    return JSONResponse({"error": " ".join(str(error).split())}, statuses.get(type(error), 400))


async def _failed(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": "The server had an internal error; its terminal shows the details."}, 500)
