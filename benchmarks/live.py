"""Live play through real sound servers: latency, tuning, dropouts, clicks, and the number of voices.

    benchmarks/live.py SPACE [--servers jack pulse] [--seconds S] [--quick] [--json FILE]

JACK runs on its dummy driver and PulseAudio with a null sink. A process records what they play.

- midi, osc: notes by MIDI (JACK's MIDI ports; under PulseAudio messages passed within the process) and by OSC over
  loopback. Latency is the time from just before an event is sent to the start of its note in the recording, found by
  cross-correlation with the same note rendered offline: median (latency_ms) and maximum (worst_ms). The time of a
  sample is that at which the server asked for its block, plus its position in the block. A sound card adds its own
  buffer (device_ms, as PortAudio reports). cents is the largest deviation of a recorded note from its pitch;
  cents_offline, from the pitch of the same note offline.
- held: notes that are frozen and sustained, while another Python thread of the player's process computes sums.
- morph: four sustained notes follow a loop through six library notes.
- mpe: eight sustained notes of an MPE zone glide and change their timbres, each by itself, at 100 messages a second for
  each of three dimensions of every finger; beside it "held, 8" is the same without. Server "app" is the page of
  `timbre app` without its browser: underruns are those of its worklet. "mpe, tuning" is the deviation of
  each from the pitch that was asked, without a device; latency_ms is by how much bends are late. "mpe, own points"
  and "mpe, one point" are what eight such notes cost, and eight that move together.
- engine: number of voices that one core renders in real time, by processor time. load is for eight voices, load_1 for
  one. At the rate of the space, and with an untrained decoder of 44,100 Hz; with rtpghi, and with the vocoder of the
  space or an untrained one. Of an untrained decoder all bins are loud, which costs the inverters most.

_heard.py defines clicks and gaps. For notes, only clicks that the offline note does not have are counted. ahead_ms is
the buffer of the player at the end; shed counts the notes that it cut because the machine was too slow.
"""

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import NamedTuple

import _expressive
import numpy as np
import torch
from _heard import clicks, find, gaps
from _servers import Recorder, Recording, Server, jack, missing, pulse
from _table import Row, add_arguments, finish

import timbre
from timbre.audio.pitch import measure_pitch
from timbre.config import Config, SpectrogramConfig, VocoderConfig
from timbre.models.vae import VAE
from timbre.playback.controls import Controls, State, central_point
from timbre.playback.engine.engine import Engine
from timbre.playback.player import Player
from timbre.space import Space
from timbre.vocoder.network import make_vocoder
from timbre.vocoder.trained import TrainedVocoder

VOICES = (1, 4, 8)
PITCHES, VELOCITY = (60, 55, 64, 67, 52, 72), 102  # MIDI
GLIDES = 30.0  # s, of notes that are shaped by themselves
HELD, REST = 0.5, 0.4  # s: length of a note, and pause after it
SEARCHED, LATEST = 0.4, 0.5  # s: part of a note to search for, and its largest latency
FULL_RATE = SpectrogramConfig(sample_rate=44100, n_fft=2560, hop_length=640, n_mels=384)

Strike = tuple[Callable[[int], None], Callable[[int], None]]
"""Functions that start and release a note of a pitch."""


class Part(NamedTuple):
    """A part of a session: its times, the states before and after it, and when its notes were sent."""

    control: str
    voices: int
    begun: float
    ended: float
    before: State
    after: State
    load: float
    sent: list[tuple[float, int]]
    first: int
    """Number of notes that the player had started before."""


