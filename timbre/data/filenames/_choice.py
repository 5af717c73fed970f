"""Which words of the names in a library are the pitches: what varies over the files of an instrument."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from timbre.data.filenames._words import Mark, ParsedName, Position
from timbre.data.names import SPELLINGS, family_of, plain, spelling_of

# How much each different value of a kind of mark counts: names are clearer than numbers, files than folders.
_WEIGHTS = {
    "nsynth": 2.0, "key": 1.2, "note": 1.0, "glued": 0.9, "lower": 0.8, "hertz": 0.9, "fused": 0.6, "number": 0.8,
    "numbered": 0.5, "folder": 0.8, "folder number": 0.6,
}  # fmt: skip
_ALONE = [kind for kind in _WEIGHTS if kind != "numbered"]  # where nothing varies, the likeliest first
_NAMES = ("note", "glued", "lower", "fused", "folder")
BARE_NUMBERS = ("number", "numbered", "folder number")
"""Kinds of marks that may mean anything."""
_FEWEST_LETTERS = 3  # with fewer, A1, A2 and B1 may be parts or microphones
_LOWEST, _HIGHEST = 21, 108  # keys of a piano
_WEAK, _UNIQUE, _SERIAL = 0.3, 0.3, 0.05  # factors: names of few letters, numbers of one file each, serial numbers
_OCTAVES = (0.0, 12.0, -12.0, 24.0)  # semitones from a note name to the MIDI number that is said besides
_FEW = 3  # fewest files with the same pitch that are remarkable

Column = dict[str, Mark]
"""Marks at one position, by file."""


class Chosen(NamedTuple):
    """The mark that is the pitch of a name."""

    position: Position
    mark: Mark
    pitch: float

    @property
    def octave_varies(self) -> bool:
        """Whether it is a note name whose octave depends on a convention."""
        return self.mark.midi is None and not self.mark.shift


class Choice:
    """The pitches of the names of a library.

    In the innermost folder in which anything varies as pitches do, that is the pitch; where nothing does, the likeliest
    mark of each name is.

    Attributes:
        spelling: that of the note names, one of SPELLINGS.
        chosen: by file; files without a pitch in their names are left out.
        others: other readings of the pitches of an instrument or of all, each with a description.
        remarks: sentences about doubtful choices.
    """

    def __init__(self, names: list[ParsedName]) -> None:
        self.spelling = spelling_of(
            mark.text for name in names for position, mark in name.marks.items() if position[0] in _NAMES
        )
        self.chosen: dict[str, Chosen] = {}
        self.others: list[tuple[str, dict[str, float]]] = []
        self.remarks: list[str] = []
        self._decide(names)
        self._add_spellings()
        self._doubt_spelling()
        if any(one.mark.shift for one in self.chosen.values()):
            self.remarks.append("octaves: C3 = 60, since names go down to octave -2")

    def _decide(self, names: list[ParsedName]) -> None:
        rest, siblings = names, _pitch_folders(names)
        for depth in range(max((len(name.folders) for name in names), default=0), -1, -1):
            groups: dict[tuple[object, ...], list[ParsedName]] = defaultdict(list)
            for name in rest:
                own = len(name.folders) - (name.folders[:-1] in siblings)
                groups[(name.folders[: min(depth, own)], *sorted(map(str, name.marks)))].append(name)
            rest = [name for group in groups.values() for name in self._decide_group(group)]
        folders: dict[tuple[str, ...], list[ParsedName]] = defaultdict(list)
        for name in rest:
            folders[name.folders].append(name)
        usual, totals = self._usual(names), Counter(name.folders for name in names)
        for path, members in folders.items():
            self._decide_rest(members, usual.get(path))
            if len(members) == totals[path]:
                self._remark_equal(members)

    def _decide_group(self, group: list[ParsedName]) -> list[ParsedName]:
        """Choose the position of the pitch in names with the same kinds of marks; returns those without a choice."""
        columns = {position: self._column(group, position) for position in group[0].marks}
        scores = {position: _score(position, column, self.spelling) for position, column in columns.items()}
        best = max(scores, key=lambda position: scores[position], default=None)
        if best is None or scores[best] <= 0:
            return group
        if best[0] in BARE_NUMBERS and list(scores.values()).count(scores[best]) > 1:
            return group  # two numbers that vary in the same way
        best = self._number_beside(columns, best) or best
        self._choose(columns[best], best)
        self._add_others(columns, best)
        return [name for name in group if name.file not in columns[best]]

    def _decide_rest(self, names: list[ParsedName], usual: Position | None) -> None:
        """Choose the likeliest mark of each name of one folder; `usual` is the position of most others."""
        marks = Counter((position, mark.text) for name in names for position, mark in name.marks.items())
        shared = {mark for mark, count in marks.items() if count == len(names) > 1}
        kinds = {tuple(word.lower() for word in name.words if word.isalpha()) for name in names}
        one = 2 * len(kinds) <= len(names) or len(names) == 1  # of several instruments, the folder may say the pitch
        own = set(plain(names[0].folders[-1]).split("_")) if names[0].folders and one else set[str]()
        unread: dict[Position, Column] = defaultdict(dict)
        for name in names:
            usable = [position for position, mark in name.marks.items() if mark.pitch(self.spelling) is not None]
            likely = [position for position in usable if _is_likely(name, position, usable, marks, own)]
            likely.sort(key=lambda position: (position != usual, (position, name.marks[position].text) in shared))
            likely.sort(key=lambda position: position != usual and _ALONE.index(str(position[0])))
            if likely:
                self._choose({name.file: name.marks[likely[0]]}, likely[0])
            for position in usable:
                unread[position][name.file] = name.marks[position]
        self._add_others(unread, None)

    def _remark_equal(self, names: list[ParsedName]) -> None:
        """Add a remark if all names in a folder say the same pitch."""
        same = {chosen and chosen.mark.text for chosen in (self.chosen.get(name.file) for name in names)}
        if len(names) >= _FEW and len(same) == 1 and None not in same:
            where = names[0].file.rpartition("/")[0] or "the top folder"
            self.remarks.append(f"names: all {len(names)} files in {where} have the pitch {same.pop()} in their names")

    def _column(self, names: Iterable[ParsedName], position: Position) -> Column:
        return {name.file: mark for name in names if (mark := name.marks[position]).pitch(self.spelling) is not None}

    def _choose(self, column: Column, position: Position) -> None:
        for file, mark in column.items():
            if (pitch := mark.pitch(self.spelling)) is not None:
                self.chosen[file] = Chosen(position, mark, pitch)

    def _number_beside(self, columns: dict[Position, Column], best: Position) -> Position | None:
        """The position of MIDI numbers that are whole octaves from the chosen note names, and so say which octaves."""
        named = {file: mark.pitch(self.spelling) or 0.0 for file, mark in columns[best].items()}
        for position, column in columns.items():
            if best[0] in _NAMES and position[0] in ("key", "number") and column.keys() == named.keys():
                offs = {(mark.midi or 0.0) - named[file] for file, mark in column.items()}
                if (
                    len(offs) == 1
                    and offs.pop() in _OCTAVES
                    and _are_keys({mark.midi or 0.0 for mark in column.values()})
                ):
                    return position
        return None

    def _usual(self, names: list[ParsedName]) -> dict[tuple[str, ...], Position]:
        """Where most names in a folder have their pitches."""
        counts: dict[tuple[str, ...], Counter[Position]] = defaultdict(Counter)
        for name in names:
            if name.file in self.chosen:
                counts[name.folders][self.chosen[name.file].position] += 1
        return {folders: count.most_common(1)[0][0] for folders, count in counts.items()}

    def _add_others(self, columns: dict[Position, Column], best: Position | None) -> None:
        for position, column in columns.items():
            pitches = {file: pitch for file, mark in column.items() if (pitch := mark.pitch(self.spelling)) is not None}
            if position != best and pitches:
                self.others.append((_described(position), pitches))

    def _add_spellings(self) -> None:
        named = {file: chosen.mark for file, chosen in self.chosen.items() if chosen.mark.midi is None}
        for spelling in SPELLINGS:
            pitches = {file: pitch for file, mark in named.items() if (pitch := mark.pitch(spelling)) is not None}
            if spelling != self.spelling and pitches and len(pitches) > 0.9 * len(named):
                self.others.append((f"{spelling} note names", pitches))
        lower = {file: one.pitch + 36 for file, one in self.chosen.items() if one.mark.text[0].islower()}
        if lower and len(lower) == len(named):
            self.others.append(("small letters with a1 = A4", {f: p for f, p in lower.items() if p <= 127}))

    def _doubt_spelling(self) -> None:
        """Add a remark if names do not say whether As and Es are English or German."""
        stems = {one.mark.text.rstrip("0123456789").lower() for one in self.chosen.values() if one.mark.midi is None}
        doubtful = sorted(stems & {"as", "es"})
        if self.spelling == "English" and doubtful and stems.isdisjoint(("cs", "ds", "fs", "gs")):
            said = " and ".join(f"{stem.capitalize()} is {stem[0].upper()} sharp" for stem in doubtful)
            self.remarks.append(f"names: {said}, as in English; no other name says whether it is German for a flat")


def _pitch_folders(names: Iterable[ParsedName]) -> set[tuple[str, ...]]:
    """The folders that contain several folders named after notes or MIDI numbers only."""
    inside: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for name in names:
        marks = [mark for position, mark in name.marks.items() if position in (("folder", 0), ("folder number", 0))]
        if marks and marks[0].text == name.folders[-1]:
            inside[name.folders[:-1]].add(marks[0].text)
    return {folders for folders, texts in inside.items() if len(texts) >= _FEW}


def _is_likely(
    name: ParsedName, position: Position, usable: list[Position], marks: Counter[tuple[Position, str]], own: set[str]
) -> bool:
    """Whether a mark may be a pitch though nothing in the folder varies as pitches do; `own` are the folder's words."""
    kind, mark = position[0], name.marks[position]
    count = marks[position, mark.text]
    others = sum(total for (where, _), total in marks.items() if where == position)
    if kind in BARE_NUMBERS:  # a bare number is a key only if it is the only number, and of the only file
        numbers = [other for other in usable if other[0] in ("number", "count") and _in_range(name.marks[other].midi)]
        return kind == "number" and others == 1 and len(numbers) == 1 and _in_range(mark.midi)
    if kind == "fused" and not family_of(mark.before):
        return False
    if kind == "key" and not all(_in_range(float(text)) for where, text in marks if where == position):
        return False
    in_folder = mark.text.lower() in own
    return kind in _ALONE and not (in_folder and len(own) > 1 and (count > 1 or len(usable) > 1))


