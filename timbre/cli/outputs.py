"""What commands write: checked before the work, whole or not at all."""

import os
from pathlib import Path

from timbre.errors import ConfigError


def check_target(path: Path) -> None:
    """Refuse an output file that could not be written, before any work is done for it."""
    folder = path.expanduser().parent
    if path.expanduser().is_dir():
        raise ConfigError(f"{path} is a folder; the name of a file to write is wanted.")
    if not folder.is_dir():
        raise ConfigError(f"{path} cannot be written: there is no folder {folder}; make it first.")
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"{path} cannot be written: {folder} does not let you; choose a folder you may write to.")


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, unless it is there."""
    try:
        path.expanduser().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"The folder {path} cannot be made: {error.strerror}; choose another.") from error
