"""The cache folder, and files that appear complete or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from timbre.errors import ConfigError


def cache_folder() -> Path:
    """The folder for what timbre can compute again: TIMBRE_CACHE, or by default timbre's folder in the user's cache."""
    return Path(os.environ.get("TIMBRE_CACHE") or platformdirs.user_cache_dir("timbre"))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path, and rename it to `path` afterwards: a file is replaced, or a folder appears, in one step.

    The temporary path is in the same folder. After an error it is removed, and `path` does not change.
    """
    partial = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8; it appears complete or not at all.

    Raises:
        ConfigError: if it cannot be written.
    """
    path = path.expanduser()
    try:
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}; choose a folder you may write to.") from error
