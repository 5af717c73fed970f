"""`Output`: a sound device, or the clock in its place, that plays a ring in a process of its own."""

import time
from contextlib import AbstractContextManager

import numpy as np

from timbre.config.settings import require
from timbre.playback.output.processes import WorkerProcess
from timbre.playback.output.ring import Ring


class Output(AbstractContextManager["Output"]):
    """An open sound device that plays a ring.

    Args:
        device: name or number; default: the system's default device.
        block: samples per callback.
        sample_rate: Hz; default: that of the device.
        clock: use no device, and discard the samples at the pace of one.
        capacity: samples that the ring holds.

    Attributes:
        ring: write samples here; they are played once it is `running`.
        latency: s, as the device reports it.

    Raises:
        ConfigError: the block is out of range.
        DeviceError: sounddevice or PortAudio is missing, or the device does not open.
    """

    def __init__(
        self,
        device: int | str | None = None,
        block: int = 256,
        sample_rate: int | None = None,
        clock: bool = False,
        capacity: int = 1 << 16,
    ) -> None:
        require(16 <= block <= 8192, f"The block must have 16 to 8192 samples, got {block}.")
        self.ring = Ring(capacity)
        request = {"device": device, "block": block, "sample_rate": sample_rate, "clock": clock}
        try:
            self._process = WorkerProcess(
                "timbre.playback.output.device", request | {"ring": str(self.ring.file)}, [self.ring]
            )
            opened = self._process.receive()
        except BaseException:
            self.ring.close()
            raise
        self.sample_rate, self.latency, self.name = int(opened["sample_rate"]), opened["latency"], opened["name"]

    def wait(self) -> None:
        """Wait until all that was written has been played; nothing can be written after this."""
        self.ring.closing = True
        while not self._process.wait(0.05):
            pass

    def check(self) -> None:
        """Raise a DeviceError if the process of the device has ended."""
        self._process.check()

    def close(self) -> None:
        """Close the device."""
        self._process.close()
        self.ring.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def play_samples(samples: np.ndarray, sample_rate: int, device: int | str | None = None) -> None:
    """Play samples (n,), and return at their end; a DeviceError as for :class:`Output`."""
    with Output(device, sample_rate=sample_rate, capacity=len(samples) + 1) as output:
        output.ring.write(samples)
        output.ring.running = True
        time.sleep(min(0.05, len(samples) / sample_rate))
        output.wait()
