"""Spaces by name: those that come with timbre, and those in the user's cache folder.

A name means the same space everywhere. A text with a separator, one that begins with "~" or ".", and the name of a
folder or file in the working folder are paths, never names.
"""

import difflib
import os
import re
from pathlib import Path

import platformdirs

from timbre.errors import CheckpointError, ConfigError
from timbre.files import cache_folder, expanded

# An installed timbre has its spaces next to this module; a checkout has them in its top folder.
SHIPPED = (Path(__file__).parent / "pretrained", Path(__file__).parents[2] / "pretrained")
NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")


def find_space(space: str | Path) -> Path:
    """The folder of a space, given by its path or name (of one that comes with timbre or is in the cache folder).

    Raises:
        ConfigError: if there is no space of that name, or the text is empty.
        CheckpointError: if there is no such folder.
    """
    name, local = os.fspath(space), local_spaces()
    if is_path(space):
        return _checked(expanded(space, CheckpointError), name, local)
    if name not in local:
        close = difflib.get_close_matches(name, local, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        names = f"the names are {', '.join(local)}" if local else "no names are known"
        raise ConfigError(
            f"There is no folder and no space called {name}; {names}, and a folder elsewhere is given by its path, "
            f"such as ./{name}.{hint}"
        )
    return local[name]


def is_path(space: str | Path) -> bool:
    """Whether a text is the path of a space, and not its name."""
    text = os.fspath(space)
    return not NAME.fullmatch(text) or os.path.lexists(text)


def local_spaces() -> dict[str, Path]:
    """The folders of spaces by name: shipped ones first, then those in the cache."""
    spaces: dict[str, Path] = {}
    for folder in (*SHIPPED, cache_folder() / "pretrained"):
        for config in sorted(folder.glob("*/config.json")):
            if NAME.fullmatch(config.parent.name):
                spaces.setdefault(config.parent.name, config.parent)
    return spaces


def user_folder(space: str | Path) -> Path:
    """The folder of a user's presets for a space: its own folder if it is given by a path; if by a name, one in the
    user's data folder, so that the files of a named space do not change."""
    if is_path(space):
        return expanded(space, CheckpointError)
    return Path(platformdirs.user_data_dir("timbre")) / "pretrained" / str(space)


def _checked(folder: Path, text: str, local: dict[str, Path]) -> Path:
    """The folder, if it may be that of a space."""
    expected = "the folder of a trained space" + (f" or a name ({', '.join(local)})" if local else "")
    if not text.strip():
        raise ConfigError(f"A space must be {expected}, got {text!r}.")
    if folder.is_dir():
        if not (folder / "config.json").exists() and (hidden := local.get(text)):
            raise CheckpointError(
                f"The folder {text} in the working folder is not a space, and hides the space of that name; give its "
                f"path, {hidden}."
            )
        return folder
    problem = "is a file" if folder.exists() else "does not exist"
    raise CheckpointError(f"A space must be {expected}; {text} {problem}.")
