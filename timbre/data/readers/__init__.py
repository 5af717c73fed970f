"""Readers of sample libraries: one format, one module, one contract."""

from timbre.data.readers import (
    decent,
    folders,
    good_sounds,
    iowa,
    medley,
    nsynth,
    orchideasol,
    pattern,
    philharmonia,
    sfz,
    soundfont,
    table,
    tinysol,
)
from timbre.data.readers._reader import Options, Reader, Reading
from timbre.data.tree import Tree
from timbre.errors import LibraryError

__all__ = ["READERS", "Options", "Reader", "Reading", "choose"]

_MODULES = (
    tinysol,
    orchideasol,
    medley,
    nsynth,
    good_sounds,
    table,
    sfz,
    decent,
    philharmonia,
    iowa,
    pattern,
    soundfont,
    folders,
)
READERS: dict[str, Reader] = {module.READER.name: module.READER for module in _MODULES}
"""By name; the first that suits a tree reads it, so formats that are told by certain signs stand first."""


def choose(tree: Tree, name: str | None = None, options: Options = Options()) -> Reader:  # noqa: B008  (frozen)
    """The reader called `name`, else that of patterns if the options hold one, else the first that suits the tree.

    Raises:
        LibraryError: if there is no such reader, or none suits; it names what there is.
    """
    if options.pattern is not None:
        if name not in (None, "pattern"):
            raise LibraryError(f"A pattern of names was given together with the format {name!r}; give one of them.")
        name = "pattern"
    if name is not None:
        if name not in READERS:
            raise LibraryError(f"There is no format {name!r}; known: {', '.join(READERS)}.")
        return READERS[name]
    for reader in READERS.values():
        if reader.suits(tree):
            return reader
    what = tree.root / tree.chosen if tree.chosen else tree.root
    raise LibraryError(f"{what} holds no sound files; a folder with WAV, FLAC, OGG, MP3 or AIFF files is wanted.")
