"""Reader of plain folders: instrument, pitch and dynamics from the names of folders and files."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from timbre.data.names import ARTICULATIONS, DYNAMICS, family_folder, family_of, parse_dynamics, parse_note, plain
from timbre.data.library import Note
from timbre.data.report import Dropped

_NOTE = r"[A-Ga-g](?:#|sharp|s|♯|flat|b|♭)?\d"
_LAYER = re.compile(r"(?:v|vl|vel|velocity|layer)(\d{1,3})", re.IGNORECASE)
_LONG_MARKS = re.compile(r"(mezzo|molto)[\s_\-]?(pianissimo|piano|forte|fortissimo)", re.IGNORECASE)
_MOST_LAYERS = 16  # a larger number after "v" is a MIDI velocity, not a layer


@dataclass
class _Words:
    """What the words of a file name say, before the whole library is known."""

    pitch: float | None = None
    velocity: float | None = None
    dynamics: str | None = None
    layer: int | None = None
    before: tuple[str, ...] = ()
    """Words before the pitch that mean nothing else: the instrument, or an abbreviation of it."""
    articulations: tuple[str, ...] = ()


def read_folders(root: Path, files: Iterable[str]) -> tuple[list[Note], list[Dropped]]:
    """The notes of a plain folder, in the order of `files` (relative to `root`), and the files that hold several notes.

    Understood: note names (A#3, As3, Bb3), MIDI numbers, NSynth's `-060-127`, dynamics (pp, forte), velocity layers
    (v1, vl2) and MIDI velocities (v100), articulations, an instrument in the nearest telling folder or before the
    pitch, a family in a folder above. Repeats (rr2) and other words are left alone.
    """
    notes: list[Note] = []
    dropped: list[Dropped] = []
    layers: dict[tuple[str, str | None], list[tuple[int, int]]] = defaultdict(list)
    for file in files:
        path = PurePosixPath(file)
        if run := re.search(f"(?<![A-Za-z]){_NOTE}{_NOTE}(?![A-Za-z0-9])", path.stem):
            dropped.append(Dropped(file, f"holds a run of notes ({run[0]}); one note in each file is wanted"))
            continue
        family, instrument, played = _read_parents(path.parts[:-1])
        words = _read_stem(path.stem, instrument)
        note = _note(
            root / file, family, instrument or plain("_".join(words.before)) or plain(root.name), played, words
        )
        if words.layer is not None:
            layers[note.instrument, note.articulation].append((len(notes), words.layer))
        notes.append(note)
    for group in layers.values():
        _spread_layers(notes, group)
    return notes, dropped


def _note(path: Path, family: str | None, instrument: str, played: str | None, words: _Words) -> Note:
    velocity = DYNAMICS[words.dynamics] / 127 if words.velocity is None and words.dynamics else words.velocity
    return Note(
        file=path,
        instrument=instrument,
        family=family or family_of(instrument),
        pitch=None if family_of(instrument) == "percussion" and words.pitch is None else words.pitch,
        velocity=velocity,
        dynamics=words.dynamics,
        articulation=played or "-".join(words.articulations) or None,
    )


def _read_parents(folders: tuple[str, ...]) -> tuple[str | None, str | None, str | None]:
    """Family, instrument and articulation that the folders above a file name, from the outermost to the innermost."""
    family = next((found for folder in folders if (found := family_folder(folder))), None)
    rest = [folder for folder in folders if not family_folder(folder)]
    known = [number for number, folder in enumerate(rest) if family_of(folder)]
    telling = [number for number, folder in enumerate(rest) if not _says_how(folder)]
    if not telling:
        return family, None, plain("-".join(rest)) or None
    place = known[-1] if known else telling[-1] if not family else telling[0]
    return family, plain(rest[place]), "-".join(plain(folder) for folder in rest[place + 1 :]) or None


def _says_how(folder: str) -> bool:
    """Whether all words of a folder's name are articulations or dynamics."""
    return all(word in ARTICULATIONS or parse_dynamics(word) for word in plain(folder).split("_"))


def _read_stem(stem: str, instrument: str | None) -> _Words:
    if nsynth := re.fullmatch(r"(.+)-(\d{3})-(\d{3})", stem):
        if int(nsynth[2]) <= 127 and int(nsynth[3]) <= 127:
            return _Words(float(nsynth[2]), int(nsynth[3]) / 127, before=(nsynth[1],))
    stem = _LONG_MARKS.sub(lambda match: _joined_mark(match[1], match[2]), stem)
    words = [word for word in re.split(r"[\s_\-.,()\[\]+]+", stem) if word]
    place, pitch = _find_pitch(words)
    name = plain(instrument or "").split("_")
    start = len(name) if [word.lower() for word in words[: len(name)]] == name else 0
    found = _Words(pitch)
    for number, word in enumerate(words):
        if number >= start and number != place:
            _sort_word(found, word, first=number == 0, before=place is None or number < place)
    return found


def _sort_word(found: _Words, word: str, first: bool, before: bool) -> None:
    """Add one word of a name to what is known."""
    layer = _LAYER.fullmatch(word)
    mark = None if first or word in ("P", "F") else parse_dynamics(word)
    if layer:
        found.layer = int(layer[1])
    elif mark:
        found.dynamics = mark
    elif word.lower() in ARTICULATIONS:
        found.articulations += (word.lower(),)
    elif before and not re.fullmatch(r"rr\d+|\d+", word.lower()):
        found.before += (word,)


def _joined_mark(first: str, second: str) -> str:
    if first.lower() == "mezzo":
        return "mezzo" + second
    return "ppp" if second.lower().startswith("piano") or second.lower() == "pianissimo" else "fff"


def _find_pitch(words: list[str]) -> tuple[int | None, float | None]:
    """Place and MIDI pitch of the word that names a note; a number counts only if it is the only one that could."""
    for pattern in (r"[A-G]" + _NOTE[8:], _NOTE):
        for number, word in enumerate(words):
            if re.fullmatch(pattern, word):
                return number, parse_note(word)
    numbers = [(place, float(word)) for place, word in enumerate(words) if re.fullmatch(r"\d{2,3}", word)]
    likely = [(place, value) for place, value in numbers if 21 <= value <= 108]
    return likely[0] if len(likely) == 1 else (None, None)


def _spread_layers(notes: list[Note], group: list[tuple[int, int]]) -> None:
    """Turn layer numbers 1..K of one instrument into velocities spread evenly, or MIDI velocities into shares."""
    most = max(layer for _, layer in group)
    for place, layer in group:
        if most > _MOST_LAYERS:
            notes[place] = replace(notes[place], velocity=min(layer, 127) / 127, name="")
        elif most > 1 and notes[place].velocity is None:
            notes[place] = replace(notes[place], velocity=max(layer - 0.5, 0.5) / most, name="")
