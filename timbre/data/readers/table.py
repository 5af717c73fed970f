"""Reader of libraries with a table of their files: metadata.csv, metadata.json, or any CSV table of files."""

from functools import partial

from timbre.data.readers._entries import entries, lists_files, names_pitches, note_of_row, read_entries, velocity_scale
from timbre.data.readers._reader import Options, Reader, Reading, separate
from timbre.data.tree import Tree
from timbre.errors import LibraryError


def _find_tables(tree: Tree) -> list[str]:
    """Tables of files in the library's top folder; a JSON file counts if it is metadata.json or was chosen."""
    tables = [file for file in tree.named(".csv", ".tsv") if "/" not in file and lists_files(tree, file)]
    return tables or [file for file in tree.named(".json") if file == tree.chosen or file.lower() == "metadata.json"]


def _read(tree: Tree, options: Options) -> Reading:
    tables = _find_tables(tree)
    named = [table for table in tables if table.lower() == "metadata.csv"] or tables
    if not named:
        raise LibraryError(f"{tree.root} must contain a table with a column of files; add one as metadata.csv.")
    if len(named) > 1:
        raise LibraryError(
            f"{tree.root} must contain one table of files, got {', '.join(named)}; name one of them metadata.csv."
        )
    listed = entries(tree, named[0])
    note_of = partial(note_of_row, velocity_scale=velocity_scale(listed))
    outcomes = read_entries(tree, named[0], listed, note_of)
    return Reading(*separate(outcomes), named[0], octaves_vary=names_pitches(listed))


READER = Reader("table", lambda tree: bool(_find_tables(tree)), _read)
