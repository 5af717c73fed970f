"""Reader of OrchideaSOL (Cella et al. 2020): 13,265 sounds with mutes and extended techniques, and a table of them."""

from dataclasses import replace
from pathlib import Path

from timbre.data.names import parse_note, plain
from timbre.data.note import Note
from timbre.data.readers._entries import Row, by_ending, column, read_entries
from timbre.data.readers._reader import Options, Reader, Reading
from timbre.data.readers.tinysol import retuned, sol_entries, sol_note
from timbre.data.tree import Tree
from timbre.errors import LibraryError

_TABLE = "orchideasol_metadata.csv"


def _note(path: Path, row: Row) -> Note:
    """The note of a row; noises and multiphonics, whose pitch is no pitch, have none."""
    pitch = column(row, "pitch")
    if pitch is not None and not _is_pitch(pitch):
        row = {name: cell for name, cell in row.items() if not name.startswith("pitch")}
    note = sol_note(path, row)
    mute = row.get("mute in full") or row.get("mute abbr")
    articulation = "-".join(part for part in (note.articulation, mute and plain(mute)) if part)
    return replace(note, articulation=articulation or None, licence="Ircam Forum licence", source="OrchideaSOL")


def _is_pitch(text: str) -> bool:
    try:
        parse_note(text)
    except LibraryError:
        return False
    return True


def _read(tree: Tree, options: Options) -> Reading:
    table, listed = sol_entries(tree, _TABLE)
    notes, dropped = read_entries(tree, table, listed, _note, by_ending(tree))
    return Reading(notes, dropped, table, remarks=retuned(listed))


READER = Reader("orchideasol", "OrchideaSOL, by OrchideaSOL_metadata.csv", lambda tree: bool(tree.named(_TABLE)), _read)
