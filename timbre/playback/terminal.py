"""A live session in a terminal: a view of what sounds, and the computer's keyboard."""

import errno
import math
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import numpy as np

from timbre.paths import Path
from timbre.playback.controls import State
from timbre.playback.inputs._keys import KeyReader
from timbre.playback.inputs.keyboard import Keyboard
from timbre.playback.inputs.midi import MidiInput
from timbre.playback.view import view
from timbre.shapes.presets import Preset, read_presets, write_presets

if TYPE_CHECKING:
    from rich.live import Live

    from timbre.playback.inputs.osc import OscServer
    from timbre.playback.player import Player

_REDRAW, _TICK = 0.1, 0.04  # s
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def session(
    player: "Player",
    seconds: float | None = None,
    place: "str | FilePath | None" = None,
    title: str = "",
    adapters: "Mapping[str, MidiInput | OscServer] | None" = None,
) -> State:
    """Play until Esc or Ctrl-C is pressed, or the time is over; in a terminal with a view and the computer's keyboard.

    Where stdout is no terminal, a line says what begins and a line at the end what was done.

    Args:
        player: what plays; it stays open.
        seconds: after which to end; None is never.
        place: the space's folder or name, for presets that are kept; None keeps none.
        title: what is played, in words.
        adapters: what else plays it, already open, by name; for learning controllers, and to tell what is wrong.

    Returns:
        What the player was doing at the end.

    Raises:
        DeviceError: the player broke down.
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    others = dict(adapters or {})
    midi = others.get("MIDI")
    keyboard = Keyboard(
        player,
        None if place is None else lambda point: keep(player, place, point),
        midi.learn if isinstance(midi, MidiInput) else None,
    )
    with leaving_on_signals(), _surviving_the_terminal():
        _session(player, seconds, keyboard, title, others)
    return player.state()


def _session(
    player: "Player",
    seconds: float | None,
    keyboard: Keyboard,
    title: str,
    others: "dict[str, MidiInput | OscServer]",
) -> None:
    try:
        with ExitStack() as stack:
            live = stack.enter_context(_screen()) if _draws() else None
            keys = _reader(stack)
            if live is None:
                print(_begin(player, title, keys is not None), flush=True)
            _play(player, seconds, keyboard, keys, _Screen(live, keyboard, title, others))
    finally:
        print(" ".join([summary(player.state()), *_wrong(others)]), flush=True)


def keep(player: "Player", place: "str | FilePath", point: np.ndarray) -> str:
    """Add a point to the presets of a space, given by its folder or name, under a name of its own, and say which.

    Raises:
        ConfigError: the file cannot be written, or there is no room for another.
    """
    presets = read_presets(place, player.space)  # others may have added to them meanwhile
    name = next(name for number in count(1) if (name := f"place {number}") not in presets)
    presets = presets.adding(Preset(name, Path(point[None], np.zeros(1))))
    write_presets(place, presets, player.space)
    player.presets = presets
    return name


def summary(state: State) -> str:
    """What a player did, in one line."""
    return (
        f"{state.seconds:.1f} s played at {state.sample_rate} Hz; underruns {state.underruns}, notes cut short"
        f" {state.shed + state.stolen}, load {state.load:.0%}, latency {state.latency.total:.1f} ms"
    )


@dataclass
class _Screen:
    """What is drawn, some ten times a second; nothing where there is no terminal."""

    live: "Live | None"
    keyboard: Keyboard
    title: str
    others: "dict[str, MidiInput | OscServer]"
    drawn: float = -math.inf

    def draw(self, player: "Player", now: float) -> None:
        if self.live is not None and now - self.drawn >= _REDRAW:
            size = self.live.console.size
            notes = [f"         {text}" for text in _wrong(self.others)]
            screen = view(player.state(), self.keyboard, self.title, size.width, size.height, notes)
            self.live.update(screen, refresh=True)
            self.drawn = now


def _wrong(others: "dict[str, MidiInput | OscServer]") -> list[str]:
    """What went wrong with messages from elsewhere, a sentence for each."""
    return [
        f"{name} refused {other.problems.count}, the last: {other.problems.last}"
        for name, other in others.items()
        if other.problems.count
    ]


def _play(player: "Player", seconds: float | None, keyboard: Keyboard, keys: KeyReader | None, screen: _Screen) -> None:
    """Keys to notes, and the state to the screen, until it ends."""
    now = time.monotonic()
    end = now + (math.inf if seconds is None else seconds)
    while now < end:
        player.check()
        screen.draw(player, now)
        for key in _wait(keys, min(_TICK, end - now)):
            if not keyboard.press(key, time.monotonic()):
                return
        now = time.monotonic()
        keyboard.tick(now)


def _wait(keys: KeyReader | None, timeout: float) -> list[Any]:
    if keys is not None:
        return keys.read(timeout)
    time.sleep(max(0.0, timeout))
    return []


def _draws() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _begin(player: "Player", title: str, keys: bool) -> str:
    state = player.state()
    stop = "Esc ends it" if keys else "no keyboard here, Ctrl-C ends it"
    return f"playing {title or 'a space'}: {state.sample_rate} Hz, block {state.block}, {state.runtime}; {stop}"


@contextmanager
def _screen() -> "Iterator[Live]":
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(highlight=False), screen=True, auto_refresh=False) as live:
        yield live


def _reader(stack: ExitStack) -> KeyReader | None:
    """The keys of the terminal on stdin, until the stack unwinds; None where there is none."""
    if not sys.stdin or not sys.stdin.isatty():
        return None
    try:
        import termios  # noqa: F401
    except ImportError:
        print("The computer's keyboard plays on Linux and macOS only; use MIDI, OSC or timbre app.", file=sys.stderr)
        return None
    return stack.enter_context(KeyReader(sys.stdin.fileno(), sys.stdout.fileno() if _draws() else None))


@contextmanager
def _surviving_the_terminal() -> Iterator[None]:
    """Leave as on SIGHUP when the terminal went away, which writing to it may find out first."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is buffered goes nowhere either
        sys.exit(128 + 1)


@contextmanager
def leaving_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind what is inside, so that the terminal is mended and a recording completed."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS[1:]:
        signal.signal(number, _leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Let nothing interrupt the end: a second Ctrl-C would leave a recording unfinished."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _leave(number: int, _: Any) -> None:
    sys.exit(128 + number)
