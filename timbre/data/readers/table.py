"""Reader of libraries with a table of their files: metadata.csv, metadata.json, or any CSV table of files."""

from functools import partial

from timbre.data.names import spelling_of
from timbre.data.readers._entries import (
    Entry,
    columns,
    entries,
    first_line,
    lists_files,
    named_files,
    names_any_file,
    note_of_row,
    pitch_names,
    read_entries,
    velocity_scale,
    without_words,
)
from timbre.data.readers._reader import Options, Reader, Reading, separate
from timbre.data.report import Dropped
from timbre.data.tree import Tree
from timbre.errors import LibraryError
from timbre.wording import counted

_TABLES = (".csv", ".tsv", ".tab")
_TEXTS = (".txt", ".md")
_LISTS = (".json", ".jsonl", ".ndjson")
_SHEETS = (".xlsx", ".xls", ".ods", ".numbers")
_MOST_UNREAD = 10  # tables of which it is said why they were not read
_LARGEST_LIST = 1 << 25  # bytes of a JSON file that is opened to see what it is
_MOST_FILES = 20  # texts or JSON files that are opened
_OTHER = "names no file of the library"
_FEWEST = 2  # files that a text must name to be a table of the library


def _find_tables(tree: Tree) -> list[str]:
    """Tables in the library's top folder; a JSON file counts if it was chosen, is called metadata, or names files."""
    texts = [file for file in tree.named(*_TABLES) if "/" not in file] + _few(tree, _TEXTS)
    texts = [file for file in texts if lists_files(tree, file, _least(file))]
    lists = [file for file in _few(tree, _LISTS) if _is_metadata(tree, file) or _fits(tree, file)]
    tables = texts or lists
    fitting = [table for table in tables if _why_unfit(tree, table) != _OTHER] if len(tables) > 1 else []
    return fitting or tables


def _few(tree: Tree, suffixes: tuple[str, ...]) -> list[str]:
    """Files in the top folder; of many, which belong to one sound each, only those called metadata."""
    files = [file for file in tree.named(*suffixes) if "/" not in file or file == tree.chosen]
    return files if len(files) <= _MOST_FILES else [file for file in files if _is_metadata(tree, file)]


def _is_metadata(tree: Tree, file: str) -> bool:
    return file == tree.chosen or file.lower().rpartition(".")[0] == "metadata"


def _least(file: str) -> int:
    """Fewest known columns of a table: a text file may be anything."""
    return 2 if file.lower().endswith(_TEXTS) else 1


def _fits(tree: Tree, table: str) -> bool:
    """Whether a table is that of the library, or a text that must be, though it cannot be read."""
    why = _why_unfit(tree, table)
    return why is None or (why != _OTHER and not table.lower().endswith(_LISTS))


def _suits(tree: Tree) -> bool:
    """Whether there is a table of files."""
    return any(tree.chosen is not None or _fits(tree, table) for table in _find_tables(tree))


def _why_unfit(tree: Tree, table: str) -> str | None:
    """Why a table does not describe the library; None if it names at least one of its files, or there are none."""
    path = tree.root / table
    try:
        if table.lower().endswith(_LISTS) and not _is_metadata(tree, table) and path.stat().st_size > _LARGEST_LIST:
            return f"has more than {_LARGEST_LIST} bytes; call it metadata.json to read it"
        return None if names_any_file(tree, table) or not tree.sounds else _OTHER
    except (LibraryError, OSError) as error:
        return str(error).removeprefix(f"{path} ").rstrip(".")


def _read(tree: Tree, options: Options) -> Reading:
    tables = _find_tables(tree)
    named = [table for table in tables if table.lower() == "metadata.csv"] or tables
    if not named:
        raise LibraryError(f"{tree.root} must contain a table with a column of files; add one as metadata.csv.")
    if len(named) > 1:
        raise LibraryError(
            f"{tree.root} must contain one table of files, got {', '.join(named)}; name one of them metadata.csv."
        )
    listed, remarks = without_words(named[0], entries(tree, named[0]))
    names = pitch_names(listed)
    note_of = partial(note_of_row, velocity_scale=velocity_scale(listed), spelling=spelling_of(names.values()))
    notes, dropped = separate(read_entries(tree, named[0], listed, note_of))
    remarks += _counts(named[0], dropped)
    if any(note.family != "percussion" for note in notes):
        remarks += _unlabelled(named[0], listed)
    return Reading(notes, dropped, named[0], octaves_vary=bool(names), remarks=remarks)


def _unlabelled(table: str, listed: list[Entry]) -> list[str]:
    """A sentence, if no column has the pitches."""
    names = ", ".join(columns(listed, "pitch", "hertz"))
    return [f"table: {table} has no column of pitches (pitch, note, midi, hz); its columns are: {names}"] * bool(names)


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
    candidates = sorted([*tree.named(*_TABLES, *_SHEETS), *_few(tree, _TEXTS), *_few(tree, _LISTS)])
    why = {file: _why_unread(tree, file, read) for file in candidates if file != read}
    said = [f"table: {file} was not read: {reason}" for file, reason in why.items() if reason]
    more = [f"table: {counted(len(said) - _MOST_UNREAD, 'other table')} not read"] if len(said) > _MOST_UNREAD else []
    return said[:_MOST_UNREAD] + more


def _why_unread(tree: Tree, file: str, read: str) -> str | None:
    """Why a file was not read as the table of the library; None if nobody expects it."""
    name = file.lower()
    if name.endswith(_SHEETS):
        return None if "/" in file else "it is a spreadsheet; save it as metadata.csv"
    try:
        if name.endswith(_LISTS) or lists_files(tree, file, 2 if "/" in file else _least(file)):
            return _why_other(tree, file, read)
        if "/" in file or (_least(file) > 1 and named_files(tree, file) < _FEWEST):
            return None
        begins = f"begins with {line!r}" if (line := first_line(tree, file)) else "is empty"
    except LibraryError as error:
        begins = str(error).removeprefix(f"{tree.root / file} ").rstrip(".")
    return f"no line names a column of files (file, path, filename); it {begins}"


def _why_other(tree: Tree, file: str, read: str) -> str | None:
    """Why a table of files, or a JSON file that may be one, was not read."""
    fault = _why_unfit(tree, file)
    if "/" in file:
        return None if fault else "it is not in the top folder"
    if not fault:
        return f"{read} was" if read else "it is not the table of this format"
    expected = not file.lower().endswith(_LISTS) or _is_metadata(tree, file) or named_files(tree, file) >= _FEWEST
    return f"it {fault}" if expected else None


READER = Reader("table", _suits, _read)
