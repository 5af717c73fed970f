"""`timbre app`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def app(
    space: str,
    /,
    *,
    notes: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8765,
    open_: Annotated[bool, Parameter(name="--open", negative="--no-open")] = True,
) -> None:
    """Open a map of a space in the browser, and play it there.

    Parameters
    ----------
    space
        Folder of a saved space, or the name of one (`timbre inspect` lists the names). Presets are kept in the folder;
        those added to a named space in the user's own data folder.
    notes
        Folder of the library that it was trained on: then its sounds can be heard beside the decoded ones.
    host
        Address to listen at. Any but this machine's own lets others in: there is no password.
    port
        To listen at; 0 takes a free one.
    open_
        Open the page in the system's browser.
    """
    from timbre.app import serve

    serve(space, notes, host, port, open_)
