"""Records a sound server until standard input ends: _recorder.py jack|pulse RATE OUT.npz (see _servers.py)."""

import gc
import os
import queue
import subprocess
import sys
import threading
import time

import numpy as np

Blocks = "queue.SimpleQueue[tuple[float, np.ndarray]]"


def main() -> None:
    """Record; then write samples, the times at which blocks began, the places of these, and the times of xruns."""
    gc.disable()  # which would hold up the server now and then
    name, rate, target = sys.argv[1:]
    blocks: queue.SimpleQueue[tuple[float, np.ndarray]] = queue.SimpleQueue()
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    xruns = (jack if name == "jack" else pulse)(blocks, over, int(rate))
    found = [blocks.get() for _ in range(blocks.qsize())]
    sizes = [len(samples) for _, samples in found]
    np.savez(
        target, samples=np.concatenate([samples for _, samples in found]), times=[when for when, _ in found],
        places=np.cumsum([0, *sizes[:-1]]), xruns=np.array(xruns, float),
    )  # fmt: skip
    os._exit(0)  # JACK's threads may hang


def jack(blocks: Blocks, over: threading.Event, _rate: int) -> list[float]:
    """From whatever PortAudio plays into JACK, as its ports appear."""
    import jack

    client = jack.Client("recorder", servername=os.environ["JACK_DEFAULT_SERVER"], no_start_server=True)
    port, xruns = client.inports.register("in"), list[float]()
    new: queue.SimpleQueue[str] = queue.SimpleQueue()

    @client.set_process_callback
    def process(_frames: int) -> None:
        since = client.frames_since_cycle_start / client.samplerate  # this callback may come late
        blocks.put((time.monotonic() - since, port.get_array().copy()))

    @client.set_xrun_callback
    def xrun(_delay: float) -> None:
        xruns.append(time.monotonic())

    @client.set_port_registration_callback(only_available=False)
    def registered(found: "jack.Port", there: bool) -> None:
        if there and found.name.startswith("PortAudio") and found.name.endswith("out_0"):
            new.put(found.name)

    client.activate()
    print("ready", flush=True)
    while not over.wait(0.02):
        while not new.empty():
            client.connect(new.get(), port)
    client.deactivate()
    return xruns


def pulse(blocks: Blocks, over: threading.Event, rate: int) -> list[float]:
    """From the null sink's monitor."""
    command = ["parec", "-d", "out.monitor", "--raw", "--format=float32le", "--channels=1", f"--rate={rate}"]
    source = subprocess.Popen([*command, "--latency-msec=5"], stdout=subprocess.PIPE, bufsize=0)
    assert source.stdout is not None  # it was asked for
    rest = source.stdout.read(4)
    print("ready", flush=True)
    while not over.is_set():
        rest += source.stdout.read(1 << 14)
        count = len(rest) // 4 * 4
        blocks.put((time.monotonic(), np.frombuffer(rest[:count], np.float32)))
        rest = rest[count:]
    source.kill()
    return []


if __name__ == "__main__":
    main()
