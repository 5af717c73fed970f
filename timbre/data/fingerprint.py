"""A hash by which a run knows the notes that it was started on."""

import hashlib
import json
from typing import Any

from timbre.data.library import Library, Note
from timbre.data.parts import to_dict


def fingerprint(library: Library) -> str:
    """A hash of a library's notes: their files, their labels, and what the library itself holds out."""
    notes = [
        [note.name, note.instrument, note.pitch, note.velocity, note.file.name, *_further(note)] for note in library
    ]
    return hashlib.sha256(json.dumps(notes).encode()).hexdigest()[:16]


def _further(note: Note) -> list[Any]:
    """What only some notes have; left out of other notes, whose fingerprints older versions made without it."""
    return [] if note.part is None and note.split is None else [to_dict(note.part), note.split]
