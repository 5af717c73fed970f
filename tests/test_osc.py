"""OSC: a real client over loopback, to controls and to sound; answers, refusals, and floods of what is no OSC."""

import queue
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_server import BlockingOSCUDPServer
from pythonosc.udp_client import SimpleUDPClient
from recorder import Recorder, cents_off, loudest, some_presets, with_brightness

from timbre.errors import ConfigError, DeviceError
from timbre.playback.engine.engine import Engine
from timbre.playback.inputs._osc_packets import messages
from timbre.playback.inputs.mapping import default_range
from timbre.playback.inputs.osc import OscServer
from timbre.shapes.path_files import write_path
from timbre.space import Space
from timbre.synth.axis_curve import AxisCurve


class Client:
    """A client that hears the answers, on the socket by which it sends."""

    def __init__(self, port: int) -> None:
        self.heard: queue.Queue[tuple[str, list]] = queue.Queue()
        dispatcher = Dispatcher()
        dispatcher.set_default_handler(lambda address, *values: self.heard.put((address, list(values))))
        self.server = BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher)
        self.port, self.to = self.server.server_address[1], ("127.0.0.1", port)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.server.shutdown()
        self.server.server_close()

    def send(self, address: str, *values: object) -> None:
        self.raw(message(address, *values).dgram)

    def raw(self, packet: bytes) -> None:
        self.server.socket.sendto(packet, self.to)

    def answer(self) -> tuple[str, list]:
        return self.heard.get(timeout=10)

    def error(self) -> str:
        address, (text,) = self.answer()
        assert address == "/error"
        return str(text)

    def settle(self) -> None:
        """Wait until all that was sent is carried out: the answer to a question comes after it."""
        self.send("/query")
        while self.answer()[0] != "/presets":
            pass


def message(address: str, *values: object):
    builder = OscMessageBuilder(address)
    for value in values:
        builder.add_arg(value)
    return builder.build()


@pytest.fixture(scope="module")
def named(tiny_space: Space) -> Space:
    return with_brightness(tiny_space)


