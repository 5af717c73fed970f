"""Playing live through real sound servers: latency from an event to its sound, tuning, underruns, clicks.

    benchmarks/live.py SPACE [--servers jack pulse] [--seconds S] [--quick] [--json FILE]

JACK runs on its dummy driver and PulseAudio with a null sink; a process of its own records what they play.

- Notes: by MIDI (through JACK's MIDI ports; under PulseAudio messages are handed over in this process) and by OSC over
  loopback. Latency is the time from the moment before the event is sent to the place in the recording where the note
  begins: where it first reaches a twentieth of its peak, less the time that the same note takes for that when an
  engine renders it offline. Median and worst of all notes. Under JACK the recording is what a card would be given in
  the same period. Cents: partials of the recorded note against those of the offline one.
- Load: held notes for a minute, while another Python thread of the player's process does sums.
- Morph: four held notes follow a loop through six known sounds for a minute; a click is a peak of the second
  difference that stands out three times above all that lies within 15 ms of it.
- Voices: how many one core renders in real time, at the space's rate, and with a decoder of 44,100 Hz (untrained, for
  the speed does not depend on it).
"""

import argparse
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

import numpy as np
import torch
from _servers import Recorder, Server, jack, missing, pulse
from _table import Row, add_arguments, finish

import timbre
from timbre.config import Config, SpectrogramConfig
from timbre.models.vae import VAE
from timbre.playback.controls import Controls
from timbre.playback.engine import Engine
from timbre.playback.player import Player
from timbre.space import Space

VOICES = (1, 4, 8)
PITCH, HELD, REST = 60, 0.5, 0.7  # MIDI; s that a note is held, and until the next
FULL_RATE = SpectrogramConfig(sample_rate=44100, n_fft=2048, hop_length=512, n_mels=512)


def clicks(sound: np.ndarray, rate: int) -> int:
    """Peaks of the second difference that stand out from their neighbourhood."""
    width = rate // 1000  # 1 ms
    rough = np.abs(np.diff(sound, 2))
    peaks = rough[: len(rough) // width * width].reshape(-1, width).max(1)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(peaks, 15), 31).copy()
    around[:, 14:17] = 0.0  # the peak itself, and those that it touches
    return int(((peaks > 3.0 * around.max(1)) & (peaks > 1e-3)).sum())


def sharp(space: Space) -> np.ndarray:
    """A known sound that begins quickly: the pitched one whose first 50 ms are loudest beside the rest."""
    pitched = [name for name, pitch in zip(space.atlas, space.atlas.pitches, strict=True) if 55 <= pitch <= 67]
    chosen = pitched[:: max(1, len(pitched) // 12)]

    def begins(name: str) -> float:
        sound = space.sound(space.atlas[name][None], PITCH, 0.8, 1.0, inverter="rtpghi").samples[0]
        early = round(0.05 * len(sound))
        return float(np.abs(sound[:early]).max() / np.abs(sound).max())

    return np.asarray(space.atlas[max(chosen, key=begins)])


def offline(space: Space, point: np.ndarray, rate: int) -> tuple[np.ndarray, float]:
    """A note as an engine renders it, from its very beginning, and how long it takes to be heard (s)."""
    engine = Engine(space, point=point, sample_rate=rate)
    engine.note_on(PITCH)
    late = round(engine.look_ahead * rate)
    sound = engine.render(rate + late)[late:]
    return sound, first(sound) / rate


def first(sound: np.ndarray) -> int:
    """Place of the first sample that reaches a twentieth of the peak."""
    return int(np.argmax(np.abs(sound) > 0.05 * np.abs(sound).max()))


def cents(sound: np.ndarray, rate: int, near: float) -> float:
    """Pitch of a sound's first partials (weighted by their power) against `near` (Hz), by parabolas."""
    size = 1 << 17
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), size))
    found = []
    for number in range(1, 7):
        low, high = (int(number * near * 2.0 ** (side / 24) * size / rate) for side in (-1, 1))
        k = low + int(spectrum[low:high].argmax())
        a, b, c = np.log(spectrum[k - 1 : k + 2] + 1e-12)
        place = (k + 0.5 * (a - c) / (a - 2.0 * b + c)) * rate / size / number
        found.append((1200.0 * np.log2(place / near), spectrum[k] ** 2))
    return float(np.average([value for value, _ in found], weights=[weight for _, weight in found]))


