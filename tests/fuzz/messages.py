"""Messages that play: MIDI files and bytes, OSC, keys, and commands of the engine; and words that mean points."""

import contextlib
import json
import struct
from pathlib import Path
from random import Random
from typing import Any

import mido
import numpy as np
from pythonosc.osc_message_builder import build_msg

from fuzz import _mutations as mutations
from fuzz._target import packed, target, unpacked
from fuzz._tiny import tiny_presets, tiny_space
from timbre.cli.points import find_point, labels_of, parse_pitch
from timbre.errors import TimbreError
from timbre.playback.controls import Controls
from timbre.playback.engine.engine import HANDLERS, Engine
from timbre.playback.inputs.keyboard import Keyboard
from timbre.playback.inputs.keys import parse
from timbre.playback.inputs.midi import MidiInput
from timbre.playback.inputs.osc import OscServer
from timbre.shapes.path_files import write_path
from timbre.synth.score import perform, read_midi


def an_engine() -> Engine:
    """A fresh engine with two voices."""
    return Engine(tiny_space(), tiny_presets(tiny_space()), np.zeros(2), voices=2, runtime="torch")


def plays_on(engine: Engine) -> None:
    """Whatever came before, the engine still makes sound, and a note can still be heard."""
    engine.panic()
    engine.at([0.0, 0.0])
    engine.hold(None)
    engine.gain(0.0)
    engine.bend(0.0)
    engine.render(400)
    engine.note_on(60, 1.0)
    samples = engine.render(600)
    assert np.isfinite(samples).all(), "the engine makes samples that are not finite"
    assert np.abs(samples).max() > 0, "the engine makes no sound"
    assert np.abs(samples).max() <= 1


def checked(engine: Engine, frames: int) -> None:
    samples = engine.render(frames)
    assert np.isfinite(samples).all(), "the engine makes samples that are not finite"
    assert np.abs(samples).max(initial=0.0) <= 1


# MIDI


def _events(random: Random) -> bytes:
    """A track of events, most of them right."""
    out = bytearray()
    for _ in range(random.randrange(1, 12)):
        out += _length(random, random.choice((0, 0, 10, 96, 480, 10_000, 2**28 - 1)))
        channel, key, value = random.randrange(16), random.randrange(128), random.choice((0, 1, 64, 100, 127))
        kind = random.randrange(11)
        if kind < 3:
            out += bytes((random.choice((0x80, 0x90, 0x90)) | channel, key, value))
        elif kind == 3:
            out += bytes((0xE0 | channel, key, value))
        elif kind == 4:
            out += bytes((0xB0 | channel, random.choice((1, 6, 38, 64, 100, 101, 120, 121, 123)), value))
        elif kind == 5:
            out += bytes((random.choice((0xA0, 0xC0, 0xD0)) | channel, key, value))
        elif kind == 6:
            data = random.randbytes(random.choice((0, 1, 2, 3, 4, 5, 8, 30)))
            kind = random.choice((0x51, 0x51, 0x58, 0x59, 0x54, 0x2F, 0x21, 0x00, 0x03, 0x7F, random.randrange(256)))
            out += bytes((0xFF, kind)) + _length(random, len(data)) + data
        elif kind == 7:
            out += bytes((0xF0,)) + _length(random, 4) + b"\x7e\x7f\x09\xf7"
        elif kind == 8:
            out += bytes((key, value))  # running status
        elif kind == 9:
            out += bytes((random.choice((0xF1, 0xF2, 0xF3, 0xF6, 0xF7, 0xF8, 0xFE)),))
        else:
            out += bytes((0xFF, 0x51, 3)) + random.choice((0, 1, 500_000, 2**24 - 1)).to_bytes(3, "big")
    return bytes(out) + b"\0\xff\x2f\0" * (random.random() < 0.9)


def _length(random: Random, number: int) -> bytes:
    """A number of variable length, sometimes with needless zeros."""
    out = [number & 127]
    while number := number >> 7:
        out.append(128 | number & 127)
    return bytes([*(128,) * random.choice((0, 0, 0, 0, 0, 1, 4)), *reversed(out)])


