"""`MidiInput`: plays a space by MIDI and MPE: notes, what shapes them, pedal, controllers and program changes."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from timbre.playback.controls import BEND_RANGE, GAINS, MAX_BEND, Controls, check_number
from timbre.playback.inputs._problems import Problems
from timbre.playback.inputs.mapping import Control, Mapping, default_mapping, default_range
from timbre.playback.inputs.midi_ports import open_port
from timbre.synth.channels import (
    BEND,
    EXPRESSION,
    PRESSURE,
    RELEASE,
    VOLUME,
    MidiChannels,
    Source,
    StruckNote,
    decibels,
    rest_of,
)  # fmt: skip
from timbre.synth.shaping import GAIN, LIMITS, RESERVED, Target, check_target, goal, note_control, values_at

_FAR = 42.0  # of 127, by which a source moves that is to be learned for notes: players cannot keep the others still


@dataclass
class _Lesson:
    """A target that waits for what is to move it, and the ends of its range, if they were given."""

    to: str | int
    ends: dict[str, float]
    seen: dict[tuple[int, Source], float] = field(default_factory=dict)  # first positions, by channel and source


class MidiInput(MidiChannels, AbstractContextManager["MidiInput"]):
    """Plays a space by MIDI. A `with` block opens the port; :meth:`handle` works without one.

    Notes from 12 sound, with velocity / 127 (0 releases). Channel messages mean what they mean in a file, see
    :class:`~timbre.synth.channels.MidiChannels`; 120 silences all channels. Controller 11 is the expression, unless the
    mapping uses it; the mapping decides the others. In a zone of MPE, a controller that shapes notes moves nothing
    else, and those of members shape notes only. A program change selects the preset of that number, from 0. Errors are
    counted, and playing goes on.

    Args:
        controls: of the space that plays.
        port: name of an input, or a part of it that no other has; "virtual" opens one that other programs connect to;
            default: the first one except ALSA's "Midi Through".
        mapping: what the controllers move; default: :func:`~timbre.playback.inputs.mapping.default_mapping`.
        channel: 1 to 16, the only one to listen to; default: all.
        bend_range: semitones, until a registered parameter changes it; 0 to 48.
        members: channels of a lower MPE zone that is there from the start, for controllers that do not announce it; 0
            to 15.

    Attributes:
        mapping: may be set at any time; a ConfigError if it names an axis or a preset that is not there.
        name: of the open port.
        problems: count of the errors, and the last one.
        learning: what waits for the next controller that moves; None if :meth:`learn` was not called.

    Raises:
        ConfigError: the channel or the bend range is out of range.
        DeviceError: from `with`: there is no MIDI, no such port, or it does not open.
    """

    def __init__(
        self,
        controls: Controls,
        port: str | None = None,
        mapping: Mapping | None = None,
        channel: int | None = None,
        bend_range: float = 2.0,
        members: int = 0,
    ) -> None:
        check_number("MIDI channel", 1 if channel is None else channel, 1, 16)
        check_number("bend range", bend_range, 0, MAX_BEND, " semitones")
        check_number("number of MPE members", members, 0, 15)
        super().__init__(bend_range, members)
        self.controls, self.channel = controls, channel
        self.mapping = default_mapping(controls.space) if mapping is None else mapping
        self.problems, self.name = Problems(), ""
        self._port_name = port
        self._last_values: dict[tuple[int, int], int] = {}
        self._volume = self._expression = 0.0  # dB
        self.learning: _Lesson | None = None

    @property
    def mapping(self) -> Mapping:
        """What the controllers move."""
        return self._mapping

    @mapping.setter
    def mapping(self, mapping: Mapping) -> None:
        for note in mapping.notes:
            check_target(self.controls.space, note.to)
            goal(self.controls.presets, note.to)
        self._mapping, self._shaping_notes = mapping, {note.follows for note in mapping.notes}

    def __enter__(self) -> "MidiInput":
        self._port, self.name = open_port(self._port_name, self.handle)
        return self

    def __exit__(self, *_: object) -> None:
        self._port.close()

    def learn(self, to: str | int | None, low: float | None = None, high: float | None = None) -> None:
        """Assign the next controller that moves to a target, in place of its present controller.

        What moves a third of its range on a member of an MPE zone (slide, pressure, bend, another controller, or the
        velocity of a release), or pressure on any channel, is assigned to shape each note by itself.

        The result is in :attr:`mapping`; save it by :func:`~timbre.playback.inputs.mapping.write_mapping`.

        Args:
            to: target, as in :class:`~timbre.playback.inputs.mapping.Control`; None stops waiting.
            low, high: as in `Control`; default: :func:`~timbre.playback.inputs.mapping.default_range`.

        Raises:
            ConfigError: there is no such axis, or the range is not allowed.
        """
        if to is None:
            self.learning = None
            return
        default = default_range(self.controls.space, to)
        ends = default[0] if low is None else low, default[1] if high is None else high
        Control(0, to, *ends)  # raises an error now, and not when a controller moves
        self.learning = _Lesson(to, {k: v for k, v in (("low", low), ("high", high)) if v is not None})

    def handle(self, message: Any) -> None:
        """Carry out a `mido.Message`; no message raises an error."""
        with self.problems.counted():
            status, *data = message.bytes()
            if 0x80 <= status < 0xF0 and self.channel in (None, (status & 15) + 1):
                self._notice(status & 0xF0, status & 15, *data)
                self.receive(status, *data)

    def _notice(self, kind: int, channel: int, first: int, second: int = 0) -> None:
        """Assign what moves, if it is to be learned."""
        lesson, member = self.learning, self.zones.is_member(channel)
        if kind == 0xB0 and first not in RESERVED:
            last, self._last_values[channel, first] = self._last_values.get((channel, first)), second
            if lesson and not member and last != second:
                default = default_range(self.controls.space, lesson.to)
                ends = dict(zip(("low", "high"), default, strict=True)) | lesson.ends
                self.learning, self.mapping = None, self.mapping.bound(Control(first, lesson.to, **ends))
        if lesson is None or lesson.to == BEND_RANGE:
            return
        source, position = _moved(kind, first, second)
        if source is None or not (member or source == PRESSURE):
            return
        start = rest_of(source) if source == RELEASE else lesson.seen.setdefault((channel, source), position)
        if abs(position - start) > _FAR:
            learned = note_control(self.controls.space, source, lesson.to, **lesson.ends)
            self.learning, self.mapping = None, self.mapping.bound(learned)

    def _start(self, note: StruckNote) -> None:
        values = {to: value for to, value in self._values(note).items() if value}
        self.controls.note_on(float(note.key), note.velocity, _key(note), values)

    def _end(self, note: StruckNote) -> None:
        if note.up and RELEASE in self._shaping_notes:
            self.controls.express(_key(note), self._values(note))
        self.controls.note_off(_key(note))

    def _follow(self, number: int, source: Source, key: int | None = None) -> None:
        if isinstance(source, int) and self._moves_all(number, source):
            if (value := self._channels[number].values.get(source)) is not None:
                self._move(source, value)
        elif source in self._shaping_notes or source in (BEND, VOLUME, EXPRESSION):
            for note in self.following(number):
                if key is None or note.key == key:
                    self.controls.express(_key(note), self._values(note))

    def _moves_all(self, number: int, controller: int) -> bool:
        """Whether a controller moves what is common to all notes, and not each note."""
        if self.zones.is_member(number):
            return False
        return not (controller in self._shaping_notes and self.zones.in_zone(number))

    def _values(self, note: StruckNote) -> dict[Target, float]:
        """What shapes a note now."""
        channel, sources = note.channel, self._shaping_notes
        values = values_at(self.mapping.notes, {source: self.position_on(note, source) for source in sources})
        if BEND not in sources:
            values[BEND] = values.get(BEND, 0.0) + self.bend_on(note)
        if self.zones.is_member(channel) and (level := self.level_of(channel)):
            values[GAIN] = values.get(GAIN, 0.0) + level
        for to in LIMITS.keys() & values.keys():
            values[to] = min(max(float(values[to]), LIMITS[to][0]), LIMITS[to][1])
        return values

    def _silence(self, number: int) -> None:
        self._forget(range(16))
        self.controls.panic()

    def _program(self, number: int) -> None:
        self.controls.preset(number)

    def _move(self, controller: int, value: int) -> None:
        control = self.mapping.controls.get(controller)
        if control is not None:
            self._set(control.to, control.value(value / 127.0))
        elif controller == EXPRESSION:
            self._expression = decibels(value)
            self._set(GAIN, self._volume)

    def _set(self, to: str | int, value: float) -> None:
        if to == GAIN:
            self._volume = value
            self.controls.gain(min(max(value + self._expression, GAINS[0]), GAINS[1]))
        elif to == BEND_RANGE:
            self.bend_range = value
            for number, channel in enumerate(self._channels):
                if not self.zones.is_member(number):
                    channel.bend_range = None
        else:
            self.controls.axis(to, value)


def _moved(kind: int, first: int, second: int) -> tuple[Source | None, float]:
    """What a message moves, of all that can shape notes, and where to, 0 to 127."""
    if kind == 0xB0:
        return (None if first in RESERVED else first), float(second)
    if kind in (0xA0, 0xD0):
        return PRESSURE, float(second if kind == 0xA0 else first)
    if kind == 0xE0:
        return BEND, (second << 7 | first) / 128.0
    return (RELEASE, float(second)) if kind == 0x80 else (None, 0.0)


def _key(note: StruckNote) -> str:
    return f"midi-{note.channel}-{note.key}"
