"""The page in the browser: a map of a space to look at and to play."""

from timbre.errors import DeviceError
from timbre.wording import needs

PACKAGES = ("starlette", "uvicorn", "websockets")

try:
    from timbre.app.server import serve
except ModuleNotFoundError as error:
    if str(error.name).partition(".")[0] not in PACKAGES:
        raise
    raise DeviceError(needs("The page", *PACKAGES)) from error

__all__ = ["serve"]