class Session:
    """Runs parts of the benchmark on a player, one after another."""

    def __init__(self, player: Player) -> None:
        self.player, self.parts, self._count = player, list[Part](), 0
        self._wait(1.0)

    def notes(self, control: str, count: int) -> None:
        """Send notes at random times."""
        generator = np.random.default_rng(0)
        with CONTROLS[control](self.player) as (on, off), self._part(control, 1) as (sent, loads):
            for number in range(count):
                pitch = PITCHES[number % len(PITCHES)]
                time.sleep(0.02 * generator.random())
                sent.append((time.monotonic(), pitch))
                on(pitch)
                loads.append(self._wait(HELD))
                off(pitch)
                self._wait(REST)
                self.player.panic()  # a ringing note would disturb the next one
                self._wait(0.1)
        self._count += count

    def held(self, voices: int, seconds: float) -> None:
        """Hold notes while another thread computes."""
        self._hold(voices)
        with self._part("held", voices) as (_, loads), sums():
            loads.append(self._wait(seconds))
        self._silence()

    def morph(self, voices: int, seconds: float) -> None:
        """Move held notes along a path through the space."""
        space = self.player.space
        names = list(space.atlas)
        stops = [space.atlas[name] for name in names[:: max(1, len(names) // 6)][:6]]
        self._hold(voices)
        self.player.path(space.path(*stops, stops[0]), duration=10.0, loop=True)
        with self._part("morph", voices) as (_, loads):
            loads.append(self._wait(seconds))
        self.player.path(None)
        self._silence()

    def expressive(self, seconds: float) -> None:
        """Glide, slide and press on every note by itself."""
        self.player.at(central_point(self.player.space))
        midi = _expressive.begin(self.player, _expressive.Gestures())
        self._wait(1.0)
        with self._part("mpe", _expressive.NOTES) as (_, loads):
            loads += _expressive.in_real_time(midi, seconds, self._wait)
        self._count += _expressive.NOTES
        self._silence()

    @contextmanager
    def _part(self, control: str, voices: int) -> Iterator[tuple[list[tuple[float, int]], list[float]]]:
        before, begun, sent, loads = self.player.state(), time.monotonic(), list[tuple[float, int]](), list[float]()
        yield sent, loads
        ended, after = time.monotonic(), self.player.state()
        load = float(np.mean(loads))
        self.parts.append(Part(control, voices, begun, ended, before, after, load, sent, self._count))

    def _hold(self, voices: int) -> None:
        self.player.hold(0.5)
        for number in range(voices):
            self.player.note_on(48 + 5 * number)
        self._count += voices
        self._wait(0.5)

    def _silence(self) -> None:
        self.player.panic()
        self.player.hold(None)
        self._wait(0.5)

    def _wait(self, seconds: float) -> float:
        """Wait, and return the mean load."""
        end, loads = time.monotonic() + seconds, [self.player.state().load]
        while (left := end - time.monotonic()) > 0.0:
            time.sleep(min(0.1, left))
            loads.append(self.player.state().load)
        self.player.check()
        return float(np.mean(loads))


@contextmanager
def by_osc(player: Controls) -> Iterator[Strike]:
    """OSC by a client of python-osc over loopback."""
    from pythonosc.udp_client import SimpleUDPClient

    from timbre.playback.inputs.osc import OscServer

    with OscServer(player, 0) as server, SimpleUDPClient("127.0.0.1", server.port) as client:
        yield (
            lambda pitch: client.send_message("/note", [pitch, VELOCITY / 127]),
            lambda pitch: client.send_message("/off", pitch),
        )


@contextmanager
def by_midi(player: Controls) -> Iterator[Strike]:
    """MIDI through JACK, from a virtual port."""
    import mido

    from timbre.playback.inputs.midi import MidiInput

    backend = mido.Backend("mido.backends.rtmidi/UNIX_JACK")
    with backend.open_output("keys", client_name="bench", virtual=True) as port, MidiInput(player, "bench"):
        time.sleep(0.5)  # JACK connects a moment after it reports so
        yield _struck(mido, port.send)


@contextmanager
def by_message(player: Controls) -> Iterator[Strike]:
    """MIDI messages passed within the process, without a MIDI system."""
    import mido

    from timbre.playback.inputs.midi import MidiInput

    yield _struck(mido, MidiInput(player).handle)


def _struck(mido: "object", send: Callable[..., None]) -> Strike:
    return (
        lambda pitch: send(mido.Message("note_on", note=pitch, velocity=VELOCITY)),
        lambda pitch: send(mido.Message("note_off", note=pitch)),
    )


CONTROLS: dict[str, Callable[[Controls], AbstractContextManager[Strike]]] = {
    "midi": by_midi, "midi in process": by_message, "osc": by_osc
}  # fmt: skip


@contextmanager
def sums() -> Iterator[None]:
    """Keep another thread of this process busy."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            sum(range(10000))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def measured(space: Space, server: Server, block: int, plan: Callable[[Session], None]) -> Iterator[Row]:
    """Play a plan; a row for each part of it."""
    with Recorder(server) as recorder, Player(space, device=server.device, block=block) as player:
        session = Session(player)
        plan(session)
        recording = recorder.stop()
    for part in session.parts:
        yield row(part, recording, server, note_figures(space, part, recording) if part.sent else {})


def row(part: Part, recording: Recording, server: Server, of_notes: Row) -> Row:
    """The row of a part."""
    sound = recording.part(part.begun, part.ended)
    of_all: Row = {} if part.sent else {"clicks": clicks(sound, server.rate), "gaps": gaps(sound, server.rate)}
    xruns = int(((recording.xruns > part.begun) & (recording.xruns < part.ended)).sum())
    columns = dict.fromkeys(("latency_ms", "worst_ms", "cents", "cents_offline", "notes", "clicks", "gaps"))
    before, after = part.before, part.after
    return {
        "server": server.name, "control": part.control, "voices": part.voices, "block": after.block,
        "underruns": after.underruns - before.underruns, **columns, **of_all, **of_notes, "xruns": xruns,
        "shed": after.shed - before.shed, "load": part.load, "ahead_ms": after.latency.buffering,
        "device_ms": after.latency.device, "rate": server.rate, "seconds": part.ended - part.begun,
    }  # fmt: skip


def note_figures(space: Space, part: Part, recording: Recording) -> Row:
    """Latency, tuning and clicks of the notes of a part."""
    rate, latencies, cents, cents_offline, more = recording.rate, [], [], [], 0
    for (when, pitch), expected in zip(part.sent, offline(space, part, rate), strict=True):
        start = round(recording.index(when))
        sound = recording.samples[start : start + round((LATEST + SEARCHED) * rate)]
        onset = find(sound, expected[: round(SEARCHED * rate)])
        if onset is None:
            continue
        latencies.append(1000.0 * onset / rate)
        more += max(0, clicks(sound[onset : onset + len(expected)], rate) - clicks(expected, rate))
        measured, wanted = (pitch_of(one, rate, pitch) for one in (sound[onset:], expected))
        if measured is not None and wanted is not None:
            cents.append(100.0 * abs(measured - pitch))
            cents_offline.append(100.0 * abs(measured - wanted))
    return {
        "latency_ms": float(np.median(latencies)) if latencies else None, "worst_ms": max(latencies, default=None),
        "cents": max(cents, default=None), "cents_offline": max(cents_offline, default=None),
        "notes": f"{len(latencies)} of {len(part.sent)}", "clicks": more,
    }  # fmt: skip


def offline(space: Space, part: Part, rate: int) -> Iterator[np.ndarray]:
    """The notes of a part rendered offline, from their first sample."""
    engine = Engine(space, sample_rate=rate, seed=part.first)
    late = round(engine.look_ahead * rate)
    for _, pitch in part.sent:
        engine.note_on(pitch, VELOCITY / 127)
        yield engine.render(late + round(HELD * rate))[late:]
        engine.panic()
        engine.render(rate // 20)


def pitch_of(sound: np.ndarray, rate: int, near: float) -> float | None:
    """Pitch (MIDI) of a note after its attack."""
    return measure_pitch(timbre.Audio(sound[round(0.1 * rate) : round(SEARCHED * rate)], rate), near)


def at_full_rate(space: Space) -> Space:
    """An untrained space of the same size at 44,100 Hz, and a vocoder with the default settings."""
    torch.manual_seed(0)
    config: Config = replace(space.config, spectrogram=FULL_RATE)
    vocoder = TrainedVocoder(make_vocoder(FULL_RATE, VocoderConfig()).eval(), VocoderConfig())
    return Space(config, VAE(config).eval(), space.atlas, {}, space.axes, vocoder)


def capacity(space: Space, runtime: str, inverter: str, seconds: float, kind: str = "") -> Row:
    """Number of voices that one core renders in real time."""
    rate = space.config.spectrogram.sample_rate
    low, high = 0, 65
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if share(space, runtime, inverter, middle, seconds) < 1.0 else (low, middle)
    return {
        "server": "none", "control": f"engine, {runtime}, {inverter}{kind}", "voices": low,
        "load": share(space, runtime, inverter, 8, seconds),
        "load_1": share(space, runtime, inverter, 1, seconds), "rate": rate, "seconds": seconds,
    }  # fmt: skip


def share(space: Space, runtime: str, inverter: str, voices: int, seconds: float) -> float:
    """Share of one processor that held voices need."""
    rate = space.config.spectrogram.sample_rate
    engine = Engine(space, voices=voices, runtime=runtime, inverter=inverter)
    engine.hold(0.5)
    for number in range(voices):
        engine.note_on(40 + 48 * number / voices, key=number)
    engine.render(rate // 2)
    begun = time.process_time()
    engine.render(round(seconds * rate))
    return (time.process_time() - begun) / seconds


def plans(server: str, args: argparse.Namespace) -> Iterator[tuple[int, Callable[[Session], None]]]:
    """Block sizes, and what to play at each."""
    controls = ("midi", "osc") if server == "jack" else ("midi in process", "osc")

    def notes(session: Session) -> None:
        for control in controls:
            session.notes(control, 5 if args.quick else 24)

    def everything(session: Session) -> None:
        notes(session)
        for voices in (4,) if args.quick else VOICES:
            session.held(voices, args.seconds)
        session.morph(4, args.seconds)
        session.expressive(min(args.seconds, GLIDES))

    yield 256, everything
    if server == "jack" and not args.quick:
        yield 128, notes
        yield 512, notes


SERVERS: dict[str, Callable[[int], AbstractContextManager[Server]]] = {
    "jack": lambda block: jack(44100, block), "pulse": lambda block: pulse(44100)
}  # fmt: skip


def rows(space: Space, args: argparse.Namespace) -> Iterator[Row]:
    """All rows."""
    for name in args.servers:
        for block, plan in plans(name, args):
            with SERVERS[name](block) as server:
                yield from measured(space, server, block, plan)
    glides = min(args.seconds, GLIDES)
    yield _expressive.through_page(space, args.space, glides)
    yield _expressive.tuning(space, glides, 2 if args.quick else _expressive.NOTES)
    yield from _expressive.cost(space, glides / 2)
    if args.quick:
        yield capacity(space, "onnxruntime", "rtpghi", 0.5)
        return
    for one, kind in ((space, ""), (at_full_rate(space), ", untrained")):
        for runtime in ("onnxruntime", "torch"):
            for inverter in ("rtpghi", "vocoder") if one.vocoder else ("rtpghi",):
                yield capacity(one, runtime, inverter, 4.0, kind)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", metavar="SPACE")
    parser.add_argument(
        "--servers", nargs="*", choices=tuple(SERVERS), help="default: jack and pulse, or jack alone with --quick"
    )
    parser.add_argument("--seconds", type=float, help="length of each held part; default: 60, or 2 with --quick")
    add_arguments(parser)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the servers as well
    torch.set_num_threads(1)
    args.seconds = args.seconds or (2.0 if args.quick else 60.0)
    if args.servers is None:
        args.servers = ["jack"] if args.quick else ["jack", "pulse"]
    for name in args.servers:
        if sentence := missing(name):
            parser.error(f"{name}: {sentence}")
    title, results = f"Live play of {args.space}; load average before it {os.getloadavg()[0]:.1f}", []
    for one in rows(timbre.load(args.space), args):
        results.append(one)
        print(one, flush=True)
    finish(results, args, title)


if __name__ == "__main__":
    main()