def _midi_file(random: Random) -> bytes:
    tracks = [_events(random) for _ in range(random.choice((1, 1, 2, 3)))]
    division = random.choice((96, 480, 480, 480, 1, 0, 32767, 0xE728, 0xE250, 0xE880, 0x8000, 0xFF00))
    kind = random.choice((0, 1, 1, 1, 2, 3))
    count = random.choice((len(tracks),) * 6 + (0, 1, 65535))
    data = b"MThd" + struct.pack(">IHHH", random.choice((6,) * 9 + (5, 8, 2**31)), kind, count, division)
    for track in tracks:
        size = random.choice((len(track),) * 9 + (0, len(track) + 5, 2**32 - 1))
        data += b"MTrk" + struct.pack(">I", size) + track
    return mutations.some_bytes(random, data) if random.random() < 0.3 else data


@target("midi-file", _midi_file, "timbre.synth.score:read_midi")
def _read_midi(data: bytes, place: Path) -> None:
    file = place / "a.mid"
    file.write_bytes(data)
    tones = read_midi(file)
    assert tones == sorted(tones, key=lambda tone: (tone.start, tone.pitch))
    for tone in tones:
        assert 0 <= tone.start <= 3600, "a note starts before the piece or after an hour"
        assert 0 <= tone.duration <= 7200, "a note has no duration"
        assert 0 <= tone.velocity <= 1
    assert len(tones) <= len(data)
    end = max(tone.start + tone.duration for tone in tones)
    if end < 0.5 and len(tones) < 6:
        assert np.isfinite(perform(tiny_space(), tiny_space().path([0.0, 0.0]), tones, steady=False).samples).all()


def _live_bytes(random: Random) -> bytes:
    """Bytes as they come from a port: whole messages without times, and anything."""
    out = bytearray()
    for _ in range(random.randrange(1, 20)):
        status = random.choice((0x80, 0x90, 0x90, 0xB0, 0xB0, 0xC0, 0xD0, 0xE0, 0xA0)) | random.choice((0, 0, 1, 15))
        control = random.choice((0, 1, 6, 7, 38, 64, 70, 74, 98, 99, 100, 101, 120, 121, 123, 127))
        if random.random() < 0.15:  # a zone, or a bend range
            parameter = 101, 0, 100, random.choice((0, 6)), 6, random.choice((0, 1, 2, 15, 48, 96, 127))
            for number, value in zip(parameter[::2], parameter[1::2], strict=True):
                out += bytes((0xB0 | status & 15, number, value))
        out += bytes((status, control if status >> 4 == 0xB else random.randrange(128), random.choice((0, 1, 64, 127))))
        if random.random() < 0.1:
            out += random.randbytes(3)
    return bytes(out)


@target("midi-live", _live_bytes, "timbre.playback.inputs.midi:MidiInput.handle", file=False)
def _live_midi(data: bytes, _: Path) -> None:
    engine = an_engine()
    midi = MidiInput(engine, members=data[0] % 16 if data else 0)
    midi.learn("brightness")
    for message in mido.parse_all(data):
        midi.handle(message)
    checked(engine, 200)
    assert midi.problems.last.isprintable()
    plays_on(engine)


# OSC

_WORDS = (
    "/note", "/note/60", "/note/60/bend", "/note/a/gain", "/note/a/axis/brightness", "/note/60/axis/1",
    "/note/a/towards/a", "/note/b/towards", "/off", "/at", "/axis", "/axis/brightness", "/axis/z",
    "/axis/self", "/axis/0", "/path", "/preset",
    "/bend", "/sustain", "/hold", "/gain", "/panic", "/query", "/error", "/state", "/", "//", "", "/note/", "/at/0/0",
    "/x/" * 99,
)  # fmt: skip


def _osc(random: Random) -> bytes:
    """One to four packets, messages or bundles, as a bundle of files."""
    return packed({str(number): _packet(random) for number in range(random.randrange(1, 5))})