class Told(Recorder):
    """A recorder with an engine's state."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine.space, engine.presets)
        self.state = engine.state  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def engine(named: Space) -> Engine:
    return Engine(named, some_presets(named))


@pytest.fixture
def recorder(engine: Engine) -> Recorder:
    return Told(engine)


@pytest.fixture
def files(tmp_path: Path, named: Space) -> Path:
    """A folder of paths, beside one that is none of its."""
    (tmp_path / "paths" / "deep").mkdir(parents=True)
    path = named.path([0, 0, 0], [1, 2, 3])
    for place in ("secret.json", "paths/own.json", "paths/deep/own.csv"):
        write_path(tmp_path / place, path, named)
    (tmp_path / "paths" / "link.json").symlink_to(tmp_path / "secret.json")
    return tmp_path / "paths"


@pytest.fixture
def server(recorder: Recorder, files: Path) -> Iterator[OscServer]:
    with OscServer(recorder, 0, files=files) as server:
        yield server


@pytest.fixture
def client(server: OscServer) -> Iterator[Client]:
    with Client(server.port) as client:
        yield client


def carried_out(recorder: Recorder, client: Client, address: str, *values: object) -> list[tuple[str, dict]]:
    client.send(address, *values)
    client.settle()
    return recorder.events


ON = {"velocity": 0.5, "pitch": 60.0, "key": 60.0}


@pytest.mark.parametrize(
    ("address", "values", "event"),
    [
        ("/note", (60, 0.5), ("note_on", ON)),
        ("/note", (60,), ("note_on", ON | {"velocity": 0.8})),
        ("/note", ("lead", 60.0, 0.5), ("note_on", ON | {"key": "lead"})),
        ("/note", (7, "none", 0.5), ("note_on", {"velocity": 0.5, "pitch": None, "key": 7})),
        ("/note", (7, None, 0.5), ("note_on", {"velocity": 0.5, "pitch": None, "key": 7})),
        ("/note/60", (0.5,), ("note_on", ON)),
        ("/note/lead/60", (0.5,), ("note_on", ON | {"key": "lead"})),
        ("/note", (60, 0), ("note_off", {"key": 60})),
        ("/note/60", (0.0,), ("note_off", {"key": 60})),
        ("/note", ("lead", 60, 0.0), ("note_off", {"key": "lead"})),
        ("/off", (60,), ("note_off", {"key": 60})),
        ("/off/lead", (), ("note_off", {"key": "lead"})),
        ("/at", (1, 0.5, -1.0), ("at", {"point": [1.0, 0.5, -1.0], "glide": 0.0})),
        ("/at", (1, 0.5, -1.0, 2), ("at", {"point": [1.0, 0.5, -1.0], "glide": 2.0})),
        ("/bend", (-1.5,), ("bend", {"semitones": -1.5})),
        ("/sustain", (1,), ("sustain", {"down": True})),
        ("/sustain", (False,), ("sustain", {"down": False})),
        ("/hold", (0.5,), ("hold", {"seconds": 0.5})),
        ("/hold", (), ("hold", {"seconds": None})),
        ("/gain", (-6,), ("gain", {"decibels": -6.0})),
        ("/panic", (), ("panic", {})),
        ("/panic", (1.0,), ("panic", {})),
        ("/path", (), ("path", {"points": [], "times": [], "duration": 1.0, "loop": False})),
    ],
)
def test_an_address_means_one_event(recorder: Recorder, client: Client, address: str, values: tuple, event: tuple):
    assert carried_out(recorder, client, address, *values) == [event]


@pytest.mark.parametrize(("address", "values"), [("/axis/2", (1.5,)), ("/axis", (2, 1.5)), ("/axis", (2.0, 1.5, 0))])
def test_a_dimension_is_set_by_its_number(recorder: Recorder, client: Client, address: str, values: tuple):
    wanted = [*recorder.point[:2].tolist(), 1.5]
    assert carried_out(recorder, client, address, *values) == [("at", {"point": wanted, "glide": 0.0})]


@pytest.mark.parametrize("values", [("/axis/brightness", 1.5, 3.0), ("/axis", "brightness", 1.5, 3.0)])
def test_a_named_axis_moves_the_sound(recorder: Recorder, client: Client, values: tuple):
    before = recorder.point.copy()
    ((_, event),) = carried_out(recorder, client, *values)
    wanted = AxisCurve(recorder.space, "brightness", before, 60).at(1.5)
    np.testing.assert_allclose(event["point"], wanted, atol=1e-5)
    assert event["glide"] == 3.0


def test_presets_go_by_name_or_number_and_a_button_let_go_does_nothing(recorder: Recorder, client: Client):
    for which in ("still", 0, 0.0):
        client.send("/preset", which)
    for address, *pressed in (("/preset/still",), ("/preset/0", 1.0), ("/preset/0", 0.0)):
        client.send(address, *pressed)
    wanted = {"point": recorder.space.atlas.points[0].tolist(), "glide": 0.0}
    assert carried_out(recorder, client, "/preset", "way")[:-1] == [("at", wanted)] * 5
    assert recorder.events[-1][1]["duration"] == 2.0


def test_paths_are_presets_or_files_of_the_folder(recorder: Recorder, client: Client):
    for values in (("way",), ("way", 3.0, 0), ("own.json",), ("deep/own.csv", 0.5, 1), ("own.json", 2, True)):
        client.send("/path", *values)
    client.settle()
    paths = recorder.named("path")
    assert [(path["duration"], path["loop"]) for path in paths] == [
        (2.0, True), (3.0, False), (4.0, False), (0.5, True), (2.0, True),
    ]  # fmt: skip
    assert paths[2]["points"] == paths[3]["points"] == [[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]]


@pytest.mark.parametrize(
    "name", ["../secret.json", "link.json", "deep", "none.json", "", ".", "a" * 300, "deep/../../secret.json"]
)
def test_no_path_comes_from_outside_the_folder(recorder: Recorder, client: Client, files: Path, name: str):
    for asked in (name, str(files.parent / "secret.json")):
        client.send("/path", asked)
        assert "no preset, and no path file in the folder" in client.error()
    assert not recorder.events


def test_without_a_folder_there_are_no_path_files(recorder: Recorder, files: Path):
    with OscServer(recorder, 0) as server, Client(server.port) as client:
        client.send("/path", str(files / "own.json"))
        assert "no folder was given" in client.error()


@pytest.mark.parametrize(
    ("address", "values", "words"),
    [
        ("/note", (), "/note PITCH"),
        ("/note", (1, 2, 0.3, 4), "/note PITCH"),
        ("/note", (60, 100), "velocity must be a number from 0 to 1, got 100"),
        ("/note", (60, -0.1), "velocity"),
        ("/note", (60, float("nan")), "got nan"),
        ("/note", (11, 0.5), "12 to 127 (MIDI; A4 is 69), got 11"),
        ("/note", ("high", 0.5), "got 'high'"),
        ("/note", (None, 0.5), "must have a key"),
        ("/note", (None, 60, 0.5), "got None"),
        ("/note", (b"60", 0.5), "type 'b'"),
        ("/at", ([1, 2, 3],), "type '['"),
        ("/off", (), "/off KEY"),
        ("/off", (None,), "got None"),
        ("/at", (1, 2), "3 coordinates"),
        ("/at", (1, 2, 3, 4, 5), "3 coordinates"),
        ("/at", (1, 2, "x"), "coordinate 2 must be a number from -100 to 100, got 'x'"),
        ("/at", (1, 2, float("inf")), "got inf"),
        ("/at", (1, 2, 3, -1), "glide"),
        ("/axis", (1,), "/axis/NAME VALUE"),
        ("/axis/3", (1,), "axes 0 to 2"),
        ("/axis/-1", (1,), "axes 0 to 2"),
        ("/axis/0.5", (1,), "whole number"),
        ("/axis/inf", (1,), "whole number"),
        ("/axis", (None, 1), "whole number"),
        ("/axis/darkness", (1,), "no axis 'darkness'"),
        ("/axis/" + "9" * 4000, (1,), "no axis '999"),
        ("/axis/0", (101,), "-100 to 100"),
        ("/path", ("own.txt",), "no preset"),
        ("/path", ("way", 0.0), "duration"),
        ("/path", ("way", 1.0, "x"), "loop"),
        ("/preset", (), "/preset NAME"),
        ("/preset", ("gone",), "no preset 'gone'"),
        ("/preset", (2,), "preset number must be below 2"),
        ("/bend", (49,), "bend"),
        ("/sustain", ("x",), "pedal"),
        ("/hold", (0.0,), "hold"),
        ("/gain", (25,), "gain"),
        ("/query", (0,), "got 0"),
        ("/query", (9000.0,), "got 9000.0"),
        ("/query", (9001, 2), "/query"),
        ("/nothing", (), "address must be one of /note, /off, "),
        ("/", (), "got /."),
    ],
)
def test_what_is_wrong_is_told_to_the_sender(
    recorder: Recorder, server: OscServer, client: Client, address: str, values: tuple, words: str
):
    client.send(address, *values)
    text = client.error()
    assert words in text
    assert len(text) <= 500
    assert not recorder.events
    assert server.problems.count == 1
    assert server.problems.last.startswith(text)


def test_a_query_is_answered_with_all_there_is_to_know(engine: Engine, named: Space, client: Client):
    engine.note_on(61.5, 0.5)
    engine.render(2000)
    client.send("/query")
    answers = [client.answer() for _ in range(6 + 1 + named.dim + 1)]
    told, state = dict(answers), engine.state()
    assert told["/state/point"] == pytest.approx(state.point.tolist())
    assert told["/state/notes"] == [61.5]
    assert told["/state/voices"] == [1, 8, 0, 0]
    assert told["/state/load"] == pytest.approx([state.load])
    assert told["/state/underruns"] == [0]
    assert told["/state/latency"] == pytest.approx([state.latency.total, *state.latency, state.control_delay])
    assert told["/presets"] == ["still", "way"]
    axes = [values for address, values in answers if address == "/axes"]
    assert [(axis[0], axis[1]) for axis in axes] == [(0, "brightness"), (1, "0"), (2, "1"), (3, "2")]
    assert axes[0][2:] == pytest.approx([*named.axis_values(engine.point), -2.0, 2.0])
    for number, axis in enumerate(axes[1:]):
        assert axis[2:] == pytest.approx([state.point[number], *default_range(named, number)])
    engine.panic()
    engine.render(4000)


def test_answers_go_to_the_port_that_was_asked_for_from_then_on(client: Client, server: OscServer):
    with SimpleUDPClient("127.0.0.1", server.port) as sender:  # nobody listens at its own socket
        sender.send_message("/query", client.port)
        while client.answer()[0] != "/presets":
            pass
        sender.send_message("/bend", "x")
        assert "bend" in client.error()


def test_answers_are_not_answered(client: Client, server: OscServer):
    for address in ("/error", "/state/load", "/axes", "/presets"):
        client.send(address, 1)
    client.send("/query")
    answers = [client.answer()[0] for _ in range(11)]
    assert answers[-1] == "/presets"
    assert "/error" not in answers
    assert server.problems.count == 4


def test_bundles_are_carried_out_when_they_are_due(recorder: Recorder, client: Client):
    late, inner, outer = OscBundleBuilder(time.time() + 0.5), OscBundleBuilder(IMMEDIATELY), OscBundleBuilder(1.0)
    late.add_content(message("/gain", -1))
    inner.add_content(message("/gain", -2))
    outer.add_content(inner.build())
    outer.add_content(message("/gain", -3))
    for bundle in (late, outer):
        client.raw(bundle.build().dgram)
    client.settle()
    assert [event["decibels"] for event in recorder.named("gain")] == [-2, -3]
    while len(recorder.events) < 3:
        time.sleep(0.01)
    assert recorder.events[-1] == ("gain", {"decibels": -1.0})


def test_a_bundle_too_far_ahead_is_refused_and_panic_ends_what_waits(recorder: Recorder, client: Client):
    for ahead in (60.0, 0.3):
        bundle = OscBundleBuilder(time.time() + ahead)
        bundle.add_content(message("/note", 60, 0.5))
        client.raw(bundle.build().dgram)
    assert "within 10 s" in client.error()
    client.send("/panic")
    time.sleep(0.4)
    client.settle()
    assert recorder.events == [("panic", {})]


def test_more_than_can_wait_is_refused(recorder: Recorder, client: Client):
    bundle = OscBundleBuilder(time.time() + 5.0)
    for _ in range(250):
        bundle.add_content(message("/gain", -1))
    packet = bundle.build().dgram
    for _ in range(4):
        client.raw(packet)
    client.settle()
    client.raw(packet)
    assert "At most 1024 messages" in client.error()
    client.send("/panic")


CIRCLING = b"#bundle\0" + bytes(7) + b"\1" + struct.pack(">i", -4)  # python-osc itself would never come back from it
DEEP = b"".join(b"#bundle\0" + bytes(7) + b"\1" + struct.pack(">i", 7960 - 20 * n) for n in range(1, 399))
SIZES = [struct.pack(">i", size) for size in (-1, 0, 4, 16, 2**31 - 1)]
WORDS = [b"#bundle\0", bytes(8), b"/note\0\0\0", b"/at\0", b",f\0\0", b",ffff\0\0\0", b",sT[b\0\0\0", b"\xff"]
PIECES = st.sampled_from(WORDS + SIZES)


@given(st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=12).map(b"".join)))
@example(CIRCLING)
@example(DEEP)
@example(b"/a\0\0,b\0\0\xff\xff\xff\xff")
@example(b"/a\0\0," + 4000 * b"[" + bytes(3))
@example(b"/a\xff\0,s\0\0a\0\0\0")
@example(bytes(9000))
def test_a_packet_is_read_or_refused(packet: bytes):
    try:
        found = messages(packet)
    except ConfigError:
        return
    assert all(item.address.startswith("/") for item in found)


def test_a_flood_of_what_is_no_osc_does_no_harm(recorder: Recorder, server: OscServer, client: Client):
    generator = np.random.default_rng(0)
    good = message("/note", 60, 0.5).dgram
    for number in range(600):
        broken = bytearray(good if number % 2 else generator.bytes(generator.integers(0, 200)))
        if broken:
            broken[generator.integers(len(broken))] = generator.integers(256)
        client.raw(bytes(broken))
        if number % 100 == 0:
            for packet in (CIRCLING, DEEP, bytes(60000), b""):
                client.raw(packet)
            time.sleep(0.01)
    client.send("/gain", -3)
    client.settle()
    assert recorder.events[-1] == ("gain", {"decibels": -3.0})
    assert server.problems.count > 100


def test_a_note_by_osc_sounds_at_its_pitch_and_falls_silent_at_a_panic(harmonic_space: Space):
    engine = Engine(harmonic_space)
    with OscServer(engine, 0) as server, Client(server.port) as client:
        client.send("/note", 69.5, 0.8)
        client.settle()
        assert cents_off(engine, 69.5) < 15
        client.send("/bend", -2)
        client.settle()
        assert cents_off(engine, 67.5) < 15
        client.send("/panic")
        client.settle()
        engine.render(1000)
        assert loudest(engine) == 0.0


def test_a_port_in_use_is_said_in_one_sentence(recorder: Recorder, server: OscServer):
    with pytest.raises(DeviceError, match=f"OSC port {server.port} of 127.0.0.1 .* in use"):
        OscServer(recorder, server.port).__enter__()
    with pytest.raises(DeviceError, match="does not open"):
        OscServer(recorder, 0, "256.0.0.1").__enter__()
    for settings in ({"port": 65536}, {"port": -1}, {"files": "no-such-folder"}):
        with pytest.raises(ConfigError):
            OscServer(recorder, **settings)  # type: ignore[arg-type]


def test_a_closed_server_gives_its_port_back(recorder: Recorder):
    with OscServer(recorder, 0) as server:
        port = server.port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", port))
    assert not any(thread.name == "timbre-osc" for thread in threading.enumerate())


def test_without_python_osc_the_extra_is_named(recorder: Recorder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pythonosc", None)
    with pytest.raises(DeviceError, match="pip install python-osc"):
        OscServer(recorder, 0).__enter__()
