"""The words of a file's name, and those among them that may be its pitch."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple

from timbre.audio.pitch import hz_to_midi
from timbre.data.names import family_of, parse_dynamics, pitch_of_name

_SIGN = "(?:sharp|flat|isis|is|es|s|#|♯|b|♭)?"
_ROMANCE = "(?:di[eè]se|b[eé]mol(?:le)?|diesis|sostenido|#|♯|b|♭)?"
_UPPER = rf"(?:[A-H]{_SIGN}|(?:Do|DO|Ut|UT|R[eé]|RE|Mi|MI|Fa|FA|Sol|SOL|La|LA|Si|SI|Ti|TI){_ROMANCE})−?\d"
_LOWER = rf"(?:[a-h]{_SIGN}|(?:do|ut|r[eé]|mi|fa|sol|la|si|ti){_ROMANCE})−?\d"
_PRIMES = rf"[A-Ha-h]{_SIGN}['’′]{{1,5}}"
_NOTE = re.compile(rf"{_UPPER}|{_PRIMES}")
_ANY_CASE = re.compile(rf"{_UPPER}|{_LOWER}", re.IGNORECASE)
_GLUED = re.compile(rf"(.*[^\W\d_A-Z])({_UPPER})")
_LEADING = re.compile(rf"({_UPPER}|{_LOWER})([^\W\d_]{{3,}})", re.IGNORECASE)
_SUFFIX = r"(?:v|vl|vel|velocity|l|layer|rr|r|take|t)\d{1,3}|(?:p{2,3}|m[pf]|f{2,3})\d?|[pf]|[LR]"
_TAIL = re.compile(rf"(.*?(?:{_UPPER}|{_LOWER}|{_PRIMES}|(?<!\d)\d{{2,3}}))((?:{_SUFFIX}){{1,4}})", re.IGNORECASE)
_SUFFIXES = re.compile(_SUFFIX, re.IGNORECASE)
_CANONICAL = {"l": "v", "r": "rr", "t": "take"}
_KEY = re.compile(r"(?:midi|key|note|pitch|root|nn)#?(\d{1,3})", re.IGNORECASE)
_SHORT_KEY = re.compile(r"[nkm]#?(\d{1,3})|\d{1,3}", re.IGNORECASE)
_NUMBERED = re.compile(r"(.*[^\W\d_])(\d{1,3})")
_NUMBERING = re.compile(r"(\d{2,3})([^\W\d_]+)")
_LETTERS = "Do|Ut|R[eé]|Mi|Fa|Sol|La|Si|[A-H]"
_SPELLED = re.compile(
    rf"(?<![^\W_])({_LETTERS})[ _-]?(sharp|flat|di[eè]se|b[eé]mol|#|♯|♭)([ _-]?)(\d)(?!\d)|"
    rf"(?<![^\W_])((?:{_LETTERS})(?:is|es|s|#|b)?)([ _-])(\d)(?![^\W_])",
    re.IGNORECASE,
)
_BELOW_ZERO = re.compile(rf"(?<![^\W_])([A-Ga-g]{_SIGN})-([12])(?!\d)")
_PLAIN_NOTE = re.compile(rf"(?<![^\W_])[A-G]{_SIGN}\d(?!\d)")
_PRIMED = re.compile(rf"(?<![^\W_])({_PRIMES})(?![^\W_])")
_BARE = re.compile(rf"(?<![^\W_])([A-Ha-h]{_SIGN})(,{{0,3}})(?![^\W_]|['’′])")
_LETTER = re.compile(rf"([A-Ha-h]{_SIGN})([1-5])?")
_BETWEEN = re.compile(r"(?:[\s_\-.,()\[\]{}+;=&@~–—]|(?<![^\W_])#(?=\d))+")
_COUNTED = re.compile(r"(?<![^\W_])(vel|velocity|layer|rr|take)[\s_\-.](\d{1,3})(?!\d)", re.IGNORECASE)
_HERTZ = re.compile(
    r"(?<!\d)(\d{2,5}(?:\.\d{1,6})?)[\s_]?hz(?![a-z])|(?<![^\W_])(?<!\.)([1-9]\d{1,4}\.\d{2,6})(?!\.?\d)", re.I
)
_LONG_MARK = re.compile(r"(mezzo|molto)[\s_\-]?(pianissimo|piano|forte|fortissimo)", re.IGNORECASE)
_SHORT_MARKS = {"mezzo p": "mp", "mezzo f": "mf", "molto p": "ppp", "molto f": "fff"}
_NSYNTH = re.compile(r"(.+)-(\d{3})-(\d{3})")
_LONGEST = 60  # letters of a word that may contain a note
_LONGEST_NOTE = 14  # letters of a note name, such as Solsostenido4
_IN_TUNE = 0.06  # semitones; a number without a unit that is farther from all notes is no frequency
_LOWEST_HZ, _HIGHEST_HZ = 8.2, 12543.0  # MIDI 0 and 127
_KEY_WORDS = frozenset(("midi", "key", "note", "pitch", "root"))
_COUNTING_WORDS = """
    take rr round robin mic microphone vel velocity layer no nr num number bank ch channel track part version ver pos
    position string str sample samples smp file id session day vol cycle program preset patch clip rec recording audio
    untitled zoom dr ste memo sound bpm index seq set room side part group section stem v vl x
