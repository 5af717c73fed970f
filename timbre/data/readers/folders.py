"""Reader of plain folders: instrument, pitch and dynamics from the names of folders and files."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path, PurePosixPath

from timbre.data.filenames import BARE_NUMBERS, Choice, Chosen, ParsedName, RootKeys, parse_names
from timbre.data.names import ARTICULATIONS, family_folder, family_of, is_kit, parse_dynamics, plain
from timbre.data.note import Note
from timbre.data.readers._reader import Alternative, Reader, Reading, labelled
from timbre.data.report import Dropped

_NOTE = r"[A-Ga-g](?:#|sharp|s|♯|flat|b|♭)?\d"
_RUN = re.compile(f"(?<![A-Za-z]){_NOTE}{_NOTE}(?![A-Za-z0-9])")
_LAYER = re.compile(r"(?:v|vl|vel|velocity|layer)(\d{1,3})", re.IGNORECASE)
_TAKE = re.compile(r"(?:rr|take)(\d{1,3})", re.IGNORECASE)
_LEVEL = re.compile(
    r"(?:v|vl|vel|velocity|layer|rr|take|round|robin|oct|octave|string|mic)?\d{0,3}|\d+(?:\.\d+)?k?(?:hz)?(?:\d*bits?)?|"
    "samples?|sounds?|audio|wavs?|waves?|flacs?|aiffs?|oggs?|mp3s?|imported|recorded|processed|libs?|library|data|files?|"
    "khz|bits?",
    re.IGNORECASE,
)  # words of folders that say nothing about the instrument
_MICROPHONES = frozenset(("mic", "mics", "mono", "stereo", "close", "room", "hall", "far", "near", "mid", "main"))
_MOST_LAYERS = 16  # a larger number after "v" is a MIDI velocity, not a layer


@dataclass
class _Labels:
    """The labels in the names of a file and of the folders around it."""

    family: str | None = None
    instrument: str | None = None
    dynamics: str | None = None
    articulation: str | None = None
    pitch: float | None = None
    pitch_is_sure: bool = False
    """Whether it comes from more than a bare number, which may mean anything."""
    velocity: float | None = None
    layer: int | None = None
    take: int | None = None
    before: tuple[str, ...] = ()
    """Words before the pitch without another meaning: the instrument, or an abbreviation of it."""
    around: str | None = None
    """A folder that names the instrument if nothing else does; empty: the library does; None: there is no folder."""
    articulations: tuple[str, ...] = ()
    """Those of the file; that of the folders comes first."""


def read_folders(root: Path, files: Iterable[str]) -> Reading:
    """The notes of a plain folder, in the order of `files` (relative to `root`); files with several notes are dropped.

    The pitch is what varies over the files of an instrument: a note name (A#3, As3, Bb3, Cis4, Do4; C4 is 60), also
    glued to the instrument or a layer (FluteC4, A0v8), a frequency (110.00000, 440Hz), or a number that can be a MIDI
    key; where names are silent, it is the root key in the file's header. Also recognised: NSynth's `-060-127`, dynamics
    (pp, forte), velocity layers (v1, vl2) and MIDI velocities (v100; also the number before a frequency), takes (rr2,
    or a last digit after a note name), articulations, an instrument in a folder or before the pitch, a family in a
    folder above it. Other words are ignored.
    """
    files = list(files)
    runs = {file: run[0] for file in files if (run := _RUN.search(PurePosixPath(file).stem))}
    why = "contains a run of notes ({}); split it into one file for each note"
    dropped = [Dropped(file, why.format(run)) for file, run in runs.items()]
    names = parse_names([file for file in files if file not in runs])
    choice = Choice(names)
    keys = RootKeys(root, names, choice)
    outer = _outer_folders(names, choice)
    notes: list[tuple[Note, int | None]] = []
    for name in names:
        labels = _read_parents(outer.get(name.folders, name.folders))
        _read_name(name, None if name.file in keys.weak else choice.chosen.get(name.file), labels)
        labels.pitch = keys.used.get(name.file, labels.pitch)
        notes.append((_note(root / name.file, labels, plain(root.name)), labels.layer))
    others = [(what, {root / file: pitch for file, pitch in pitches.items()}) for what, pitches in choice.others]
    if keys.informative:
        others.append(("root keys in the files", {root / file: key for file, key in keys.informative.items()}))
    return Reading(
        spread_layers(notes),
        dropped,
        "folder and file names" + " and root keys in the files" * bool(keys.used),
        octaves_vary=any(one.octave_varies and file not in keys.used for file, one in choice.chosen.items()),
        remarks=[*choice.remarks, *keys.remarks],
        alternatives=[Alternative(*other) for other in others],
    )


def _outer_folders(names: list[ParsedName], choice: Choice) -> dict[tuple[str, ...], tuple[str, ...]]:
    """For folders of a single pitch that are named after it, the path without it: oboe/C4 and oboe-C4 are oboe."""
    texts: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for name in names:
        texts[name.folders].add(choice.chosen[name.file].mark.text if name.file in choice.chosen else "")
    outer: dict[tuple[str, ...], tuple[str, ...]] = {}
    for name in names:
        only = next(iter(texts[name.folders])) if len(texts[name.folders]) == 1 else ""
        for (kind, depth), mark in name.marks.items():
            if str(kind).startswith("folder") and only and mark.text.lower() == only.lower():
                at = len(name.folders) - 1 - int(depth)
                rest = name.folders[at].removesuffix(mark.text).rstrip(" _-.")
                outer[name.folders] = (*name.folders[:at], *filter(None, [rest]), *name.folders[at + 1 :])
    shared = Counter(outer.values())
    return {path: rest for path, rest in outer.items() if shared[rest] > 1 or len(rest) < len(path)}


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
    silent = labels.pitch is None and labels.around is not None
    before = "" if silent else plain("_".join(labels.before))
    instrument = labels.instrument or before or labels.around or default
    kit = is_kit(instrument)
    family = labels.family or family_of(instrument) or ("percussion" if kit else None)
    unpitched = kit or (family == "percussion" and not labels.pitch_is_sure)
    return labelled(
        path,
        instrument,
        labels.dynamics,
        family=family,
        pitch=None if unpitched else labels.pitch,
        velocity=labels.velocity,
        articulation=labels.articulation or "-".join(labels.articulations) or None,
        take=labels.take,
    )


def _read_parents(folders: tuple[str, ...]) -> _Labels:
    """The labels in folder names.

    The instrument is the innermost folder with a known name, else the innermost that is not an articulation or a level,
    below that of a family. What stands above a family, or only says samples or 24bit, counts if file names are silent.
    """
    family = next(filter(None, map(family_folder, folders)), None)
    within = max((at + 1 for at, folder in enumerate(folders) if family_folder(folder)), default=0)
    rest = [folder for folder in folders if not family_folder(folder)]
    likely = [folder for folder in rest if not _is_manner(folder)]
    known = [folder for folder in likely if family_of(folder)] or [folder for folder in rest if family_of(folder)]
    inner = known[-1:] or [folder for folder in folders[within:] if folder in likely][: 1 if family else None]
    labels = _Labels(family, plain(inner[-1]) if inner else None)
    labels.around = plain(likely[-1]) if likely else "" if any(map(_is_level, rest)) else None
    below = rest[rest.index(inner[-1]) + 1 :] if inner else [f for f in folders[within:] if f in rest]
    words = [word for folder in below for word in plain(folder).split("_")]
    for word in [*words, *map("".join, pairwise(words))]:  # vel64, velocity 64
        _add_level(labels, word)
    labels.dynamics, labels.articulation = _manner([folder for folder in below if not _is_level(folder)])
    return labels


def _manner(folders: list[str]) -> tuple[str | None, str | None]:
    """Dynamics and articulation among the folders below that of an instrument."""
    marks = [mark for folder in folders if (mark := parse_dynamics(folder))]
    return (marks[-1] if marks else None), "-".join(plain(f) for f in folders if not parse_dynamics(f)) or None


def _is_level(folder: str) -> bool:
    """Whether all words of a folder's name are numbers, layers, takes or formats."""
    return all(_LEVEL.fullmatch(word) for word in plain(folder).split("_"))


def _is_manner(folder: str) -> bool:
    """Whether all words of a folder's name are articulations, dynamics, microphones or levels."""
    words = plain(folder).split("_")
    named = ARTICULATIONS | _MICROPHONES
    return all(word in named or parse_dynamics(word) or _LEVEL.fullmatch(word) for word in words)


def _read_name(name: ParsedName, chosen: Chosen | None, labels: _Labels) -> None:
    """Add the labels in the name of a file to those of its folders."""
    words, pitch = name.words, chosen.mark.word if chosen else None
    labels.velocity = name.velocity
    if chosen:
        labels.pitch, labels.pitch_is_sure = chosen.pitch, chosen.position[0] not in BARE_NUMBERS
        if chosen.position[0] == "hertz" and pitch and re.fullmatch("[0-9]{2,3}", words[pitch - 1]):
            velocity = int(words[pitch - 1])
            labels.velocity = velocity / 127 if _MOST_LAYERS < velocity <= 127 else None
    if name.velocity is not None:
        labels.before = (words[0],)
        return
    known = plain(labels.instrument or "").split("_")
    start = len(known) if [word.lower() for word in words[: len(known)]] == known else 0
    for number, word in enumerate(words):
        if chosen and number == pitch:
            labels.before += (chosen.mark.before,) if chosen.mark.before else ()
        elif number >= start:
            _add_word(labels, word, first=number == 0, before=pitch in (None, -1) or number < pitch)
    is_name = chosen is not None and chosen.mark.midi is None and words
    if is_name and re.fullmatch("[1-9]", words[-1]) and labels.take is None:
        labels.take = int(words[-1])


def _add_level(labels: _Labels, word: str) -> bool:
    """Add the velocity layer or the take that a word says; returns whether it says one."""
    if layer := _LAYER.fullmatch(word):
        labels.layer = int(layer[1])
    elif take := _TAKE.fullmatch(word):
        labels.take = int(take[1])
    return bool(layer or take)


def _add_word(labels: _Labels, word: str, first: bool, before: bool) -> None:
    """Add one word of a name to its labels; the first is never a dynamic mark, because of pianos and F horns."""
    mark = None if first else parse_dynamics(word)
    if _add_level(labels, word):
        return
    if mark:
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
