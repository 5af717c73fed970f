"""The terminal screen of a live session, as text."""

import math
from collections.abc import Sequence

import numpy as np
from rich.text import Text

from timbre.data.names import note_name
from timbre.playback.controls import State, axes_of
from timbre.playback.inputs.keyboard import Keyboard
from timbre.playback.inputs.mapping import default_range

_FLOOR = -60.0  # dB, of the peak meter
_BAR = 24  # characters
_KEYS = (
    "Z S X D C … and Q 2 W 3 E …  notes", "- =  octave", "PgUp PgDn  velocity", "Tab  latch", "Space  silence",
    "↑ ↓  axis", "← →  move along it (Shift: further)", "F1 … F12, [ ]  presets", "P  save this point as a preset",
    "A  assign the next MIDI controller to this axis", "Esc  quit",
)  # fmt: skip
_TALL = 20  # rows; lower screens omit the keys


def view(state: State, keyboard: Keyboard, title: str, width: int, height: int, notes: Sequence[str] = ()) -> Text:
    """The screen: sound, load and latency, coordinates, and the keys.

    `width` and `height` are in characters; `notes` are further lines.
    """
    lines, keys = [*_sound(state, title), *_keyboard(keyboard), *notes], _help(width, height)
    room = max(1, height - len(lines) - len(keys) - 1)
    lines += [*_axes(state.point, keyboard, room), *keys]
    screen = Text(no_wrap=True, overflow="ellipsis")
    for number, line in enumerate(lines[: height - 1]):
        style = "bold" if number == 0 or line.startswith("▸") else "dim" if line in keys else ""
        screen.append(line[:width] + "\n", style)
    return screen


def _sound(state: State, title: str) -> list[str]:
    latency, level = state.latency, max(20 * math.log10(max(state.peak, 1e-9)), _FLOOR)
    return [
        f"{title or 'timbre'}  ·  {state.sample_rate} Hz, block {state.block}, {state.runtime}",
        f"peak     {bar(1 - level / _FLOOR)}  {level:6.1f} dB",
        f"voices   {bar(state.voices / max(1, state.limit))}  {state.voices} of {state.limit}",
        f"notes    {'  '.join(map(_pitch_name, state.notes)) or '-'}",
        f"load     {bar(state.load)}  {state.load:4.0%}   underruns {state.underruns}"
        f"   notes stolen {state.stolen}, shed {state.shed}",
        f"latency  {latency.total:.1f} ms = {latency.buffering:.1f} buffering + {latency.look_ahead:.1f} look-ahead"
        f" + {latency.device:.1f} device; point +{state.control_delay:.1f}",
    ]


def _keyboard(keyboard: Keyboard) -> list[str]:
    names = list(keyboard.controls.presets)
    presets = "   ".join(f"F{number} {name}" for number, name in enumerate(names[:12], 1))
    latch = "on" if keyboard.latch else "off"
    return [
        f"keys     octave {keyboard.octave}   velocity {keyboard.velocity:.1f}   latch {latch}",
        f"presets  {presets or '-'}{'   …' if len(names) > 12 else ''}",
        f"         {keyboard.message}",
    ]


def _help(width: int, height: int) -> list[str]:
    """The keys, in lines that fit the width."""
    lines = [""]
    for entry in _KEYS if height >= _TALL else ():
        if lines[-1] and len(lines[-1]) + 3 + len(entry) > width:
            lines.append("")
        lines[-1] += "   " * bool(lines[-1]) + entry
    return [line for line in lines if line]


def _axes(point: np.ndarray, keyboard: Keyboard, room: int) -> list[str]:
    """A line for each named axis and dimension, over its default range; only those near the chosen one if short of
    room. The coordinates are those of `point`, which may be gliding."""
    controls, named = keyboard.controls, axes_of(keyboard.controls.space)
    values = [*controls.values()[: len(named) - len(point)], *point.tolist()]
    names = [axis if isinstance(axis, str) else f"z{axis}" for axis in named]
    widest = max(map(len, names))
    first = min(max(0, keyboard.axis - room // 2), max(0, len(named) - room))
    lines = []
    for number in range(first, min(len(named), first + room)):
        low, high = default_range(controls.space, named[number])
        share = (values[number] - low) / (high - low)
        mark, line = "▸" if number == keyboard.axis else " ", pointer(float(np.nan_to_num(share, nan=0.5)))
        lines.append(f"{mark} {names[number].ljust(widest)}  {line}  {values[number]:+7.2f}")
    return lines


def bar(share: float) -> str:
    """A bar filled by a share of 0 to 1."""
    filled = round(_BAR * min(1.0, max(0.0, share)))
    return "█" * filled + "░" * (_BAR - filled)


def pointer(share: float) -> str:
    """A line with a mark at a share of 0 to 1, or an arrow at its end if the share lies beyond."""
    mark = "◀" if share < 0 else "▶" if share > 1 else "●"
    before = round((_BAR - 1) * min(1.0, max(0.0, share)))
    return "─" * before + mark + "─" * (_BAR - 1 - before)


def _pitch_name(pitch: float) -> str:
    if math.isnan(pitch):
        return "noise"
    cents = round(100 * (pitch - round(pitch)))
    return note_name(pitch) + (f"{cents:+d}" if cents else "")
