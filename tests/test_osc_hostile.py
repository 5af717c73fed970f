"""OSC of unknown origin: axes of any name, faults within a message, bundles of any depth."""

import dataclasses

import mido
import pytest
from pythonosc.udp_client import SimpleUDPClient
from recorder import Recorder, wait_for, with_brightness

from timbre.playback.inputs._osc_packets import NotOSC, messages
from timbre.playback.inputs.midi import MidiInput
from timbre.playback.inputs.osc import OscServer
from timbre.space import Space


@pytest.fixture
def recorder(tiny_space: Space) -> Recorder:
    return Recorder(tiny_space)


@pytest.mark.parametrize(
    "name", ["z", "self", "which", "steps", "point", "gain", "bend_range", "0", "12", "a/b", "note"]
)
def test_an_axis_may_have_any_name(tiny_space: Space, name: str):
    first = dataclasses.replace(with_brightness(tiny_space).axes[0], name=name)
    space = Space(tiny_space.config, tiny_space.model, tiny_space.atlas, tiny_space.report, (first,))
    recorder = Recorder(space)
    with OscServer(recorder, 0) as server, SimpleUDPClient("127.0.0.1", server.port) as sender:
        sender.send_message("/axis", [name, 1.5])
        assert wait_for(lambda: bool(recorder.named("at")))
        assert recorder.named("at")[-1]["point"][1] != 0.5
        sender.send_message("/axis/1", [0.5])
        assert wait_for(lambda: recorder.point[1] == 0.5)
        assert server.problems.count == 0
    midi = MidiInput(recorder)
    midi.handle(mido.Message("control_change", control=1, value=127))
    assert recorder.named("gain") == []
    assert midi.problems.count == 0
    assert recorder.named("at")[-1]["point"] != recorder.named("at")[0]["point"]


def test_a_fault_in_one_message_does_not_end_the_thread(recorder: Recorder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recorder, "bend", lambda _: 1 // 0)
    with OscServer(recorder, 0) as server, SimpleUDPClient("127.0.0.1", server.port) as sender:
        sender.send_message("/bend", [1.0])
        sender.send_message("/gain", [-3.0])
        assert wait_for(lambda: bool(recorder.named("gain")))
        assert (
            server.problems.last
            == "A message was not carried out: ZeroDivisionError: integer division or modulo by zero."
        )


def test_bundles_within_bundles_are_refused_or_read_however_deep():
    packet = b"/panic\0\0,\0\0\0"
    for _ in range(100_000):
        packet = b"#bundle\0" + bytes(7) + b"\1" + len(packet).to_bytes(4, "big") + packet
        if len(packet) > 70_000:
            break
    with pytest.raises(NotOSC):
        messages(packet)
    inner = b"/panic\0\0,\0\0\0"
    while len(inner) + 20 <= 8192:
        inner = b"#bundle\0" + bytes(7) + b"\1" + len(inner).to_bytes(4, "big") + inner
    assert [message.address for message in messages(inner)] == ["/panic"]
