"""Reader of libraries whose file names follow a pattern of the user: "{instrument}/{note}_{dynamics}.wav"."""

import os
import re
import string
import unicodedata
from pathlib import Path

from timbre.audio.pitch import hz_to_midi
from timbre.data.names import SPELLINGS, family_folder, parse_dynamics, parse_note, plain, spelling_of
from timbre.data.note import Note
from timbre.data.readers._reader import Options, Reader, Reading, labelled, separate
from timbre.data.readers.folders import spread_layers
from timbre.data.report import Dropped
from timbre.data.tree import FOREIGN, SOUND, Tree
from timbre.errors import LibraryError

_NAMES = sorted({re.escape(name) for names in SPELLINGS.values() for name in names}, key=len, reverse=True)
_TEXT = re.compile(r"[^/]")
_MARKS = r"(?:(?:mezzo|molto)[ _-]?)?(?:pianissimo|piano|fortissimo|forte)|p{1,3}|mp|mf|f{1,3}"
_FIELDS = {
    **dict.fromkeys(("instrument", "family", "articulation", "source", "any"), _TEXT),
    "note": re.compile(rf"(?:{'|'.join(_NAMES)})(?:-[12]|[0-9])", re.IGNORECASE),
    "midi": re.compile(r"[0-9]{1,3}"),
    "hz": re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,9})?"),
    "velocity": re.compile(r"[0-9]{1,3}"),
    "dynamics": re.compile(_MARKS, re.IGNORECASE),
    "layer": re.compile(r"[0-9]{1,2}"),
    "take": re.compile(r"[0-9]{1,4}"),
}
"""Allowed content of each field; free text matches any letters within the name of one folder or file."""
_PITCHES = ("hz", "midi", "note")
_MOST = 20  # fields
_LONGEST = 1024  # characters of a path; no library has longer ones

Segment = tuple[str, str]
"""A literal text and the name of the field after it (empty at the end)."""


def compile_pattern(pattern: str) -> tuple[list[Segment], str | None]:
    """The parts of a pattern, and the suffix that it requires (lower case) or None.

    Raises LibraryError if it is malformed, has an unknown or repeated field, or no field for the pitch.
    """
    text = unicodedata.normalize("NFC", pattern.strip().replace("\\", "/").removeprefix("./"))
    suffix = os.path.splitext(text)[1].lower()
    named = suffix in SOUND | FOREIGN
    text = text[: -len(suffix)] if named or suffix == ".*" else text
    try:
        parsed = list(string.Formatter().parse(text))
        fault = _fault(parsed)
    except ValueError as error:
        fault = f"is malformed ({error})"
    if fault:
        raise LibraryError(
            f"The pattern {pattern!r} {fault}; use the fields {', '.join(f'{{{field}}}' for field in _FIELDS)}, with "
            "{note}, {midi} or {hz} among them, such as '{instrument}/{note}_{dynamics}_rr{take}.wav'."
        )
    return [(literal, field or "") for literal, field, _, _ in parsed], suffix if named else None


def _fault(parsed: list[tuple[str, str | None, str | None, str | None]]) -> str | None:
    """What is wrong with the fields of a pattern, or None."""
    fields = [field for _, field, _, _ in parsed if field is not None]
    if unknown := [field for field in fields if field not in _FIELDS]:
        return f"has the unknown field {{{unknown[0]}}}"
    if any(kind or conversion for _, _, kind, conversion in parsed):
        return "has a field with more than a name"
    if repeated := [field for field in fields if field != "any" and fields.count(field) > 1]:
        return f"has {{{repeated[0]}}} twice"
    if len(parsed) > _MOST:
        return f"has more than {_MOST} fields"
    return None if any(field in _PITCHES for field in fields) else "has no pitch"


def match(parts: list[Segment], text: str) -> dict[str, str] | None:
    """The fields of a path without its suffix, each as short as possible; None if it does not follow the pattern.

    Failed positions are remembered, so that the time grows at most with the square of the path's length.
    """
    failed: set[tuple[int, int]] = set()

    def rest(number: int, position: int) -> dict[str, str] | None:
        if number == len(parts):
            return {} if position == len(text) else None
        literal, field = parts[number]
        start = position + len(literal)
        if (number, position) in failed or text[position:start].casefold() != literal.casefold():
            return None
        for end in _ends(field, text, start):
            if (fields := rest(number + 1, end)) is not None:
                return {**fields, field: text[start:end]} if field else fields
        failed.add((number, position))
        return None

    return rest(0, 0)


def _ends(field: str, text: str, start: int) -> list[int] | range:
    """Possible ends of a field, the likeliest first: free text short, numbers and words long."""
    if not field:
        return [start]
    if _FIELDS[field] is _TEXT:
        slash = text.find("/", start)
        return range(start + 1, (len(text) if slash < 0 else slash) + 1)
    return [end for end in range(min(len(text), start + 24), start, -1) if _FIELDS[field].fullmatch(text, start, end)]


def _note(path: Path, fields: dict[str, str], default: str, spelling: str) -> Note:
    """The note of a path, with a `default` instrument; raises LibraryError if a number is out of range."""
    family = fields.get("family")
    if (velocity := int(fields.get("velocity", 0))) > 127:
        raise LibraryError(f"velocity must be at most 127, got {velocity}")
    return labelled(
        path,
        plain(fields.get("instrument", "")) or default,
        parse_dynamics(fields.get("dynamics", "")),
        family=family and (family_folder(family) or plain(family)),
        pitch=_pitch(fields, spelling),
        velocity=velocity / 127 if "velocity" in fields else None,
        articulation=fields.get("articulation"),
        source=fields.get("source"),
        take=int(fields["take"]) if "take" in fields else None,
    )


def _pitch(fields: dict[str, str], spelling: str) -> float:
    if "hz" in fields:
        hz = float(fields["hz"])
        if not 8.0 <= hz <= 13000.0:
            raise LibraryError(f"the frequency must be 8 to 13000 Hz, got {fields['hz']} Hz")
        return parse_note(hz_to_midi(hz))
    return parse_note(fields.get("midi") or fields["note"], spelling)


def _fields(file: str, parts: list[Segment], suffix: str | None) -> dict[str, str] | None:
    stem, own = os.path.splitext(file)
    stem = unicodedata.normalize("NFC", stem)
    return match(parts, stem) if len(stem) <= _LONGEST and suffix in (None, own.lower()) else None


def _read_file(
    tree: Tree, file: str, fields: dict[str, str] | None, spelling: str
) -> tuple[Note, int | None] | Dropped:
    """The note of a file and its velocity layer."""
    if fields is None:
        return Dropped(file, "its name does not follow the pattern")
    try:
        note = _note(tree.root / file, fields, plain(tree.root.name), spelling)
    except LibraryError as error:
        return Dropped(file, str(error).rstrip("."))
    return note, int(fields["layer"]) if "layer" in fields else None


def _read(tree: Tree, options: Options) -> Reading:
    if options.pattern is None:
        raise LibraryError("The format 'pattern' needs a pattern, such as '{instrument}/{note}_{dynamics}.wav'.")
    parts, suffix = compile_pattern(options.pattern)
    fields = {file: _fields(file, parts, suffix) for file in tree.sounds}
    spelling = spelling_of(found["note"] for found in fields.values() if found and "note" in found)
    notes, dropped = separate(_read_file(tree, file, found, spelling) for file, found in fields.items())
    vary = {field for _, field in parts} & set(_PITCHES) == {"note"}
    return Reading(spread_layers(notes), dropped, f"names, by the pattern {options.pattern}", octaves_vary=vary)


READER = Reader("pattern", lambda tree: False, _read)
