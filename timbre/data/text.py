"""Writing texts: whole or not at all."""

import os
import secrets
from pathlib import Path

from timbre.errors import ConfigError


def write_text(path: Path, text: str) -> None:
    """Write a text file under another name and rename it, so that it appears whole or not at all.

    Raises:
        ConfigError: if it cannot be written.
    """
    path = path.expanduser()
    partial = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}; choose a folder you may write to.") from error
    finally:
        partial.unlink(missing_ok=True)
