"""Keys as a terminal sends them: from bytes to names, and with key-up where the terminal tells it."""

import codecs
import os
import re
import select
from types import TracebackType
from typing import Any, NamedTuple

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
# Key-up and repeats, for all keys, with the place that each has on a US keyboard.
_ASK, _LEAVE = b"\x1b[>15u", b"\x1b[<u"
_PATIENCE = 0.03  # s to wait for the rest of a key, before an escape is one


class Key(NamedTuple):
    """Something that a key did."""

    name: str
    """The sign it stands for in lower case, or a word: up, pagedown, f1, tab, escape, shift+left, ctrl+c."""
    event: int = 0
    """1 is pressed, 2 repeated, 3 let go; 0 is pressed or repeated, on terminals that do not tell."""


def parse(text: str) -> tuple[list[Key], str]:
    """The keys in what a terminal sent, and what may be the beginning of a further one.

    Plain signs and the sequences of xterm are understood, and kitty's keyboard protocol, which tells when a key is let
    go; whatever else comes is passed over.
    """
    keys, place = [], 0
    while found := _SEQUENCE.match(text, place):
        place = found.end()
        key = _key(found)
        if key.name:
            keys.append(key)
    return keys, text[place:]


def _key(found: "re.Match[str]") -> Key:
    if sign := found["plain"]:
        return Key(_CONTROLS.get(sign, sign.lower()))
    if letter := found["console"]:  # of Linux without a desktop
        return Key(f"f{ord(letter) - 64}" if letter <= "E" else "")
    if letter := found["short"]:
        return Key(_LETTERS.get(letter, ""))
    return _sequence(found["numbers"], found["final"]) if found["final"] else Key("")


def _sequence(numbers: str, final: str) -> Key:
    """A key of the form CSI code:shifted:base ; modifiers:event final; all numbers may be missing."""
    code, modifiers = [*(part.split(":") for part in numbers.split(";")), [""], [""]][:2]
    held = int(modifiers[0] or 1) - 1
    event = int((modifiers[1:2] or ["0"])[0] or 0)
    if final == "u":
        name = _sign(int((code[2:3] or [""])[0] or code[0] or 0))
        event = event or 1
    else:
        name = _TILDES.get(int(code[0] or 0), "") if final == "~" else _LETTERS.get(final, "")
    if not name or held & _ALT:
        return Key("")
    if held & _CTRL:
        return Key("ctrl+c", event) if name == "c" else Key("")
    return Key(f"shift+{name}" if held & _SHIFT and len(name) > 1 else name, event)


def _sign(code: int) -> str:
    sign = chr(code) if 0 < code < 0xD800 else ""
    return _CONTROLS.get(sign, sign.lower() if sign.isprintable() else "")


class KeyReader:
    """Reads keys from a terminal while its `with` block runs; after it the terminal is as it was.

    Args:
        file: descriptor of the terminal.
        output: descriptor by which to ask the terminal for key-up; None asks nothing.
    """

    def __init__(self, file: int, output: int | None = None) -> None:
        self._file, self._output = file, output
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        self._rest = ""

    def __enter__(self) -> "KeyReader":
        import termios
        import tty

        self._before: list[Any] = termios.tcgetattr(self._file)
        tty.setcbreak(self._file, termios.TCSANOW)
        now = termios.tcgetattr(self._file)
        now[6][termios.VSUSP] = b"\0"  # ctrl-Z would stop the sound and leave the terminal as it is now
        termios.tcsetattr(self._file, termios.TCSANOW, now)
        self._say(_ASK)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import termios

        self._say(_LEAVE)
        try:
            termios.tcsetattr(self._file, termios.TCSANOW, self._before)
            termios.tcflush(self._file, termios.TCIFLUSH)
        except termios.error:
            pass  # the terminal is gone, and nothing is left to be mended

    def read(self, timeout: float) -> list[Key]:
        """The keys that came, after `timeout` s at most; escape when the terminal is gone."""
        if not self._ready(timeout):
            return []
        keys = self._more()
        while self._rest and self._ready(_PATIENCE):
            keys += self._more()
        rest, self._rest = self._rest, ""
        return [*keys, Key("escape")] if rest == "\x1b" else keys

    def _ready(self, timeout: float) -> bool:
        return bool(select.select([self._file], [], [], max(0.0, timeout))[0])

    def _more(self) -> list[Key]:
        try:
            content = os.read(self._file, 1024)
        except OSError:
            content = b""
        if not content:
            return [Key("escape")]
        keys, self._rest = parse(self._rest + self._decoder.decode(content))
        return keys

    def _say(self, sequence: bytes) -> None:
        if self._output is not None:
            try:
                os.write(self._output, sequence)
            except OSError:
                self._output = None
