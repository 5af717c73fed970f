"""Reader of OrchideaSOL (Cella et al. 2020): 13,265 sounds with mutes and extended techniques and a table of them."""

from dataclasses import replace
from pathlib import Path

from timbre.data.names import plain
from timbre.data.note import Note
from timbre.data.readers._entries import Row, column, table_reader
from timbre.data.readers._reader import pitch_or_none
from timbre.data.readers.tinysol import applicable, retuned, sol_note


def _note(path: Path, row: Row) -> Note:
    """The note of a row; noises and multiphonics have no pitch."""
    if pitch_or_none(column(row, "pitch") or "") is None:
        row = {name: cell for name, cell in row.items() if not name.startswith("pitch")}
    note = sol_note(path, row)
    mute = row.get("mute in full") or row.get("mute abbr")
    articulation = "-".join(part for part in (note.articulation, mute and plain(mute)) if part)
    return replace(note, articulation=articulation or None, licence="Ircam Forum licence", source="OrchideaSOL")


READER = table_reader(
    "orchideasol",
    "OrchideaSOL, by OrchideaSOL_metadata.csv",
    "OrchideaSOL_metadata.csv",
    _note,
    applicable,
    retuned,
)
