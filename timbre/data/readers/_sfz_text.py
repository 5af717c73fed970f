"""Parser of SFZ files: headers, opcodes, #define, #include (SFZ 1 and 2 with the extensions of ARIA)."""

import itertools
import posixpath
import re
from dataclasses import dataclass, field

from timbre.data.readers._preset import shown
from timbre.data.report import Dropped
from timbre.data.tree import Tree
from timbre.errors import LibraryError

Region = dict[str, str]
"""The opcodes of a region, including those that it inherits and those of <control>."""

_LEVELS = ("control", "global", "master", "group", "region")
_NAMES = """
    sample default_path note_offset octave_offset key lokey hikey pitch_keycenter pitch_keytrack transpose tune
    lovel hivel xfin_lovel xfin_hivel xfout_lovel xfout_hivel offset end loop_mode trigger on_cc
    seq_position seq_length lorand hirand sw_label region_label group_label master_label
"""
_OPCODES = frozenset(_NAMES.split())
_ALIASES = {"pitch": "tune", "loopmode": "loop_mode"}
_ON_CONTROLLER = re.compile(r"(on|start)_(lo|hi)(hd)?cc\d+")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_TOKEN = re.compile(
    r"#define[ \t]+\$(?P<name>\w+)[ \t]+(?P<value>\S+)"
    r'|#include[ \t]*"(?P<path>[^"\n]*)"'
    r"|<(?P<header>\w+)>"
    r"|(?<![^\s>])(?P<opcode>[\w$]+)=",
    re.ASCII,
)
_VARIABLE = re.compile(r"\$(\w+)", re.ASCII)
_LARGEST = 1 << 24  # characters after all inclusions and substitutions; real files have at most a tenth of it
_MOST_REGIONS = 100_000
_MOST_INCLUSIONS = 5000
_DEEPEST = 16  # files that include one another
_LONGEST = 4096  # characters of a value; no path is longer
_LONGEST_NAME = 64  # characters of a variable's name


@dataclass
class Sfz:
    """The content of an SFZ file."""

    file: str
    regions: list[Region] = field(default_factory=list)
    included: set[str] = field(default_factory=set)
    """Included files, relative to the library's folder."""
    dropped: list[Dropped] = field(default_factory=list)
    """Refused inclusions."""


def parse_sfz(tree: Tree, file: str) -> Sfz:
    """The regions of an SFZ file; names of included files are relative to it, else to the file that includes them.

    Raises LibraryError if it cannot be read, or is larger than any instrument with all included files.
    """
    parser = _Parser(tree, file)
    parser.run(file)
    return parser.sfz


class _Parser:
    def __init__(self, tree: Tree, root: str) -> None:
        self.tree, self.root, self.sfz = tree, root, Sfz(root)
        self.levels: dict[str, Region] = {level: {} for level in _LEVELS}
        self.level: str | None = None
        self.variables: dict[str, str] = {}
        self.open: list[str] = []
        self.left, self.inclusions = _LARGEST, 0

    def run(self, file: str) -> None:
        text = self.tree.text(file, _LARGEST)
        self._spend(len(text))
        text = _COMMENT.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))
        self.open.append(file)
        for token, following in itertools.pairwise(itertools.chain(_TOKEN.finditer(text), (None,))):
            if token is not None:
                self._take(token, text[token.end() : following.start() if following else None])
        self.open.pop()
        if not self.open:
            self._close()

    def _take(self, token: re.Match[str], rest: str) -> None:
        if token["opcode"]:
            self._set(self._expand(token["opcode"]).lower(), self._expand(rest.partition("\n")[0].strip()))
        elif token["header"]:
            self._enter(token["header"].lower())
        elif token["name"]:
            self.variables[token["name"]] = self._expand(token["value"])
        else:
            self._include(self._expand(token["path"] or ""))

    def _set(self, name: str, value: str) -> None:
        name = "on_cc" if _ON_CONTROLLER.fullmatch(name) else _ALIASES.get(name, name)
        if self.level and name in _OPCODES:
            self.levels[self.level][name] = value[:_LONGEST]

    def _enter(self, header: str) -> None:
        """End the current region; a new header clears those below it, except that <control> only adds."""
        self._close()
        self.level = header if header in _LEVELS else None
        if self.level and header != "control":
            for level in _LEVELS[_LEVELS.index(header) :]:
                self.levels[level] = {}

    def _close(self) -> None:
        if self.level != "region":
            return
        if len(self.sfz.regions) >= _MOST_REGIONS:
            raise LibraryError(f"{self.root} has more than {_MOST_REGIONS} regions; no instrument has so many.")
        region: Region = {}
        for level in self.levels.values():
            if "key" in level:
                region |= dict.fromkeys(("lokey", "hikey", "pitch_keycenter"), level["key"])
            region |= level
        self.sfz.regions.append(region)

    def _include(self, reference: str) -> None:
        base = posixpath.dirname(self.root)
        file = self.tree.find(reference, base) or self.tree.find(reference, posixpath.dirname(self.open[-1]))
        if file is None:
            problem = f"{self.root} includes it, but it {self.tree.missing(reference, base)}"
        elif file in self.open:
            problem = f"{self.root} includes it inside itself"
        elif len(self.open) >= _DEEPEST:
            problem = f"{self.root} includes it more than {_DEEPEST} levels deep"
        else:
            self.sfz.included.add(file)
            self.inclusions += 1
            if self.inclusions > _MOST_INCLUSIONS:
                raise LibraryError(f"{self.root} must include at most {_MOST_INCLUSIONS} files in all.")
            return self.run(file)
        if len(self.sfz.dropped) < _DEEPEST:
            self.sfz.dropped.append(Dropped(shown(reference), problem))
        return None

    def _expand(self, text: str) -> str:
        """Replace variables by their values; each $ takes the longest name that is defined."""
        if "$" not in text:
            return text
        text = _VARIABLE.sub(self._value, text) if len(text) <= _LONGEST else text
        if len(text) > _LONGEST:
            raise LibraryError(f"{self.root}: a value must have at most {_LONGEST} characters, got {len(text)}.")
        self._spend(len(text))
        return text

    def _value(self, match: re.Match[str]) -> str:
        word = match[1]
        for end in range(min(len(word), _LONGEST_NAME), 0, -1):
            if word[:end] in self.variables:
                return self.variables[word[:end]] + word[end:]
        return match[0]

    def _spend(self, characters: int) -> None:
        self.left -= characters
        if self.left < 0:
            raise LibraryError(f"{self.root} must have at most {_LARGEST} characters with all included files.")