"""
_COUNTING = frozenset(_COUNTING_WORDS.split())  # a number after them is not a key
_UNIT_WORDS = "bpm khz k bit bits db ms s sec seconds cm mm m in inch ips percent cents st rr"
_UNITS = frozenset(_UNIT_WORDS.split())


class Mark(NamedTuple):
    """Something in a path that may be the pitch of its sound."""

    word: int
    """Index of its word in the name; -1 for a folder."""
    text: str
    """The note name or number."""
    before: str = ""
    """What is glued to it in the same word."""
    midi: float | None = None
    """Its MIDI pitch, if it is a number or a frequency; a note name's depends on the spelling of the library."""
    shift: int = 0
    """Semitones to add to a note name, if C4 is not MIDI 60."""

    def pitch(self, spelling: str) -> float | None:
        """MIDI pitch; None if the text is no note name in this spelling, or not from 0 to 127."""
        named = pitch_of_name(self.text, spelling) if self.midi is None else None
        midi = self.midi if named is None else named + self.shift
        return None if midi is None or not 0 <= midi <= 127 else float(midi)


Position = tuple[str | int, ...]
"""Kind of a mark and its number among those: ("note", 0); the same in all names of one scheme."""


@dataclass
class ParsedName:
    """The words of a file's name, and its marks."""

    file: str
    folders: tuple[str, ...]
    words: list[str]
    marks: dict[Position, Mark] = field(default_factory=dict)
    velocity: float | None = None
    """From 0 to 1, in names such as NSynth's organ-060-127."""


def parse_names(files: Sequence[str]) -> list[ParsedName]:
    """The parsed names of files (relative paths with slashes), in their order."""
    paths = [PurePosixPath(unicodedata.normalize("NFC", file)) for file in files]
    separators = _Separators(path.stem for path in paths)
    names = [_divided(file, path, separators) for file, path in zip(files, paths, strict=True)]
    prefixes = Counter(before for name in names for word in name.words for before, _ in _splits(word))
    for name in names:
        _add_marks(name, prefixes, separators.shift)
        _add_folders(name, separators)
    return names


