"""Reader of Medley-solos-DB (Lostanlen & Cella 2016): clips of 3 s from solos on eight instruments, without pitches."""

from dataclasses import replace
from pathlib import Path

from timbre.data.note import Note
from timbre.data.readers._entries import Row, note_of_row, table_reader


def _with_file(row: Row) -> Row:
    """The cells with the name of the file, which consists of three columns."""
    if not {"subset", "instrument id", "uuid4"} <= row.keys():
        return row
    return {**row, "file": f"Medley-solos-DB_{row['subset']}-{row['instrument id']}_{row['uuid4']}.wav"}


def _note(path: Path, row: Row) -> Note:
    song = row.get("song id")
    source = f"Medley-solos-DB, song {song}" if song else "Medley-solos-DB"
    return replace(note_of_row(path, row), source=source, licence="CC-BY-4.0")


READER = table_reader(
    "medley",
    "Medley-solos-DB_metadata.csv",
    _note,
    _with_file,
    lambda listed: ["The clips are solos, not single notes: they have no pitch."],
)
