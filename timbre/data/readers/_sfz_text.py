"""Parser of SFZ files: headers, opcodes, #define, #include (SFZ 1 and 2 with the extensions of ARIA)."""

import itertools
import posixpath
import re

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
    r'|#include[ \t]*(?:"(?P<path>[^"\n]*)"|(?P<bare>[^\s"]+))'
    r"|<(?P<header>\w+)>"
    r"|(?<![^\s>])(?:(?P<opcode>[\w$]+)=|(?P<spaced>[A-Za-z$][\w$]{2,})[ \t]+=)",
    re.ASCII,
)
_VARIABLE = re.compile(r"\$(\w+)", re.ASCII)
_LARGEST = 1 << 24  # characters after all inclusions and substitutions; real files have at most a tenth of it
_MOST_REGIONS = 100_000
_MOST_INCLUSIONS = 5000
_DEEPEST = 16  # files that include one another
_LONGEST = 4096  # characters of a value; no path is longer
_LONGEST_NAME = 64  # characters of a variable's name


class Sfz:
    """The content of an SFZ file. Names of included files are relative to it, else to the file that includes them.

    Attributes:
        file: the file, relative to the library's folder.
        regions: in order.
        included: included files, relative to the library's folder.
        dropped: refused inclusions.

    Raises:
        LibraryError: if it cannot be read, or is larger than any instrument with all included files.
    """

    def __init__(self, tree: Tree, file: str) -> None:
        self.file = file
        self.regions: list[Region] = []
        self.included: set[str] = set()
        self.dropped: list[Dropped] = []
        self._tree = tree
        self._levels: dict[str, Region] = {level: {} for level in _LEVELS}
        self._level: str | None = None
        self._variables: dict[str, str] = {}
        self._open: list[str] = []
        self._left, self._inclusions = _LARGEST, 0
        self._run(file)
        self._close()

    def _run(self, file: str) -> None:
        text = self._tree.text(file, _LARGEST)
        self._spend(len(text))
        text = _COMMENT.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))
        self._open.append(file)
        for token, following in itertools.pairwise(itertools.chain(_TOKEN.finditer(text), (None,))):
            if token is not None:
                self._take(token, text[token.end() : following.start() if following else None])
        self._open.pop()

    def _take(self, token: re.Match[str], rest: str) -> None:
        if opcode := token["opcode"] or token["spaced"]:
            name, value = self._expand(opcode).lower(), self._expand(rest.partition("\n")[0].strip())
            name = "on_cc" if _ON_CONTROLLER.fullmatch(name) else _ALIASES.get(name, name)
            if self._level and name in _OPCODES:
                self._levels[self._level][name] = value[:_LONGEST]
        elif token["header"]:
            self._enter(token["header"].lower())
        elif token["name"]:
            self._variables[token["name"]] = self._expand(token["value"])
        else:
            self._include(self._expand(token["path"] or token["bare"] or ""))

    def _enter(self, header: str) -> None:
        """End the current region; a new header clears those below it, except that <control> only adds."""
        self._close()
        self._level = header if header in _LEVELS else None
        if self._level and header != "control":
            for level in _LEVELS[_LEVELS.index(header) :]:
                self._levels[level] = {}

    def _close(self) -> None:
        if self._level != "region":
            return
        if len(self.regions) >= _MOST_REGIONS:
            raise LibraryError(f"{self.file} has more than {_MOST_REGIONS} regions; no instrument has that many.")
        region: Region = {}
        for level in self._levels.values():
            if "key" in level:
                region |= dict.fromkeys(("lokey", "hikey", "pitch_keycenter"), level["key"])
            region |= level
        self.regions.append(region)

    def _include(self, reference: str) -> None:
        base = posixpath.dirname(self.file)
        file = self._tree.find(reference, base) or self._tree.find(reference, posixpath.dirname(self._open[-1]))
        if file is None:
            problem = f"{self.file} includes it, but it {self._tree.missing(reference, base)}"
        elif file in self._open:
            problem = f"{self.file} includes it inside itself"
        elif len(self._open) >= _DEEPEST:
            problem = f"{self.file} includes it more than {_DEEPEST} levels deep"
        else:
            self.included.add(file)
            self._inclusions += 1
            if self._inclusions > _MOST_INCLUSIONS:
                raise LibraryError(f"{self.file} must include at most {_MOST_INCLUSIONS} files in all.")
            return self._run(file)
        if len(self.dropped) < _DEEPEST:
            self.dropped.append(Dropped(shown(reference), problem))
        return None

    def _expand(self, text: str) -> str:
        """Replace variables by their values; each $ takes the longest name that is defined."""
        if "$" not in text:
            return text
        text = _VARIABLE.sub(self._value, text) if len(text) <= _LONGEST else text
        if len(text) > _LONGEST:
            raise LibraryError(f"{self.file}: a value must have at most {_LONGEST} characters, got {len(text)}.")
        self._spend(len(text))
        return text

    def _value(self, match: re.Match[str]) -> str:
        word = match[1]
        for end in range(min(len(word), _LONGEST_NAME), 0, -1):
            if word[:end] in self._variables:
                return self._variables[word[:end]] + word[end:]
        return match[0]

    def _spend(self, characters: int) -> None:
        self._left -= characters
        if self._left < 0:
            raise LibraryError(f"{self.file} must have at most {_LARGEST} characters with all included files.")
