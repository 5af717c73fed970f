"""The computer's keyboard as an instrument."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from timbre.errors import ConfigError
from timbre.playback.controls import Controls
from timbre.playback.inputs._keys import Key

_ROWS = ("zsxdcvgbhnjm,l.;/", "q2w3er5t6y7ui9o0")  # each begins at a C, the second an octave higher
SEMITONES = {sign: 12 * row + step for row, signs in enumerate(_ROWS) for step, sign in enumerate(signs)}
"""What the keys play: semitones above the C of the lower row."""

TAP = 0.7  # s that a note sounds on a terminal that does not tell when its key is let go
_REPEAT = 0.1  # s: keys that come again faster repeat by themselves; fingers are slower
_LONGEST = 1.2  # s before a key that stays down begins to repeat
_NEAR = 0.04  # s by which that may vary
_STILL = 0.3  # s without a nudge, after which the next begins where the sound is
_NUDGE, _STRIDE = 0.1, 0.5
_LOWEST, _HIGHEST = 0, 8  # octaves of the lower row


@dataclass
class _Arrivals:
    """When a key came of late: the time, and how long after the time before."""

    last: float = -math.inf
    gap: float = math.inf


class Keyboard:
    """Plays a space from the keys of a computer.

    Two rows are a piano: Z S X D C ... begins at the C of the octave, Q 2 W 3 E ... an octave above. Few terminals tell
    when a key is let go. Where they do, a note lasts as long as its key is down; elsewhere for 0.7 s, or for as long as
    the key repeats. With `latch` it lasts until its key is pressed again. The first key that is held down on such a
    terminal strikes twice; from then on it is known after how long a key repeats.

    Args:
        controls: what is played.
        keep: takes a point (dim,), stores it, and says under which name; None keeps nothing.
        learn: takes an axis, and lets the next MIDI controller that moves move it; None without MIDI.

    Attributes:
        octave: of the lower row; 4 begins at C4, MIDI 60.
        velocity: of the next note, 0.1 to 1.
        axis: the dimension that the arrow keys move.
        latch: whether notes last until their key is pressed again.
        message: what there is to say about the last key.
    """

    def __init__(
        self,
        controls: Controls,
        keep: Callable[[np.ndarray], str] | None = None,
        learn: Callable[[str | int], None] | None = None,
    ) -> None:
        self.controls, self.octave, self.velocity, self.axis, self.latch, self.message = controls, 4, 0.8, 0, False, ""
        self._keep, self._learn, self._preset, self._nudged = keep, learn, -1, -math.inf
        self._until: dict[str, float] = {}  # notes that sound, and when they end
        self._maybe: dict[str, float] = {}  # keys that repeat or were struck again, and when that is decided
        self._arrivals: dict[str, _Arrivals] = {}
        self._delay: float | None = None

    def press(self, key: Key, now: float) -> bool:
        """Do what a key stands for; whether to go on.

        Args:
            key: the key.
            now: s, on a clock that never turns back.
        """
        self.message = ""
        try:
            if key.name in SEMITONES:
                self._note(key, now)
            elif key.event != 3:
                return self._command(key.name, now)
        except ConfigError as error:
            self.message = str(error)
        return True

    def tick(self, now: float) -> None:
        """Let go the notes whose time is over; to be called some 20 times a second."""
        for name in [name for name, due in self._maybe.items() if due <= now]:
            del self._maybe[name]
            self._strike(name, now, TAP)
        for name in [name for name, until in self._until.items() if until <= now]:
            self._let_go(name)

    def _note(self, key: Key, now: float) -> None:
        if key.event == 3:
            if not self.latch:
                self._let_go(key.name)
        elif key.event == 1:
            self._strike(key.name, now, math.inf)
        elif key.event == 0 and not self._repeats(key.name, now):
            self._strike(key.name, now, TAP)

    def _repeats(self, name: str, now: float) -> bool:
        """Whether a key came by itself, or it has yet to be seen: on a terminal that does not tell.

        The first repeat comes as late as a finger could. Once a key was held, that delay is known, and what comes after
        it waits for the next repeat.
        """
        before = self._arrivals.setdefault(name, _Arrivals())
        gap = now - before.last
        self._arrivals[name] = _Arrivals(now, gap)
        if gap < _REPEAT:
            if name not in self._maybe and _REPEAT <= before.gap < _LONGEST:
                self._delay = before.gap
                if self.latch:
                    self._strike(name, now, TAP)  # takes back what the first repeat did
            self._maybe.pop(name, None)
            if name in self._until:
                self._until[name] = max(self._until[name], now + 1.5 * _REPEAT)
            return True
        if self._delay is not None and abs(gap - self._delay) < _NEAR:
            self._maybe[name] = now + _REPEAT
            if name in self._until:
                self._until[name] = max(self._until[name], now + 1.5 * _REPEAT)
            return True
        return False

    def _strike(self, name: str, now: float, seconds: float) -> None:
        if self.latch and name in self._until:
            self._let_go(name)
            return
        pitch = 12 * (self.octave + 1) + SEMITONES[name]
        self.controls.note_on(pitch, self.velocity, key=f"key {name}")
        longest = max(seconds, (self._delay or 0.0) + _REPEAT)
        self._until[name] = math.inf if self.latch else now + longest

    def _let_go(self, name: str) -> None:
        if self._until.pop(name, None) is not None:
            self.controls.note_off(f"key {name}")

    def _command(self, name: str, now: float) -> bool:
        if name in ("escape", "ctrl+c"):
            if name == "ctrl+c":
                raise KeyboardInterrupt
            return False
        plain = name.removeprefix("shift+")
        if name in ("-", "=", "+"):
            self.octave = min(_HIGHEST, max(_LOWEST, self.octave + (-1 if name == "-" else 1)))
        elif name in ("pageup", "pagedown"):
            self.velocity = round(min(1.0, max(0.1, self.velocity + (0.1 if name == "pageup" else -0.1))), 1)
        elif plain in ("up", "down"):
            self.axis = (self.axis + (1 if plain == "down" else -1)) % self.controls.space.dim
        elif plain in ("left", "right"):
            step = _STRIDE if name.startswith("shift+") else _NUDGE
            self._nudge(step if plain == "right" else -step, now)
        elif name == "p":
            self._remember()
        elif name == "a":
            self._assign()
        else:
            self._choose(name, now)
        return True

    def _choose(self, name: str, now: float) -> None:
        if name == " ":
            self._silence()
        elif name == "tab":
            self.latch = not self.latch
            for held in list(self._until):
                self._let_go(held)
        elif name in ("[", "]"):
            count = len(self.controls.presets) or 1
            self._go((max(self._preset, 0) - 1 if name == "[" else self._preset + 1) % count, now)
        elif name[:1] == "f" and name[1:].isdigit():
            self._go(int(name[1:]) - 1, now)

    def _nudge(self, step: float, now: float) -> None:
        """Move along the axis, from where the sound is: a path may have carried it away."""
        controls = self.controls
        if now - self._nudged > _STILL:
            here = controls.state().point
            if np.abs(here - controls.point).max() > 0.1 * _NUDGE:
                controls.at(here)
        self._nudged = now
        controls.axis(self._axis(), float(np.float32(controls.point[self.axis] + np.float32(step))))

    def _axis(self) -> str | int:
        named = self.controls.space.axes
        return named[self.axis].name if self.axis < len(named) else self.axis

    def _assign(self) -> None:
        if self._learn is None:
            self.message = "There is no MIDI in this session."
        else:
            self._learn(self._axis())
            self.message = f"The next MIDI controller that moves will move {self._axis()}."

    def _silence(self) -> None:
        self._until.clear()
        self._maybe.clear()
        self.controls.panic()

    def _go(self, number: int, now: float) -> None:
        if not len(self.controls.presets):
            self.message = "There are no presets yet; P keeps this place as the first."
            return
        self.controls.preset(number)
        self._preset, self._nudged = number, now
        self.message = self.controls.presets.number(number).name

    def _remember(self) -> None:
        if self._keep is None:
            self.message = "Presets are kept in a space's folder; this session was given none."
        else:
            self.message = f"Kept as {self._keep(self.controls.state().point)}."
