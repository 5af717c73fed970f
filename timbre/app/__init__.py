"""The page in the browser: a map of a space to look at and to play."""

from timbre.errors import DeviceError

try:
    from timbre.app.server import serve
except ModuleNotFoundError as error:
    package = str(error.name).partition(".")[0]
    if package not in ("starlette", "uvicorn", "websockets"):
        raise
    raise DeviceError(f"The page needs the package {package}: pip install 'timbre[app]'.") from error

__all__ = ["serve"]
