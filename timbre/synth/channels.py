"""`MidiChannels`: what the channel messages of MIDI mean. A file and the live input both use it."""

import math
from dataclasses import dataclass, field

from timbre.errors import ConfigError

BEND_RANGE = 2.0  # semitones to either side, General MIDI's default
SILENT = -100.0  # dB, of a volume of 0
VOLUME, EXPRESSION, PEDAL, SOUND_OFF, RESET, NOTES_OFF = 7, 11, 64, 120, 121, 123
_DATA, _DATA_CENTS, _OTHER_PARAMETERS, _FINE, _COARSE = 6, 38, (98, 99), 100, 101
PARAMETERS = (_DATA, _DATA_CENTS, *_OTHER_PARAMETERS, _FINE, _COARSE)
"""Controllers that choose a parameter and set it."""
_NO_PARAMETER, _BEND_PARAMETER = (127, 127), (0, 0)
_DEFAULTS = {1: 0, EXPRESSION: 127, 65: 0, 66: 0, 67: 0}  # what controller 121 resets: RP-015 of the MIDI Association


@dataclass
class _Channel:
    """State of a channel."""

    parameter: tuple[int, int] = _NO_PARAMETER  # the registered one that data entry sets: its two halves
    bend_range: tuple[int, int] | None = None  # semitones and cents, if they were set
    bend: float = 0.0  # position of the wheel, -1 to 1
    down: dict[int, None] = field(default_factory=dict)  # keys that are down, in the order in which they were struck
    values: dict[int, int] = field(default_factory=dict)  # of the controllers that can be reset


class MidiChannels:
    """Sixteen channels: turns messages into notes, bends, pedals and controllers. Subclasses say what these do.

    Registered parameter 0 sets the bend range. Controller 121 resets the bend, the pedals, the modulation wheel and
    the expression; 120 silences; 123 and the channel modes 124 to 127 release the keys that are down, as if each of
    them went up.

    Args:
        bend_range: semitones to either side, until a registered parameter changes it.
        widest: largest range that a parameter may set, semitones.
    """

    def __init__(self, bend_range: float = BEND_RANGE, widest: float = math.inf) -> None:
        self.bend_range, self._widest = bend_range, widest
        self._channels = [_Channel() for _ in range(16)]

    def receive(self, status: int, first: int, second: int = 0) -> None:
        """Carry out a message: its status byte, 0x80 to 0xEF, and its data bytes. Pressure does nothing.

        Raises:
            ConfigError: the bend range would be too wide; it stays as it was.
        """
        kind, number = status & 0xF0, status & 0x0F
        if kind == 0x90 and second:
            self._channels[number].down[first] = None
            self._start(number, first, second / 127.0)
        elif kind in (0x80, 0x90):
            self._channels[number].down.pop(first, None)
            self._end(number, first)
        elif kind == 0xB0:
            self._control(number, first, second)
        elif kind == 0xC0:
            self._program(first)
        elif kind == 0xE0:
            position = (second << 7 | first) - 8192
            self._channels[number].bend = position / (8191.0 if position > 0 else 8192.0)
            self._follow_wheel(number)

    def _follow_wheel(self, number: int) -> None:
        channel = self._channels[number]
        own = channel.bend_range
        self._bend(number, channel.bend * (self.bend_range if own is None else own[0] + own[1] / 100.0))

    def _control(self, number: int, controller: int, value: int) -> None:
        channel = self._channels[number]
        if controller >= NOTES_OFF:
            self._release_all(number)
        elif controller == SOUND_OFF:
            channel.down.clear()
            channel.bend = 0.0
            self._silence(number)
        elif controller == RESET:
            self._reset(number)
        elif controller == PEDAL:
            self._sustain(number, value >= 64)
        elif controller in PARAMETERS:
            self._parameter(number, controller, value)
        elif controller < SOUND_OFF:
            if controller in _DEFAULTS:
                channel.values[controller] = value
            self._move(number, controller, value)

    def _release_all(self, number: int) -> None:
        keys = tuple(self._channels[number].down)
        self._channels[number].down.clear()
        for key in keys:
            self._end(number, key)

    def _reset(self, number: int) -> None:
        """Reset what controller 121 resets; a controller that never moved stays as it is."""
        channel = self._channels[number]
        channel.parameter = _NO_PARAMETER
        for controller, value in channel.values.items():
            if value != (default := _DEFAULTS[controller]):
                channel.values[controller] = default
                self._move(number, controller, default)
        channel.bend = 0.0
        self._sustain(number, False)
        self._bend(number, 0.0)

    def _parameter(self, number: int, controller: int, value: int) -> None:
        """Choose a parameter, or set the bend range: semitones, then cents. Other parameters are not used."""
        channel = self._channels[number]
        if controller in _OTHER_PARAMETERS:
            channel.parameter = _NO_PARAMETER
        elif controller == _COARSE:
            channel.parameter = value, channel.parameter[1]
        elif controller == _FINE:
            channel.parameter = channel.parameter[0], value
        elif channel.parameter == _BEND_PARAMETER:
            semitones = value if controller == _DATA else int((channel.bend_range or (self.bend_range,))[0])
            cents = value if controller == _DATA_CENTS else 0
            if semitones + cents / 100.0 > self._widest:
                raise ConfigError(f"The bend range must be at most {self._widest:g} semitones, got {semitones}.")
            channel.bend_range = semitones, cents
            if channel.bend:
                self._follow_wheel(number)

    def _start(self, channel: int, note: int, velocity: float) -> None:
        """Start a note; velocity is 0 to 1."""

    def _end(self, channel: int, note: int) -> None:
        """Release a key: end its note, now or when the pedal goes up."""

    def _sustain(self, channel: int, down: bool) -> None:
        """Press or lift the sustain pedal."""

    def _bend(self, channel: int, semitones: float) -> None:
        """Bend the notes of a channel."""

    def _silence(self, channel: int) -> None:
        """End all notes at once, lift the pedal and reset the bend."""

    def _move(self, channel: int, controller: int, value: int) -> None:
        """Follow a controller that has no meaning above."""

    def _program(self, number: int) -> None:
        """Follow a program change."""


def decibels(value: int) -> float:
    """Level of a volume or expression of 0 to 127, dB, as in General MIDI; -100 for 0."""
    return 40.0 * math.log10(value / 127.0) if value else SILENT
