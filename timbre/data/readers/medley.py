"""Reader of Medley-solos-DB (Lostanlen & Cella 2016): clips of 3 s from solos on eight instruments, without pitches."""

from dataclasses import replace
from pathlib import Path

from timbre.data.note import Note
from timbre.data.readers._entries import Entry, Row, by_ending, entries, note_of_row, read_entries
from timbre.data.readers._reader import Options, Reader, Reading
from timbre.data.tree import Tree
from timbre.errors import LibraryError

_TABLE = "medley-solos-db_metadata.csv"


def _with_file(entry: Entry) -> Entry:
    """The entry with the name of its file, which is made of three columns."""
    place, row = entry
    if row is None or not {"subset", "instrument id", "uuid4"} <= row.keys():
        return entry
    return place, {**row, "file": f"Medley-solos-DB_{row['subset']}-{row['instrument id']}_{row['uuid4']}.wav"}


def _note(path: Path, row: Row) -> Note:
    song = row.get("song id")
    source = f"Medley-solos-DB, song {song}" if song else "Medley-solos-DB"
    return replace(note_of_row(path, row), source=source, licence="CC-BY-4.0")


def _read(tree: Tree, options: Options) -> Reading:
    table = next(iter(tree.named(_TABLE)), None)
    if table is None:
        raise LibraryError(f"{tree.root} holds no Medley-solos-DB_metadata.csv; it is wanted.")
    listed = [_with_file(entry) for entry in entries(tree, table)]
    notes, dropped = read_entries(tree, table, listed, _note, by_ending(tree))
    return Reading(notes, dropped, table, remarks=["The clips are solos, not single notes: they have no pitch."])


READER = Reader("medley", "Medley-solos-DB, by its annotation", lambda tree: bool(tree.named(_TABLE)), _read)
