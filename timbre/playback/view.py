"""What the terminal shows of a live session: text, drawn anew each time."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from timbre.data.names import note_name
from timbre.playback.controls import State
from timbre.playback.inputs.keyboard import Keyboard

if TYPE_CHECKING:
    from rich.console import RenderableType

_FLOOR = -60.0  # dB, of the peak meter
_BAR = 24  # signs
_KEYS = (
    "Z S X D C … and Q 2 W 3 E …  notes", "- =  octave", "PgUp PgDn  velocity", "Tab  latch", "Space  silence",
    "↑ ↓  axis", "← →  move along it (Shift: further)", "F1 … F12, [ ]  presets", "P  keep this place",
    "A  let the next MIDI controller move this axis", "Esc  leave",
)  # fmt: skip
_TALL = 20  # rows: screens that are lower leave the keys out


def view(
    state: State, keyboard: Keyboard, title: str, width: int, height: int, notes: Sequence[str] = ()
) -> "RenderableType":
    """The screen: what sounds, how the machine fares, where in the space, and what the keys do.

    Args:
        state: of the player.
        keyboard: the computer's.
        title: what is played, in words.
        width, height: of the screen, signs.
        notes: what else there is to say, a line each.
    """
    from rich.text import Text

    lines, keys = [*_sounding(state, title), *_faring(state), *_choices(keyboard), *notes], _help(width, height)
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
