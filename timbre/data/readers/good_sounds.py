"""Reader of good-sounds (Romani Picas et al. 2015): notes played well and badly on purpose and an SQLite database."""

import math
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from timbre.data.names import parse_dynamics, plain
from timbre.data.note import Note
from timbre.data.readers._reader import Options, Reader, Reading, has_folder, labelled, separate, unlisted
from timbre.data.report import Dropped
from timbre.data.tree import Tree
from timbre.errors import LibraryError

_DATABASE = "database.sqlite"
_QUERY = (
    "SELECT takes.id, takes.filename, takes.microphone, sounds.instrument, sounds.semitone, sounds.pitch_reference, "
    "sounds.dynamics, sounds.klass, packs.name, takes.sound_id FROM takes "
    "LEFT JOIN sounds ON sounds.id = takes.sound_id LEFT JOIN packs ON packs.id = sounds.pack_id LIMIT 1000000"
)
_OCTAVE = 12  # semitones: the database writes 48 for C4
_MOST_STEPS = 20_000_000  # of SQLite's virtual machine: a database may define a view that never ends


def _databases(tree: Tree) -> list[str]:
    return tree.named(_DATABASE if tree.chosen is None else ".sqlite")


def _rows(tree: Tree, database: str) -> list[tuple[Any, ...]]:
    """All takes with their sounds. The database is opened for reading only, and interrupted after too many steps."""
    path = tree.root / database
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            connection.text_factory = lambda content: content.decode("utf-8", "replace")
            connection.set_progress_handler(lambda: 1, _MOST_STEPS)
            rows = connection.execute(_QUERY).fetchall()
    except (sqlite3.Error, UnicodeError) as error:
        raise LibraryError(f"{path} cannot be read as the database of good-sounds: {error}.") from error
    return sorted(rows, key=lambda row: (row[0] if isinstance(row[0], int) else -1, str(row[1])))


def _note(tree: Tree, file: str, row: tuple[Any, ...]) -> Note | Dropped:
    _, _, microphone, instrument, semitone, reference, loudness, klass, pack, sound = row
    quality, name = str(klass or ""), plain(str(instrument or ""))
    if not name:
        return Dropped(file, "its take has no sound")
    if "scale" in quality:
        return Dropped(file, f"a scale, not a note ({quality})")
    return labelled(
        tree.root / file,
        "double_bass" if name == "bass" else re.sub("sax_(alto|baritone|soprano|tenor)", r"\1_sax", name),
        parse_dynamics(str(loudness or "")),
        pitch=_pitch(semitone, reference),
        licence="CC-BY-SA-4.0",
        source=", ".join(str(part) for part in ("good-sounds", pack, microphone) if part),
        recording=f"sound {sound}",
        flags=(f"quality: {quality}",) if quality and not quality.startswith("good") else (),
    )


def _pitch(semitone: Any, reference: Any) -> float | None:
    """MIDI pitch for the tuning of the session (often 442 Hz)."""
    if not isinstance(semitone, int) or not 0 <= semitone + _OCTAVE <= 127:
        return None
    tuned = isinstance(reference, int | float) and 400 <= reference <= 480
    return semitone + _OCTAVE + (12 * math.log2(reference / 440) if tuned else 0.0)


def _takes(tree: Tree, database: str) -> Iterator[Note | Dropped]:
    """The takes of a database, then the sound files that it does not list."""
    unused = dict.fromkeys(tree.sounds)
    for row in _rows(tree, database):
        reference = str(row[1] or "")
        file = tree.find(reference, database.rpartition("/")[0])
        if file in unused:
            del unused[file]
            yield _note(tree, file, row)
        else:
            why = "names a file that does not exist" if file is None else "names a file of another take, or no sound"
            yield Dropped(reference or f"({database}, take {row[0]})", f"{database}, take {row[0]} {why}")
    yield from unlisted(tree, set(tree.sounds) - unused.keys(), f"not in {database}")


def _read(tree: Tree, options: Options) -> Reading:
    databases = _databases(tree)
    if not databases:
        raise LibraryError(f"{tree.root} must contain {_DATABASE}, which comes with good-sounds; put it there.")
    return Reading(*separate(_takes(tree, databases[0])), databases[0])


READER = Reader("good-sounds", lambda tree: has_folder(tree, _databases(tree), "sound_files"), _read)
