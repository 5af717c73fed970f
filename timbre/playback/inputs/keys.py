"""Reads keys from a terminal: bytes to names of keys, with key-up if the terminal reports it."""

import codecs
import os
import re
import select
from contextlib import suppress
from typing import Any, NamedTuple

try:
    import termios
    import tty
except ImportError:  # Windows
    POSIX = False
else:
    POSIX = True

_SEQUENCE = re.compile(
    r"\x1b\[\[(?P<console>[A-Z])|\x1b\[(?P<numbers>[\d;:]{0,40})(?P<final>[A-Za-z~])|\x1b\[[0-?]*[ -/]*[@-Z\\-~]"
    r"|\x1bO(?P<short>[A-Z])|\x1b[^\[O\x1b]|(?P<plain>[^\x1b]|\x1b(?=\x1b))",
    re.DOTALL,
)
_LETTERS = {"A": "up", "B": "down", "C": "right", "D": "left", "P": "f1", "Q": "f2", "R": "f3", "S": "f4"}
_TILDES = dict(zip((5, 6, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 23, 24),
                   ("pageup", "pagedown", *(f"f{number}" for number in range(1, 13))), strict=True))  # fmt: skip
_CONTROLS = {"\t": "tab", "\x1b": "escape", "\x03": "ctrl+c"}
_SHIFT, _ALT, _CTRL = 1, 2, 4
# Turn the reports of key-up and repeats on (for all keys, with their positions on a US keyboard) and off.
_REPORTS_ON, _REPORTS_OFF = b"\x1b[>15u", b"\x1b[<u"
_REST_TIMEOUT = 0.03  # s to wait for the rest of a sequence; after it, an escape is the key Esc


class Key(NamedTuple):
    """An event of a key."""

    name: str  # its character in lower case, or a word: up, pagedown, f1, tab, escape, shift+left, ctrl+c
    event: int = 0  # 1 pressed, 2 repeated, 3 released; 0 is pressed or repeated, if the terminal does not report which


def parse(text: str) -> tuple[list[Key], str]:
    """The keys in a terminal's output, and its unfinished rest.

    Understands plain characters, the sequences of xterm, and kitty's keyboard protocol, which reports key-up. Anything
    else is skipped.
    """
    keys, position = [], 0
    while match := _SEQUENCE.match(text, position):
        position = match.end()
        keys.append(_key(match))
    return [key for key in keys if key.name], text[position:]


def _key(match: "re.Match[str]") -> Key:
    if character := match["plain"]:
        return Key(_CONTROLS.get(character, character.lower()))
    if letter := match["console"]:  # Linux without a desktop
        return Key(f"f{ord(letter) - 64}" if letter <= "E" else "")
    if letter := match["short"]:
        return Key(_LETTERS.get(letter, ""))
    return _sequence(match["numbers"], match["final"]) if match["final"] else Key("")


def _sequence(numbers: str, final: str) -> Key:
    """A key of the form CSI code:shifted:base ; modifiers:event final; each number may be missing."""
    code, modifiers = [*(part.split(":") for part in numbers.split(";")), [""], [""]][:2]
    pressed = int(modifiers[0] or 1) - 1
    event = int((modifiers[1:2] or ["0"])[0] or 0)
    if final == "u":
        name = _character(int((code[2:3] or [""])[0] or code[0] or 0))
        event = event or 1
    else:
        name = _TILDES.get(int(code[0] or 0), "") if final == "~" else _LETTERS.get(final, "")
    if not name or pressed & _ALT:
        return Key("")
    if pressed & _CTRL:
        return Key("ctrl+c", event) if name == "c" else Key("")
    return Key(f"shift+{name}" if pressed & _SHIFT and len(name) > 1 else name, event)


def _character(code: int) -> str:
    character = chr(code) if 0 < code < 0xD800 else ""
    return _CONTROLS.get(character, character.lower() if character.isprintable() else "")


class KeyReader:
    """Reads keys from a terminal in a `with` block, which restores the terminal at its end. POSIX only.

    `output` is the descriptor for requesting reports of key-up; None requests none.
    """

    def __init__(self, file: int, output: int | None = None) -> None:
        self._file, self._output = file, output
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        self._rest = ""

    def __enter__(self) -> "KeyReader":
        self._before: list[Any] = termios.tcgetattr(self._file)
        tty.setcbreak(self._file, termios.TCSANOW)
        settings = termios.tcgetattr(self._file)
        settings[6][termios.VSUSP] = b"\0"  # Ctrl-Z would stop the sound and leave the terminal in this mode
        termios.tcsetattr(self._file, termios.TCSANOW, settings)
        self._write(_REPORTS_ON)
        return self

    def __exit__(self, *_: object) -> None:
        self._write(_REPORTS_OFF)
        with suppress(termios.error):  # the terminal has gone
            termios.tcsetattr(self._file, termios.TCSANOW, self._before)
            termios.tcflush(self._file, termios.TCIFLUSH)

    def read(self, timeout: float) -> list[Key]:
        """The keys pressed, after at most `timeout` s; escape if the terminal has gone."""
        if not self._ready(timeout):
            return []
        keys = self._read_ready()
        while self._rest and self._ready(_REST_TIMEOUT):
            keys += self._read_ready()
        rest, self._rest = self._rest, ""
        return [*keys, Key("escape")] if rest == "\x1b" else keys

    def _ready(self, timeout: float) -> bool:
        return bool(select.select([self._file], [], [], max(0.0, timeout))[0])

    def _read_ready(self) -> list[Key]:
        try:
            content = os.read(self._file, 1024)
        except OSError:
            content = b""
        if not content:
            return [Key("escape")]
        keys, self._rest = parse(self._rest + self._decoder.decode(content))
        return keys

    def _write(self, sequence: bytes) -> None:
        if self._output is not None:
            try:
                os.write(self._output, sequence)
            except OSError:
                self._output = None
