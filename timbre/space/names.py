"""Spaces by name: those that come with timbre, those in the user's cache, and those that a registry knows.

A name stands for the same space everywhere. Words with a separator, words that begin with "~" or ".", and words that
are a folder or file here are paths, and never names.
"""

import difflib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from timbre.data.download.unpacking import unpack
from timbre.errors import CheckpointError, ConfigError, TimbreError
from timbre.files import cache_folder
from timbre.space.registry import Entry, download, registry

# An installed timbre has its spaces beside this module; a checkout has them where people look for them.
SHIPPED = (Path(__file__).parent / "pretrained", Path(__file__).parents[2] / "pretrained")
NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
_ROOM = 3  # times an archive's size that it and what it holds may take


def find_space(space: "str | Path") -> Path:
    """The folder of a space.

    Args:
        space: a path; or a name, which is looked up among the spaces that come with timbre, in the cache
            (`pretrained/NAME` there), and in the registry, from which it is fetched into the cache.

    Raises:
        ConfigError: it is neither a folder nor a known name.
        CheckpointError: it cannot be fetched, or what came is no whole space; nothing of it is left behind.
    """
    if is_path(space):
        return _checked(Path(space).expanduser(), space)
    local = local_spaces()
    if str(space) in local:
        return local[str(space)]
    known = registry()
    if str(space) in known:
        return _fetched(str(space), known[str(space)])
    raise ConfigError(_unknown(str(space), [*local, *known]))


def is_path(space: "str | Path") -> bool:
    """Whether words name a folder rather than a space that is known by its name."""
    text = os.fspath(space)
    return not NAME.fullmatch(text) or os.path.lexists(text)


def local_spaces() -> dict[str, Path]:
    """The folders of the spaces that need no network, by name: shipped ones first, then those in the cache."""
    found: dict[str, Path] = {}
    for place in (*SHIPPED, _cache()):
        for config in sorted(place.glob("*/config.json")):
            if NAME.fullmatch(config.parent.name):
                found.setdefault(config.parent.name, config.parent)
    return found


def user_folder(space: "str | Path") -> Path:
    """Where a user's own presets of a space are kept: in its folder if it is given by its path; if by its name, in
    the user's data folder, so that shipped files stay as they are and a space fetched anew loses nothing."""
    if is_path(space):
        return Path(space).expanduser()
    return Path(platformdirs.user_data_dir("timbre")) / "pretrained" / str(space)


def _cache() -> Path:
    return cache_folder() / "pretrained"


def _checked(folder: Path, given: "str | Path") -> Path:
    """The folder, if it can be that of a space at all."""
    text = os.fspath(given)
    if not text.strip():
        raise ConfigError(f"{text!r} came for a space; the path of its folder or {_names(local_spaces())} is wanted.")
    if folder.is_dir():
        if not (folder / "config.json").exists() and (hidden := local_spaces().get(text)):
            raise CheckpointError(f"The folder {text} here is no space and hides the one of that name; give {hidden}.")
        return folder
    if folder.exists():
        raise CheckpointError(
            f"{text} is a file; the folder of a trained space, or {_names(local_spaces())}, is wanted."
        )
    known = _names(local_spaces())
    raise CheckpointError(f"There is no folder {text}; the folder of a trained space, or {known}, is wanted.")


def _names(known: Mapping[str, Path]) -> str:
    return f"a known name ({', '.join(known)})" if known else "the name of a fetched one"


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    listed = f"the names are {', '.join(dict.fromkeys(known))}" if known else "no names are known here"
    return (
        f"There is no folder and no space called {name}; {listed}, and a folder elsewhere is given by its path, such "
        f"as ./{name}.{hint}"
    )


def _fetched(name: str, entry: Entry) -> Path:
    """Bring a space of the registry into the cache, whole or not at all."""
    place = _cache()
    try:
        place.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(place).free < _ROOM * entry.bytes:
            raise CheckpointError(
                f"{name} needs {_ROOM * entry.bytes / 1e6:.1f} MB in {place}, which has less; make room, or name "
                "another folder with TIMBRE_CACHE."
            )
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=place) as folder:
            made = _unpacked(name, entry, Path(folder))
            _move(made, place / name)
    except OSError as error:
        raise CheckpointError(f"{name} cannot be kept in {place}: {error.strerror or error}.") from error
    return place / name


def _unpacked(name: str, entry: Entry, folder: Path) -> Path:
    """The space of an archive, fetched and unpacked inside a folder, after a look at all of it."""
    from timbre.models.checkpoint import read_folder

    archive = download(name, entry, folder)
    inside = folder / "unpacked"
    try:
        unpack(archive, inside, archive.name)
        alone = [path for path in inside.iterdir() if path.is_dir()] if not (inside / "config.json").exists() else []
        made = alone[0] if len(alone) == 1 else inside
        _, files, _ = read_folder(made)
        if "atlas.json" not in files:
            raise CheckpointError(f"{made} has no atlas.json.")
    except TimbreError as error:
        reason = str(error).replace(f"{inside}{os.sep}", "").replace(str(inside), "its archive")
        raise CheckpointError(f"What {entry.url} holds is no whole space, and nothing was kept: {reason}") from error
    return made


def _move(made: Path, target: Path) -> None:
    try:
        os.replace(made, target)
    except OSError:
        if not (target / "config.json").exists():  # else another process was faster
            raise