class _Separators:
    """How a library writes what is between a note's letter and its octave: C-1 may be below C0, or C with a dash.

    If there is a C-2, C3 is MIDI 60.
    """

    def __init__(self, stems: Iterable[str]) -> None:
        stems = list(stems)
        found = [match for stem in stems for match in _SPELLED.finditer(stem)]
        self.separated = len({match[5].upper() for match in found if match[5]}) > 4 or any(
            match[2] and match[3] for match in found
        )
        self.dashed = any("-" in (match[3] or match[6] or "") and int(match[4] or match[7]) > 2 for match in found)
        self.dashed |= not any(_PLAIN_NOTE.search(stem) for stem in stems)
        lowest = (match[2] for stem in stems for match in _BELOW_ZERO.finditer(stem))
        self.shift = 12 * (not self.dashed and "2" in lowest)
        self.primed = len({match[1][0].lower() for stem in stems for match in _PRIMED.finditer(stem)}) > 1
        letters = {match[0] for stem in stems if (match := _LETTER.fullmatch(stem))}
        numbered = {letter for letter in letters if letter[-1].isdigit()}
        few = min(len(letters - numbered), len(numbered)) < 3  # a.wav and a2.wav may be anything
        self.lettered = not few and all(map(str.islower, numbered))

    def join(self, stem: str) -> str:
        """The name with every note in one word: "C sharp 4" is Csharp4, and C-1 has a minus sign.

        In a library with c' or c1 beside c (Helmholtz), letters alone get octaves: C, is C1, C is C2 and c is C3.
        """
        if self.lettered and (whole := _LETTER.fullmatch(stem)):
            return whole[1] + str(int(whole[2] or 0) + (3 if stem.islower() else 2))
        if self.primed and not _PRIMED.search(stem):
            stem = _BARE.sub(lambda bare: bare[1] + str(3 if bare[1][0].islower() else 2 - len(bare[2])), stem, count=1)
        if not self.dashed:
            stem = _BELOW_ZERO.sub(r"\1−\2", stem)

        def joined(match: re.Match[str]) -> str:
            if match[2]:
                return match[1] + match[2] + match[4]
            return match[5] + match[7] if self.separated else match[0]

        return _SPELLED.sub(joined, stem)


def _divided(file: str, path: PurePosixPath, separators: _Separators) -> ParsedName:
    """A name with its words, and its mark if that is a frequency or of NSynth."""
    if (nsynth := _NSYNTH.fullmatch(path.stem)) and max(int(nsynth[2]), int(nsynth[3])) <= 127:
        marks: dict[Position, Mark] = {("nsynth", 0): Mark(1, nsynth[2], midi=float(nsynth[2]))}
        return ParsedName(file, path.parts[:-1], [nsynth[1]], marks, int(nsynth[3]) / 127)
    stem = _LONG_MARK.sub(lambda match: _SHORT_MARKS[f"{match[1]} {match[2][0]}".lower()], path.stem)
    words, hertz = _split(_COUNTED.sub(r"\1\2", separators.join(unicodedata.normalize("NFKC", stem))))
    name = ParsedName(file, path.parts[:-1], words)
    if hertz is not None:
        name.marks["hertz", 0] = Mark(hertz, words[hertz], midi=hz_to_midi(float(words[hertz])))
    return name


def _add_folders(name: ParsedName, separators: _Separators) -> None:
    """Add the marks at the ends of the names of folders."""
    for depth, folder in enumerate(reversed(name.folders)):
        for word in _words(separators.join(folder))[-1:]:
            if _ANY_CASE.fullmatch(word) or _NOTE.fullmatch(word):
                name.marks["folder", depth] = Mark(-1, word)
            elif word == folder and re.fullmatch(r"\d{2,3}", word):
                name.marks["folder number", depth] = Mark(-1, word, midi=float(word))


def _add_marks(name: ParsedName, prefixes: Mapping[str, int], shift: int) -> None:
    """Add a mark for each word that contains one; `prefixes` counts what may stand before note names in one word."""
    for number, word in enumerate(name.words if name.velocity is None else ()):
        if any(mark.word == number for mark in name.marks.values()):
            continue
        last = name.words[number - 1].lower() if number else ""
        following = name.words[number + 1].lower() if number + 1 < len(name.words) else ""
        if found := _name_in(word, prefixes) or _number_in(word, last, following):
            kind, text, before, midi = found
            count = sum(position[0] == kind for position in name.marks)
            name.marks[kind, count] = Mark(number, text, before, midi, shift)


