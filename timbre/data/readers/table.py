"""Reader of libraries that come with a table of their files: metadata.csv, metadata.json, any CSV of files."""

from timbre.data.readers._entries import (
    entries,
    lists_files,
    names_pitches,
    note_of_row,
    read_entries,
    velocity_scale,
)
from timbre.data.readers._reader import Options, Reader, Reading
from timbre.data.tree import Tree
from timbre.errors import LibraryError


def _find_tables(tree: Tree) -> list[str]:
    """Tables in the library's own folder that list files; JSON only by name, or where it was chosen."""
    found = [file for file in tree.named(".csv", ".tsv") if "/" not in file and lists_files(tree, file)]
    return found or [file for file in tree.named(".json") if file == tree.chosen or file.lower() == "metadata.json"]


def _read(tree: Tree, options: Options) -> Reading:
    tables = _find_tables(tree)
    named = [table for table in tables if table.lower() == "metadata.csv"] or tables
    if len(named) != 1:
        what = f"several tables of files ({', '.join(named)})" if named else "no table with a column of files"
        advice = "keep one of them, or name it metadata.csv" if named else "a CSV file such as metadata.csv is wanted"
        raise LibraryError(f"{tree.root} holds {what}; {advice}.")
    listed = entries(tree, named[0])
    scale = velocity_scale(listed)
    notes, dropped = read_entries(tree, named[0], listed, lambda path, row: note_of_row(path, row, scale))
    return Reading(notes, dropped, named[0], octaves_vary=names_pitches(listed))


READER = Reader("table", "a CSV or JSON table of files and labels", lambda tree: bool(_find_tables(tree)), _read)