def notes(space: Space, server: Server, control: str, block: int, count: int) -> Row:
    """Notes played by MIDI or OSC and recorded back."""
    point = sharp(space)
    played, rise = offline(space, point, server.rate)
    generator, sent = np.random.default_rng(0), []
    with (
        Recorder(server) as recorder,
        Player(space, point=point, device=server.device, block=block) as player,
        CONTROLS[control](player) as (on, off),
    ):
        time.sleep(1.0)
        for _ in range(count):
            time.sleep(REST + 0.02 * generator.random())
            sent.append(time.monotonic())
            on()
            time.sleep(HELD)
            off()
        time.sleep(REST)
        state, recording = player.state(), recorder.stop()
    late, tuning = [], []
    for when in sent:
        place = round(recording.place(when))
        heard = recording.samples[place : place + round((HELD + 0.2) * server.rate)]
        late.append(1000.0 * (first(heard) / recording.rate - rise))
        steady = slice(round(0.1 * server.rate), round(0.45 * server.rate))
        at = first(heard) - first(played)
        hz = 440.0 * 2.0 ** ((PITCH - 69) / 12)
        tuning.append(cents(heard[at:][steady], server.rate, hz) - cents(played[steady], server.rate, hz))
    return {
        "server": server.name, "control": control, "voices": 1, "block": block, "underruns": state.underruns,
        "latency_ms": float(np.median(late)), "latency_worst_ms": float(np.max(late)),
        "told_ms": state.latency.total, "cents": float(np.median(np.abs(tuning))),
        "clicks": clicks(recording.samples, server.rate), "load": state.load, "seconds": len(sent) * (HELD + REST),
    }  # fmt: skip


Keys = tuple[Callable[[], None], Callable[[], None]]


@contextmanager
def by_osc(player: Controls) -> Iterator[Keys]:
    """A client of python-osc over loopback."""
    from pythonosc.udp_client import SimpleUDPClient

    from timbre.playback.osc import OscServer

    with OscServer(player, 0) as server, SimpleUDPClient("127.0.0.1", server.port) as client:
        yield lambda: client.send_message("/note", [PITCH, 0.8]), lambda: client.send_message("/off", PITCH)


@contextmanager
def by_midi(player: Controls) -> Iterator[Keys]:
    """JACK's MIDI ports, from one of our own to another."""
    import mido

    from timbre.playback.midi import MidiInput

    backend = mido.Backend("mido.backends.rtmidi/UNIX_JACK")
    with backend.open_output("keys", client_name="bench", virtual=True) as port, MidiInput(player, "bench"):
        on, off = (mido.Message(kind, note=PITCH, velocity=102) for kind in ("note_on", "note_off"))
        yield lambda: port.send(on), lambda: port.send(off)


@contextmanager
def by_message(player: Controls) -> Iterator[Keys]:
    """MIDI messages that are handed over in the process, where there is no MIDI system."""
    import mido

    from timbre.playback.midi import MidiInput

    midi = MidiInput(player)
    on, off = (mido.Message(kind, note=PITCH, velocity=102) for kind in ("note_on", "note_off"))
    yield lambda: midi.handle(on), lambda: midi.handle(off)


CONTROLS: dict[str, Callable[[Controls], AbstractContextManager[Keys]]] = {
    "osc": by_osc, "midi": by_midi, "midi message": by_message
}  # fmt: skip


