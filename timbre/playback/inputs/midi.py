"""`MidiInput`: plays a space by MIDI: notes, bend, pedal, controllers and program changes."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from timbre.playback.controls import BEND_RANGE, GAIN, GAINS, MAX_BEND, Controls, check_number
from timbre.playback.inputs._problems import Problems
from timbre.playback.inputs.mapping import RESERVED, Control, Mapping, default_mapping, default_range
from timbre.playback.inputs.midi_ports import open_port
from timbre.synth.channels import EXPRESSION, MidiChannels, decibels


class MidiInput(MidiChannels, AbstractContextManager["MidiInput"]):
    """Plays a space by MIDI. A `with` block opens the port; :meth:`handle` works without one.

    Notes from 12 sound, with velocity / 127 (0 releases). Channel messages mean what they mean in a file, see
    :class:`~timbre.synth.channels.MidiChannels`; 120 silences all channels. Controller 11 is the expression, unless the
    mapping uses it; the mapping decides the others. A program change selects the preset of that number, from 0. Errors
    are counted, and playing goes on.

    Args:
        controls: of the space that plays.
        port: name of an input, or a part of it that no other has; "virtual" opens one that other programs connect to;
            default: the first one except ALSA's "Midi Through".
        mapping: what the controllers move; default: :func:`~timbre.playback.inputs.mapping.default_mapping`.
        channel: 1 to 16, the only one to listen to; default: all.
        bend_range: semitones, until a registered parameter changes it; 0 to 48.

    Attributes:
        mapping: may be set at any time.
        name: of the open port.
        problems: count of the errors, and the last one.
        learning: assigns the next controller that moves; None if :meth:`learn` was not called.

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
    ) -> None:
        check_number("MIDI channel", 1 if channel is None else channel, 1, 16)
        check_number("bend range", bend_range, 0, MAX_BEND, " semitones")
        super().__init__(bend_range, MAX_BEND)
        self.controls, self.channel = controls, channel
        self.mapping = default_mapping(controls.space) if mapping is None else mapping
        self.problems, self.name = Problems(), ""
        self._port_name = port
        self._last_values: dict[tuple[int, int], int] = {}
        self._volume = self._expression = 0.0  # dB
        self.learning: Callable[[int], Control] | None = None

    def __enter__(self) -> "MidiInput":
        self._port, self.name = open_port(self._port_name, self.handle)
        return self

    def __exit__(self, *_: object) -> None:
        self._port.close()

    def learn(self, to: str | int | None, low: float | None = None, high: float | None = None) -> None:
        """Assign the next controller that moves to a target, in place of its present controller.

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
        self.learning = lambda cc: Control(cc, to, *ends)

    def handle(self, message: Any) -> None:
        """Carry out a `mido.Message`; no message raises an error."""
        with self.problems.counted():
            status, *data = message.bytes()
            if 0x80 <= status < 0xF0 and self.channel in (None, (status & 15) + 1):
                if message.type == "control_change":
                    self._notice(status & 15, *data)
                self.receive(status, *data)

    def _notice(self, channel: int, controller: int, value: int) -> None:
        """Assign a controller that moves, if one is to be learned."""
        source = (channel, controller)
        moved, self._last_values[source] = self._last_values.get(source) != value, value
        learning = self.learning
        if learning is not None and moved and controller not in RESERVED:
            self.learning, self.mapping = None, self.mapping.bound(learning(controller))

    def _start(self, channel: int, note: int, velocity: float) -> None:
        self.controls.note_on(float(note), velocity, _key(channel, note))

    def _end(self, channel: int, note: int) -> None:
        self.controls.note_off(_key(channel, note))

    def _sustain(self, _: int, down: bool) -> None:
        self.controls.sustain(down)

    def _bend(self, _: int, semitones: float) -> None:
        self.controls.bend(semitones)

    def _silence(self, _: int) -> None:
        self.controls.panic()

    def _program(self, number: int) -> None:
        self.controls.preset(number)

    def _move(self, _: int, controller: int, value: int) -> None:
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
            for channel in self._channels:
                channel.bend_range = None
        else:
            self.controls.axis(to, value)


def _key(channel: int, note: int) -> str:
    return f"midi-{channel}-{note}"
