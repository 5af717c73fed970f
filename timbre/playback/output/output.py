"""Where sound goes: a device or the clock, served by a process of its own from a ring."""

import time
from typing import Any

import numpy as np

from timbre.errors import ConfigError
from timbre.playback.output.processes import WorkerProcess
from timbre.playback.output.ring import Ring

BLOCKS = (16, 8192)


class Output:
    """An open sound device, fed from a ring.

    Args:
        device: name or number; None is the system's default.
        block: samples per callback.
        sample_rate: Hz; None is the device's own.
        clock: no device at all: what is written is taken away as fast as a device would.
        capacity: samples that can wait.

    Attributes:
        ring: to write into; nothing of it is played before :meth:`start`.
        sample_rate: Hz.
        latency: s, as the device says.
        name: of the device.

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
        if not BLOCKS[0] <= block <= BLOCKS[1]:
            raise ConfigError(f"A block of {block} samples was asked for; {BLOCKS[0]} to {BLOCKS[1]} are wanted.")
        self.ring = Ring(capacity)
        request = {
            "ring": str(self.ring.file), "device": device, "block": block, "sample_rate": sample_rate, "clock": clock
        }  # fmt: skip
        try:
            self._process = WorkerProcess("timbre.playback.output.device", request)
            answer: dict[str, Any] = self._process.answer()
        except BaseException:
            self.ring.close()
            raise
        self.sample_rate, self.latency, self.name = int(answer["sample_rate"]), answer["latency"], answer["name"]

    def start(self) -> None:
        """Begin to take from the ring."""
        self.ring.running = True

    def wait(self) -> None:
        """Wait until all that was written has been played; nothing can be written any more."""
        self.ring.closing = True
        while not self._process.wait(0.05):
            pass

    def check(self) -> None:
        """Raise a DeviceError if the device's process has ended."""
        self._process.check()

    def close(self) -> None:
        """Give the device back."""
        self._process.close()
        self.ring.close()

    def __enter__(self) -> "Output":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def play_samples(samples: np.ndarray, sample_rate: int, device: int | str | None = None) -> None:
    """Play samples (n,) and come back at their end.

    Raises:
        DeviceError: as of :class:`Output`.
    """
    with Output(device, sample_rate=sample_rate, capacity=len(samples) + 1) as output:
        output.ring.forget()
        output.ring.write(samples)
        output.start()
        time.sleep(min(0.05, len(samples) / sample_rate))
        output.wait()
