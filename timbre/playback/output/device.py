"""The process that plays sound: `python -m timbre.playback.output.device`.

It reads a ring (ring.py) in the callback of a sound device, or at the pace of the clock. No other work shares its
interpreter, so nothing delays the callback. One line of JSON on standard input is its request; it answers by lines of
JSON on standard output, and ends when its standard input does.
"""

import contextlib
import functools
import gc
import json
import os
import signal
import sys
import threading
import time
from typing import Any

import numpy as np

from timbre.errors import DeviceError
from timbre.playback.output.ring import Feed, Ring
from timbre.wording import needs

_PRIORITY = 10  # real-time priority, a low one
_MAX_LAG = 0.02  # s that the clock catches up


def main() -> None:
    """Play one ring, as the first line of standard input requests."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the player handles Ctrl-C
    request = json.loads(sys.stdin.readline())
    ended = threading.Event()
    threading.Thread(target=_wait_for_end, args=(ended,), daemon=True).start()
    try:
        (_play_by_clock if request["clock"] else _play_by_device)(request, ended)
    except DeviceError as error:
        _report(error=str(error))


def sound_library() -> Any:
    """The module sounddevice; a DeviceError if it or PortAudio is missing."""
    try:
        import sounddevice
    except ImportError as error:
        raise DeviceError(needs("Playing", "sounddevice")) from error
    except OSError as error:
        raise DeviceError(
            "Playing needs the PortAudio library, which is missing; on Debian or Ubuntu: apt install libportaudio2."
        ) from error
    except Exception as error:  # PortAudioError, which has no name before the import
        if type(error).__name__ != "PortAudioError":
            raise
        raise DeviceError(f"PortAudio does not start: {error}; check the settings of the sound system.") from error
    return sounddevice


def list_outputs() -> list[dict[str, Any]]:
    """Number, name, sound system, channels and sample rate (Hz) of each output; a DeviceError without PortAudio."""
    sounddevice = sound_library()
    return [
        {
            "number": output["index"],
            "name": output["name"],
            "system": sounddevice.query_hostapis(output["hostapi"])["name"],
            "channels": output["max_output_channels"],
            "sample_rate": round(output["default_samplerate"]),
        }
        for output in sounddevice.query_devices()
        if output["max_output_channels"] > 0
    ]


def find_device(device: int | str | None) -> dict[str, Any]:
    """PortAudio's description of an output, None for the system's default; a DeviceError if there is none."""
    sounddevice, outputs = sound_library(), list_outputs()
    if not outputs:
        raise DeviceError("There is no sound device to play through; connect one, or use --no-audio with --record.")
    try:
        return dict(sounddevice.query_devices(device, "output"))
    except (ValueError, sounddevice.PortAudioError) as error:
        available = ", ".join(f"{output['number']} {output['name']}" for output in outputs)
        name = "The default sound device" if device is None else f"The sound device {device!r}"
        reason = "is one of several" if "Multiple" in str(error) else "is not there"
        raise DeviceError(f"{name} {reason}; there are: {available}.") from error


def _play_by_device(request: dict[str, Any], ended: threading.Event) -> None:
    output = find_device(request["device"])
    sounddevice = sound_library()
    rate = request["sample_rate"] or round(output["default_samplerate"])
    ring = Ring(file=request["ring"])
    feed, channels = Feed(ring, rate), min(2, int(output["max_output_channels"]))
    raise_once = functools.cache(raise_priority)

    def callback(out: np.ndarray, frames: int, _time: Any, status: Any) -> None:
        raise_once(_PRIORITY)
        if status.output_underflow and ring.running:
            ring.stalls += 1
        feed.fill(out[:, 0])
        out[:, 1:] = out[:, :1]

    raise_priority(_PRIORITY)  # of this thread too: the callback waits while it has the interpreter's lock
    try:
        with sounddevice.OutputStream(
            samplerate=rate, blocksize=request["block"], device=request["device"], channels=channels,
            dtype="float32", latency="low", callback=callback,
        ) as stream:  # fmt: skip
            gc.freeze()
            _report(sample_rate=rate, latency=float(stream.latency), name=output["name"])
            while not ended.wait(0.02) and not feed.ended:
                pass
            if feed.ended:
                time.sleep(float(stream.latency))
    except sounddevice.PortAudioError as error:
        raise DeviceError(f"The sound device {output['name']!r} does not open at {rate} Hz: {error}.") from error


def _play_by_clock(request: dict[str, Any], ended: threading.Event) -> None:
    rate, block = request["sample_rate"] or 44100, request["block"]
    feed, out = Feed(Ring(file=request["ring"]), rate), np.zeros(block, np.float32)
    _report(sample_rate=rate, latency=0.0, name="clock")
    due = time.monotonic()
    while not ended.is_set() and not feed.ended:
        feed.fill(out)
        due = max(due + block / rate, time.monotonic() - _MAX_LAG)
        time.sleep(max(0.0, due - time.monotonic()))


def raise_priority(priority: int) -> None:
    """Give the calling thread a real-time priority if the system allows it and the thread has no higher one (JACK's
    callbacks have)."""
    if hasattr(os, "sched_setscheduler") and os.sched_getparam(0).sched_priority < priority:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))


def _wait_for_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def _report(**values: Any) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