def held(space: Space, server: Server, voices: int, block: int, seconds: float, busy: bool) -> Row:
    """Held notes, beside a thread that does sums; or, not busy, a morph of them."""
    names = list(space.atlas)
    stops = [space.atlas[name] for name in names[:: max(1, len(names) // 6)][:6]]
    with Recorder(server) as recorder, Player(space, device=server.device, block=block, voices=8) as player:
        player.hold(0.5)
        for number in range(voices):
            player.note_on(48 + 5 * number)
            time.sleep(0.05)
        if not busy:
            player.path(space.path(*stops, stops[0]), duration=10.0, loop=True)
        with sums() if busy else nullcontext():
            time.sleep(seconds)
        state, recording = player.state(), recorder.stop()
    return {
        "server": server.name, "control": "held + busy thread" if busy else "morph", "voices": voices, "block": block,
        "underruns": state.underruns, "latency_ms": None, "told_ms": state.latency.total, "cents": None,
        "clicks": clicks(recording.samples, server.rate), "load": state.load, "xruns": recording.xruns,
        "shed": state.shed, "seconds": seconds,
    }  # fmt: skip


@contextmanager
def sums() -> Iterator[None]:
    """Another thread of this process that never rests."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            sum(range(10000))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def at_full_rate(space: Space) -> Space:
    """A space of the same size for 44,100 Hz, untrained."""
    torch.manual_seed(0)
    config: Config = replace(space.config, spectrogram=FULL_RATE)
    return Space(config, VAE(config).eval(), space.atlas, {}, space.axes)


def capacity(space: Space, runtime: str, seconds: float) -> Row:
    """How many voices one core renders in real time."""
    rate, most, load = space.config.spectrogram.sample_rate, 0, 0.0
    for voices in range(1, 33):
        engine = Engine(space, voices=voices, runtime=runtime)
        engine.hold(0.5)
        for number in range(voices):
            engine.note_on(40 + 48 * number / voices, key=number)
        engine.render(rate // 2)
        begun = time.perf_counter()
        engine.render(round(seconds * rate))
        share = (time.perf_counter() - begun) / seconds
        load = share if voices == 8 else load
        if share >= 1.0:
            break
        most = voices
    return {
        "server": "none", "control": f"{runtime} at {rate} Hz", "voices": most, "block": engine.step, "underruns": 0,
        "latency_ms": None, "cents": None, "clicks": 0, "load": load, "seconds": seconds,
    }  # fmt: skip


def through(space: Space, server: str, args: argparse.Namespace) -> Iterator[Row]:
    """All rows of a server."""
    blocks = (256,) if args.quick or server == "pulse" else (256, 128, 512)
    for block in blocks:
        for control in ("midi", "osc") if server == "jack" else ("midi message", "osc"):
            with SERVERS[server](block) as one:
                yield notes(space, one, control, block, 5 if args.quick else 24)
    with SERVERS[server](256) as one:
        for voices in VOICES if not args.quick else (4,):
            yield held(space, one, voices, 256, args.seconds, busy=True)
        yield held(space, one, 4, 256, args.seconds, busy=False)


SERVERS: dict[str, Callable[[int], AbstractContextManager[Server]]] = {
    "jack": lambda block: jack(44100, block), "pulse": lambda block: pulse(44100)
}  # fmt: skip


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", metavar="SPACE")
    parser.add_argument("--servers", nargs="*", choices=tuple(SERVERS), help="jack and pulse; jack alone if --quick")
    parser.add_argument("--seconds", type=float, help="of each held row; 60, and 4 if --quick")
    add_arguments(parser)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.seconds = args.seconds or (4.0 if args.quick else 60.0)
    servers = args.servers if args.servers is not None else (["jack"] if args.quick else ["jack", "pulse"])
    space, rows = timbre.load(args.space), []
    for server in servers:
        if sentence := missing(server):
            parser.error(f"{server}: {sentence}")
        for row in through(space, server, args):
            rows.append(row)
            print(row, flush=True)
    for runtime in ("onnxruntime", "torch"):
        for one in (space, at_full_rate(space)):
            rows.append(capacity(one, runtime, 1.0 if args.quick else 4.0))
            print(rows[-1], flush=True)
    finish(rows, args, f"Live play of {args.space}")


if __name__ == "__main__":
    main()