def _packet(random: Random, depth: int = 0) -> bytes:
    if random.random() < 0.15 and depth < 3:
        parts = [_packet(random, depth + 1) for _ in range(random.randrange(4))]
        time = random.choice((b"\0" * 7 + b"\1", b"\xff" * 8, b"\0" * 8, b"\x7f" * 8, random.randbytes(8)))
        sizes = [random.choice((len(part),) * 8 + (0, -1, 2**31 - 1)) for part in parts]
        body = (struct.pack(">i", size) + part for size, part in zip(sizes, parts, strict=True))
        return b"#bundle\0" + time + b"".join(body)
    values = []
    for _ in range(random.randrange(5)):
        odd = random.choice(
            (*mutations.FLOATS, *mutations.INTEGERS[:20], *mutations.TEXTS, 60, 0.5, 0.5, 1, 0, "a", "b", True)
        )
        odd = odd.encode("utf-8", "replace").decode() if isinstance(odd, str) else odd
        values.append(odd % 2**63 if isinstance(odd, int) and abs(odd) >= 2**31 else odd)
    address = random.choice(_WORDS[:25] if random.random() < 0.9 else _WORDS)
    try:
        packet = bytes(build_msg(address or "/", values).dgram)
    except Exception:  # noqa: BLE001  (python-osc cannot write it)
        packet = b"/at\0,ff\0" + struct.pack(">ff", 0.5, float("inf"))
    return mutations.some_bytes(random, packet) if random.random() < 0.3 else packet


class _Packets:
    """A socket that has packets, and takes the answers."""

    def __init__(self, packets: list[bytes]) -> None:
        self.packets, self.answers = packets, list[bytes]()

    def recvfrom(self, _: int) -> tuple[bytes, tuple[str, int]]:
        return self.packets.pop(0), ("127.0.0.1", 9)

    def sendto(self, answer: bytes, _: Any) -> None:
        self.answers.append(answer)


@target("osc", _osc, "timbre.playback.inputs.osc:OscServer", file=False)
def _receive_osc(data: bytes, place: Path) -> None:
    write_path(place / "p.json", tiny_space().path([0.0, 0.0], [1.0, 1.0], pitch=None), tiny_space())
    engine, packets = an_engine(), list(unpacked(data).values())
    server, count = OscServer(engine, files=place), len(packets)
    server._socket = _Packets(packets)  # type: ignore[assignment]
    for _ in range(count):
        server._receive()
        checked(engine, 40)
    for _, _, sender, message in server._waiting:
        server._answer(sender, message)
    assert server.problems.last.isprintable()
    assert all(len(answer) < 9000 for answer in server._socket.answers)
    plays_on(engine)


# The keyboard

_KEYS = (
    "z",
    "q",
    "\x1b[A",
    "\x1b[1;2C",
    "\x1b[97;1:3u",
    "\x1b[115:83:115;5u",
    "\x1bOP",
    "[",
    "]",
    " ",
    "\t",
    "p",
    "a",
    "\x1b",
    "-",
    "=",
)


def _keys(random: Random) -> bytes:
    text = "".join(random.choice(_KEYS) for _ in range(random.randrange(1, 15)))
    return (
        mutations.some_text(random, text, ("\x1b[", ";", ":", "u", "~", "\x1b[[", "999", "\x1bO"))
        if random.random() < 0.7
        else text.encode()
    )


@target(
    "keys", _keys, "timbre.playback.inputs.keys:parse", "timbre.playback.inputs.keyboard:Keyboard.press", file=False
)
def _press(data: bytes, _: Path) -> None:
    engine, now = an_engine(), 0.0
    keyboard = Keyboard(engine, lambda point: "Point", lambda axis: None)
    keys, rest = parse(data.decode("utf-8", "ignore"))
    assert len(rest) <= 64 or rest.startswith("\x1b")
    for key in keys[:40]:
        now += 0.05
        with contextlib.suppress(KeyboardInterrupt):
            keyboard.press(key, now)
        keyboard.tick(now)
    checked(engine, 200)
    plays_on(engine)


# Commands

