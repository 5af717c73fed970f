"""The process that sound goes out from: `python -m timbre.playback.output.device`, with nothing else to do.

It takes samples from a ring buffer (ring.py) in the callback of a sound device, or at the pace of the clock.
No other work shares its interpreter, so that nothing makes the callback late. It is told what to do by one line of JSON
and ends when its standard input does; it says what became of it in one line of JSON on standard output.
"""

import contextlib
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

_PRIORITY = 10  # of a real-time thread, low among those
_CATCH_UP = 0.02  # s that the clock may make good


def main() -> None:
    """Serve one ring, as the first line of standard input says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the player's business
    request = json.loads(sys.stdin.readline())
    over = threading.Event()
    threading.Thread(target=_wait_for_the_end, args=(over,), daemon=True).start()
    try:
        if request["clock"]:
            _by_the_clock(request, over)
        else:
            _through_a_device(request, over)
    except DeviceError as error:
        _say(error=str(error))


def sound_library() -> Any:
    """The module sounddevice.

    Raises:
        DeviceError: it is missing, or PortAudio is.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise DeviceError("Playing needs the package sounddevice: pip install 'timbre[play]'.") from error
    except OSError as error:
        raise DeviceError(
            "Playing needs the PortAudio library, which is missing; on Debian or Ubuntu: apt install libportaudio2."
        ) from error
    except Exception as error:  # PortAudio's own, which nobody can name before it is imported
        if type(error).__name__ != "PortAudioError":
            raise
        raise DeviceError(f"PortAudio does not start: {error}; mend the sound system's settings.") from error
    return sounddevice


def find_device(device: int | str | None) -> dict[str, Any]:
    """What PortAudio says of an output; the system's default where `device` is None.

    Raises:
        DeviceError: there is no such output, or none at all.
    """
    sounddevice = sound_library()
    outputs = [found for found in sounddevice.query_devices() if found["max_output_channels"] > 0]
    if not outputs:
        raise DeviceError("There is no sound device to play through; connect one, or use --no-audio with --record.")
    try:
        return dict(sounddevice.query_devices(device, "output"))
    except (ValueError, sounddevice.PortAudioError) as error:
        known = ", ".join(f"{found['index']} {found['name']}" for found in outputs)
        asked = "The default sound device" if device is None else f"The sound device {device!r}"
        reason = "is one of several" if "Multiple" in str(error) else "is not there"
        raise DeviceError(f"{asked} {reason}; there are: {known}.") from error


def _through_a_device(request: dict[str, Any], over: threading.Event) -> None:
    found = find_device(request["device"])
    sounddevice = sound_library()
    rate = request["sample_rate"] or round(found["default_samplerate"])
    ring = Ring(file=request["ring"])
    feed, channels = Feed(ring, rate), min(2, int(found["max_output_channels"]))
    urgent = threading.Event()

    def callback(out: np.ndarray, frames: int, _time: Any, status: Any) -> None:
        if not urgent.is_set():
            urgent.set()
            be_urgent(_PRIORITY)
        if status.output_underflow and ring.running:
            ring.stalled()
        feed.fill(out[:, 0])
        out[:, 1:] = out[:, :1]

    be_urgent(_PRIORITY)  # this thread too: while it holds the interpreter's lock, the callback waits for it
    try:
        stream = sounddevice.OutputStream(
            samplerate=rate, blocksize=request["block"], device=request["device"], channels=channels,
            dtype="float32", latency="low", callback=callback,
        )  # fmt: skip
        with stream:
            gc.freeze()
            _say(sample_rate=rate, latency=float(stream.latency), name=found["name"])
            while not over.wait(0.02) and not feed.ended:
                pass
            if feed.ended:
                time.sleep(float(stream.latency))
            _say(ended=True)
    except sounddevice.PortAudioError as error:
        raise DeviceError(f"The sound device {found['name']!r} does not open at {rate} Hz: {error}.") from error


def _by_the_clock(request: dict[str, Any], over: threading.Event) -> None:
    rate, block = request["sample_rate"] or 44100, request["block"] or 256
    ring = Ring(file=request["ring"])
    feed, out = Feed(ring, rate), np.zeros(block, np.float32)
    _say(sample_rate=rate, latency=0.0, name="clock")
    due = time.monotonic()
    while not over.is_set() and not feed.ended:
        feed.fill(out)
        due = max(due + block / rate, time.monotonic() - _CATCH_UP)
        time.sleep(max(0.0, due - time.monotonic()))
    _say(ended=True)


def be_urgent(priority: int) -> None:
    """Ask for a real-time priority for the calling thread, if it has none that is higher (JACK's callbacks have); where
    that is not allowed, all stays as it is."""
    if hasattr(os, "sched_setscheduler") and os.sched_getparam(0).sched_priority < priority:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))


def _wait_for_the_end(over: threading.Event) -> None:
    sys.stdin.read()
    over.set()


def _say(**facts: Any) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
