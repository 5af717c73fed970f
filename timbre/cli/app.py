"""`timbre app`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from timbre.cli.arguments import SpaceName


def app(
    space: SpaceName,
    /,
    *,
    notes: Annotated[Path | None, Parameter(metavar="FOLDER")] = None,
    host: Annotated[str, Parameter(metavar="ADDRESS")] = "127.0.0.1",
    port: Annotated[int, Parameter(metavar="PORT")] = 8765,
    open_: Annotated[bool, Parameter(name="--open", negative="--no-open")] = True,
) -> None:
    """Open a map of a space in the browser and play it there.

    New presets are saved in the folder of the space; those of a space given by its name, in the user's data folder.

    Args:
        notes: Folder of the library that the space was trained on. The page then plays its recordings next to the
            decoded notes.
        host: Address to listen at. Any address but the default lets other computers in; there is no password.
        port: Port to listen at; 0 takes a free one.
        open_: Open the page in the system's browser.
    """
    from timbre.app import serve

    serve(space, notes, host, port, open_)
