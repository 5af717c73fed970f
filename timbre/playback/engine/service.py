"""The process of a live engine: `python -m timbre.playback.engine.service`.

The request and then commands come as lines of JSON on standard input. Sound goes into a ring, and the state of the
engine into memory beside it, so no call waits for another process. The process ends when its standard input does.
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

from timbre.errors import TimbreError
from timbre.playback.engine.engine import Engine
from timbre.playback.engine.governor import Governor
from timbre.playback.engine.shared_state import write_state
from timbre.playback.output.device import raise_priority
from timbre.playback.output.ring import Ring
from timbre.space import load

_NICE, _PRIORITY = -10, 5  # the real-time priority, where one is allowed, is below that of the device
_WAIT, _IDLE = 0.0008, 0.0015  # s between looks at the ring: while notes sound, and in silence
_STATE_INTERVAL = 0.03  # s

Inbox = Iterator[list[dict[str, Any] | None]]


def main() -> None:
    """Serve the player that started this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the player handles Ctrl-C
    inbox = _inbox()
    while not (messages := next(inbox)):
        time.sleep(0.001)
    request = messages[0]
    if request is None:
        return
    torch.set_num_threads(1)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(_NICE)
    try:
        engine = Engine(load(request["folder"]), None, np.asarray(request["point"]), **request["settings"])
    except TimbreError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return
    rings = [Ring(file=name) for name in request["rings"]]  # the second one is the recording
    governor = Governor(engine, request["block"])
    write_state(rings[0], engine.state(), 1000.0 * governor.ahead / engine.sample_rate)
    print(json.dumps({"runtime": engine.runtime}), flush=True)
    gc.collect()
    gc.freeze()
    if (os.cpu_count() or 1) > 1:  # with one core, the player would be starved
        raise_priority(_PRIORITY)
    _serve(governor, rings, inbox)


def _serve(governor: Governor, rings: list[Ring], inbox: Inbox) -> None:
    """Render whenever the ring is below the governor's target, and carry out commands in between."""
    engine = governor.engine
    size = max(1, round(engine.step * engine.sample_rate / engine.space.config.spectrogram.sample_rate))
    shared = 0.0
    while True:
        short = rings[0].filled < governor.ahead
        for message in next(inbox):
            if message is None:
                return
            engine.apply(message["name"], message["values"])
        if short:
            started = time.perf_counter()
            block = engine.render(size)
            for ring in rings:
                ring.write(block)
            governor.rendered(time.perf_counter() - started, size / engine.sample_rate, rings[0].underruns)
        else:
            select.select([sys.stdin], [], [], _WAIT if engine.sounding else _IDLE)
        if (now := time.monotonic()) - shared > _STATE_INTERVAL:
            shared = now
            write_state(rings[0], engine.state(), 1000.0 * governor.ahead / engine.sample_rate)


def _inbox() -> Inbox:
    """The messages since the last look; None at the end of standard input."""
    rest = b""
    while True:
        messages: list[dict[str, Any] | None] = []
        while select.select([sys.stdin], [], [], 0)[0]:
            content = os.read(sys.stdin.fileno(), 1 << 16)
            if not content:
                messages.append(None)
                break
            *lines, rest = (rest + content).split(b"\n")
            messages += [json.loads(line) for line in lines]
        yield messages


if __name__ == "__main__":
    main()
