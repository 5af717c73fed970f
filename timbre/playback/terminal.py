"""A live session in a terminal: a view of what sounds, and the computer's keyboard."""

import math
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import numpy as np

from timbre.data.names import note_name
from timbre.playback._keys import KeyReader
from timbre.playback.controls import State
from timbre.playback.keyboard import Keyboard
from timbre.space import Path
from timbre.space.presets import Preset, write_presets

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from timbre.playback.player import Player

_REDRAW, _TICK = 0.1, 0.04  # s
_FLOOR = -60.0  # dB, of the peak meter
_BAR = 24  # signs
_KEYS = (
    "Z S X D C … and Q 2 W 3 E …  notes", "- =  octave", "PgUp PgDn  velocity", "Tab  latch", "Space  silence",
    "↑ ↓  axis", "← →  move along it (Shift: further)", "F1 … F12, [ ]  presets", "P  keep this place", "Esc  leave",
)  # fmt: skip
_TALL = 20  # rows: screens that are lower leave the keys out


def session(
    player: "Player", seconds: float | None = None, folder: "str | FilePath | None" = None, title: str = ""
) -> State:
    """Play until Esc or Ctrl-C is pressed, or the time is over; in a terminal with a view and the computer's keyboard.

    Where stdout is no terminal, a line says what begins and a line at the end what was done.

    Args:
        player: what plays; it stays open.
        seconds: after which to end; None is never.
        folder: of the space, for presets that are kept; None keeps none.
        title: what is played, in words.

    Returns:
        What the player was doing at the end.

    Raises:
        DeviceError: the player broke down.
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    keyboard = Keyboard(player, None if folder is None else lambda point: keep(player, FilePath(folder), point))
    try:
        with ExitStack() as stack:
            stack.enter_context(leaving_on_signals())
            live = stack.enter_context(_screen()) if _draws() else None
            keys = _reader(stack)
            if live is None:
                print(_begin(player, title, keys is not None), flush=True)
            _play(player, seconds, keyboard, keys, live, title)
    finally:
        print(summary(player.state()), flush=True)
    return player.state()


def keep(player: "Player", folder: FilePath, point: np.ndarray) -> str:
    """Add a point to the presets of the space in a folder, under a name of its own, and say which.

    Raises:
        ConfigError: the file cannot be written, or there is no room for another.
    """
    number = len(player.presets) + 1
    while f"place {number}" in player.presets:
        number += 1
    name = f"place {number}"
    presets = player.presets.adding(Preset(name, Path(point[None], np.zeros(1))))
    write_presets(folder, presets, player.space)
    player.presets = presets
    return name


def summary(state: State) -> str:
    """What a player did, in one line."""
    return (
        f"{state.seconds:.1f} s played at {state.sample_rate} Hz; underruns {state.underruns}, notes cut short"
        f" {state.shed + state.stolen}, load {state.load:.0%}, latency {state.latency.total:.1f} ms"
    )


def view(state: State, keyboard: Keyboard, title: str, width: int, height: int) -> "RenderableType":
    """The screen: what sounds, how the machine fares, where in the space, and what the keys do."""
    from rich.text import Text

    lines, keys = [*_sounding(state, title), *_faring(state), *_choices(keyboard)], _help(width, height)
    room = max(1, height - len(lines) - len(keys) - 1)
    lines += [*_axes(state.point, keyboard, room), *keys]
    screen = Text(no_wrap=True, overflow="ellipsis")
    for number, line in enumerate(lines[: height - 1]):
        style = "bold" if number == 0 or line.startswith("▸") else "dim" if line in keys else ""
        screen.append(line[:width] + "\n", style)
    return screen


def _sounding(state: State, title: str) -> list[str]:
    pitched = [_named(pitch) for pitch in state.notes]
    level = 20 * math.log10(max(state.peak, 1e-9))
    return [
        f"{title or 'timbre'}  ·  {state.sample_rate} Hz, block {state.block}, {state.runtime}",
        f"peak     {bar(1 - max(level, _FLOOR) / _FLOOR)}  {max(level, _FLOOR):6.1f} dB",
        f"voices   {bar(state.voices / max(1, state.limit))}  {state.voices} of {state.limit}",
        f"notes    {'  '.join(pitched) or '-'}",
    ]


def _faring(state: State) -> list[str]:
    latency = state.latency
    return [
        f"load     {bar(state.load)}  {state.load:4.0%}   underruns {state.underruns}"
        f"   notes stolen {state.stolen}, shed {state.shed}",
        f"latency  {latency.total:.1f} ms = {latency.buffering:.1f} buffering + {latency.look_ahead:.1f} look-ahead"
        f" + {latency.device:.1f} device; place +{state.control_delay:.1f}",
    ]


def _choices(keyboard: Keyboard) -> list[str]:
    names = list(keyboard.controls.presets)
    presets = "   ".join(f"F{number} {name}" for number, name in enumerate(names[:12], 1))
    latch = "on" if keyboard.latch else "off"
    return [
        f"keys     octave {keyboard.octave}   velocity {keyboard.velocity:.1f}   latch {latch}",
        f"presets  {presets or '-'}{'   …' if len(names) > 12 else ''}",
        f"         {keyboard.message}",
    ]


def _help(width: int, height: int) -> list[str]:
    """What the keys do, in lines as long as the screen is wide."""
    lines = [""]
    for entry in _KEYS if height >= _TALL else ():
        if lines[-1] and len(lines[-1]) + 3 + len(entry) > width:
            lines.append("")
        lines[-1] += "   " * bool(lines[-1]) + entry
    return [line for line in lines if line]


def _axes(point: np.ndarray, keyboard: Keyboard, room: int) -> list[str]:
    """A bar for each dimension, within what the known sounds span; those around the chosen one where room is short."""
    space = keyboard.controls.space
    known = space.atlas.points if len(space.atlas) else np.array([[-3.0], [3.0]]).repeat(space.dim, 1)
    low, high = known.min(0), known.max(0)
    names = [axis.name for axis in space.axes] + [f"z{number}" for number in range(len(space.axes), space.dim)]
    widest = max(map(len, names))
    first = min(max(0, keyboard.axis - room // 2), max(0, space.dim - room))
    lines = []
    for number in range(first, min(space.dim, first + room)):
        share = (point[number] - low[number]) / max(float(high[number] - low[number]), 1e-9)
        mark = "▸" if number == keyboard.axis else " "
        lines.append(f"{mark} {names[number].ljust(widest)}  {pointer(float(share))}  {point[number]:+7.2f}")
    return lines


def bar(share: float) -> str:
    """A bar that is filled by a share of 0 to 1."""
    filled = round(_BAR * min(1.0, max(0.0, share)))
    return "█" * filled + "░" * (_BAR - filled)


def pointer(share: float) -> str:
    """A line with a mark at a share of 0 to 1; arrows where it lies beyond."""
    place = "◀" if share < 0 else "▶" if share > 1 else "●"
    before = round((_BAR - 1) * min(1.0, max(0.0, share)))
    return "─" * before + place + "─" * (_BAR - 1 - before)


def _named(pitch: float) -> str:
    if math.isnan(pitch):
        return "noise"
    cents = round(100 * (pitch - round(pitch)))
    return note_name(pitch) + (f"{cents:+d}" if cents else "")


def _play(
    player: "Player", seconds: float | None, keyboard: Keyboard, keys: KeyReader | None, live: "Live | None", title: str
) -> None:
    """Keys to notes, and the state to the screen, until it ends."""
    now = time.monotonic()
    end, drawn = now + (math.inf if seconds is None else seconds), -math.inf
    while now < end:
        player.check()
        if live is not None and now - drawn >= _REDRAW:
            size = live.console.size
            live.update(view(player.state(), keyboard, title, size.width, size.height), refresh=True)
            drawn = now
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
def leaving_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack, so that the terminal is mended and a recording completed."""
    before = {}

    def leave(number: int, _: Any) -> None:
        sys.exit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None:
            before[number] = signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
