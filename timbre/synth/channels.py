"""`MidiChannels`: what the channel messages of MIDI mean. A file and the live input both use it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from timbre.errors import ConfigError
from timbre.synth.zones import Zones

BEND_RANGE = 2.0  # semitones to either side, General MIDI's default
MEMBER_BEND_RANGE, MAX_BEND_RANGE = 48.0, 96.0  # semitones: MPE's default for the members of a zone, and its largest
SILENT = -100.0  # dB, of a volume of 0
VOLUME, EXPRESSION, PEDAL, SLIDE, SOUND_OFF, RESET, NOTES_OFF = 7, 11, 64, 74, 120, 121, 123
BEND, PRESSURE, VELOCITY, RELEASE = "bend", "pressure", "velocity", "release"
_DATA, _DATA_CENTS, _OTHER_PARAMETERS, _FINE, _COARSE = 6, 38, (98, 99), 100, 101
PARAMETERS = (_DATA, _DATA_CENTS, *_OTHER_PARAMETERS, _FINE, _COARSE)
"""Controllers that choose a parameter and set it."""
CENTER, LARGEST = 64.0, 127.0
_NO_PARAMETER, _BEND_PARAMETER, _ZONE_PARAMETER = (127, 127), (0, 0), (0, 6)
_DEFAULTS = {1: 0, EXPRESSION: 127, 65: 0, 66: 0, 67: 0}  # what controller 121 resets: RP-015 of the MIDI Association

Source = str | int
"""What shapes a note: "bend", "pressure", "velocity", "release", or the number of a controller."""


@dataclass
class _Channel:
    """State of a channel."""

    parameter: tuple[int, int] = _NO_PARAMETER  # the registered one that data entry sets: its two halves
    bend_range: tuple[int, int] | None = None  # semitones and cents, if they were set
    bend: float = 0.0  # position of the wheel, -1 to 1
    pressure: int = 0
    pedal: bool = False
    values: dict[int, int] = field(default_factory=dict)  # of the controllers that have moved


@dataclass(eq=False)
class StruckNote:
    """A note until it ends: its key is down, or the pedal sustains it."""

    channel: int
    key: int
    velocity: float  # 0 to 1
    release: int = int(CENTER)  # velocity of the key when it went up
    pressure: int = 0  # polyphonic
    up: _Channel | None = None  # the state of its channel when the key went up


class MidiChannels:
    """Sixteen channels: turns messages into notes and what shapes them. Subclasses say what these do.

    Channels form zones as MIDI Polyphonic Expression has them (registered parameter 6): messages of a member shape the
    notes of this channel whose keys are down, those of the manager all notes of the zone, in addition. A plain channel
    is a zone of its own. Registered parameter 0 sets the bend range. Controller 121 resets the bend, the pressure, the
    pedals, the modulation wheel and the expression; 120 silences; 123 and the channel modes 124 to 127 release the keys
    that are down, as if each of them went up. On a manager they mean the zone.

    Args:
        bend_range: semitones to either side, until a registered parameter changes it.
        members: of a lower zone that is there from the start, 0 to 15; 0 is plain MIDI.
    """

    def __init__(self, bend_range: float = BEND_RANGE, members: int = 0) -> None:
        self.bend_range, self.zones = bend_range, Zones()
        self.zones.configure(0, members)
        self._down: list[dict[int, StruckNote]] = [{} for _ in range(16)]  # of each channel, by key
        self._sustained: list[dict[int, StruckNote]] = [{} for _ in range(16)]
        self._channels = [_Channel() for _ in range(16)]

    def receive(self, status: int, first: int, second: int = 0) -> None:
        """Carry out a message: its status byte, 0x80 to 0xEF, and its data bytes.

        Raises:
            ConfigError: the bend range would be too wide; it stays as it was.
        """
        kind, number = status & 0xF0, status & 0x0F
        if kind == 0x90 and second:
            self._strike(number, first, second / LARGEST)
        elif kind in (0x80, 0x90):
            self._lift(number, first, second if kind == 0x80 else int(CENTER))
        elif kind == 0xA0:
            note = self._down[number].get(first) or self._sustained[number].get(first)
            if note and not self.zones.is_member(number):
                note.pressure = second
                self._follow(number, PRESSURE, first)
        elif kind == 0xB0:
            self._control(number, first, second)
        elif kind == 0xC0:
            if not self.zones.is_member(number):
                self._program(first)
        elif kind == 0xD0:
            self._channels[number].pressure = first
            self._follow(number, PRESSURE)
        elif kind == 0xE0:
            position = (second << 7 | first) - 8192
            self._channels[number].bend = position / (8191.0 if position > 0 else 8192.0)
            self._follow(number, BEND)

    def bend_of(self, number: int) -> float:
        """How far a channel bends its notes, semitones."""
        return self._channels[number].bend * self._bend_range(number)

    def position_of(self, number: int, source: Source) -> float:
        """Where a bend, pressure or controller of a channel stands, 0 to 127."""
        return _position(self._channels[number], source)

    def level_of(self, number: int) -> float:
        """Volume and expression of a channel, dB; those that never moved count as 127."""
        values = self._channels[number].values
        return sum(decibels(values.get(controller, 127)) for controller in (VOLUME, EXPRESSION))

    def bend_on(self, note: StruckNote) -> float:
        """How far a note is bent, semitones: by its channel, and by the manager of its zone."""
        own, manager = self._shaping(note)
        bent = own.bend * self._bend_range(note.channel)
        return bent if manager is None else bent + self.bend_of(manager)

    def position_on(self, note: StruckNote, source: Source) -> float:
        """Where what shapes a note stands, 0 to 127: that of its channel and of the manager of its zone together."""
        if source in (VELOCITY, RELEASE):
            return note.velocity * LARGEST if source == VELOCITY else float(note.release)
        if not self.shapes(note.channel, source):
            return rest_of(source)
        own, manager = self._shaping(note)
        parts = [_position(own, source), float(note.pressure) if source == PRESSURE else rest_of(source)]
        return together(source, parts if manager is None else [*parts, self.position_of(manager, source)])

    def shapes(self, number: int, source: Source) -> bool:
        """Whether a source shapes notes of a channel by themselves: controllers do in a zone only."""
        return not isinstance(source, int) or self.zones.in_zone(number)

    def following(self, number: int) -> list[StruckNote]:
        """The notes that a message on a channel shapes now."""
        if self.zones.is_member(number):
            return list(self._down[number].values())
        group = self.zones.group(number)
        return _of(self._down, group) + _of(self._sustained, group)

    def _shaping(self, note: StruckNote) -> tuple[_Channel, int | None]:
        """The state of the channel that shapes a note, and the number of the manager that does as well, if any."""
        manager = self.zones.manager(note.channel)
        if manager == note.channel:
            return self._channels[manager], None
        return note.up or self._channels[note.channel], manager

    def _strike(self, number: int, key: int, velocity: float) -> None:
        if before := self._down[number].get(key) or self._sustained[number].get(key):
            self._finish(before)
        note = self._down[number][key] = StruckNote(number, key, velocity)
        self._start(note)

    def _lift(self, number: int, key: int, velocity: int) -> None:
        """The key of a note goes up: the note ends, unless the pedal sustains it."""
        note = self._down[number].pop(key, None)
        if note is None:
            if key not in self._sustained[number]:
                self._end(StruckNote(number, key, 0.0, velocity))
            return
        own = self._channels[number]
        note.release, note.up = velocity, replace(own, values=dict(own.values))
        if self._is_pedal_down(number):
            self._sustained[number][key] = note
            self._keep(note)
        else:
            self._end(note)

    def _finish(self, note: StruckNote) -> None:
        """End a note at once, whatever its key and the pedal do."""
        self._down[note.channel].pop(note.key, None)
        self._sustained[note.channel].pop(note.key, None)
        self._end(note)

    def _is_pedal_down(self, number: int) -> bool:
        return self._channels[number].pedal or self._channels[self.zones.manager(number)].pedal

    def _press(self, number: int, down: bool) -> None:
        """Press or lift the pedal of a channel."""
        self._channels[number].pedal = down
        for note in [] if down else _of(self._sustained, self.zones.group(number)):
            if not self._is_pedal_down(note.channel):
                self._finish(note)

    def _control(self, number: int, controller: int, value: int) -> None:
        if controller >= NOTES_OFF:
            for note in _of(self._down, self.zones.group(number)):
                self._lift(note.channel, note.key, int(CENTER))
        elif controller == SOUND_OFF:
            self._forget(self.zones.group(number))
            self._silence(number)
        elif controller == RESET:
            for channel in self.zones.group(number):  # first, so that notes end as they are
                self._press(channel, False)
            for channel in self.zones.group(number):
                self._reset(channel)
        elif controller == PEDAL:
            self._press(number, value >= 64)
        elif controller in PARAMETERS:
            self._parameter(number, controller, value)
        elif controller < SOUND_OFF:
            self._channels[number].values[controller] = value
            self._follow(number, controller)

    def _forget(self, channels: Iterable[int]) -> None:
        """Forget the notes of some channels, their pedals and bends."""
        for number in channels:
            self._down[number].clear()
            self._sustained[number].clear()
            self._channels[number].bend, self._channels[number].pedal = 0.0, False

    def _reset(self, number: int) -> None:
        """Reset what controller 121 resets; what never moved stays as it is."""
        channel = self._channels[number]
        channel.parameter, channel.bend, channel.pressure = _NO_PARAMETER, 0.0, 0
        for note in self._down[number].values():
            if note.pressure:
                note.pressure = 0
                self._follow(number, PRESSURE, note.key)
        defaults = _DEFAULTS | ({SLIDE: int(CENTER)} if self.zones.in_zone(number) else {})
        moved = [n for n, default in defaults.items() if channel.values.get(n, default) != default]
        channel.values |= {controller: defaults[controller] for controller in moved}
        self._follow_all(number, moved)

    def _follow_all(self, number: int, controllers: Iterable[int]) -> None:
        """Follow some controllers of a channel, its bend and its pressure."""
        for controller in controllers:
            self._follow(number, controller)
        self._follow(number, BEND)
        self._follow(number, PRESSURE)

    def _configure(self, number: int, members: int) -> None:
        """Make, change or end a zone: its notes end, and its channels start afresh."""
        changed = self.zones.configure(number, members)
        for note in _of(self._down, changed) + _of(self._sustained, changed):
            self._finish(note)
        for channel in sorted(changed):
            before = self._channels[channel]
            self._channels[channel] = _Channel(before.parameter)
            self._follow_all(channel, before.values)

    def _parameter(self, number: int, controller: int, value: int) -> None:
        """Choose a parameter, or set the bend range or a zone. Other parameters are not used."""
        channel = self._channels[number]
        if controller in _OTHER_PARAMETERS:
            channel.parameter = _NO_PARAMETER
        elif controller == _COARSE:
            channel.parameter = value, channel.parameter[1]
        elif controller == _FINE:
            channel.parameter = channel.parameter[0], value
        elif channel.parameter == _BEND_PARAMETER:
            self._set_bend_range(number, controller, value)
        elif channel.parameter == _ZONE_PARAMETER and controller == _DATA:
            self._configure(number, value)

    def _set_bend_range(self, number: int, controller: int, value: int) -> None:
        """Set the bend range of a channel, and with it those of all members of its zone: semitones, then cents."""
        member = self.zones.is_member(number)
        before = self._channels[number].bend_range or (int(MEMBER_BEND_RANGE if member else self.bend_range), 0)
        semitones, cents = (value, 0) if controller == _DATA else (before[0], value)
        if semitones + cents / 100.0 > MAX_BEND_RANGE:
            raise ConfigError(f"The bend range must be at most {MAX_BEND_RANGE:g} semitones, got {semitones}.")
        manager = self.zones.manager(number)
        for one in self.zones.group(manager) if member else (number,):
            if one != manager or not member:
                self._channels[one].bend_range = semitones, cents
                if self._channels[one].bend:
                    self._follow(one, BEND)

    def _bend_range(self, number: int) -> float:
        own = self._channels[number].bend_range
        if own is not None:
            return own[0] + own[1] / 100.0
        return MEMBER_BEND_RANGE if self.zones.is_member(number) else self.bend_range

    def _start(self, note: StruckNote) -> None:
        """Start a note."""

    def _end(self, note: StruckNote) -> None:
        """End a note: its key is up, and so is the pedal. It may be one that never began."""

    def _keep(self, note: StruckNote) -> None:
        """The pedal sustains a note whose key went up: from now on, a member of a zone does not shape it."""

    def _follow(self, number: int, source: Source, key: int | None = None) -> None:
        """Follow a bend, pressure or controller of a channel, or the pressure on one of its keys."""

    def _silence(self, number: int) -> None:
        """End all notes of a channel, or of the zone that it manages, at once."""

    def _program(self, number: int) -> None:
        """Follow a program change."""


def together(source: Source, positions: list[float]) -> float:
    """Where several positions of one source stand together, 0 to 127: their distances from rest are added."""
    rest = rest_of(source)
    return min(max(rest + sum(position - rest for position in positions), 0.0), LARGEST)


def rest_of(source: Source) -> float:
    """Where a source stands before it moves: 64 for bend, slide and the velocity of the release, otherwise 0."""
    return CENTER if source in (BEND, SLIDE, RELEASE) else 0.0


def decibels(value: int) -> float:
    """Level of a volume or expression of 0 to 127, dB, as in General MIDI; -100 for 0."""
    return 40.0 * math.log10(value / 127.0) if value else SILENT


def _position(channel: _Channel, source: Source) -> float:
    if source == BEND:
        return CENTER + channel.bend * (LARGEST - CENTER if channel.bend > 0 else CENTER)
    if source == PRESSURE:
        return float(channel.pressure)
    return float(channel.values.get(int(source), rest_of(source)))


def _of(notes: list[dict[int, StruckNote]], channels: Iterable[int]) -> list[StruckNote]:
    """The notes of some channels."""
    return [note for number in channels for note in notes[number].values()]