_CALLS: dict[str, list[Any]] = {
    "note_on": [60, 0.8, "a"], "note_off": ["a"], "bend": [2.0], "sustain": [True], "at": [[0.5, 0.5], 0.1],
    "express": ["a", {"bend": 2.0}], "axis": ["brightness", 0.5], "hold": [0.5], "gain": [-6.0], "preset": ["a"],
    "panic": [],
}  # fmt: skip


def _calls(random: Random) -> bytes:
    """Methods of the controls with arguments, some of them strange."""
    calls = []
    for _ in range(random.randrange(1, 8)):
        name = random.choice(list(_CALLS))
        values = [[name, value] if False else value for value in _CALLS[name]]
        if values and random.random() < 0.6:
            values[random.randrange(len(values))] = random.choice(
                (*mutations.INTEGERS, *mutations.FLOATS, "z", "", None, [], [0], [1e39] * 2)
            )
        calls.append([name, *values])
    return mutations.json_text(calls).encode("utf-8", "surrogatepass")


@target("controls", _calls, *(f"timbre.playback.controls:Controls.{name}" for name in _CALLS), file=False)
def _control(data: bytes, _: Path) -> None:
    engine = an_engine()
    for name, *values in json.loads(data):
        with contextlib.suppress(TimbreError):
            getattr(Controls, name)(engine, *values)
        checked(engine, 40)
    plays_on(engine)


_COMMANDS: dict[str, dict[str, Any]] = {
    "note_on": {"key": "a", "pitch": 60.0, "velocity": 0.8}, "note_off": {"key": "a"}, "sustain": {"down": True},
    "bend": {"semitones": 2.0}, "at": {"point": [0.5, 0.5], "glide": 0.1},
    "path": {"points": [[0.0, 0.0], [1.0, 1.0]], "times": [0.0, 1.0], "duration": 1.0, "loop": True},
    "hold": {"seconds": 0.5}, "gain": {"decibels": -6.0}, "panic": {},
    "shape": {"key": "a", "bend": 2.0, "gain": -6.0, "keep": 0.5, "offset": [0.5, 0.5]},
}  # fmt: skip


def _commands(random: Random) -> bytes:
    """Commands as the player sends them to the engine's process, with other numbers."""
    lines = []
    for _ in range(random.randrange(1, 8)):
        name = random.choice(list(_COMMANDS))
        values = dict(_COMMANDS[name])
        if values and random.random() < 0.6:
            key = random.choice(list(values))
            number = random.choice((*mutations.INTEGERS, *mutations.FLOATS))
            values[key] = (
                [[number, 0.0]] if key == "points" else [number, 0.0] if isinstance(values[key], list) else number
            )
        lines.append([name, values])
    return mutations.json_text(lines).encode()


@target("engine", _commands, "timbre.playback.engine.engine:Engine.apply", file=False)
def _apply(data: bytes, _: Path) -> None:
    assert set(_COMMANDS) == set(HANDLERS)
    engine = an_engine()
    for name, values in json.loads(data):
        with contextlib.suppress(TimbreError):
            engine.apply(name, values)
        checked(engine, 40)
    plays_on(engine)


# Words of the command line

_POINTS = (
    "0.5,0.5",
    "flute-C4",
    "oboe",
    "0.5 * flute + 0.5 * oboe",
    "flute-C4 - oboe-C4",
    "x.wav",
    "1e-3,2",
    "sub/flute_C4.wav",
)


@target(
    "points", lambda random: mutations.some_text(random, random.choice(_POINTS), ("*", "+", "-", ",", "0.5", "flute",
    "(", "~")),
    "timbre.cli.points:find_point", "timbre.cli.points:parse_pitch", "timbre.cli.points:labels_of", file=False,
)  # fmt: skip
def _point(data: bytes, place: Path) -> None:
    text = data.decode("utf-8", "surrogateescape")
    with contextlib.suppress(TimbreError):
        parse_pitch(text)
    if len(data) < 256:  # the longest name that a file can have
        with contextlib.suppress(TimbreError):
            labels_of(Path(text))
    assert np.isfinite(tiny_space().check_point(find_point(tiny_space(), text))).all()
