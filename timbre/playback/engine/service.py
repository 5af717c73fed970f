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
import tempfile
import threading
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
from timbre.space import Space, load

_NICE, _PRIORITY = -10, 5  # the real-time priority, where one is allowed, is below that of the device
_WAIT, _IDLE = 0.0008, 0.0015  # s between looks at the ring: while notes sound, and in silence
_STATE_INTERVAL = 0.03  # s

Inbox = Iterator[list[dict[str, Any] | None]]


def main() -> None:
    """Serve the player that started this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the player handles Ctrl-C
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    threading.Thread(target=_end_with_the_player, daemon=True).start()
    torch.set_num_threads(1)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(_NICE)
    inbox = _inbox()
    try:
        request, space = _start(inbox)
        engine = Engine(space, None, np.asarray(request["point"]), **request["settings"])
    except TimbreError as error:
        _report(error=str(error))
        return
    rings = [Ring(file=name) for name in request["rings"]]  # the second one is the recording
    governor = Governor(engine, request["block"])
    write_state(rings[0], engine.state(), 1000.0 * governor.ahead / engine.sample_rate)
    _report(runtime=engine.runtime)
    gc.collect()
    gc.freeze()
    if (os.cpu_count() or 1) > 1:  # with one core, the player would be starved
        raise_priority(_PRIORITY)
    _serve(governor, rings, inbox)


def _start(inbox: Inbox) -> tuple[dict[str, Any], Space]:
    """The request, and the space that the player saves in a folder of this process, which is removed at once.

    This process makes and removes the folder: it also ends in order when the player is killed.
    """
    request = _next(inbox)
    with tempfile.TemporaryDirectory(prefix="timbre-") as folder:
        saved = os.path.join(folder, "space")
        _report(folder=saved)
        _next(inbox)
        return request, load(saved)


def _next(inbox: Inbox) -> dict[str, Any]:
    while not (messages := next(inbox)):
        time.sleep(0.001)
    if messages[0] is None:
        sys.exit()
    return messages[0]


def _end_with_the_player() -> None:
    """End this process when its standard input is closed, also while it is starting."""
    closed = select.poll()
    closed.register(sys.stdin, 0)  # reports the end only
    closed.poll()
    os.kill(os.getpid(), signal.SIGTERM)


def _report(**values: Any) -> None:
    print(json.dumps(values), flush=True)


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
            try:
                engine.apply(message["name"], message["values"])
            except Exception as error:  # noqa: BLE001  (no command ends the sound)
                engine.refuse(f"{message.get('name')}: {error}")
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
