"""Readers of sample libraries: one contract, and a module for each format."""

from timbre.data.readers import (
    decent,
    folders,
    good_sounds,
    iowa,
    medley,
    nsynth,
    pattern,
    philharmonia,
    sfz,
    sol,
    soundfont,
    table,
)
from timbre.data.readers._reader import Alternative, Options, Reader, Reading
from timbre.data.tree import Tree
from timbre.errors import LibraryError

__all__ = ["READERS", "Alternative", "Options", "Reader", "Reading", "choose", "unread"]

_MODULES = (medley, nsynth, good_sounds, table, sfz, decent, philharmonia, iowa, pattern, soundfont, folders)
_ALL = (sol.TINYSOL, sol.ORCHIDEASOL, *(module.READER for module in _MODULES))
READERS: dict[str, Reader] = {reader.name: reader for reader in _ALL}
"""Readers by name. The first that suits a tree reads it, so the formats with the clearest signs come first."""


def choose(tree: Tree, name: str | None = None, options: Options = Options()) -> Reader:  # noqa: B008  (frozen)
    """The reader called `name`; without a name, that of patterns if there is a pattern, else the first that suits.

    Raises:
        LibraryError: if no reader has this name, or none suits the tree.
    """
    if options.pattern is not None:
        if name not in (None, "pattern"):
            raise LibraryError(f"The format must be 'pattern' if a pattern is given, got {name!r}; give one of them.")
        name = "pattern"
    if name is not None:
        if name not in READERS:
            raise LibraryError(f"The format must be one of {', '.join(READERS)}; got {name!r}.")
        return READERS[name]
    for reader in READERS.values():
        if reader.suits(tree):
            return reader
    path = tree.root / tree.chosen if tree.chosen else tree.root
    raise LibraryError(f"{path} contains no sound files; choose a folder with WAV, FLAC, OGG, MP3 or AIFF files.")


def unread(tree: Tree, reader: Reader, reading: Reading) -> list[str]:
    """Sentences about tables that lie in the tree but were not read, for readers that have none of their own."""
    own = {"nsynth", "tinysol", "orchideasol", "good-sounds", "medley", "soundfont"}
    return [] if reader.name in own else table.unread_tables(tree, reading.labels if reader.name == "table" else "")