def _name_in(word: str, prefixes: Mapping[str, int]) -> tuple[str, str, str, None] | None:
    """Kind and text of the note name that a word is or contains, and the rest of the word."""
    if len(word) > _LONGEST:
        return None
    if _NOTE.fullmatch(word):
        return "note", word, "", None
    if _ANY_CASE.fullmatch(word):
        return "lower", word, "", None
    if (glued := _GLUED.fullmatch(word)) and glued[1].lower() not in _COUNTING:
        return "glued", glued[2], glued[1], None
    if leading := _LEADING.fullmatch(word):
        return "fused", leading[1], leading[2], None
    counting = (numbered := _NUMBERED.fullmatch(word)) and numbered[1].lower() in _COUNTING
    if glued or counting or _KEY.fullmatch(word) or not (splits := _splits(word)):
        return None
    before, text = max(splits, key=lambda split: (family_of(split[0]) is not None, prefixes[split[0]]))
    return "fused", text, before, None


def _number_in(word: str, last: str, following: str) -> tuple[str, str, str, float] | None:
    """Kind and text of the number that a word is or ends with, and the rest of the word."""
    if key := _KEY.fullmatch(word):
        return "key", key[1], "", float(key[1])
    if short := _SHORT_KEY.fullmatch(word):
        word = short[1] or word
        counts = last in _COUNTING or following in _UNITS
        return "key" if last in _KEY_WORDS else "count" if counts else "number", word, "", float(word)
    if numbered := _NUMBERED.fullmatch(word):
        kind = "count" if numbered[1].lower() in _COUNTING else "numbered"
        return kind, numbered[2], numbered[1], float(numbered[2])
    if (numbering := _NUMBERING.fullmatch(word)) and numbering[2].lower() not in _UNITS:
        return "numbered", numbering[1], numbering[2], float(numbering[1])
    return None


def _splits(word: str) -> list[tuple[str, str]]:
    """The ways to divide a word into letters and a note name."""
    ends = range(max(1, len(word) - _LONGEST_NOTE), len(word) - 1)
    return [(word[:end], word[end:]) for end in ends if _ANY_CASE.fullmatch(word[end:])]


def _split(stem: str) -> tuple[list[str], int | None]:
    """The words of a name, and the index of the one that is a frequency."""
    match = _HERTZ.search(stem)
    if match is None or not _is_frequency(match):
        return _words(stem), None
    ahead = _words(stem[: match.start()])
    return [*ahead, match[1] or match[2], *_words(stem[match.end() :])], len(ahead)


def _words(text: str) -> list[str]:
    """The words between blanks and marks; what follows a note in its word (A0v8, C4mf, C4rr2) is a word of its own."""
    words: list[str] = []
    for word in filter(None, _BETWEEN.split(text)):
        tail = None if len(word) > _LONGEST or parse_dynamics(word) else _TAIL.fullmatch(word)
        words.append(tail[1] if tail else word)
        for suffix in _SUFFIXES.findall(tail[2]) if tail else ():
            letters = suffix.rstrip("0123456789").lower()
            number = suffix[len(letters) :]
            marked = number and parse_dynamics(letters)  # mf2 is a dynamic mark and a take
            words += [letters, number] if marked else [_CANONICAL.get(letters, letters) + number if number else suffix]
    return words


def _is_frequency(match: re.Match[str]) -> bool:
    """Whether a number has a unit, or a fraction that cannot be a MIDI number and a velocity (60.127)."""
    number = match[1] or match[2]
    if not _LOWEST_HZ <= float(number) <= _HIGHEST_HZ:
        return False
    fraction = len(number.partition(".")[2])
    off = hz_to_midi(float(number)) % 1
    return match[1] is not None or ((float(number) > 127 or fraction > 3) and min(off, 1 - off) < _IN_TUNE)
