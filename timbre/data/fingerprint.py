"""Fingerprint of a library, by which a run recognises the notes it was started with."""

import hashlib
import json
from typing import Any

from timbre.data.library import Library
from timbre.data.note import Note
from timbre.data.parts import to_dict


def fingerprint(library: Library) -> str:
    """A hash of the notes: their files, their labels, and the library's own split."""
    notes = [
        [note.name, note.instrument, note.pitch, note.velocity, note.file.name, *_further(note)] for note in library
    ]
    return hashlib.sha256(json.dumps(notes).encode()).hexdigest()[:16]


def _further(note: Note) -> list[Any]:
    """Labels that only some notes have; empty for the others, as in fingerprints of version 0.1."""
    return [] if note.part is None and note.split is None else [to_dict(note.part), note.split]
