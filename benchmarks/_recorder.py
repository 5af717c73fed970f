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
    """Record, then write the samples, the start times and first indices of the blocks, and the times of xruns."""
    gc.disable()  # its pauses would delay the server
    name, rate, target = sys.argv[1:]
    blocks: queue.SimpleQueue[tuple[float, np.ndarray]] = queue.SimpleQueue()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    xruns = (jack if name == "jack" else pulse)(blocks, ended, int(rate))
    times, sounds = zip(*(blocks.get() for _ in range(blocks.qsize())), strict=True)
    starts = np.cumsum([0, *map(len, sounds[:-1])])
    np.savez(target, samples=np.concatenate(sounds), times=times, starts=starts, xruns=np.array(xruns, float))
    os._exit(0)  # JACK's threads may hang


def jack(blocks: Blocks, ended: threading.Event, _rate: int) -> list[float]:
    """Record what PortAudio plays into JACK; connects its ports as they appear."""
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
    def registered(other: "jack.Port", exists: bool) -> None:
        if exists and other.name.startswith("PortAudio") and other.name.endswith("out_0"):
            new.put(other.name)

    client.activate()
    print("ready", flush=True)
    while not ended.wait(0.02):
        while not new.empty():
            client.connect(new.get(), port)
    client.deactivate()
    return xruns


def pulse(blocks: Blocks, ended: threading.Event, rate: int) -> list[float]:
    """Record the monitor of the null sink."""
    command = ["parec", "-d", "out.monitor", "--raw", "--format=float32le", "--channels=1", f"--rate={rate}"]
    source = subprocess.Popen([*command, "--latency-msec=5"], stdout=subprocess.PIPE, bufsize=0)
    assert source.stdout is not None  # it is a pipe
    rest = source.stdout.read(4)
    print("ready", flush=True)
    while not ended.is_set():
        rest += source.stdout.read(1 << 14)
        count = len(rest) // 4 * 4
        blocks.put((time.monotonic(), np.frombuffer(rest[:count], np.float32)))
        rest = rest[count:]
    source.kill()
    return []


if __name__ == "__main__":
    main()
