"""`Keyboard`: plays a space by the keys of a computer."""

import math
from collections.abc import Callable

import numpy as np

from timbre.errors import ConfigError
from timbre.playback.controls import Controls, axes_of
from timbre.playback.inputs.keys import Key

_ROWS = ("zsxdcvgbhnjm,l.;/", "q2w3er5t6y7ui9o0")  # each begins at a C, the second an octave higher
SEMITONES = {sign: 12 * row + step for row, signs in enumerate(_ROWS) for step, sign in enumerate(signs)}
"""What the keys play: semitones above the C of the lower row."""

TAP = 0.7  # s that a note lasts on a terminal that does not report key-up
_REPEAT = 0.1  # s: a key that comes again sooner is repeated by the terminal; fingers are slower
_MAX_DELAY = 1.2  # s until a key that is held begins to repeat
_TOLERANCE = 0.04  # s, of that delay
_STILL = 0.3  # s without a step, after which the next one starts at the current point
_STEP, _LARGE_STEP = 0.1, 0.5
_LOWEST, _HIGHEST = 0, 8  # octave of the lower row


class Keyboard:
    """Plays a space by the keys of a computer.

    Two rows are a piano: Z S X D C ... starts at the C of the octave, Q 2 W 3 E ... an octave above. Few terminals
    report key-up. If they do, a note lasts while its key is down; otherwise for 0.7 s, or while the key repeats. With
    `latch`, a note lasts until its key is pressed again. On a terminal without key-up, the first key that is held
    strikes twice; after that the delay before a key repeats is known.

    Args:
        controls: of the space that plays.
        save: saves a point (dim,) as a preset and returns its name; None saves nothing.
        learn: takes an axis, and assigns the next MIDI controller that moves to it; None without MIDI.

    Attributes:
        octave: of the lower row; 4 starts at C4, MIDI 60.
        velocity: of the next note, 0.1 to 1.
        axis: what the arrow keys move, its number in :func:`~timbre.playback.controls.axes_of`.
        latch: whether notes last until their key is pressed again.
        message: result of the last key, for the screen.
    """

    def __init__(
        self,
        controls: Controls,
        save: Callable[[np.ndarray], str] | None = None,
        learn: Callable[[str | int], None] | None = None,
    ) -> None:
        self.controls, self.octave, self.velocity, self.axis, self.latch, self.message = controls, 4, 0.8, 0, False, ""
        self._save, self._learn, self._preset, self._stepped = save, learn, -1, -math.inf
        self._until: dict[str, float] = {}  # ends of the sounding notes
        self._undecided: dict[str, float] = {}  # keys that repeat or were struck again, and when that is known
        self._arrivals: dict[str, tuple[float, float]] = {}  # the last of each key, and s since the one before
        self._delay: float | None = None

    def press(self, key: Key, now: float) -> bool:
        """Carry out a key at a time (s, of a monotonic clock); returns whether the session goes on."""
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
        """Release the notes that have ended; call it about 20 times a second."""
        for name in [name for name, due in self._undecided.items() if due <= now]:
            del self._undecided[name]
            self._strike(name, now, TAP)
        for name in [name for name, until in self._until.items() if until <= now]:
            self._release(name)

    def _note(self, key: Key, now: float) -> None:
        if key.event == 3 and not self.latch:
            self._release(key.name)
        elif key.event == 1 or (key.event == 0 and not self._repeats(key.name, now)):
            self._strike(key.name, now, math.inf if key.event else TAP)

    def _repeats(self, name: str, now: float) -> bool:
        """Whether a key was repeated by the terminal, or this is not known yet. For terminals without key-up.

        The first repeat comes as late as a second keystroke could. Once a key was held, that delay is known, and a key
        that comes after it is decided by whether it repeats again.
        """
        last, delay = self._arrivals.get(name, (-math.inf, math.inf))
        gap = now - last
        self._arrivals[name] = now, gap
        if gap < _REPEAT:
            if name not in self._undecided and _REPEAT <= delay < _MAX_DELAY:
                self._delay = delay
                if self.latch:
                    self._strike(name, now, TAP)  # undoes the first repeat
            self._undecided.pop(name, None)
        elif self._delay is not None and abs(gap - self._delay) < _TOLERANCE:
            self._undecided[name] = now + _REPEAT
        else:
            return False
        if name in self._until:
            self._until[name] = max(self._until[name], now + 1.5 * _REPEAT)
        return True

    def _strike(self, name: str, now: float, seconds: float) -> None:
        if self.latch and name in self._until:
            self._release(name)
            return
        pitch = 12 * (self.octave + 1) + SEMITONES[name]
        self.controls.note_on(pitch, self.velocity, key=f"key {name}")
        self._until[name] = math.inf if self.latch else now + max(seconds, (self._delay or 0.0) + _REPEAT)

    def _release(self, name: str) -> None:
        if self._until.pop(name, None) is not None:
            self.controls.note_off(f"key {name}")

    def _command(self, name: str, now: float) -> bool:
        if name == "ctrl+c":
            raise KeyboardInterrupt
        plain = name.removeprefix("shift+")
        if name in ("-", "=", "+"):
            self.octave = min(_HIGHEST, max(_LOWEST, self.octave + (-1 if name == "-" else 1)))
        elif name in ("pageup", "pagedown"):
            self.velocity = round(min(1.0, max(0.1, self.velocity + (0.1 if name == "pageup" else -0.1))), 1)
        elif plain in ("up", "down"):
            self.axis = (self.axis + (1 if plain == "down" else -1)) % len(axes_of(self.controls.space))
        elif plain in ("left", "right"):
            step = _LARGE_STEP if name.startswith("shift+") else _STEP
            self._move(step if plain == "right" else -step, now)
        elif name == "p":
            self._save_preset()
        elif name == "a":
            self._assign()
        else:
            self._switch(name, now)
        return name != "escape"

    def _switch(self, name: str, now: float) -> None:
        if name == " ":
            self._until.clear()
            self._undecided.clear()
            self.controls.panic()
        elif name == "tab":
            self.latch = not self.latch
            for sounding in list(self._until):
                self._release(sounding)
        elif name in ("[", "]"):
            count = len(self.controls.presets) or 1
            self._go((max(self._preset, 0) - 1 if name == "[" else self._preset + 1) % count, now)
        elif name[:1] == "f" and name[1:].isdigit():
            self._go(int(name[1:]) - 1, now)

    def _move(self, step: float, now: float) -> None:
        """Move along the axis, from the current point: a path may have moved it."""
        controls = self.controls
        if now - self._stepped > _STILL:
            point = controls.state().point
            if np.abs(point - controls.point).max() > 0.1 * _STEP:
                controls.at(point)
        self._stepped = now
        controls.nudge(self._axis(), step)

    def _axis(self) -> str | int:
        return axes_of(self.controls.space)[self.axis]

    def _assign(self) -> None:
        self.message = "This session has no MIDI input."
        if self._learn:
            self._learn(self._axis())
            self.message = f"The next MIDI controller that moves will move {self._axis()}."

    def _go(self, number: int, now: float) -> None:
        if not len(self.controls.presets):
            self.message = "There are no presets yet; P saves this point as the first."
            return
        self.controls.preset(number)
        self._preset, self._stepped = number, now
        self.message = self.controls.presets.number(number).name

    def _save_preset(self) -> None:
        self.message = "Presets are saved in the folder of a space, and this session has none."
        if self._save:
            self.message = f"Saved as {self._save(self.controls.state().point)}."
