"""MPE messages, channels from 1; and an input of them that tells what its notes have by now."""

from mido import Message
from recorder import Recorder, some_presets

from timbre.playback.inputs.mapping import Mapping
from timbre.playback.inputs.midi import MidiInput
from timbre.space import Space
from timbre.synth.shaping import NoteControl

WHEEL = 8191  # the whole range
PLAIN = Mapping([], [NoteControl("slide", 0, -2.0, 2.0, style="relative"), NoteControl("pressure", "gain", 0.0, 6.0)])


def cc(number: int, value: int, channel: int) -> Message:
    return Message("control_change", control=number, value=value, channel=channel - 1)


def on(channel: int, note: int = 60, velocity: int = 100) -> Message:
    return Message("note_on", note=note, velocity=velocity, channel=channel - 1)


def off(channel: int, note: int = 60, velocity: int = 64) -> Message:
    return Message("note_off", note=note, velocity=velocity, channel=channel - 1)


def bend(channel: int, position: int = WHEEL) -> Message:
    return Message("pitchwheel", pitch=position, channel=channel - 1)


def press(channel: int, value: int) -> Message:
    return Message("aftertouch", value=value, channel=channel - 1)


def parameter(channel: int, number: int, value: int) -> list[Message]:
    return [cc(101, 0, channel), cc(100, number, channel), cc(6, value, channel)]


def zone(manager: int = 1, members: int = 15) -> list[Message]:
    return parameter(manager, 6, members)


class Player(MidiInput):
    """An input, and what the notes that it holds have by now: bend, gain, first dimension."""

    def __init__(self, space: Space, *messages: Message, mapping: Mapping = PLAIN, **settings: int) -> None:
        self.recorder = Recorder(space, some_presets(space))
        super().__init__(self.recorder, mapping=mapping, **settings)
        self.play(*messages)

    def play(self, *messages: Message) -> "Player":
        for message in messages:
            self.handle(message)
        assert self.problems.count == 0, self.problems.last
        return self

    @property
    def held(self) -> dict[str, tuple[float, float, float]]:
        held, shapes = dict[str, tuple[float, float, float]](), dict[str, tuple[float, float, float]]()
        for name, values in self.recorder.events:
            key = values.get("key", "").removeprefix("midi-")
            if name == "shape":
                shapes[key] = values["bend"], values["gain"], values["offset"][0]
            elif name == "note_on":
                held[key] = (0.0, 0.0, 0.0)
            elif name in ("note_off", "panic"):
                for one in [key] if key else list(held):
                    held.pop(one, None)
                    shapes.pop(one, None)
        return {key: shapes.get(key, nothing) for key, nothing in held.items()}

    @property
    def bends(self) -> dict[str, float]:
        return {key: round(values[0], 6) for key, values in self.held.items()}
