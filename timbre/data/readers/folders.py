"""Reader of plain folders: instrument, pitch and dynamics from the names of folders and files."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from timbre.audio.pitch import hz_to_midi
from timbre.data.names import ARTICULATIONS, family_folder, family_of, parse_dynamics, plain
from timbre.data.note import Note
from timbre.data.readers._reader import Reader, Reading, labelled, pitch_or_none
from timbre.data.report import Dropped

_ACCIDENTAL_AND_OCTAVE = r"(?:#|sharp|s|♯|flat|b|♭)?\d"
_NOTE = "[A-Ga-g]" + _ACCIDENTAL_AND_OCTAVE
_RUN = re.compile(f"(?<![A-Za-z]){_NOTE}{_NOTE}(?![A-Za-z0-9])")
_LAYER = re.compile(r"(?:v|vl|vel|velocity|layer)(\d{1,3})", re.IGNORECASE)
_TAKE = re.compile(r"(?:rr|take)(\d{1,3})", re.IGNORECASE)
_HERTZ = re.compile(r"(?<![\d.])(?:(\d{2,5}(?:\.\d{1,6})?)[\s_]?hz(?![a-z])|(\d{2,5}\.\d{2,6})(?!\.?\d))", re.I)
_LONG_MARK = re.compile(r"(mezzo|molto)[\s_\-]?(pianissimo|piano|forte|fortissimo)", re.IGNORECASE)
_SHORT_MARKS = {"mezzo p": "mp", "mezzo f": "mf", "molto p": "ppp", "molto f": "fff"}
_BETWEEN = re.compile(r"[\s_\-.,()\[\]+]+")
_LOWEST_HZ, _HIGHEST_HZ = 8.2, 12543.0  # MIDI 0 and 127
_MOST_LAYERS = 16  # a larger number after "v" is a MIDI velocity, not a layer


@dataclass
class _Labels:
    """The labels in the names of a file and of the folders around it."""

    family: str | None = None
    instrument: str | None = None
    dynamics: str | None = None
    articulation: str | None = None
    pitch: float | None = None
    pitch_is_name: bool = False
    """Whether it comes from a note name, whose octave depends on a convention."""
    pitch_is_sure: bool = False
    """Whether it comes from more than a bare number, which may mean anything."""
    velocity: float | None = None
    layer: int | None = None
    take: int | None = None
    before: tuple[str, ...] = ()
    """Words before the pitch without another meaning: the instrument, or an abbreviation of it."""
    articulations: tuple[str, ...] = ()
    """Those of the file; that of the folders comes first."""


def read_folders(root: Path, files: Iterable[str]) -> Reading:
    """The notes of a plain folder, in the order of `files` (relative to `root`); files with several notes are dropped.

    Recognised: note names (A#3, As3, Bb3; C4 is 60), MIDI numbers, frequencies (110.00000, 440Hz), NSynth's
    `-060-127`, dynamics (pp, forte), velocity layers (v1, vl2) and MIDI velocities (v100; also the number before a
    frequency), takes (rr2, or a last digit after a note name), articulations, an instrument in a folder or before the
    pitch, a family in a folder above it. Other words are ignored.
    """
    has_names = False
    notes: list[tuple[Note, int | None]] = []
    dropped: list[Dropped] = []
    for file in files:
        path = PurePosixPath(file)
        if run := _RUN.search(path.stem):
            dropped.append(Dropped(file, f"contains a run of notes ({run[0]}); split it into one file for each note"))
            continue
        labels = _read_parents(path.parts[:-1])
        _read_stem(path.stem, labels)
        has_names |= labels.pitch_is_name
        notes.append((_note(root / file, labels, plain(root.name)), labels.layer))
    return Reading(spread_layers(notes), dropped, "folder and file names", octaves_vary=has_names)


def spread_layers(notes: list[tuple[Note, int | None]]) -> list[Note]:
    """The notes with velocities from their layers: 1 to K of one instrument and articulation are evenly spaced.

    If the largest number of an instrument and articulation is above 16, the numbers are MIDI velocities.
    """
    most: dict[tuple[str, str | None], int] = defaultdict(int)
    for note, layer in notes:
        most[note.instrument, note.articulation] = max(layer or 0, most[note.instrument, note.articulation])
    return [_with_layer(note, layer, most[note.instrument, note.articulation]) for note, layer in notes]


def _with_layer(note: Note, layer: int | None, most: int) -> Note:
    if layer is not None and most > _MOST_LAYERS:
        return replace(note, velocity=min(layer, 127) / 127, name="")
    if layer is not None and most > 1 and note.velocity is None:
        return replace(note, velocity=max(layer - 0.5, 0.0) / most, name="")
    return note


def _note(path: Path, labels: _Labels, default: str) -> Note:
    instrument = labels.instrument or plain("_".join(labels.before)) or default
    family = labels.family or family_of(instrument)
    return labelled(
        path,
        instrument,
        labels.dynamics,
        family=family,
        pitch=labels.pitch if labels.pitch_is_sure or family != "percussion" else None,
        velocity=labels.velocity,
        articulation=labels.articulation or "-".join(labels.articulations) or None,
        take=labels.take,
    )


def _read_parents(folders: tuple[str, ...]) -> _Labels:
    """The labels in folder names.

    The instrument is the innermost folder with a known name, else the innermost that is not an articulation.
    """
    family = next(filter(None, map(family_folder, folders)), None)
    rest = [folder for folder in folders if not family_folder(folder)]
    likely = [folder for folder in rest if not _is_manner(folder)]
    known = [folder for folder in likely if family_of(folder)] or [folder for folder in rest if family_of(folder)]
    if not known and not likely:
        return _Labels(family, None, *_manner(rest))
    instrument = known[-1] if known else likely[0] if family else likely[-1]
    return _Labels(family, plain(instrument), *_manner(rest[rest.index(instrument) + 1 :]))


def _manner(folders: list[str]) -> tuple[str | None, str | None]:
    """Dynamics and articulation among the folders below that of an instrument."""
    marks = [mark for folder in folders if (mark := parse_dynamics(folder))]
    return (marks[-1] if marks else None), "-".join(plain(f) for f in folders if not parse_dynamics(f)) or None


def _is_manner(folder: str) -> bool:
    """Whether all words of a folder's name are articulations or dynamics."""
    return all(word in ARTICULATIONS or parse_dynamics(word) for word in plain(folder).split("_"))


def _read_stem(stem: str, labels: _Labels) -> None:
    """Add the labels in the name of a file to those of its folders."""
    if (nsynth := re.fullmatch(r"(.+)-(\d{3})-(\d{3})", stem)) and max(int(nsynth[2]), int(nsynth[3])) <= 127:
        labels.pitch, labels.pitch_is_sure, labels.velocity = float(nsynth[2]), True, int(nsynth[3]) / 127
        labels.before = (nsynth[1],)
        return
    words, hertz = _split(_LONG_MARK.sub(lambda match: _SHORT_MARKS[f"{match[1]} {match[2][0]}".lower()], stem))
    pitch = _find_pitch(words, hertz, labels)
    known = plain(labels.instrument or "").split("_")
    start = len(known) if [word.lower() for word in words[: len(known)]] == known else 0
    for number, word in enumerate(words):
        if number >= start and number != pitch:
            _add_word(labels, word, first=number == 0, before=pitch is None or number < pitch)
    if labels.pitch_is_name and re.fullmatch("[1-9]", words[-1]) and labels.take is None:
        labels.take = int(words[-1])


def _split(stem: str) -> tuple[list[str], int | None]:
    """The words of a name, and the index of the one that is a frequency."""
    match = _HERTZ.search(stem)
    if match is None or not _is_frequency(match):
        return _words(stem), None
    ahead = _words(stem[: match.start()])
    return [*ahead, match[1] or match[2], *_words(stem[match.end() :])], len(ahead)


def _words(text: str) -> list[str]:
    return [word for word in _BETWEEN.split(text) if word]


def _is_frequency(match: re.Match[str]) -> bool:
    """Whether a number has a unit, or a fraction that cannot be a MIDI number and a velocity (60.127)."""
    number = match[1] or match[2]
    clear = match[1] is not None or float(number) > 127 or len(number.partition(".")[2]) > 3
    return clear and _LOWEST_HZ <= float(number) <= _HIGHEST_HZ


def _find_pitch(words: list[str], hertz: int | None, labels: _Labels) -> int | None:
    """Set the pitch and return the index of its word: a note name, else a frequency, else the only likely number."""
    for pattern in ("[A-G]" + _ACCIDENTAL_AND_OCTAVE, _NOTE):
        for number, word in enumerate(words):
            if re.fullmatch(pattern, word) and (pitch := pitch_or_none(word)) is not None:
                labels.pitch, labels.pitch_is_name, labels.pitch_is_sure = pitch, True, True
                return number
    if hertz is not None:
        labels.pitch, labels.pitch_is_sure = hz_to_midi(float(words[hertz])), True
        if hertz and re.fullmatch(r"[0-9]{2,3}", words[hertz - 1]) and _MOST_LAYERS < int(words[hertz - 1]) <= 127:
            labels.velocity = int(words[hertz - 1]) / 127
        return hertz
    likely = [index for index, word in enumerate(words) if re.fullmatch(r"\d{2,3}", word) and 21 <= int(word) <= 108]
    if len(likely) != 1:
        return None
    labels.pitch = float(words[likely[0]])
    return likely[0]


def _add_word(labels: _Labels, word: str, first: bool, before: bool) -> None:
    """Add one word of a name to its labels; the first is never a dynamic mark, because of pianos and F horns."""
    mark = None if first else parse_dynamics(word)
    if layer := _LAYER.fullmatch(word):
        labels.layer = int(layer[1])
    elif take := _TAKE.fullmatch(word):
        labels.take = int(take[1])
    elif mark:
        labels.dynamics = mark
    elif word.lower() in ARTICULATIONS:
        labels.articulations += (word.lower(),)
    elif before and not word.isdecimal():
        labels.before += (word,)


READER = Reader(
    "folders",
    lambda tree: tree.chosen is None and bool(tree.sounds),
    lambda tree, options: read_folders(tree.root, tree.sounds),
)
