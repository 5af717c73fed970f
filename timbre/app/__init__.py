"""The page: a map of a space in the browser, played there."""

from pathlib import Path

from timbre.errors import DeviceError

__all__ = ["serve"]

PORT = 8765


def serve(
    space: str | Path,
    notes: str | Path | None = None,
    host: str = "127.0.0.1",
    port: int = PORT,
    open_page: bool = False,
) -> None:
    """Show a space in the browser, until the process is interrupted.

    Args:
        space: folder of a saved space, where presets are kept too; or its name, then the user's data folder keeps them.
        notes: folder of the library that it was trained on, so that its sounds can be heard beside the decoded ones.
        host: address to listen at. Anyone who reaches it can play; there is no password.
        port: to listen at; 0 takes a free one.
        open_page: whether to open the system's browser.

    Raises:
        DeviceError: if the packages of the extra `app` are missing, or the address is in use or not this machine's.
        ConfigError: if a folder is missing, or the port is none.
        CheckpointError: if the space cannot be read.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
        import websockets  # noqa: F401
    except ImportError as error:
        raise DeviceError(f"The page needs the package {error.name}: pip install 'timbre[app]'.") from error
    from timbre.app.server import run

    run(space, None if notes is None else Path(notes), host, port, open_page)
