"""`MidiInput`: plays a space by MIDI: notes, bend, pedal, controllers and program changes."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from timbre.errors import ConfigError, TimbreError
from timbre.playback.controls import MAX_BEND, Controls, check_number
from timbre.playback.inputs._problems import Problems
from timbre.playback.inputs.mapping import BEND_RANGE, GAIN, RESERVED, Control, Mapping, default_mapping, default_range
from timbre.playback.inputs.midi_ports import open_port

_SUSTAIN, _SOUND_OFF, _RESET, _NOTES_OFF = 64, 120, 121, 123
_NO_PARAMETER, _BEND_PARAMETER = (127, 127), (0, 0)


@dataclass
class _MidiChannel:
    """State of a channel: the registered parameter that data entry sets (its two halves), and the bend range."""

    parameter: tuple[int, int] = _NO_PARAMETER
    semitones: int = 2
    cents: int = 0
    own_range: bool = False


class MidiInput(AbstractContextManager["MidiInput"]):
    """Plays a space by MIDI. A `with` block opens the port; :meth:`handle` works without one.

    Notes from 12 sound, with velocity / 127 (0 releases). Registered parameter 0 sets the bend range. Controller 64 is
    the sustain pedal; 120 and 123 silence all notes; 121 lifts the pedal and resets the bend; the mapping decides the
    others. A program change selects the preset of that number, from 0. Errors are counted, and playing goes on.

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
        self.controls, self.channel, self.bend_range = controls, channel, bend_range
        self.mapping = default_mapping(controls.space) if mapping is None else mapping
        self.problems, self.name = Problems(), ""
        self._port_name = port
        self._channels = [_MidiChannel() for _ in range(16)]
        self._last_values: dict[tuple[int, int], int] = {}
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
        channel = getattr(message, "channel", None)
        handler = _HANDLERS.get(message.type)
        if handler is None or channel is None or self.channel not in (None, channel + 1):
            return
        try:
            handler(self, message)
        except TimbreError as error:
            self.problems.add(str(error))

    def _note_on(self, message: Any) -> None:
        if message.velocity == 0:
            self.controls.note_off(_key(message))
        else:
            self.controls.note_on(float(message.note), message.velocity / 127.0, _key(message))

    def _bend(self, message: Any) -> None:
        channel = self._channels[message.channel]
        reach = channel.semitones + channel.cents / 100.0 if channel.own_range else self.bend_range
        self.controls.bend(reach * message.pitch / (8191.0 if message.pitch > 0 else 8192.0))

    def _control(self, message: Any) -> None:
        if message.control in (_SOUND_OFF, _NOTES_OFF):
            self.controls.panic()
        elif message.control == _SUSTAIN:
            self.controls.sustain(message.value >= 64)
        elif message.control == _RESET:
            self.controls.sustain(False)
            self.controls.bend(0.0)
        elif message.control in RESERVED:
            self._parameter(self._channels[message.channel], message.control, message.value)
        else:
            self._mapped(message)

    def _parameter(self, channel: _MidiChannel, controller: int, value: int) -> None:
        """Handle registered parameters, of which 0, the bend range, is used: semitones, then cents."""
        if controller in (98, 99):  # parameters that are not registered
            channel.parameter = _NO_PARAMETER
        elif controller == 101:
            channel.parameter = value, channel.parameter[1]
        elif controller == 100:
            channel.parameter = channel.parameter[0], value
        elif controller in (6, 38) and channel.parameter == _BEND_PARAMETER:
            semitones, cents = (value, 0) if controller == 6 else (channel.semitones, value)
            if semitones + cents / 100.0 > MAX_BEND:
                raise ConfigError(f"The bend range must be at most {MAX_BEND:g} semitones, got {semitones}.")
            channel.semitones, channel.cents, channel.own_range = semitones, cents, True

    def _mapped(self, message: Any) -> None:
        source = (message.channel, message.control)
        moved, self._last_values[source] = self._last_values.get(source) != message.value, message.value
        learning = self.learning
        if learning is not None and moved:
            self.learning, self.mapping = None, self.mapping.bound(learning(message.control))
        control = self.mapping.controls.get(message.control)
        if control is not None:
            self._set(control.to, control.value(message.value / 127.0))

    def _set(self, to: str | int, value: float) -> None:
        if to == GAIN:
            self.controls.gain(value)
        elif to == BEND_RANGE:
            self.bend_range, self._channels = value, [_MidiChannel() for _ in range(16)]
        else:
            self.controls.axis(to, value)


_HANDLERS: dict[str, Callable[[MidiInput, Any], None]] = {
    "note_on": MidiInput._note_on,
    "note_off": lambda midi, message: midi.controls.note_off(_key(message)),
    "pitchwheel": MidiInput._bend,
    "program_change": lambda midi, message: midi.controls.preset(message.program),
    "control_change": MidiInput._control,
}


def _key(message: Any) -> str:
    return f"midi-{message.channel}-{message.note}"