def _in_range(midi: float | None) -> bool:
    return midi is not None and _LOWEST <= midi <= _HIGHEST


def _score(position: Position, column: Column, spelling: str) -> float:
    """How clearly marks vary as pitches do; 0: they do not."""
    kind = str(position[0])
    pitches = [pitch for mark in column.values() if (pitch := mark.pitch(spelling)) is not None]
    values = set(pitches)
    if len(values) < 2 or kind not in _WEIGHTS:
        return 0.0
    weight = _WEIGHTS[kind] * len(values)
    if kind in BARE_NUMBERS:
        serial = max(values) - min(values) == len(values) - 1
        factor = 1.0 if len(values) < len(pitches) else _SERIAL if serial else _UNIQUE
        return weight * factor if _are_keys(values) else 0.0
    if kind not in _NAMES:
        return 0.0 if kind == "key" and not _are_keys(values) else weight
    few = len({mark.text[0].lower() for mark in column.values()}) < _FEWEST_LETTERS
    few &= not any(sign in mark.text for mark in column.values() for sign in "#♯♭")
    if kind == "fused" and few and not all(family_of(mark.before) for mark in column.values()):
        return 0.0
    return weight * (_WEAK if few else 1.0)


def _are_keys(values: set[float]) -> bool:
    """Whether numbers can be MIDI keys: serial numbers begin at 0 or 1, velocities reach 127 in few steps."""
    if values == set(range(128)):
        return True
    usual = sum(map(_in_range, values)) / len(values)
    return min(values) >= 12 and usual > 0.6 and (max(values) <= 120 or len(values) > 16)


def _described(position: Position) -> str:
    kinds = {"key": "keys", "hertz": "frequencies", "count": "numbers", "number": "numbers", "numbered": "numbers"}
    kinds |= {"folder": "note names of folders", "folder number": "numbers of folders"}
    ordinal = f", number {int(position[1]) + 1} of the name" if position[1] and position[0] not in ("folder",) else ""
    return f"{kinds.get(str(position[0]), 'note names')}{ordinal}"
