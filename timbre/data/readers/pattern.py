"""Reader of a library whose file names follow a pattern that its user gives: "{instrument}/{note}_{dynamics}.wav"."""

import os
import re
import string
import unicodedata
from collections import defaultdict
from pathlib import Path

from timbre.audio.pitch import hz_to_midi
from timbre.data.names import family_folder, family_of, parse_dynamics, parse_note, plain, velocity_of
from timbre.data.note import Note
from timbre.data.readers._reader import Options, Reader, Reading
from timbre.data.readers.folders import spread_layers
from timbre.data.report import Dropped
from timbre.data.tree import FOREIGN, SOUND, Tree
from timbre.errors import LibraryError

_TEXT = re.compile(r"[^/]")
_MARKS = r"(?:(?:mezzo|molto)[ _-]?)?(?:pianissimo|piano|fortissimo|forte)|p{1,3}|mp|mf|f{1,3}"
_FIELDS = {
    "instrument": _TEXT,
    "family": _TEXT,
    "articulation": _TEXT,
    "source": _TEXT,
    "any": _TEXT,
    "note": re.compile(r"[A-G](?:#|sharp|s|♯|flat|b|♭)?(?:-1|[0-9])", re.IGNORECASE),
    "midi": re.compile(r"[0-9]{1,3}"),
    "hz": re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,9})?"),
    "velocity": re.compile(r"[0-9]{1,3}"),
    "dynamics": re.compile(_MARKS, re.IGNORECASE),
    "layer": re.compile(r"[0-9]{1,2}"),
    "take": re.compile(r"[0-9]{1,4}"),
}
"""What each field may hold; those of free text grow letter by letter inside one folder's or file's name."""
_PITCHES = ("hz", "midi", "note")
_MOST = 20  # fields
_LONGEST = 1024  # characters of a path; more is no library's name

Part = tuple[str, str]
"""A literal text, and the name of the field after it (empty at the end)."""


def compile_pattern(pattern: str) -> tuple[list[Part], str | None]:
    """The parts of a pattern, and the suffix that it demands (lower case) or None.

    Raises:
        LibraryError: if it is malformed, has an unknown or repeated field, or none that tells a pitch.
    """
    text = unicodedata.normalize("NFC", pattern.strip().replace("\\", "/").removeprefix("./"))
    suffix = os.path.splitext(text)[1].lower()
    named = suffix in SOUND | FOREIGN
    text = text[: -len(suffix)] if named or suffix == ".*" else text
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError as error:
        raise _refusal(pattern, f"is malformed ({error})") from error
    if fault := _fault(parsed):
        raise _refusal(pattern, fault)
    return [(literal, field or "") for literal, field, _, _ in parsed], suffix if named else None


def _fault(parsed: list[tuple[str, str | None, str | None, str | None]]) -> str | None:
    """What is wrong with the fields of a pattern."""
    fields = [field for _, field, _, _ in parsed if field is not None]
    if unknown := [field for field in fields if field not in _FIELDS]:
        return f"has the unknown field {{{unknown[0]}}}"
    if any(kind or conversion for _, _, kind, conversion in parsed):
        return "says more in a field than its name"
    if repeated := [field for field in fields if field != "any" and fields.count(field) > 1]:
        return f"has {{{repeated[0]}}} twice"
    if len(parsed) > _MOST:
        return f"has more than {_MOST} fields"
    return None if any(field in _PITCHES for field in fields) else "tells no pitch"


def match(parts: list[Part], text: str) -> dict[str, str] | None:
    """The fields of a path without its suffix, each as short as can be; None if it does not follow the pattern.

    Places that led nowhere are remembered, so that the time grows with the square of the path's length at most,
    whatever the pattern.
    """
    dead: set[tuple[int, int]] = set()

    def rest(number: int, place: int) -> dict[str, str] | None:
        if number == len(parts):
            return {} if place == len(text) else None
        literal, field = parts[number]
        if (number, place) in dead or text[place : place + len(literal)].casefold() != literal.casefold():
            return None
        start = place + len(literal)
        for end in _ends(field, text, start):
            if (found := rest(number + 1, end)) is not None:
                return {**found, field: text[start:end]} if field else found
        dead.add((number, place))
        return None

    return rest(0, 0)


