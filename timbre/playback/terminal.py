"""`session`: live play in a terminal, with a screen and the computer's keyboard."""

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

import numpy as np
from rich.console import Console
from rich.live import Live

from timbre.paths import Path
from timbre.playback.controls import Controls, State
from timbre.playback.inputs.keyboard import Keyboard
from timbre.playback.inputs.keys import POSIX, KeyReader
from timbre.playback.inputs.midi import MidiInput
from timbre.playback.inputs.osc import OscServer
from timbre.playback.player import Player
from timbre.playback.view import view
from timbre.shapes.presets import Preset, read_presets, write_presets

Inputs = Mapping[str, MidiInput | OscServer]

_REDRAW, _TICK = 0.1, 0.04  # s
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def session(
    player: Player,
    seconds: float | None = None,
    folder: "str | FilePath | None" = None,
    title: str = "",
    inputs: Inputs | None = None,
) -> State:
    """Play until Esc or Ctrl-C is pressed or the time is over. A terminal shows a screen and reads the keyboard.

    If standard output is no terminal, one line is printed at the start and one at the end.

    Args:
        player: plays; stays open.
        seconds: length of the session; None is unlimited.
        folder: folder or name of the space, where new presets are saved; None saves none.
        title: name of the space.
        inputs: open MIDI and OSC inputs of the player, by name: for learning controllers and showing problems.

    Returns the state at the end. Raises a DeviceError if the player failed, and KeyboardInterrupt at Ctrl-C.
    """
    inputs = dict(inputs or {})
    midi = inputs.get("MIDI")
    keyboard = Keyboard(
        player,
        None if folder is None else lambda point: save_preset(player, folder, point),
        midi.learn if isinstance(midi, MidiInput) else None,
    )
    with leaving_on_signals(), _surviving_the_terminal():
        try:
            with ExitStack() as stack:
                live = None
                if _is_terminal():
                    console = Console(highlight=False)
                    live = stack.enter_context(Live(console=console, screen=True, auto_refresh=False))
                keys = _reader(stack)
                if live is None:
                    print(_greeting(player.state(), title, keys is not None), flush=True)
                _play(player, seconds, keys, _Screen(live, keyboard, title, inputs))
        finally:
            print(" ".join([summary(player.state()), *_problems(player, inputs)]), flush=True)
    return player.state()


def save_preset(player: Player, folder: "str | FilePath", point: np.ndarray) -> str:
    """Add a point to the presets of a space, given by its folder or name; returns the name of the new preset."""
    presets = read_presets(folder, player.space)  # another program may have changed them
    name = next(name for number in count(1) if (name := f"point {number}") not in presets)
    presets = presets.adding(Preset(name, Path(point[None], np.zeros(1))))
    write_presets(folder, presets, player.space)
    player.presets = presets
    return name


def summary(state: State) -> str:
    """A line about a whole session."""
    return (
        f"{state.seconds:.1f} s played at {state.sample_rate} Hz; underruns {state.underruns}, notes cut short"
        f" {state.shed + state.stolen}, load {state.load:.0%}, latency {state.latency.total:.1f} ms"
    )


@dataclass
class _Screen:
    """What is drawn about ten times a second; nothing without a terminal."""

    live: Live | None
    keyboard: Keyboard
    title: str
    inputs: Inputs
    drawn: float = -math.inf

    def draw(self, state: State, now: float) -> None:
        if self.live is not None and now - self.drawn >= _REDRAW:
            size = self.live.console.size
            notes = [f"         {text}" for text in _problems(self.keyboard.controls, self.inputs)]
            self.live.update(view(state, self.keyboard, self.title, size.width, size.height, notes), refresh=True)
            self.drawn = now


def _problems(player: Controls, inputs: Inputs) -> list[str]:
    """A sentence about the engine if it was started again, and for each input that refused messages."""
    notices = [player.notice] if isinstance(player, Player) and player.notice else []
    return notices + [
        f"{name} refused {source.problems.count}, the last: {source.problems.last}"
        for name, source in inputs.items()
        if source.problems.count
    ]


def _play(player: Player, seconds: float | None, keys: KeyReader | None, screen: _Screen) -> None:
    """Turn keys into notes and draw the screen until the session ends."""
    now, notice = time.monotonic(), ""
    end = now + (math.inf if seconds is None else seconds)
    while now < end:
        player.check()
        screen.draw(player.state(), now)
        if player.notice != notice and screen.live is None:
            print(notice := player.notice, flush=True)
        wait = min(_TICK, end - now)
        if keys is None:
            time.sleep(wait)
        for key in keys.read(wait) if keys else []:
            if not screen.keyboard.press(key, time.monotonic()):
                return
        now = time.monotonic()
        screen.keyboard.tick(now)


def _is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _greeting(state: State, title: str, keys: bool) -> str:
    stop = "Esc ends it" if keys else "no keyboard here, Ctrl-C ends it"
    return f"playing {title or 'a space'}: {state.sample_rate} Hz, block {state.block}, {state.runtime}; {stop}"


def _reader(stack: ExitStack) -> KeyReader | None:
    """A reader of the terminal on standard input, until the stack unwinds; None if there is none."""
    if not sys.stdin or not sys.stdin.isatty():
        return None
    if not POSIX:
        print("The computer's keyboard plays on Linux and macOS only; use MIDI, OSC or timbre app.", file=sys.stderr)
        return None
    return stack.enter_context(KeyReader(sys.stdin.fileno(), sys.stdout.fileno() if _is_terminal() else None))


@contextmanager
def _surviving_the_terminal() -> Iterator[None]:
    """Exit as on SIGHUP when the terminal has gone, which a failed write may show first."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # discards what is still buffered
        sys.exit(128 + 1)


@contextmanager
def leaving_on_signals() -> Iterator[None]:
    """Exit on SIGTERM and SIGHUP by an exception, so that the terminal is restored and a recording completed."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS[1:]:
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Ignore signals during shutdown: a second Ctrl-C would leave a recording incomplete."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
