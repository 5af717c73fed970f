"""Reader of plain folders: instrument, pitch and dynamics from the names of folders and files."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from timbre.audio.pitch import hz_to_midi
from timbre.data.names import ARTICULATIONS, family_folder, family_of, parse_dynamics, parse_note, plain, velocity_of
from timbre.data.note import Note
from timbre.data.readers._reader import Options, Reader, Reading
from timbre.data.report import Dropped
from timbre.data.tree import Tree
from timbre.errors import LibraryError

_ACCIDENTAL_AND_OCTAVE = r"(?:#|sharp|s|♯|flat|b|♭)?\d"
_NOTE = "[A-Ga-g]" + _ACCIDENTAL_AND_OCTAVE
_RUN = re.compile(f"(?<![A-Za-z]){_NOTE}{_NOTE}(?![A-Za-z0-9])")
_LAYER = re.compile(r"(?:v|vl|vel|velocity|layer)(\d{1,3})", re.IGNORECASE)
_TAKE = re.compile(r"(?:rr|take)(\d{1,3})", re.IGNORECASE)
_HERTZ = re.compile(r"(?<![\d.])(?:(\d{2,5}(?:\.\d{1,6})?)[\s_]?hz(?![a-z])|(\d{2,5}\.\d{2,6})(?!\.?\d))", re.I)
_LONG_MARK = re.compile(r"(mezzo|molto)[\s_\-]?(pianissimo|piano|forte|fortissimo)", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s_\-.,()\[\]+]+")
_LOWEST_HZ, _HIGHEST_HZ = 8.2, 12543.0  # MIDI 0 and 127
_MOST_LAYERS = 16  # a larger number after "v" is a MIDI velocity, not a layer


@dataclass(frozen=True)
class _Place:
    """What the folders above a file say."""

    family: str | None = None
    instrument: str | None = None
    dynamics: str | None = None
    articulation: str | None = None


@dataclass
class _Words:
    """What the words of a file name say, before the whole library is known."""

    pitch: float | None = None
    pitch_is_name: bool = False
    """Told by a note name, whose octaves may be counted in more than one way."""
    pitch_is_sure: bool = False
    """Told by more than a bare number, which may be anything."""
    velocity: float | None = None
    dynamics: str | None = None
    layer: int | None = None
    take: int | None = None
    before: tuple[str, ...] = ()
    """Words before the pitch that mean nothing else: the instrument, or an abbreviation of it."""
    articulations: tuple[str, ...] = ()


def read_folders(root: Path, files: Iterable[str]) -> tuple[list[Note], list[Dropped]]:
    """The notes of a plain folder, in the order of `files` (relative to `root`), and the files that hold several notes.

    Understood: note names (A#3, As3, Bb3; C4 is 60), MIDI numbers, frequencies (110.00000, 440Hz), NSynth's
    `-060-127`, dynamics (pp, forte), velocity layers (v1, vl2) and MIDI velocities (v100; also the number before a
    frequency), repeats (rr2, or a last figure after a note name), articulations, an instrument in the nearest telling
    folder or before the pitch, a family in a folder above. Other words are left alone.
    """
    notes, dropped, _ = _read_names(root, files)
    return notes, dropped


def spread_layers(notes: list[Note], group: list[tuple[int, int]]) -> None:
    """Turn layers 1..K of one instrument into velocities spread evenly; larger numbers are MIDI velocities.

    Args:
        notes: changed in place.
        group: place in `notes` and layer of each note that has one.
    """
    most = max(layer for _, layer in group)
    for place, layer in group:
        if most > _MOST_LAYERS:
            notes[place] = replace(notes[place], velocity=min(layer, 127) / 127, name="")
        elif most > 1 and notes[place].velocity is None:
            notes[place] = replace(notes[place], velocity=max(layer - 0.5, 0.0) / most, name="")


def _read_names(root: Path, files: Iterable[str]) -> tuple[list[Note], list[Dropped], bool]:
    """Notes, runs, and whether some pitch was told by a note name whose octaves may be anyone's."""
    named = False
    notes: list[Note] = []
    dropped: list[Dropped] = []
    layers: dict[tuple[str, str | None], list[tuple[int, int]]] = defaultdict(list)
    for file in files:
        path = PurePosixPath(file)
        if run := _RUN.search(path.stem):
            dropped.append(Dropped(file, f"holds a run of notes ({run[0]}); one note in each file is wanted"))
            continue
        place = _read_parents(path.parts[:-1])
        words = _read_stem(path.stem, place.instrument)
        named |= words.pitch_is_name
        notes.append(_note(root / file, place, words, plain(root.name)))
        if words.layer is not None:
            layers[notes[-1].instrument, notes[-1].articulation].append((len(notes) - 1, words.layer))
    for group in layers.values():
        spread_layers(notes, group)
    return notes, dropped, named


def _note(path: Path, place: _Place, words: _Words, otherwise: str) -> Note:
    instrument = place.instrument or plain("_".join(words.before)) or otherwise
    family = place.family or family_of(instrument)
    dynamics = words.dynamics or place.dynamics
    return Note(
        file=path,
        instrument=instrument,
        family=family,
        pitch=words.pitch if words.pitch_is_sure or family != "percussion" else None,
        velocity=velocity_of(dynamics) if words.velocity is None else words.velocity,
        dynamics=dynamics,
        articulation=place.articulation or "-".join(words.articulations) or None,
        take=words.take,
    )


def _read_parents(folders: tuple[str, ...]) -> _Place:
    """The instrument is the innermost folder with a known name, else the innermost that is no manner of playing."""
    family = next((found for folder in folders if (found := family_folder(folder))), None)
    rest = [folder for folder in folders if not family_folder(folder)]
    telling = [folder for folder in rest if not _says_how(folder)]
    known = [folder for folder in telling if family_of(folder)] or [folder for folder in rest if family_of(folder)]
    if not known and not telling:
        return _Place(family, None, *_manner(rest))
    instrument = known[-1] if known else telling[0] if family else telling[-1]
    return _Place(family, plain(instrument), *_manner(rest[rest.index(instrument) + 1 :]))


def _manner(folders: list[str]) -> tuple[str | None, str | None]:
    """Dynamics and articulation among folders below an instrument's."""
    marks = [mark for folder in folders if (mark := parse_dynamics(folder))]
    return (marks[-1] if marks else None), "-".join(plain(f) for f in folders if not parse_dynamics(f)) or None


def _says_how(folder: str) -> bool:
    """Whether all words of a folder's name are articulations or dynamics."""
    return all(word in ARTICULATIONS or parse_dynamics(word) for word in plain(folder).split("_"))


def _read_stem(stem: str, instrument: str | None) -> _Words:
    if (nsynth := re.fullmatch(r"(.+)-(\d{3})-(\d{3})", stem)) and max(int(nsynth[2]), int(nsynth[3])) <= 127:
        return _Words(float(nsynth[2]), pitch_is_sure=True, velocity=int(nsynth[3]) / 127, before=(nsynth[1],))
    stem = _LONG_MARK.sub(lambda match: _short_mark(match[1], match[2]), stem)
    words, hertz = _split(stem)
    found = _Words()
    place = _find_pitch(words, hertz, found)
    name = plain(instrument or "").split("_")
    start = len(name) if [word.lower() for word in words[: len(name)]] == name else 0
    for number, word in enumerate(words):
        if number >= start and number != place:
            _sort_word(found, word, first=number == 0, before=place is None or number < place)
    if found.pitch_is_name and re.fullmatch("[1-9]", words[-1]) and found.take is None:
        found.take = int(words[-1])
    return found


def _split(stem: str) -> tuple[list[str], int | None]:
    """The words of a name, and which of them is a frequency."""
    match = _HERTZ.search(stem)
    if match is None or not _is_frequency(match):
        return _parts(stem), None
    ahead = _parts(stem[: match.start()])
    return [*ahead, match[1] or match[2], *_parts(stem[match.end() :])], len(ahead)


def _parts(text: str) -> list[str]:
    return [word for word in _BETWEEN.split(text) if word]


def _is_frequency(match: re.Match[str]) -> bool:
    """Whether a number is one: with its unit, or a fraction that cannot be a MIDI number and a velocity (60.127)."""
    number = match[1] or match[2]
    told = match[1] is not None or float(number) > 127 or len(number.partition(".")[2]) > 3
    return told and _LOWEST_HZ <= float(number) <= _HIGHEST_HZ


def _find_pitch(words: list[str], hertz: int | None, found: _Words) -> int | None:
    """Fill in the pitch and return its place: a note name, else a frequency, else the only number that could be one."""
    for pattern in ("[A-G]" + _ACCIDENTAL_AND_OCTAVE, _NOTE):
        for number, word in enumerate(words):
            if re.fullmatch(pattern, word) and (pitch := _pitch_or_none(word)) is not None:
                found.pitch, found.pitch_is_name, found.pitch_is_sure = pitch, True, True
                return number
    if hertz is not None:
        found.pitch, found.pitch_is_sure = hz_to_midi(float(words[hertz])), True
        if hertz and re.fullmatch(r"[0-9]{2,3}", words[hertz - 1]) and _MOST_LAYERS < int(words[hertz - 1]) <= 127:
            found.velocity = int(words[hertz - 1]) / 127
        return hertz
    likely = [place for place, word in enumerate(words) if re.fullmatch(r"\d{2,3}", word) and 21 <= int(word) <= 108]
    if len(likely) != 1:
        return None
    found.pitch = float(words[likely[0]])
    return likely[0]


def _pitch_or_none(word: str) -> float | None:
    try:
        return parse_note(word)
    except LibraryError:
        return None


def _sort_word(found: _Words, word: str, first: bool, before: bool) -> None:
    """Add one word of a name to what is known; the first one is never a dynamic mark, because of pianos and F horns."""
    mark = None if first else parse_dynamics(word)
    if layer := _LAYER.fullmatch(word):
        found.layer = int(layer[1])
    elif take := _TAKE.fullmatch(word):
        found.take = int(take[1])
    elif mark:
        found.dynamics = mark
    elif word.lower() in ARTICULATIONS:
        found.articulations += (word.lower(),)
    elif before and not word.isdecimal():
        found.before += (word,)


def _short_mark(degree: str, mark: str) -> str:
    soft = mark.lower().startswith("piani") or mark.lower() == "piano"
    if degree.lower() == "mezzo":
        return "mp" if soft else "mf"
    return "ppp" if soft else "fff"


def _suits(tree: Tree) -> bool:
    """Whatever holds sounds, unless a file was chosen to tell of them."""
    return tree.chosen is None and bool(tree.sounds)


def _read(tree: Tree, options: Options) -> Reading:
    notes, dropped, named = _read_names(tree.root, tree.sounds)
    return Reading(notes, dropped, "folder and file names", octaves_vary=named)


READER = Reader("folders", "plain folders, by the names of folders and files", _suits, _read)