def _ends(field: str, text: str, start: int) -> list[int] | range:
    """Where a field that starts at a place may end, the likeliest first: free text short, numbers and words long."""
    if not field:
        return [start]
    if _FIELDS[field] is _TEXT:
        slash = text.find("/", start)
        return range(start + 1, (len(text) if slash < 0 else slash) + 1)
    return [end for end in range(min(len(text), start + 24), start, -1) if _FIELDS[field].fullmatch(text, start, end)]


def _refusal(pattern: str, what: str) -> LibraryError:
    known = ", ".join(f"{{{field}}}" for field in _FIELDS)
    return LibraryError(
        f"The pattern {pattern!r} {what}; one such as '{{instrument}}/{{note}}_{{dynamics}}_rr{{take}}.wav' is wanted, "
        f"of {known}, with {{note}}, {{midi}} or {{hz}} among them."
    )


def _note(path: Path, fields: dict[str, str], otherwise: str) -> Note:
    """The note that a path describes.

    Raises:
        LibraryError: if a number in it is out of range.
    """
    instrument = plain(fields.get("instrument", "")) or otherwise
    family = fields.get("family")
    dynamics = parse_dynamics(fields.get("dynamics", ""))
    if (velocity := int(fields.get("velocity", 0))) > 127:
        raise LibraryError(f"velocity {velocity} is larger than 127")
    return Note(
        file=path,
        instrument=instrument,
        family=family_folder(family) or plain(family) if family else family_of(instrument),
        pitch=_pitch(fields),
        velocity=velocity / 127 if "velocity" in fields else velocity_of(dynamics),
        dynamics=dynamics,
        articulation=fields.get("articulation"),
        source=fields.get("source"),
        take=int(fields["take"]) if "take" in fields else None,
    )


def _pitch(fields: dict[str, str]) -> float:
    if "hz" in fields:
        hz = float(fields["hz"])
        if not 8.0 <= hz <= 13000.0:
            raise LibraryError(f"{fields['hz']} Hz is no pitch from 8 to 13000 Hz")
        return parse_note(hz_to_midi(hz))
    return parse_note(fields.get("midi") or fields["note"])


def _read_file(tree: Tree, file: str, parts: list[Part], suffix: str | None) -> tuple[Note, dict[str, str]] | str:
    """The note of a file and what its name says, or why there is none."""
    stem, own = os.path.splitext(file)
    stem = unicodedata.normalize("NFC", stem)
    fields = match(parts, stem) if len(stem) <= _LONGEST and suffix in (None, own.lower()) else None
    if fields is None:
        return "its name does not follow the pattern"
    try:
        return _note(tree.root / file, fields, plain(tree.root.name)), fields
    except LibraryError as error:
        return str(error).rstrip(".")


def _read(tree: Tree, options: Options) -> Reading:
    if options.pattern is None:
        raise LibraryError("The format 'pattern' needs a pattern, such as '{instrument}/{note}_{dynamics}.wav'.")
    parts, suffix = compile_pattern(options.pattern)
    notes: list[Note] = []
    dropped: list[Dropped] = []
    layers: dict[tuple[str, str | None], list[tuple[int, int]]] = defaultdict(list)
    for file in tree.sounds:
        outcome = _read_file(tree, file, parts, suffix)
        if isinstance(outcome, str):
            dropped.append(Dropped(file, outcome))
            continue
        note, fields = outcome
        if "layer" in fields:
            layers[note.instrument, note.articulation].append((len(notes), int(fields["layer"])))
        notes.append(note)
    for group in layers.values():
        spread_layers(notes, group)
    names = [field for _, field in parts]
    vary = "note" in names and "midi" not in names and "hz" not in names
    return Reading(notes, dropped, f"names, by the pattern {options.pattern}", octaves_vary=vary)


READER = Reader("pattern", "names that follow the pattern given with --pattern", lambda tree: False, _read)
