"""MIDI: notes, bend, pedal, controllers and program changes, from a keyboard or a sequencer to a space that sounds."""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from timbre.errors import ConfigError
from timbre.playback.controls import WIDEST_BEND, Controls
from timbre.playback.inputs._midi_ports import VIRTUAL, find_port, list_ports, opened
from timbre.playback.inputs._problems import Problems
from timbre.playback.inputs.mapping import BEND_RANGE, GAIN, PARAMETERS, TAKEN, Control, Mapping, default_mapping, span

if TYPE_CHECKING:
    import mido

__all__ = ["VIRTUAL", "MidiInput", "find_port", "list_ports"]

_SUSTAIN, _SOUND_OFF, _RESET, _NOTES_OFF = 64, 120, 121, 123
_NO_PARAMETER, _BEND_PARAMETER = (127, 127), (0, 0)


@dataclass
class _MidiChannel:
    """Of one channel: the registered parameter that data entry sets (its two halves), and its bend range."""

    parameter: tuple[int, int] = _NO_PARAMETER
    semitones: int = 2
    cents: int = 0
    own_range: bool = False


class MidiInput:
    """Plays a space by MIDI. Use it in a `with` block, which opens the port; :meth:`handle` works without one too.

    Notes of 12 and more sound, velocity / 127 strong (0 is off). The bend reaches as far as registered parameter 0
    says. Controller 64 is the pedal; 120 and 123 are a panic, 121 lifts pedal and bend; others are the mapping's. A
    program change goes to the preset of that number, from 0. Whatever is wrong is counted, and the player goes on.

    Args:
        controls: what is played.
        port: name of an input, or a part of it that no other has; "virtual" opens one that others connect to; None is
            the first there is (but not ALSA's "Midi Through").
        mapping: what the controllers move; :func:`~timbre.playback.inputs.mapping.default_mapping` unless given.
        channel: 1 to 16, the only one that is heard; None hears all.
        bend_range: semitones, until a registered parameter says otherwise; 0 to 48.

    Attributes:
        mapping: may be set at any time.
        name: of the port, once it is open.
        problems: what was wrong with messages: how often, and the last of it.

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
        if channel is not None and not 1 <= channel <= 16:
            raise ConfigError(f"MIDI channel {channel} was asked for; there are 1 to 16.")
        if not 0.0 <= bend_range <= WIDEST_BEND:
            raise ConfigError(f"The bend range is {bend_range}; 0 to {WIDEST_BEND:g} semitones are wanted.")
        self.controls, self.channel, self.bend_range = controls, channel, bend_range
        self.mapping = default_mapping(controls.space) if mapping is None else mapping
        self.problems, self.name = Problems(), ""
        self._wanted, self._port = port, None
        self._channels = [_MidiChannel() for _ in range(16)]
        self._seen: dict[tuple[int, int], int] = {}
        self._learning: Callable[[int], Control] | None = None

    def __enter__(self) -> "MidiInput":
        self._port, self.name = opened(self._wanted, self.handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back."""
        port, self._port = self._port, None
        if port is not None:
            port.close()

    @property
    def learning(self) -> bool:
        """Whether the next controller that moves will be bound."""
        return self._learning is not None

    def learn(self, to: str | int | None, low: float | None = None, high: float | None = None) -> None:
        """Bind the next controller that moves to an axis, in place of what moved it so far; None waits no longer.

        The result is in :attr:`mapping`, which :func:`~timbre.playback.inputs.mapping.write_mapping` keeps.

        Args:
            to: as in :class:`~timbre.playback.inputs.mapping.Control`.
            low, high: likewise; by default as in :func:`~timbre.playback.inputs.mapping.span`.

        Raises:
            ConfigError: there is no such axis, or it cannot go there.
        """
        if to is None:
            self._learning = None
            return
        usual = span(self.controls.space, to)
        ends = usual[0] if low is None else low, usual[1] if high is None else high
        Control(0, to, *ends)  # refuses what cannot be, now and not when something moves
        self._learning = lambda cc: Control(cc, to, *ends)

    def handle(self, message: "mido.Message") -> None:
        """Carry out a message; raises nothing that a message could be the cause of."""
        channel = getattr(message, "channel", None)
        handler = _HANDLERS.get(message.type)
        if handler is None or channel is None or self.channel not in (None, channel + 1):
            return
        with self.problems.kept():
            handler(self, message)

    def _note_on(self, message: Any) -> None:
        if message.velocity == 0:
            self._note_off(message)
        else:
            self.controls.note_on(float(message.note), message.velocity / 127.0, _key(message))

    def _note_off(self, message: Any) -> None:
        self.controls.note_off(_key(message))

    def _bend(self, message: Any) -> None:
        channel = self._channels[message.channel]
        reach = channel.semitones + channel.cents / 100.0 if channel.own_range else self.bend_range
        self.controls.bend(reach * message.pitch / (8191.0 if message.pitch > 0 else 8192.0))

    def _program(self, message: Any) -> None:
        self.controls.preset(message.program)

    def _control(self, message: Any) -> None:
        if message.control in (_SOUND_OFF, _NOTES_OFF):
            self.controls.panic()
        elif message.control == _SUSTAIN:
            self.controls.sustain(message.value >= 64)
        elif message.control == _RESET:
            self.controls.sustain(False)
            self.controls.bend(0.0)
        elif message.control in PARAMETERS:
            self._parameter(self._channels[message.channel], message.control, message.value)
        elif message.control not in TAKEN:
            self._knob(message)

    def _parameter(self, channel: _MidiChannel, controller: int, value: int) -> None:
        """Registered parameters, of which number 0 is the bend range: semitones, then cents."""
        if controller in (98, 99):  # others, which the maker of an instrument defines
            channel.parameter = _NO_PARAMETER
        elif controller == 101:
            channel.parameter = value, channel.parameter[1]
        elif controller == 100:
            channel.parameter = channel.parameter[0], value
        elif channel.parameter == _BEND_PARAMETER:
            semitones, cents = (value, 0) if controller == 6 else (channel.semitones, value)
            if semitones + cents / 100.0 > WIDEST_BEND:
                raise ConfigError(f"A bend range of {semitones} semitones came; {WIDEST_BEND:g} is the widest here.")
            channel.semitones, channel.cents, channel.own_range = semitones, cents, True

    def _knob(self, message: Any) -> None:
        place = (message.channel, message.control)
        moved, self._seen[place] = self._seen.get(place) != message.value, message.value
        learning = self._learning
        if learning is not None and moved:
            self._learning, self.mapping = None, self.mapping.bound(learning(message.control))
        control = self.mapping.controls.get(message.control)
        if control is not None:
            self._move(control.to, control.value(message.value / 127.0))

    def _move(self, to: str | int, value: float) -> None:
        if to == GAIN:
            self.controls.gain(value)
        elif to == BEND_RANGE:
            self.bend_range, self._channels = value, [_MidiChannel() for _ in range(16)]
        else:
            self.controls.axis(to, value)


_HANDLERS: dict[str, Callable[[MidiInput, Any], None]] = {
    "note_on": MidiInput._note_on,
    "note_off": MidiInput._note_off,
    "pitchwheel": MidiInput._bend,
    "program_change": MidiInput._program,
    "control_change": MidiInput._control,
}


def _key(message: Any) -> str:
    return f"midi-{message.channel}-{message.note}"
