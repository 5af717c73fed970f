"""The process that a live engine runs in: `python -m timbre.playback.engine.service`.

Events come as lines of JSON on standard input, sound goes into a ring, and so does what the engine is doing, as plain
numbers; no call waits for another process. It ends when its standard input does.
"""

import contextlib
import gc
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

import timbre
from timbre.errors import TimbreError
from timbre.playback.engine import shared_state as facts
from timbre.playback.engine.engine import Engine
from timbre.playback.engine.governor import Governor
from timbre.playback.output.device import be_urgent
from timbre.playback.output.ring import Ring

_NICE, _PRIORITY = -10, 5  # the second where real-time priorities are allowed; below the device's
_WAIT, _IDLE = 0.0008, 0.0015  # s between looks at the ring, while something sounds and while nothing does
_TELL = 0.03  # s between two reports

Inbox = Iterator[list[dict[str, Any] | None]]


def main() -> None:
    """Serve the player that started this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the player's business
    inbox = _inbox()
    while not (lines := next(inbox)):
        time.sleep(0.001)
    request = lines[0]
    if request is None:
        return
    torch.set_num_threads(1)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(_NICE)
    try:
        engine = Engine(
            timbre.load(request["folder"]), None, np.asarray(request["point"], np.float32), voices=request["voices"],
            sample_rate=request["sample_rate"], seed=request["seed"], inverter=request["inverter"],
            runtime=request["runtime"],
        )  # fmt: skip
    except TimbreError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return
    rings = [Ring(file=name) for name in (request["ring"], request["tap"]) if name]
    governor = Governor(engine, request["block"])
    facts.tell(rings[0], engine, governor.ahead)
    print(json.dumps({"runtime": engine.runtime, "sample_rate": engine.sample_rate}), flush=True)
    gc.collect()
    gc.freeze()
    if (os.cpu_count() or 1) > 1:  # an only core would have nothing left for whoever plays
        be_urgent(_PRIORITY)
    _serve(engine, governor, rings, inbox)


def _serve(engine: Engine, governor: Governor, rings: list[Ring], inbox: Inbox) -> None:
    """Render whenever there is less in the ring than the governor wants, and carry out events in between."""
    size = max(1, round(engine.step * engine.sample_rate / engine.space.config.spectrogram.sample_rate))
    told = 0.0
    while True:
        short = rings[0].filled < governor.ahead
        for event in next(inbox):
            if event is None:
                return
            engine.apply(event["name"], event["values"])
        if short:
            begun = time.perf_counter()
            block = engine.render(size)
            for ring in rings:
                ring.write(block)
            governor.rendered(time.perf_counter() - begun, size / engine.sample_rate, rings[0].underruns)
        else:
            select.select([sys.stdin], [], [], _WAIT if engine.sounding else _IDLE)
        if (now := time.monotonic()) - told > _TELL:
            told = now
            facts.tell(rings[0], engine, governor.ahead)


def _inbox() -> Inbox:
    """What has come since the last look; None at the end of all."""
    waiting = b""
    while True:
        events: list[dict[str, Any] | None] = []
        while select.select([sys.stdin], [], [], 0)[0]:
            came = os.read(sys.stdin.fileno(), 1 << 16)
            if not came:
                events.append(None)
                break
            *lines, waiting = (waiting + came).split(b"\n")
            events += [json.loads(line) for line in lines]
        yield events


if __name__ == "__main__":
    main()
