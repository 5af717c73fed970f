"""Reader of libraries with a table of their files: metadata.csv, metadata.json, or any CSV table of files."""

from functools import partial

from timbre.data.names import spelling_of
from timbre.data.readers._entries import (
    entries,
    first_line,
    lists_files,
    note_of_row,
    pitch_names,
    read_entries,
    velocity_scale,
)
from timbre.data.readers._reader import Options, Reader, Reading, separate
from timbre.data.report import Dropped, counted
from timbre.data.tree import Tree
from timbre.errors import LibraryError

_TEXTS = (".csv", ".tsv", ".tab", ".txt")
_LISTS = (".json", ".jsonl", ".ndjson")
_SHEETS = (".xlsx", ".xls", ".ods", ".numbers")
_MOST_UNREAD = 10  # tables of which it is said why they were not read


def _find_tables(tree: Tree) -> list[str]:
    """Tables of files in the library's top folder; a JSON file counts if it is called metadata or was chosen."""
    texts = [file for file in tree.named(*_TEXTS) if "/" not in file and lists_files(tree, file, _least(file))]
    return texts or [
        file for file in tree.named(*_LISTS) if file == tree.chosen or file.lower().rpartition(".")[0] == "metadata"
    ]


def _least(file: str) -> int:
    """Fewest known columns of a table: a text file may be anything."""
    return 2 if file.lower().endswith(".txt") else 1


def _suits(tree: Tree) -> bool:
    """Whether there is a table of files. One in JSON is read, since it may be anything."""
    tables = _find_tables(tree)
    if tree.chosen is None and tables and all(table.lower().endswith(_LISTS) for table in tables):
        return any(_why_no_list(tree, table) is None for table in tables)
    return bool(tables)


def _why_no_list(tree: Tree, table: str) -> str | None:
    try:
        entries(tree, table)
    except LibraryError as error:
        return str(error).removeprefix(f"{tree.root / table} ").rstrip(".")
    return None


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
    names = pitch_names(listed)
    note_of = partial(note_of_row, velocity_scale=velocity_scale(listed), spelling=spelling_of(names.values()))
    notes, dropped = separate(read_entries(tree, named[0], listed, note_of))
    return Reading(notes, dropped, named[0], octaves_vary=bool(names), remarks=_counts(named[0], dropped))


def _counts(table: str, dropped: list[Dropped]) -> list[str]:
    """A sentence about the rows without files and the files without rows, if there are any."""
    missing = sum(one.reason.endswith("names a file that does not exist") for one in dropped)
    unlisted = sum(one.reason == f"not in {table}" for one in dropped)
    texts = [f"{counted(missing, 'row')} without a file"] * (missing > 0)
    texts += [f"{counted(unlisted, 'file')} without a row"] * (unlisted > 0)
    return [f"table: {table} has {' and '.join(texts)}"] if texts else []


def unread_tables(tree: Tree, read: str) -> list[str]:
    """A sentence for each file that may be a table of the library but was not `read`, with the reason."""
    if tree.chosen is not None:
        return []
    why = {file: _why_unread(tree, file, read) for file in tree.named(*_TEXTS, *_LISTS, *_SHEETS) if file != read}
    said = [f"table: {file} was not read: {reason}" for file, reason in why.items() if reason]
    more = [f"table: {counted(len(said) - _MOST_UNREAD, 'other table')} not read"] if len(said) > _MOST_UNREAD else []
    return said[:_MOST_UNREAD] + more


def _why_unread(tree: Tree, file: str, read: str) -> str | None:
    """Why a file was not read as the table of the library; None if nobody expects it."""
    name = file.lower()
    if "/" in file and not (name.endswith(".csv") and _lists(tree, file, 2)):
        return None
    if name.endswith(_SHEETS):
        return "it is a spreadsheet; save it as metadata.csv"
    if "/" in file:
        return "it is not in the top folder"
    if name.endswith(_LISTS):
        fault = _why_no_list(tree, file) if name.rpartition(".")[0] == "metadata" else None
        return f"it {fault}" if fault else None
    if _lists(tree, file, _least(file)):
        return f"{read} was" if read else "it is not the table of this format"
    if name.endswith(".txt"):
        return None
    begins = f"begins with {line!r}" if (line := first_line(tree, file)) else "is empty"
    return f"no line names a column of files (file, path, filename); it {begins}"


def _lists(tree: Tree, file: str, least: int) -> bool:
    try:
        return lists_files(tree, file, least)
    except LibraryError:
        return False


READER = Reader("table", _suits, _read)
